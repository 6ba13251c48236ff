package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"jeos/internal/words"
)

// nic is a NIC while addresses are being assigned.
type nic struct {
	NIC
	*section
	network  *Network
	explicit []explicitAddress
	route    *bool   // default_route as written
	gateway  *holder // of the guest that Via names, on the same network; nil: there is none
}

type explicitAddress struct {
	addr netip.Addr
	at   hcl.Range
}

var macRE = regexp.MustCompile(`^([0-9a-f]{2}:){5}[0-9a-f]{2}$`)

func checkMAC(s string) string {
	mac := strings.ToLower(s)
	switch {
	case !macRE.MatchString(mac):
		return words.Quote(s) + ` is no MAC address. Write six pairs of hex digits, like "52:54:00:12:34:56", or leave mac out.`
	case strings.IndexByte("13579bdf", mac[1]) >= 0:
		return words.Quote(s) + ` is a multicast address: its first byte is odd. Use one that begins with 52:54:00, or leave mac out.`
	case mac == "00:00:00:00:00:00":
		return words.Quote(s) + ` cannot be the address of a nic. Use one that begins with 52:54:00, or leave mac out.`
	}
	return ""
}

// loadNIC reads a nic block.
func (l *loader) loadNIC(inst *instance, b *block) *nic {
	s := l.section(b, inst.scope)
	n := &nic{section: s}
	n.NIC = NIC{
		Name:   b.name,
		MAC:    strings.ToLower(s.text("mac", "MAC address", DeriveMAC(l.site.Name, inst.name, b.name), checkMAC)),
		Origin: origin(b.at),
	}
	if s.has("default_route") {
		route := s.flag("default_route", false)
		n.route = &route
	}
	n.network = s.networkReference("network")
	if n.network == nil {
		return n
	}
	n.Via = s.viaReference()
	n.Network = n.network.Name
	for _, e := range s.elements("addresses", "address", false, nil) {
		s.addAddress(n, e)
	}
	n.DHCP = s.flag("dhcp", n.network.Mode == Bridged && !s.has("addresses"))
	s.checkDHCP(n)
	if n.network.Mode == Isolated && n.route != nil && *n.route && !s.has("via") {
		s.add(s.at("default_route"), "Invalid default route", "The network %s is isolated: there is no way out of it but a guest that is"+
			" the gateway. Name that with via, remove default_route, or use a network of another mode.", words.Quote(n.Network))
	}
	return n
}

// addAddress checks one address that the files give a nic.
func (s *section) addAddress(n *nic, e element) {
	addr, err := netip.ParseAddr(e.Value)
	if err != nil || addr.Zone() != "" || addr.Is4In6() {
		s.add(e.at, "Invalid address", `%s is no address. Write one like "10.64.0.10", without a length: the network has it.`,
			words.Quote(e.Value))
		return
	}
	for _, other := range n.explicit {
		if other.addr.Is4() == addr.Is4() {
			s.add(e.at, "Invalid address", "A nic has at most one address a family, and %s is there already. Remove one, or add"+
				" a nic.", other.addr)
			return
		}
	}
	if problem := n.network.unusable(addr); problem != "" {
		s.add(e.at, "Invalid address", "%s Network %s is declared at %s.", problem, words.Quote(n.Network), n.network.Origin)
		return
	}
	n.explicit = append(n.explicit, explicitAddress{addr, e.at})
}

// checkDHCP checks that the nic can have its addresses in the way that was decided.
func (s *section) checkDHCP(n *nic) {
	bridged := n.network.Mode == Bridged
	switch {
	case n.DHCP && s.has("addresses"):
		s.add(s.at("dhcp"), "Invalid value of dhcp", "A nic has addresses or gets them by DHCP, not both. Remove one of the two"+
			" arguments.")
	case n.DHCP && !bridged && !n.network.DHCP:
		s.add(s.at("dhcp"), "Invalid value of dhcp", "Nobody answers DHCP on the network %s at %s. Remove dhcp, or set dhcp ="+
			` true there, which needs mode "nat".`, words.Quote(n.Network), n.network.Origin)
	case !n.DHCP && bridged && !s.has("addresses"):
		s.add(s.block.at, "Missing addresses", "jeos does not know which addresses are free on a bridge of the host. Give the nic"+
			" addresses, or let it use DHCP.")
	}
}

// chooseDefaultRoute finds the nic that leads out of the guest.
func (l *loader) chooseDefaultRoute(inst *instance) {
	var wanted, possible []*nic
	for _, n := range inst.nics {
		switch {
		case n.network == nil || n.network.Mode == Isolated && n.Via == "":
		case n.route == nil:
			possible = append(possible, n)
		case *n.route:
			wanted = append(wanted, n)
		}
	}
	if len(wanted) == 0 {
		wanted = possible
	}
	if len(wanted) > 1 {
		l.add(wanted[1].block.at, "Several default routes", "The nics %s of guest %s could all be the way out. Set default_route ="+
			" true in exactly one of them.", words.And(words.Quoted([]string{wanted[0].Name, wanted[1].Name})), words.Quote(inst.name))
		return
	}
	for _, n := range wanted {
		n.DefaultRoute = true
	}
}

// where says whose nic this is, and where it is declared.
func (n *nic) where(inst *instance) string {
	return fmt.Sprintf("nic %s of guest %s at %s", words.Quote(n.Name), words.Quote(inst.name), n.Origin)
}
