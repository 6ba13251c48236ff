package builders

import (
	"strings"

	"github.com/beevik/etree"
	"libvirt.org/go/libvirtxml"

	"jeos/internal/config"
)

// The value of a "nic.*" attribute is the network, the MAC address and the addresses:
// "network.lan 52:54:00:12:34:56 10.0.0.2/24 fd64::2/64". Network and MAC are read from the definition. The addresses are
// set inside the guest, so that the host knows them from the last apply only.

// nicValue returns the wanted value of a card's attribute.
func (d *domain) nicValue(n config.NIC) string {
	return strings.Join(append([]string{"network." + n.Network, n.MAC}, nicAddresses(n)...), " ")
}

func nicAddresses(n config.NIC) []string {
	var list []string
	for _, a := range n.Addresses {
		list = append(list, a.String())
	}
	if n.DHCP {
		list = append(list, "dhcp")
	}
	return list
}

// nic builds one card.
func (d *domain) nic(n config.NIC) libvirtxml.DomainInterface {
	x := libvirtxml.DomainInterface{
		MAC: &libvirtxml.DomainInterfaceMAC{Address: n.MAC},
		Source: &libvirtxml.DomainInterfaceSource{
			Network: &libvirtxml.DomainInterfaceSourceNetwork{Network: NetworkName(d.site, n.Network)},
		},
		Model: &libvirtxml.DomainInterfaceModel{Type: "virtio"},
	}
	d.guard(&x, n)
	return x
}

// readNICs reads the cards. Each is matched by its MAC address with what the last apply left; what it did not leave is
// named by its MAC address.
func (d *definition) readNICs(devices *etree.Element) error {
	names := d.mark.nicNames()
	for _, e := range devices.SelectElements("interface") {
		mac := nicMAC(e)
		source := nicSource(d.site, e)
		nic, known := names[mac]
		name := "nic." + nic
		if _, twice := d.attrs[name]; !known || twice {
			if err := d.addDevice("nic."+mac, source+" "+mac, e); err != nil {
				return err
			}
			continue
		}
		_, addresses, _ := strings.Cut(d.mark.applied[name], mac)
		d.attrs[name] = strings.TrimSpace(source + " " + mac + addresses)
	}
	return nil
}

func nicMAC(e *etree.Element) string { return strings.ToLower(value(e, "mac", "address")) }

// nicSource says what a card is plugged into: "network.lan" for a network of the site, else in words of libvirt.
func nicSource(site string, e *etree.Element) string {
	source := e.SelectElement("source").NotNil()
	if host := source.SelectAttrValue("network", ""); host != "" {
		if name, own := strings.CutPrefix(host, site+"-"); own {
			return "network." + name
		}
		return "libvirt-network " + host
	}
	kind := e.SelectAttrValue("type", "unknown")
	for _, name := range []string{"bridge", "dev", "path"} {
		if v := source.SelectAttrValue(name, ""); v != "" {
			return kind + " " + v
		}
	}
	return kind
}

// editNICs plugs the wanted cards into their networks and takes all others out.
func (d *domain) editNICs(devices *etree.Element) error {
	have := map[string]*etree.Element{}
	for _, e := range devices.SelectElements("interface") {
		if mac := nicMAC(e); have[mac] == nil && d.hasMAC(mac) {
			have[mac] = e
			continue
		}
		devices.RemoveChild(e)
	}
	for _, n := range d.guest.NICs {
		e := have[n.MAC]
		if e == nil {
			if err := addXML(devices, d.nic(n)); err != nil {
				return err
			}
			continue
		}
		d.editNIC(e, n)
	}
	return nil
}

func (d *domain) hasMAC(mac string) bool {
	for _, n := range d.guest.NICs {
		if n.MAC == mac {
			return true
		}
	}
	return false
}

// editNIC plugs a card into its network. What depends on where it was plugged in goes.
func (d *domain) editNIC(e *etree.Element, n config.NIC) {
	d.editGuard(e, n)
	if nicSource(d.site, e) == "network."+n.Network {
		return
	}
	for _, name := range []string{"virtualport", "backend", "vlan"} {
		removeChildren(e, name)
	}
	e.CreateAttr("type", "network")
	e.RemoveAttr("managed")
	renew(e, "source").CreateAttr("network", NetworkName(d.site, n.Network))
}
