package config

import (
	"net/netip"
	"regexp"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
)

// Linux takes any 15 bytes but "/" and white space; libvirt and people want less.
var interfaceRE = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$`)

// loadNetwork reads the part of a network block that addresses depend on. It returns what network.<name> is worth.
func (l *loader) loadNetwork(b *block) cty.Value {
	n := &Network{Name: b.name, Bridge: DeriveBridge(l.site.Name, b.name), Origin: origin(b.at)}
	if !l.intact(func() { l.section(b, scopeSite).loadIdentity(n) }) {
		return cty.DynamicVal
	}
	l.networks[b.name] = n
	return networkValue(n)
}

func (s *section) loadIdentity(n *Network) {
	modes := oneOf(string(Isolated), string(NAT), string(Bridged))
	if !s.intact(func() { n.Mode = Mode(s.text("mode", "network mode", string(Isolated), modes)) }) {
		s.incomplete = true
		return // everything else depends on it
	}
	for _, e := range s.elements("cidrs", "network range", false, nil) {
		s.addCIDR(n, e)
	}
	slices.SortFunc(n.CIDRs, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	s.loadBridge(n)
	if n.Mode == NAT {
		if len(n.CIDRs) == 0 || !n.CIDRs[0].Addr().Is4() {
			s.add(s.at("cidrs"), "Missing network range", `A network of mode "nat" needs an IPv4 range. Write one like`+
				` cidrs = ["10.64.0.0/24"].`)
			return
		}
		for _, cidr := range n.CIDRs {
			n.Host = append(n.Host, cidr.Addr().Next())
		}
	}
	n.DHCP = s.flag("dhcp", false)
	switch {
	case n.DHCP && n.Mode != NAT:
		s.add(s.at("dhcp"), "Invalid value of dhcp", `Only networks of mode "nat" have a DHCP server; on a bridge it is not the`+
			" host's to run. Remove dhcp.")
	case n.DHCP:
		n.DHCPRange = dhcpRange(n.CIDRs[0])
	}
}

func networkValue(n *Network) cty.Value {
	cidrs := cty.ListValEmpty(cty.String)
	if len(n.CIDRs) > 0 {
		var values []cty.Value
		for _, cidr := range n.CIDRs {
			values = append(values, cty.StringVal(cidr.String()))
		}
		cidrs = cty.ListVal(values)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"name":   cty.StringVal(n.Name),
		"cidrs":  cidrs,
		"bridge": cty.StringVal(n.Bridge),
	})
}

func (s *section) loadBridge(n *Network) {
	bridge := s.text("bridge", "bridge name", "", words.Matching(interfaceRE, "name for a bridge",
		"Write the name of a bridge of the host, at most 15 characters."))
	switch {
	case n.Mode == Bridged && bridge != "":
		n.Bridge = bridge
	case n.Mode == Bridged && !s.has("bridge"):
		s.add(s.block.at, "Missing bridge name", `A network of mode "bridge" sits on a bridge that the host has already. Name`+
			` it, like bridge = "br0".`)
	case n.Mode != Bridged && s.has("bridge"):
		s.add(s.block.args["bridge"].NameRange, "Invalid bridge name", `Only a network of mode "bridge" names a bridge; for the`+
			" others jeos makes one. Remove bridge, or set the mode.")
	}
}

// addCIDR checks one range of a network, alone and against the other networks.
func (s *section) addCIDR(n *Network, e element) {
	cidr, err := netip.ParsePrefix(e.Value)
	if err != nil {
		s.add(e.at, "Invalid network range", `%s is no range of addresses. Write one like "10.64.0.0/24" or "fd00:1::/64".`,
			words.Quote(e.Value))
		return
	}
	if problem := checkCIDR(cidr); problem != "" {
		s.add(e.at, "Invalid network range", "%s", problem)
		return
	}
	for _, other := range n.CIDRs {
		if other.Addr().Is4() == cidr.Addr().Is4() {
			s.add(e.at, "Invalid network range", "A network has at most one range for IPv4 and one for IPv6, and %s is there"+
				" already. Remove one, or make a second network.", other)
			return
		}
	}
	n.CIDRs = append(n.CIDRs, cidr)
	if problem := s.overlap(n, cidr, e.at); problem != nil {
		s.diags = append(s.diags, problem)
	}
}

// overlap finds a network that was loaded before and has some of the same addresses. Two networks of mode bridge may
// have the same range, since both may be the same network outside.
func (s *section) overlap(n *Network, cidr netip.Prefix, at hcl.Range) *hcl.Diagnostic {
	for _, name := range sortedKeys(s.networks) {
		other := s.networks[name]
		for _, taken := range other.CIDRs {
			if !taken.Overlaps(cidr) || n.Mode == Bridged && other.Mode == Bridged {
				continue
			}
			return words.Problem(at, "Overlapping network ranges", "%s overlaps %s of network %s at %s. Choose ranges that have no"+
				" address in common.", cidr, taken, words.Quote(name), other.Origin)
		}
	}
	return nil
}

// checkCIDR returns what is wrong with a range by itself, or "".
func checkCIDR(cidr netip.Prefix) string {
	addr, bits := cidr.Addr(), cidr.Bits()
	switch {
	case addr.Is4In6():
		return cidr.String() + " is an IPv4 range written as IPv6. Write it as IPv4."
	case cidr != cidr.Masked():
		return cidr.String() + " is an address inside of a range. Write the range, " + words.Quote(cidr.Masked().String()) + "."
	case addr.Is4() && (bits < 8 || bits > 30):
		return cidr.String() + " has a wrong length. Write an IPv4 range from /8 to /30."
	case addr.Is6() && (bits < 64 || bits > 126):
		return cidr.String() + " has a wrong length. Write an IPv6 range from /64 to /126."
	case addr.IsLoopback() || addr.IsMulticast() || addr.IsLinkLocalUnicast() || addr.IsUnspecified() ||
		addr.Is4() && (addr.As4()[0] == 0 || addr.As4()[0] == 127 || addr.As4()[0] >= 224):
		return cidr.String() + ` is reserved and no guest can use it. Choose a private range, like "10.64.0.0/24" or "fd00:1::/64".`
	}
	return ""
}

// dhcpRange returns the upper half of an IPv4 range without its broadcast address.
func dhcpRange(cidr netip.Prefix) [2]netip.Addr {
	first := cidr.Addr().As4()
	bit := cidr.Bits() // the first one of the host number
	first[bit/8] |= 0x80 >> (bit % 8)
	return [2]netip.Addr{netip.AddrFrom4(first), lastOf(cidr).Prev()}
}

// lastOf returns the last address of a range, which for IPv4 is the broadcast address.
func lastOf(cidr netip.Prefix) netip.Addr {
	bytes := cidr.Addr().AsSlice()
	for bit := cidr.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	addr, _ := netip.AddrFromSlice(bytes)
	return addr
}

// loadNetworkBody reads the rest of a network block, which may refer to guests.
func (l *loader) loadNetworkBody(n *Network) {
	s := l.section(l.blocks["network"][n.Name], scopeSite)
	least := 576 // RFC 791
	if slices.ContainsFunc(n.CIDRs, func(p netip.Prefix) bool { return p.Addr().Is6() }) {
		least = 1280 // RFC 8200
	}
	n.MTU = s.integer("mtu", "MTU", 0, least, 65535)
	ports := "open"
	if len(l.gatewaysOn(n)) > 0 {
		ports = "isolated"
	}
	n.IsolatedPorts = s.text("ports", "ports", ports, oneOf("open", "isolated")) == "isolated"
	if !s.has("dns") {
		n.DNS = slices.Clone(n.Host)
		return
	}
	for _, e := range s.elements("dns", "resolver address", false, nil) {
		addr, err := netip.ParseAddr(e.Value)
		if err != nil || addr.Zone() != "" || addr.Is4In6() || addr.IsUnspecified() || addr.IsMulticast() {
			l.add(e.at, "Invalid resolver address", `%s is no address of a resolver. Write one like "9.9.9.9", without a length.`,
				words.Quote(e.Value))
			continue
		}
		if slices.Contains(n.DNS, addr) {
			l.add(e.at, "Invalid resolver address", "%s is in this list twice. Remove one.", addr)
			continue
		}
		n.DNS = append(n.DNS, addr)
	}
}
