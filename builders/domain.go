package builders

import (
	"slices"
	"strconv"
	"strings"

	"github.com/beevik/etree"
	"libvirt.org/go/libvirtxml"

	"jeos/internal/config"
	"jeos/plan"
)

// spareRootPorts is how many devices can be plugged into a running guest.
const spareRootPorts = 4

// domain is one guest with all that its definition is made of (https://libvirt.org/formatdomain.html).
type domain struct {
	site     string
	guest    *config.Guest
	poolPath string
	image    string   // what it is made from, as its attribute says it
	accel    string   // "kvm" or "tcg"
	seed     int      // generation
	kept     []string // disks that are in no file any more and must survive all the same
	manifest bool     // it bakes an image, and has a disk for the list of what that holds
	attrs    []plan.Attr
	isolates map[string]bool // networks whose ports are isolated
	passed   []hostDevice    // devices of the host
}

func (d *domain) name() string { return DomainName(d.site, d.guest.Name) }

func (d *domain) mark() *mark {
	return &mark{
		kind: plan.KindGuest, site: d.site, name: d.guest.Name,
		accel: d.accel, seed: d.seed, kept: d.kept, applied: attrValues(d.attrs),
	}
}

// wanted returns the attributes of the guest, but for those of its seed.
func (d *domain) wanted() []plan.Attr {
	g := d.guest
	l := attrList{}
	l.add(attrName, d.name())
	l.add(attrAutostart, strconv.FormatBool(g.Autostart))
	l.add(attrPersistent, "true")
	if g.Running != nil {
		l.add(attrRunning, strconv.FormatBool(*g.Running))
	}
	l.add("cpus", strconv.Itoa(g.CPUs))
	l.add("memory", config.FormatSize(g.Memory))
	l.add("arch", g.Arch)
	l.add("machine", canonicalMachine(g.Machine))
	l.add("firmware", g.Firmware)
	if g.Accel != accelAuto {
		l.add(attrAccel, g.Accel)
	}
	l.add("report", "true")
	l.add(attrProtect, strconv.FormatBool(g.Protect))
	l.add(attrKeep, strings.Join(keptDisks(g), " "))
	l.add(attrStopTimeout, g.StopTimeout.String())
	l.add(attrForceStop, strconv.FormatBool(g.ForceStop))
	l.add(attrImage, d.image)
	for _, n := range g.NICs {
		l.add("nic."+n.Name, d.nicValue(n))
		for name, value := range d.guarded(n) {
			l.add(name, value)
		}
	}
	for _, h := range d.passed {
		l.add(h.attr(), h.value())
	}
	for _, disk := range d.disks() {
		l.add("disk."+disk.name, disk.volume)
	}
	return l.list
}

// resource returns the guest as a resource, with those volumes.
func (d *domain) resource(volumes []plan.Resource) (plan.Resource, error) {
	g := d.guest
	xml, err := d.build()
	r := plan.Resource{
		Addr:         guestAddr(g.Name),
		Host:         d.name(),
		UUID:         GuestUUID(d.site, g.Name),
		Origin:       g.Origin,
		Attrs:        d.attrs,
		XML:          xml,
		Body:         volumeAddr(g.Name, rootDisk),
		Running:      g.Running,
		Autostart:    g.Autostart,
		StopTimeout:  g.StopTimeout,
		ForceStop:    g.ForceStop,
		ReadyTimeout: g.ReadyTimeout,
		Protect:      g.Protect,
		FollowImage:  g.FollowImage,
	}
	for _, v := range volumes {
		r.Parts = append(r.Parts, v.Addr)
	}
	slices.SortFunc(r.Parts, plan.Addr.Compare)
	return r, err
}

// keptDisks returns the names of the disks that survive the guest, sorted.
func keptDisks(g *config.Guest) []string {
	var names []string
	for _, d := range g.Disks {
		if d.Keep {
			names = append(names, d.Name)
		}
	}
	slices.Sort(names)
	return names
}

