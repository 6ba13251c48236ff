package builders

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/beevik/etree"

	"jeos/plan"
)

// Observe makes sense of what libvirt says: it finds what belongs to the site, and reads it in the terms of Build. Images
// are found under their hashes, since only the files know their names.
//
// What a bake left behind goes to Actual.Bakes: nothing of it is the site's for long.
//
// What is named as the site names things but is not the site's goes to Actual.Foreign. A guest counts as the site's by
// owner mark and UUID, whatever its name is now; a volume by its name.
func Observe(site, poolName string, inv *plan.Inventory) (*plan.Actual, Host) {
	o := &observer{
		site: site, inv: inv,
		actual: &plan.Actual{Pool: poolName, Objects: map[plan.Addr]*plan.Object{}, Bakes: map[string]*plan.Remains{}, Lost: map[string][]string{}, Foreign: map[plan.Addr]string{}},
		host:   Host{KVM: inv.KVM, Guests: map[string]Kept{}, Devices: inv.Devices},
		marks:  map[string]*mark{}, open: map[string]bool{},
	}
	o.observePool()
	for _, n := range inv.Networks {
		o.observeNetwork(n)
	}
	for _, f := range inv.Filters {
		o.observeFilter(f)
	}
	for _, d := range inv.Domains {
		o.observeDomain(d)
	}
	for _, v := range inv.Volumes {
		o.observeVolume(v)
	}
	o.countVolumes()
	return o.actual, o.host
}

type observer struct {
	site   string
	inv    *plan.Inventory
	actual *plan.Actual
	host   Host
	marks  map[string]*mark // by guest: of the domains of ours
	open   map[string]bool  // by name: volumes that a running domain of ours uses
}

func (o *observer) add(obj *plan.Object) { o.actual.Objects[obj.Addr] = obj }

// remains returns what is known of the remains of an image's bake, to add to it.
func (o *observer) remains(image string) *plan.Remains {
	if o.actual.Bakes[image] == nil {
		o.actual.Bakes[image] = &plan.Remains{}
	}
	return o.actual.Bakes[image]
}

func (o *observer) foreign(kind plan.Kind, host, why string) {
	if strings.HasPrefix(host, o.site+"-") {
		o.actual.Foreign[plan.Addr{Kind: kind, Name: host}] = why
	}
}

func (o *observer) observePool() {
	p := o.inv.Pool
	if p == nil {
		return
	}
	o.actual.VolumesUnknown = !p.Active
	if _, root, err := parseXML(p.XML); err == nil {
		o.host.PoolPath = text(root, "target/path")
	}
	o.add(&plan.Object{
		Addr: poolAddr(p.Name), Host: p.Name, State: state(p.Active), XML: p.XML,
		Attrs: map[string]string{attrActive: strconv.FormatBool(p.Active)},
	})
}

func state(active bool) plan.State {
	if active {
		return plan.Running
	}
	return plan.Off
}

func (o *observer) observeNetwork(n plan.HostNetwork) {
	_, root, err := parseXML(n.XML)
	if err != nil {
		o.foreign(plan.KindNetwork, n.Name, "its definition cannot be read")
		return
	}
	m := readMark(root, plan.KindNetwork)
	name, why := m.owner(o.site, n.UUID)
	if why != "" {
		o.foreign(plan.KindNetwork, n.Name, why)
		return
	}
	obj := &plan.Object{
		Addr: networkAddr(name), Host: n.Name, UUID: n.UUID, State: state(n.Active), XML: n.XML,
		Attrs: readNetwork(root, m), Applied: m.applied,
	}
	obj.Attrs[attrActive] = strconv.FormatBool(n.Active)
	obj.Attrs[attrAutostart] = strconv.FormatBool(n.Autostart)
	obj.Attrs[attrPersistent] = strconv.FormatBool(n.Persistent)
	if _, live, err := parseXML(n.LiveXML); n.LiveXML != "" && err == nil {
		running := liveMark(live, m)
		obj.Live, obj.LiveApplied = readNetwork(live, running), running.applied
	}
	if image, ok := bakeOf(name); ok {
		o.remains(image).Network = obj
		return
	}
	o.add(obj)
}

// liveMark returns the mark of a running object. One that runs without has what its definition says.
func liveMark(live *etree.Element, inactive *mark) *mark {
	if m := readMark(live, inactive.kind); m != nil {
		return m
	}
	return inactive
}

func (o *observer) observeDomain(d plan.HostDomain) {
	_, root, err := parseXML(d.XML)
	if err != nil {
		o.foreign(plan.KindGuest, d.Name, "its definition cannot be read")
		return
	}
	m := readMark(root, plan.KindGuest)
	o.observeLayer(d.Name, m)
	name, why := m.owner(o.site, d.UUID)
	if why != "" {
		o.foreign(plan.KindGuest, d.Name, why)
		return
	}
	def, err := readDefinition(o.site, root, m)
	if err == nil {
		err = def.addGuards(m, nil)
	}
	if err != nil {
		o.foreign(plan.KindGuest, d.Name, "its definition cannot be read")
		return
	}
	obj := &plan.Object{
		Addr: guestAddr(name), Host: d.Name, UUID: d.UUID, State: d.State, XML: d.XML,
		Attrs: def.attrs, Applied: m.applied, Needs: def.needs(),
		Protect:     m.applied[attrProtect] == "true",
		StopTimeout: m.applied[attrStopTimeout],
		ForceStop:   m.applied[attrForceStop] == "true",
		Saved:       d.ManagedSave,
	}
	obj.Attrs[attrRunning] = strconv.FormatBool(d.State == plan.Running)
	obj.Attrs[attrAutostart] = strconv.FormatBool(d.Autostart)
	obj.Attrs[attrPersistent] = strconv.FormatBool(d.Persistent)
	for name, value := range m.applied {
		switch name {
		case attrProtect, attrKeep, attrStopTimeout, attrForceStop:
			obj.Attrs[name] = value
		}
		if firstBoot(name) {
			obj.Attrs[name] = value
		}
	}
	o.observeLive(obj, d, m)
	if image, ok := bakeOf(name); ok {
		o.remains(image).Guest = obj
		return
	}
	o.add(obj)
	o.marks[name] = m
	o.host.Guests[name] = Kept{Accel: m.accel, Seed: m.seed, Applied: m.applied, Disks: m.keeps()}
}

