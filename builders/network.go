package builders

import (
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/beevik/etree"
	"libvirt.org/go/libvirtxml"

	"jeos/internal/config"
	"jeos/plan"
)

// attrPorts is there for networks whose ports are isolated, or were to be.
const attrPorts = "ports"

// network is one network with what its definition is made of (https://libvirt.org/formatnetwork.html).
type network struct {
	*config.Network
	site      string
	temporary bool // it comes and goes with a bake
}

func (n *network) name() string { return NetworkName(n.site, n.Name) }

func (n *network) resource() (plan.Resource, error) {
	xml, err := n.build()
	return plan.Resource{
		Addr:      networkAddr(n.Name),
		Host:      n.name(),
		UUID:      NetworkUUID(n.site, n.Name),
		Origin:    n.Origin,
		Attrs:     n.wanted(),
		XML:       xml,
		Edit:      n.edit,
		Autostart: !n.temporary,
	}, err
}

func (n *network) wanted() []plan.Attr {
	l := attrList{}
	l.add(attrName, n.name())
	l.add(attrActive, "true")
	l.add(attrAutostart, strconv.FormatBool(!n.temporary))
	l.add(attrPersistent, "true")
	l.add("mode", n.mode())
	l.add("ip", formatPrefixes(n.hostAddresses()))
	l.add("bridge", n.Bridge)
	l.add("dhcp", n.dhcpRange())
	l.add("mtu", formatMTU(n.MTU))
	if n.IsolatedPorts {
		l.add(attrPorts, portIsolated)
	}
	return l.sorted()
}

// mode is what the files say, and whether the translation of addresses includes IPv6, which libvirt does not do unasked.
func (n *network) mode() string {
	if n.natsIPv6() {
		return string(n.Mode) + " ipv6"
	}
	return string(n.Mode)
}

func (n *network) natsIPv6() bool {
	return n.Mode == config.NAT && slices.ContainsFunc(n.CIDRs, func(p netip.Prefix) bool { return p.Addr().Is6() })
}

// hostAddresses returns the addresses of the host on the network, with the length of their networks.
func (n *network) hostAddresses() []netip.Prefix {
	var list []netip.Prefix
	for i, a := range n.Host {
		list = append(list, netip.PrefixFrom(a, n.CIDRs[i].Bits()))
	}
	return list
}

func (n *network) dhcpRange() string {
	if !n.DHCP || !n.DHCPRange[0].IsValid() {
		return "none"
	}
	return n.DHCPRange[0].String() + "-" + n.DHCPRange[1].String()
}

func formatMTU(mtu int) string {
	if mtu == 0 {
		return "default"
	}
	return strconv.Itoa(mtu)
}

// formatPrefixes sorts and joins: "10.0.0.1/24 fd64::1/64", or "none".
func formatPrefixes(list []netip.Prefix) string {
	if len(list) == 0 {
		return "none"
	}
	list = slices.SortedFunc(slices.Values(list), func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = p.String()
	}
	return strings.Join(words, " ")
}

func (n *network) mark() *mark {
	return &mark{kind: plan.KindNetwork, site: n.site, name: n.Name, applied: attrValues(n.wanted())}
}

// build returns the whole definition. On an isolated network the host has no address, answers no DNS, and hides its
// bridge from the guests; IPv6 between guests must be asked for.
func (n *network) build() (string, error) {
	metadata, err := markXML(n.mark())
	if err != nil {
		return "", err
	}
	x := libvirtxml.Network{
		Name:     n.name(),
		UUID:     NetworkUUID(n.site, n.Name),
		Metadata: &libvirtxml.NetworkMetadata{XML: metadata},
		Bridge:   &libvirtxml.NetworkBridge{Name: n.Bridge},
	}
	if n.IsolatedPorts {
		x.PortOptions = &libvirtxml.NetworkPortOptions{Isolated: "yes"}
	}
	if n.MTU != 0 && n.Mode != config.Bridged { // whose MTU is the bridge's
		x.MTU = &libvirtxml.NetworkMTU{Size: uint(n.MTU)}
	}
	if n.Mode == config.Bridged {
		x.Forward = &libvirtxml.NetworkForward{Mode: "bridge"}
		return x.Marshal()
	}
	x.Bridge.STP, x.Bridge.Delay = "off", "0"
	x.MAC = &libvirtxml.NetworkMAC{Address: bridgeMAC(n.site, n.Name)}
	if n.Mode == config.Isolated {
		x.IPv6 = "yes"
		x.DNS = &libvirtxml.NetworkDNS{Enable: "no"}
		return x.Marshal()
	}
	x.Forward = &libvirtxml.NetworkForward{Mode: "nat"}
	if n.natsIPv6() {
		x.Forward.NAT = &libvirtxml.NetworkForwardNAT{IPv6: "yes"}
	}
	for _, p := range n.hostAddresses() {
		x.IPs = append(x.IPs, n.ip(p))
	}
	return x.Marshal()
}

// ip builds one address of the host.
func (n *network) ip(p netip.Prefix) libvirtxml.NetworkIP {
	x := libvirtxml.NetworkIP{Address: p.Addr().String(), Prefix: uint(p.Bits())}
	if p.Addr().Is6() {
		x.Family = "ipv6"
	} else if n.dhcpRange() != "none" {
		x.DHCP = &libvirtxml.NetworkDHCP{Ranges: []libvirtxml.NetworkDHCPRange{
			{Start: n.DHCPRange[0].String(), End: n.DHCPRange[1].String()},
		}}
	}
	return x
}

