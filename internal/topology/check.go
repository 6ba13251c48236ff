package topology

import (
	"fmt"
	"net/netip"
	"slices"

	"jeos/internal/config"
)

// checker collects what is wrong with the parts of a topology, whether or not it opens a path.
type checker struct {
	*Topology
	problems []Problem
}

func (t *Topology) check() []Problem {
	c := &checker{Topology: t}
	c.checkBridges()
	for _, g := range t.guests {
		c.checkNames(g)
		for _, card := range g.NICs {
			c.checkCard(g, card)
		}
		if g.Role == nil {
			continue
		}
		for _, f := range g.Role.Forwards {
			c.checkForward(g, f)
		}
		for _, tunnel := range g.Role.Tunnels {
			c.checkTunnel(g, tunnel)
		}
	}
	return c.problems
}

func (c *checker) add(origin, summary, format string, args ...any) {
	c.problems = append(c.problems, Problem{summary, fmt.Sprintf(format, args...), origin})
}

// checkBridges finds networks that jeos makes and that share their bridge. Two of mode bridge may: both are outside.
func (c *checker) checkBridges() {
	for i, n := range c.site.Networks {
		for _, other := range c.site.Networks[i+1:] {
			if sameBridge(n, other) && (n.Mode != config.Bridged || other.Mode != config.Bridged) {
				remedy := "Name another bridge of the host"
				if n.Mode != config.Bridged && other.Mode != config.Bridged {
					remedy = "Rename one of them, since bridges that jeos makes are named after their networks"
				}
				c.add(bridgeOrigin(n, other), "Shared bridge", "network.%s and network.%s are on one bridge, %s, and so they are one"+
					" network. %s.", n.Name, other.Name, n.Bridge, remedy)
			}
		}
	}
}

// checkNames finds interfaces of one name, of which a forward could mean either.
func (c *checker) checkNames(g *guest) {
	seen := map[string]bool{}
	add := func(name, origin string) {
		if seen[name] {
			c.add(origin, "Ambiguous interface", "guest.%s would have two interfaces called %q. Rename one of them.", g.Name, name)
		}
		seen[name] = true
	}
	role := g.role()
	for _, name := range role.Outside {
		add(name, role.Origin)
	}
	for _, t := range role.Tunnels {
		add(t.Name, role.Origin)
	}
	for _, card := range g.NICs {
		add(card.Name, card.Origin)
	}
}

func (c *checker) checkCard(g *guest, card config.NIC) {
	if n := c.network(card.Network); card.Gateway && n.Mode != config.Isolated {
		c.add(card.Origin, "Gateway on an open network", "guest.%s cannot be the gateway on network.%s, whose mode is %q: there, the host"+
			" or somebody outside is. Put its card %q on an isolated network.", g.Name, n.Name, n.Mode, card.Name)
	}
	if card.Via == "" {
		return
	}
	via := c.gateway(card)
	if via == nil {
		c.add(card.Origin, "No such gateway", "guest.%s is no gateway on network.%s, so the card %q of %s cannot go through it. Name the"+
			" guest whose role makes it the gateway there.", card.Via, card.Network, card.Name, subject(g))
		return
	}
	for _, addr := range card.Gateways {
		if !slices.ContainsFunc(via.Addresses, func(p netip.Prefix) bool { return p.Addr() == addr }) {
			c.add(card.Origin, "Two gateways", "The card %q of %s goes through guest.%s, but its default route goes to %s, which is no address"+
				" of that guest. Let the card have one gateway.", card.Name, subject(g), card.Via, addr)
		}
	}
}

// gateway returns the card of the guest through which a card goes; nil when that guest is no gateway there.
func (c *checker) gateway(card config.NIC) *config.NIC {
	g := c.guest(card.Via)
	if g == nil {
		return nil
	}
	i := slices.IndexFunc(g.NICs, func(n config.NIC) bool { return n.Gateway && n.Network == card.Network })
	if i < 0 {
		return nil
	}
	return &g.NICs[i]
}

func (c *checker) checkForward(g *guest, f config.Forward) {
	for _, name := range []string{f.From, f.To} {
		if _, tunnel := g.tunnels[name]; !tunnel && g.cards[name] == nil && !g.outside[name] {
			c.add(g.Role.Origin, "Unknown interface", "The role of guest.%s passes packets on from %q to %q, but the guest has no interface %q."+
				" Correct the role.", g.Name, f.From, f.To, name)
		}
	}
}

func (c *checker) checkTunnel(g *guest, t config.Tunnel) {
	at := g.Role.Origin
	card := g.cards[t.Over]
	switch {
	case card == nil && !g.outside[t.Over]:
		c.add(at, "Unknown interface", "The tunnel %q of guest.%s goes over %q, but the guest has no such network card. Correct the role.",
			t.Name, g.Name, t.Over)
	case card != nil && slices.ContainsFunc(g.Role.Forwards, func(f config.Forward) bool {
		from := g.cards[f.From]
		return f.To == t.Name && from != nil && c.together(from.Network, card.Network)
	}):
		c.add(at, "Tunnel over its own network", "The tunnel %q of guest.%s goes over network.%s, which is the network that it serves. Give"+
			" the guest another network for its uplink.", t.Name, g.Name, card.Network)
	}
	if len(t.Endpoints) == 0 {
		c.add(at, "Tunnel without endpoints", "Nothing says where the packets of the tunnel %q of guest.%s go, so nothing can hold them to it."+
			" Correct the role, and pin its servers with \"jeos lock\".", t.Name, g.Name)
	}
	for _, e := range t.Endpoints {
		if !e.Addr.IsValid() || e.Addr.IsUnspecified() || e.Addr.IsMulticast() || e.Addr.IsLoopback() || e.Port == 0 {
			c.add(at, "Invalid endpoint", "%s is no place where the packets of the tunnel %q of guest.%s can go. Correct the role, or the server"+
				" that it is given.", netip.AddrPortFrom(e.Addr, e.Port), t.Name, g.Name)
		}
		if n := c.before(card, e.Addr); n != "" {
			c.add(at, "Endpoint inside the site", "The tunnel %q of guest.%s goes to %s, which is an address of network.%s, inside the site."+
				" Correct the server that the role is given, or give the network another range.", t.Name, g.Name, e.Addr, n)
		}
	}
}

// before returns the network of the site that has an address and lies before the outside for packets that leave by a card,
// or "". Such are the inside networks and the card's own, if it goes through a gateway there. The card may be nil.
func (c *checker) before(card *config.NIC, addr netip.Addr) string {
	for _, n := range c.site.Networks {
		own := card != nil && card.Via != "" && c.together(n.Name, card.Network)
		if (own || c.inside[n.Name]) && slices.ContainsFunc(n.CIDRs, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			return n.Name
		}
	}
	return ""
}
