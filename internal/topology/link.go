package topology

import (
	"cmp"
	"slices"

	"jeos/internal/config"
)

// Link is one step that packets can take.
type Link struct {
	From         string // the network that they come from; empty: the guest itself sends them
	Guest        string // that lets them pass; empty: the host does
	In           string // the card on which they come into the guest
	Out          string // the interface by which they leave the guest: a card, an outside interface, a device or a tunnel
	Over         string // when Out is a tunnel: the interface of the guest that it goes over
	To           string // the network on which they are then; empty: they are outside
	TunnelsAlone bool   // only packets of tunnels pass
	Assumed      bool   // no role says that the guest lets them pass, and none that it doesn't
	Origin       string // "main.jeos.hcl:12", of what makes the step

	exit string // names the place where packets leave: a guest's interface, or a network of the host
}

// hops returns how the step is shown in a path. A guest's own card is not shown: its network says enough.
func (l Link) hops() []string {
	var out []string
	card := l.From == "" && l.Over == "" && l.To != ""
	if l.Guest != "" && !card {
		out = append(out, l.exit)
	}
	switch {
	case l.To != "":
		out = append(out, l.To)
	case l.Over != "":
		out = append(out, l.Guest+":"+l.Over)
	}
	return out
}

// guest is a guest, or what bakes an image, with its interfaces by name.
type guest struct {
	*config.Guest
	cards   map[string]*config.NIC
	tunnels map[string]config.Tunnel
	outside map[string]bool
	named   map[string]bool // interfaces for which the role says what passes
	devices []config.Device // that no outside interface of the role accounts for
}

func newGuest(g *config.Guest) *guest {
	out := &guest{Guest: g, cards: map[string]*config.NIC{}, tunnels: map[string]config.Tunnel{}, outside: map[string]bool{}, named: map[string]bool{}}
	for i := range g.NICs {
		out.cards[g.NICs[i].Name] = &g.NICs[i]
	}
	role := out.role()
	for _, name := range role.Outside {
		out.outside[name] = true
	}
	for _, t := range role.Tunnels {
		out.tunnels[t.Name] = t
		out.named[t.Name], out.named[t.Over] = true, true
	}
	for _, f := range role.Forwards {
		out.named[f.From], out.named[f.To] = true, true
	}
	if len(g.Devices) > len(role.Outside) {
		out.devices = g.Devices
	}
	return out
}

// role returns the guest's role, or one that says nothing.
func (g *guest) role() config.Role {
	if g.Role == nil {
		return config.Role{}
	}
	return *g.Role
}

// carries reports whether a tunnel of the guest goes over an interface, and nothing that the guest passes on does.
func (g *guest) carries(name string) bool {
	role := g.role()
	return slices.ContainsFunc(role.Tunnels, func(t config.Tunnel) bool { return t.Over == name }) &&
		!slices.ContainsFunc(role.Forwards, func(f config.Forward) bool { return f.To == name })
}

// leaving returns a link by which packets leave the guest.
func (g *guest) leaving(l Link, out string) Link {
	l.Guest, l.Out, l.exit = g.Name, out, g.Name+":"+out
	return l
}

// leave completes a link with what lies behind an interface. It returns false when there is no such interface.
func (g *guest) leave(l Link, out string) (Link, bool) {
	l = g.leaving(l, out)
	if card := g.cards[out]; card != nil {
		l.To, l.Origin = card.Network, cmp.Or(l.Origin, card.Origin)
		return l, true
	}
	if g.outside[out] {
		l.Origin = cmp.Or(l.Origin, g.role().Origin)
		return l, true
	}
	tunnel, ok := g.tunnels[out]
	if !ok {
		return l, false
	}
	l.Over, l.Origin = tunnel.Over, cmp.Or(l.Origin, g.role().Origin)
	if card := g.cards[tunnel.Over]; card != nil {
		l.To = card.Network
		return l, true
	}
	return l, g.outside[tunnel.Over]
}

// starts returns the steps of packets that the guest itself sends.
func (g *guest) starts() []Link {
	var out []Link
	add := func(name string) {
		if l, ok := g.leave(Link{}, name); ok {
			out = append(out, l)
		}
	}
	for _, card := range g.NICs {
		add(card.Name)
	}
	role := g.role()
	for _, name := range role.Outside {
		add(name)
	}
	for _, t := range role.Tunnels {
		add(t.Name)
	}
	for _, d := range g.devices {
		out = append(out, g.leaving(Link{Origin: d.Origin}, d.Name))
	}
	return out
}

// links returns the steps of packets that the guest passes on: what its role says, and what nobody can rule out. What comes
// in by a card that the role names goes where the role says, unless it is from an inside network: there the worst counts.
func (g *guest) links(inside map[string]bool) []Link {
	var out []Link
	for _, card := range g.NICs {
		from := Link{From: card.Network, In: card.Name}
		for _, f := range g.role().Forwards {
			l := from
			l.TunnelsAlone, l.Origin = f.TunnelsAlone, g.role().Origin
			if l, ok := g.leave(l, f.To); ok && f.From == card.Name {
				out = append(out, l)
			}
		}
		if !g.named[card.Name] || inside[card.Network] {
			from.Assumed = true
			out = append(out, g.assumed(from)...)
		}
	}
	return out
}

// assumed completes a link from a card with every interface of which no role says what passes.
func (g *guest) assumed(from Link) []Link {
	var out []Link
	add := func(name string) {
		if l, ok := g.leave(from, name); ok && !g.named[name] && l.To != from.From {
			out = append(out, l)
		}
	}
	for _, other := range g.NICs {
		add(other.Name)
	}
	for _, name := range g.role().Outside {
		add(name)
	}
	for _, d := range g.devices {
		l := g.leaving(from, d.Name)
		l.Origin = d.Origin
		out = append(out, l)
	}
	return out
}

// hostLinks returns the steps that the host makes: out of a network that it is on or bridges, and between networks on one
// bridge.
func hostLinks(site *config.Site) []Link {
	var out []Link
	for _, n := range site.Networks {
		if n.Mode != config.Isolated || len(n.Host) > 0 {
			out = append(out, Link{From: n.Name, Origin: n.Origin, exit: n.Name})
		}
		for _, other := range site.Networks {
			if n.Name != other.Name && sameBridge(n, other) {
				out = append(out, Link{From: n.Name, To: other.Name, Origin: bridgeOrigin(n, other), exit: n.Name})
			}
		}
	}
	return out
}

// sameBridge reports whether two networks are one. Networks that are not built yet have no bridge.
func sameBridge(a, b config.Network) bool { return a.Bridge != "" && a.Bridge == b.Bridge }

// bridgeOrigin returns where the bridge of two networks is named, which only a network of mode bridge does.
func bridgeOrigin(a, b config.Network) string {
	if a.Mode == config.Bridged && b.Mode != config.Bridged {
		return a.Origin
	}
	return b.Origin
}