// edit returns the definition current with everything that jeos manages as wanted, and everything else as it was. A
// network that reaches the world in another way than the files say is another network: nothing of it stays.
func (n *network) edit(current string) (string, error) {
	doc, root, err := parseXML(current)
	if err != nil {
		return "", err
	}
	have, want := readNetwork(root, readMark(root, plan.KindNetwork)), attrValues(n.wanted())
	if have["mode"] != want["mode"] {
		return n.build()
	}
	child(root, "name").SetText(n.name())
	editMark(root, n.mark())
	if have["bridge"] != want["bridge"] {
		child(root, "bridge").CreateAttr("name", n.Bridge)
	}
	if have["mtu"] != want["mtu"] {
		removeChildren(root, "mtu")
		if n.MTU != 0 {
			root.CreateElement("mtu").CreateAttr("size", strconv.Itoa(n.MTU))
		}
	}
	if have[attrPorts] != want[attrPorts] {
		removeChildren(root, "port")
		if n.IsolatedPorts {
			root.CreateElement("port").CreateAttr("isolated", "yes")
		}
	}
	if have["ip"] != want["ip"] || have["dhcp"] != want["dhcp"] {
		if err := n.editAddresses(root); err != nil {
			return "", err
		}
	}
	return doc.WriteToString()
}

// editAddresses gives the host its addresses and the guests their range. Reservations within an address that stays are
// the user's.
func (n *network) editAddresses(root *etree.Element) error {
	have := map[netip.Prefix]*etree.Element{}
	for _, e := range root.SelectElements("ip") {
		p := readIP(e)
		if !slices.Contains(n.hostAddresses(), p) || have[p] != nil {
			root.RemoveChild(e)
			continue
		}
		have[p] = e
	}
	for _, p := range n.hostAddresses() {
		e := have[p]
		if e == nil {
			if err := addXML(root, n.ip(p)); err != nil {
				return err
			}
			added := root.ChildElements()
			added[len(added)-1].Tag = "ip" // libvirtxml names the element in the network's type, not in its own
			continue
		}
		n.editRange(e, p)
	}
	return nil
}

func (n *network) editRange(ip *etree.Element, p netip.Prefix) {
	if dhcp := ip.SelectElement("dhcp"); dhcp != nil {
		removeChildren(dhcp, "range")
		if n.ip(p).DHCP == nil {
			ip.RemoveChild(dhcp)
		}
	}
	if n.ip(p).DHCP != nil {
		r := child(ip, "dhcp").CreateElement("range")
		r.CreateAttr("start", n.DHCPRange[0].String())
		r.CreateAttr("end", n.DHCPRange[1].String())
	}
}

// readNetwork reads the attributes that the definition of a network holds. That its ports are not isolated is one only where
// the last apply left them so; the mark may be nil.
func readNetwork(root *etree.Element, m *mark) map[string]string {
	mtu, _ := strconv.Atoi(value(root, "mtu", "size"))
	var ranges []string
	for _, r := range root.FindElements("ip/dhcp/range") {
		ranges = append(ranges, r.SelectAttrValue("start", "")+"-"+r.SelectAttrValue("end", ""))
	}
	if len(ranges) == 0 {
		ranges = []string{"none"}
	}
	attrs := map[string]string{
		attrName: text(root, "name"),
		"mode":   readMode(root),
		"ip":     formatPrefixes(readAddresses(root)),
		"bridge": value(root, "bridge", "name"),
		"dhcp":   strings.Join(ranges, " "),
		"mtu":    formatMTU(mtu),
	}
	if value(root, "port", "isolated") == "yes" {
		attrs[attrPorts] = portIsolated
	} else if m != nil && m.applied[attrPorts] != "" {
		attrs[attrPorts] = portOpen
	}
	return attrs
}

// readMode returns the mode in the words of the files, or libvirt's name of one that they do not have.
func readMode(root *etree.Element) string {
	forward := root.SelectElement("forward")
	if forward == nil {
		return string(config.Isolated)
	}
	mode := forward.SelectAttrValue("mode", "nat")
	if value(forward, "nat", "ipv6") == "yes" {
		mode += " ipv6"
	}
	if dev := forward.SelectAttrValue("dev", ""); dev != "" {
		mode += " dev " + dev
	}
	return mode
}

func readAddresses(root *etree.Element) []netip.Prefix {
	var list []netip.Prefix
	for _, e := range root.SelectElements("ip") {
		list = append(list, readIP(e))
	}
	return list
}

// readIP returns the address of an <ip>, whose length is a prefix or a netmask. The zero Prefix stands for what libvirt
// would never write.
func readIP(e *etree.Element) netip.Prefix {
	addr, err := netip.ParseAddr(e.SelectAttrValue("address", ""))
	if err != nil {
		return netip.Prefix{}
	}
	length, err := strconv.Atoi(e.SelectAttrValue("prefix", ""))
	if err != nil {
		mask, _ := netip.ParseAddr(e.SelectAttrValue("netmask", ""))
		length = 0
		for _, b := range mask.AsSlice() {
			length += bits.OnesCount8(b)
		}
	}
	return netip.PrefixFrom(addr, length)
}
