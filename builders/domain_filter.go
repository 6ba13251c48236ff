package builders

import (
	"fmt"
	"slices"

	"github.com/beevik/etree"
	"libvirt.org/go/libvirtxml"

	"jeos/internal/config"
	"jeos/plan"
)

// The filter of a network card and its port in the network can be changed while the guest runs. The value of a "filter.*"
// attribute is the address of the filter. Where the filter is not at work in the running guest, although its definition
// says so, the value says that. The value of a "port.*" attribute is "open", for a gateway's card in a network that isolates.

// Values of a card that has none although it had one.
const (
	noFilter     = "none"
	portOpen     = "open"
	portIsolated = "isolated"
)

// guarded returns the attributes of a card that can be changed live.
func (d *domain) guarded(n config.NIC) map[string]string {
	attrs := map[string]string{}
	if n.Filter != nil {
		attrs["filter."+n.Name] = filterAddr(d.guest.Name, n.Name).String()
	}
	if d.open(n) {
		attrs["port."+n.Name] = portOpen
	}
	return attrs
}

// open reports whether the port of a card is not isolated although its network isolates.
func (d *domain) open(n config.NIC) bool { return n.Gateway && d.isolates[n.Network] }

// guard adds the filter and the port to a card that is built.
func (d *domain) guard(x *libvirtxml.DomainInterface, n config.NIC) {
	if n.Filter != nil {
		x.FilterRef = &libvirtxml.DomainInterfaceFilterRef{Filter: FilterName(d.site, d.guest.Name, n.Name)}
	}
	if d.open(n) {
		x.PortOptions = &libvirtxml.DomainInterfacePortOptions{Isolated: "no"}
	}
}

// editGuard puts the wanted filter and port into a card.
func (d *domain) editGuard(e *etree.Element, n config.NIC) {
	if ref := e.SelectElement("filterref"); readFilterRef(d.site, ref) != d.guarded(n)["filter."+n.Name] {
		removeChildren(e, "filterref")
		if n.Filter != nil {
			e.CreateElement("filterref").CreateAttr("filter", FilterName(d.site, d.guest.Name, n.Name))
		}
	}
	if d.open(n) {
		child(e, "port").CreateAttr("isolated", "no")
	} else if port := e.SelectElement("port"); readPort(port) == portOpen {
		e.RemoveChild(port)
	}
}

// update returns a card of the running guest with its filter and its port as wanted, and "" for one that the files do not
// have. What a card gets from its network is not said again for it, so that an isolated port is. As long as a card is in
// another network than the wanted one, nothing that guards it there is taken from it.
func (d *domain) update(device string) (string, error) {
	_, e, err := parseXML(device)
	if err != nil {
		return "", err
	}
	for _, n := range d.guest.NICs {
		if e.Tag == "interface" && nicMAC(e) == n.MAC {
			if nicSource(d.site, e) != "network."+n.Network && (n.Filter == nil || d.open(n)) {
				return "", nil
			}
			d.editGuard(e, n)
			if d.isolates[n.Network] && !d.open(n) {
				child(e, "port").CreateAttr("isolated", "yes")
			}
			return elementXML(e)
		}
	}
	return "", nil
}

// readFilterRef says which filter a card has: the address of one of the site's, else libvirt's name for it. It is "" for none.
func readFilterRef(site string, ref *etree.Element) string {
	if ref == nil {
		return ""
	}
	name := ref.SelectAttrValue("filter", "")
	value := "libvirt-filter " + name
	if guest, nic, own := parseFilter(site, name); own {
		value = filterAddr(guest, nic).String()
	}
	for _, p := range ref.SelectElements("parameter") {
		value += fmt.Sprintf(" with %s=%s", p.SelectAttrValue("name", ""), p.SelectAttrValue("value", ""))
	}
	return value
}

// readPort returns "open" for a port that is not isolated whatever its network says. The port may be nil.
func readPort(port *etree.Element) string {
	if port != nil && port.SelectAttrValue("isolated", "") == "no" {
		return portOpen
	}
	return ""
}

// addGuards adds the filters and ports of the cards that the last apply left. The mark is that of the inactive definition: it
// knows what is to be there now, also where a guest still runs with an older one. For a live definition, atWork says what is
// wrong with a filter at a port of the host.
func (d *definition) addGuards(m *mark, atWork func(port, filter string) string) error {
	names := m.nicNames()
	for _, e := range d.root.FindElements("devices/interface") {
		nic, known := names[nicMAC(e)]
		if !known {
			continue
		}
		delete(names, nicMAC(e)) // another one with this address is nobody's
		xml, err := elementXML(e)
		if err != nil {
			return err
		}
		filter := readFilterRef(d.site, e.SelectElement("filterref"))
		if filter != "" && atWork != nil {
			filter += atWork(value(e, "target", "dev"), value(e, "filterref", "filter"))
		}
		d.addGuard(m, "filter."+nic, filter, noFilter, xml)
		d.addGuard(m, "port."+nic, readPort(e.SelectElement("port")), portIsolated, xml)
	}
	return nil
}

// addGuard adds an attribute of a card. One that has none but was to have one has the value none.
func (d *definition) addGuard(m *mark, name, value, none, card string) {
	d.cards[name] = card
	if _, recorded := m.applied[name]; value == "" && recorded {
		value = none
	}
	if value != "" {
		d.attrs[name] = value
	}
}

// atWork says which filter is at work at a port, if it is not the one that should be.
func (o *observer) atWork(port, filter string) string {
	i := slices.IndexFunc(o.inv.Bindings, func(b plan.HostBinding) bool { return b.Port == port })
	switch {
	case i < 0:
		return " (not at work)"
	case o.inv.Bindings[i].Filter != filter:
		return " (" + o.inv.Bindings[i].Filter + " is at work)"
	}
	return ""
}
