package builders

import (
	"fmt"
	"strings"

	"github.com/beevik/etree"
)

// Devices and folders of the host, and devices redirected from somewhere else. The files cannot ask for any, so whatever
// is there was added by hand. They are observed because they lead out of a guest past its networks.

// hostDevices are the elements of such devices.
var hostDevices = []string{"hostdev", "filesystem", "redirdev"}

// readHostDevices reads them, each with a name that is the same in the inactive and in the live definition.
func (d *definition) readHostDevices(devices *etree.Element) error {
	for _, tag := range hostDevices {
		for n, e := range devices.SelectElements(tag) {
			name, value := describeHostDevice(e, n+1)
			if err := d.addDevice(name, value, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeHostDevices takes all of them out.
func removeHostDevices(devices *etree.Element) {
	for _, tag := range hostDevices {
		removeChildren(devices, tag)
	}
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
	hex := func(name string) string { return strings.TrimPrefix(a.SelectAttrValue(name, "0x0"), "0x") }
	switch {
	case a.SelectAttr("slot") != nil:
		return fmt.Sprintf("%04s:%02s:%02s.%s", hex("domain"), hex("bus"), hex("slot"), hex("function"))
	case a.SelectAttr("device") != nil:
		return fmt.Sprintf("usb-%s.%s", a.SelectAttrValue("bus", "0"), a.SelectAttrValue("device", "0"))
	}
	return a.SelectAttrValue("uuid", "")
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