// build returns the whole definition, for a guest that is made.
func (d *domain) build() (string, error) {
	g := d.guest
	kib := uint(g.Memory >> 10)
	metadata, err := markXML(d.mark())
	if err != nil {
		return "", err
	}
	x := libvirtxml.Domain{
		Type:          domainType(d.accel),
		Name:          d.name(),
		UUID:          GuestUUID(d.site, g.Name),
		Metadata:      &libvirtxml.DomainMetadata{XML: metadata},
		Memory:        &libvirtxml.DomainMemory{Value: kib, Unit: "KiB"},
		CurrentMemory: &libvirtxml.DomainCurrentMemory{Value: kib, Unit: "KiB"},
		VCPU:          &libvirtxml.DomainVCPU{Placement: "static", Value: uint(g.CPUs)},
		OS: &libvirtxml.DomainOS{
			Type:        &libvirtxml.DomainOSType{Arch: g.Arch, Machine: g.Machine, Type: "hvm"},
			BootDevices: []libvirtxml.DomainBootDevice{{Dev: "hd"}},
		},
		Features:   &libvirtxml.DomainFeatureList{ACPI: &libvirtxml.DomainFeature{}},
		CPU:        d.cpu(),
		Clock:      &libvirtxml.DomainClock{Offset: "utc"},
		OnPoweroff: "destroy",
		OnReboot:   "restart",
		OnCrash:    "destroy",
		Devices:    d.devices(),
	}
	if g.Arch == "x86_64" {
		x.Features.APIC = &libvirtxml.DomainFeatureAPIC{}
	}
	if g.Firmware == "uefi" {
		x.OS.Firmware = "efi"
	}
	if d.manifest {
		x.OnReboot = "destroy" // a bake is one boot; another one would find half of its work done
	}
	return x.Marshal()
}

func (d *domain) devices() *libvirtxml.DomainDeviceList {
	list := &libvirtxml.DomainDeviceList{
		Controllers: []libvirtxml.DomainController{{Type: "usb", Model: "none"}},
		Channels:    []libvirtxml.DomainChannel{channel(reportPort), channel(agentPort)},
		MemBalloon:  &libvirtxml.DomainMemBalloon{Model: "virtio"},
		RNGs: []libvirtxml.DomainRNG{{
			Model:   "virtio",
			Backend: &libvirtxml.DomainRNGBackend{Random: &libvirtxml.DomainRNGBackendRandom{Device: "/dev/urandom"}},
		}},
	}
	list.Serials, list.Consoles = serialConsole()
	for i, disk := range d.disks() {
		list.Disks = append(list.Disks, d.disk(disk, diskTarget(i)))
	}
	for _, n := range d.guest.NICs {
		list.Interfaces = append(list.Interfaces, d.nic(n))
	}
	for _, h := range d.passed {
		if h.address != "" {
			list.Hostdevs = append(list.Hostdevs, h.build())
		}
	}
	if canonicalMachine(d.guest.Machine) == "q35" {
		// A port for each device on PCI Express: the disks, the cards, those of the host, the serial ports, the balloon and the
		// generator.
		ports := len(list.Disks) + len(list.Interfaces) + len(list.Hostdevs) + 3 + spareRootPorts
		list.Controllers = append(list.Controllers, rootPorts(ports)...)
	}
	return list
}

// rootPorts builds the root of PCI Express with n ports, each for one device.
func rootPorts(n int) []libvirtxml.DomainController {
	root := uint(0)
	list := []libvirtxml.DomainController{{Type: "pci", Index: &root, Model: "pcie-root"}}
	for range n {
		list = append(list, libvirtxml.DomainController{Type: "pci", Model: "pcie-root-port"})
	}
	return list
}

// edit returns the definition current with everything that jeos manages as wanted, and everything else as it was.
func (d *domain) edit(current string) (string, error) {
	doc, root, err := parseXML(current)
	if err != nil {
		return "", err
	}
	child(root, "name").SetText(d.name())
	editMark(root, d.mark())
	d.editCPUs(root)
	d.editMemory(root)
	if err := d.editAccel(root); err != nil {
		return "", err
	}
	removeArguments(root)
	devices := child(root, "devices")
	for _, edit := range []func(*etree.Element) error{d.editHostDevices, d.editNICs, d.editDisks, editReportPort} {
		if err := edit(devices); err != nil {
			return "", err
		}
	}
	return doc.WriteToString()
}