// observeLive reads what a domain runs with.
func (o *observer) observeLive(obj *plan.Object, d plan.HostDomain, m *mark) {
	_, root, err := parseXML(d.LiveXML)
	if d.LiveXML == "" || err != nil {
		return
	}
	live := liveMark(root, m)
	def, err := readDefinition(o.site, root, live)
	if err == nil {
		err = def.addGuards(m, o.atWork)
	}
	if err != nil {
		return
	}
	def.asLive()
	obj.Live, obj.LiveApplied, obj.Detach, obj.Devices = def.attrs, live.applied, def.devices, def.cards
	obj.Uses = def.needs()
	obj.Needs = slices.Concat(obj.Needs, obj.Uses)
	slices.SortFunc(obj.Needs, plan.Addr.Compare)
	obj.Needs = slices.Compact(obj.Needs)
	for _, e := range root.FindElements("devices/disk") {
		o.open[diskSource(e)] = true
	}
}

func (o *observer) observeVolume(v plan.HostVolume) {
	attrs, size, complete := readVolume(v, o.inv.Names)
	obj := &plan.Object{Host: v.Name, XML: v.XML, Attrs: attrs, Size: size, Complete: complete}
	if i, ok := parseImage(v.Name); ok && !i.manifest {
		obj.Addr = plan.Addr{Kind: plan.KindImage, Name: i.key()}
		addImageAttrs(obj.Attrs, i)
		o.add(obj)
		return
	}
	name, ok := parseVolume(o.site, v.Name)
	if !ok {
		return
	}
	obj.Addr, obj.Parent = name.addr(), guestAddr(name.guest)
	obj.Hidden, obj.InUse = name.generation > 0, o.open[v.Name]
	if obj.Hidden {
		obj.Attrs = nil
	}
	if image, ok := bakeOf(name.guest); ok {
		left := o.remains(image)
		left.Volumes = append(left.Volumes, obj)
		return
	}
	obj.Keep = o.keeps(name)
	o.add(obj)
	if _, root, err := parseXML(v.XML); err == nil && name.disk == rootDisk && o.marks[name.guest] == nil {
		o.addLayer(DomainName(o.site, name.guest), path.Base(text(root, "backingStore/path"))) // no mark says what it was made from
	}
}

// addImageAttrs adds what the name of an image says of it.
func addImageAttrs(attrs map[string]string, i imageName) {
	if i.serial == 0 {
		attrs["sha256"] = i.digest
		return
	}
	attrs["recipe"], attrs["serial"] = i.digest, strconv.Itoa(i.serial)
}

// observeLayer looks at what a domain of any site was made from, as its mark says, if it has a root disk in the pool. A guest
// that bakes does not count: its disk is thrown away.
func (o *observer) observeLayer(domain string, m *mark) {
	if m == nil || !o.inv.Names[VolumeName(m.site, m.name, rootDisk)] {
		return
	}
	if _, bakes := bakeOf(m.name); !bakes {
		o.addLayer(domain, bakedFrom(m.applied[attrImage]))
	}
}

// addLayer notes that the root disk of a domain is a layer over the image in a volume, if that is a baked one and is gone or
// not whole.
func (o *observer) addLayer(domain, volume string) {
	i, ok := parseImage(volume)
	if ok && i.serial > 0 && !(o.inv.Names[volume] && o.inv.Names[volume+markerSuffix]) {
		o.actual.Lost[volume] = append(o.actual.Lost[volume], domain)
		slices.Sort(o.actual.Lost[volume])
	}
}

// bakedFrom returns the volume of the baked image that a guest says it was made from, with imageName.attr; else "".
func bakedFrom(attr string) string {
	key, baked := strings.CutPrefix(attr, "recipe:")
	i, ok := parseImage(imagePrefix + key + ".qcow2")
	if !baked || !ok || i.attr() != attr {
		return ""
	}
	return i.volume
}

// keeps reports whether a volume must survive its guest. Of a disk whose domain is gone nobody knows, so that it is kept.
func (o *observer) keeps(v volumeName) bool {
	m := o.marks[v.guest]
	if m == nil {
		return v.generation == 0
	}
	return slices.Contains(m.keeps(), v.disk)
}

// countVolumes finds the newest seed of every guest, also among those that were never finished, and the data disks of
// guests that have no domain.
func (o *observer) countVolumes() {
	for _, volume := range slices.Sorted(maps.Keys(o.inv.Names)) {
		v, ok := parseVolume(o.site, volume)
		if _, baking := bakeOf(v.guest); !ok || baking {
			continue
		}
		kept := o.host.Guests[v.guest]
		kept.LastSeed = max(kept.LastSeed, v.generation)
		if o.marks[v.guest] == nil && v.generation == 0 && v.disk != rootDisk {
			kept.Disks = append(kept.Disks, v.disk)
		}
		o.host.Guests[v.guest] = kept
	}
}
