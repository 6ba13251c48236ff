package builders

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/beevik/etree"
	"libvirt.org/go/libvirtxml"
)

// Devices and folders of the host, and devices redirected from somewhere else. The files can ask for PCI devices alone; what
// else is there was added by hand. They are observed because they lead out of a guest past its networks.
//
// The value of a "hostdev.*" attribute says which device it is and where: "8086:2723 at 0000:03:00.0". The definition knows
// where it is; what was there is known from the last apply.

// passedThrough are the elements of such devices.
var passedThrough = []string{"hostdev", "filesystem", "redirdev"}

// hostDevice is a PCI device of the host that the files give to a guest.
type hostDevice struct {
	name    string
	id      string // "8086:2723"; empty: unknown
	address string // "0000:03:00.0"; empty: unknown
	managed bool
}

func (h hostDevice) attr() string { return "hostdev." + h.name }

func (h hostDevice) value() string {
	value := cmp.Or(h.id, "an unknown device") + " at " + cmp.Or(h.address, "an unknown address")
	if h.managed {
		value += " managed"
	}
	return value
}

// build builds the device, whose address must be known.
func (h hostDevice) build() libvirtxml.DomainHostdev {
	parts := strings.FieldsFunc(h.address, func(r rune) bool { return r == ':' || r == '.' })
	numbers := make([]*uint, len(parts))
	for i, part := range parts {
		n, _ := strconv.ParseUint(part, 16, 32) // config has checked it
		numbers[i] = new(uint(n))
	}
	x := libvirtxml.DomainHostdev{
		Managed: "no",
		SubsysPCI: &libvirtxml.DomainHostdevSubsysPCI{Source: &libvirtxml.DomainHostdevSubsysPCISource{
			Address: &libvirtxml.DomainAddressPCI{Domain: numbers[0], Bus: numbers[1], Slot: numbers[2], Function: numbers[3]},
		}},
	}
	if h.managed {
		x.Managed = "yes"
	}
	return x
}

// readPassed reads all that leads out of a guest. What the last apply gave it has the name of then; the rest has one that is
// the same in the inactive and in the live definition.
func (d *definition) readPassed(devices *etree.Element) error {
	for _, tag := range passedThrough {
		for n, e := range devices.SelectElements(tag) {
			name, value := d.mark.passed(e)
			if _, twice := d.attrs[name]; name != "" && !twice {
				d.attrs[name] = value
				continue
			}
			name, value = describeHostDevice(e, n+1)
			if err := d.addDevice(name, value, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// passed returns the attribute of a device that the last apply gave the guest, and "" for all others.
func (m *mark) passed(e *etree.Element) (name, value string) {
	if !isPCI(e) {
		return "", ""
	}
	address := hostAddress(e.SelectElement("source").NotNil())
	for attr, v := range m.applied {
		name, isDevice := strings.CutPrefix(attr, "hostdev.")
		id, at, _ := strings.Cut(v, " at ")
		if at, _, _ = strings.Cut(at, " "); isDevice && at == address {
			h := hostDevice{name: name, id: id, address: address, managed: e.SelectAttrValue("managed", "no") == "yes"}
			return attr, h.value()
		}
	}
	return "", ""
}

func isPCI(e *etree.Element) bool {
	return e.Tag == "hostdev" && e.SelectAttrValue("type", "") == "pci"
}

// editHostDevices gives the guest the devices that it is to have, and takes all else out. What a device that stays has in
// addition, as its place in the guest, stays too.
func (d *domain) editHostDevices(devices *etree.Element) error {
	missing := slices.DeleteFunc(slices.Clone(d.passed), func(h hostDevice) bool { return h.address == "" })
	for _, tag := range passedThrough {
		for _, e := range devices.SelectElements(tag) {
			address := hostAddress(e.SelectElement("source").NotNil())
			i := slices.IndexFunc(missing, func(h hostDevice) bool { return isPCI(e) && h.address == address })
			if i < 0 {
				devices.RemoveChild(e)
				continue
			}
			e.CreateAttr("managed", missing[i].build().Managed)
			missing = slices.Delete(missing, i, i+1)
		}
	}
	for _, h := range missing {
		if err := addXML(devices, h.build()); err != nil {
			return err
		}
	}
	return nil
}

// describeHostDevice returns the attribute of such a device and its value. n counts those of its element from 1.
func describeHostDevice(e *etree.Element, n int) (name, value string) {
	source := e.SelectElement("source").NotNil()
	switch e.Tag {
	case "filesystem":
		target := e.SelectElement("target").NotNil().SelectAttrValue("dir", "")
		return "share." + target, firstAttr(source, "dir", "file", "name", "socket", "dev")
	case "redirdev":
		kind := e.SelectAttrValue("type", "unknown") + " " + e.SelectAttrValue("bus", "unknown")
		return fmt.Sprintf("redirdev.%d", n), kind
	}
	kind := e.SelectAttrValue("type", e.SelectAttrValue("mode", "unknown"))
	where := hostAddress(source)
	if where == "" {
		where = fmt.Sprintf("%s-%d", kind, n)
	}
	return "hostdev." + where, kind + " " + where
}

// hostAddress says which device of the host a <source> means: "0000:03:00.0" for PCI, "1d6b:0002" or "bus 1 device 4" for
// USB, the UUID for a mediated device, "" for what has no address.
func hostAddress(source *etree.Element) string {
	if vendor := value(source, "vendor", "id"); vendor != "" {
		return strings.TrimPrefix(vendor, "0x") + ":" + strings.TrimPrefix(value(source, "product", "id"), "0x")
	}
	a := source.SelectElement("address").NotNil()
	switch {
	case a.SelectAttr("slot") != nil:
		return pciAddress(a)
	case a.SelectAttr("device") != nil:
		return fmt.Sprintf("usb-%s.%s", a.SelectAttrValue("bus", "0"), a.SelectAttrValue("device", "0"))
	}
	return a.SelectAttrValue("uuid", "")
}

// pciAddress reads the <address> of a PCI device: "0000:03:00.0".
func pciAddress(a *etree.Element) string {
	hex := func(name string) string { return strings.TrimPrefix(a.SelectAttrValue(name, "0x0"), "0x") }
	return fmt.Sprintf("%04s:%02s:%02s.%s", hex("domain"), hex("bus"), hex("slot"), hex("function"))
}

// firstAttr returns the first of the attributes that e has, or "unknown".
func firstAttr(e *etree.Element, names ...string) string {
	for _, name := range names {
		if v := e.SelectAttrValue(name, ""); v != "" {
			return v
		}
	}
	return "unknown"
}
