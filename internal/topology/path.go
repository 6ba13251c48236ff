package topology

import (
	"slices"
	"strings"

	"jeos/internal/config"
)

// Path says how the packets of one confined guest can reach the outside.
type Path struct {
	Guest    string   // or config.BakeName of an image that is baked
	Networks []string // of its cards, in their order
	Ways     []Way    // the shortest first
}

// Way is one way of packets. Its hops are names of networks, and "guest:interface" where packets leave a guest.
type Way struct {
	Hops      []string
	Tunnelled bool // they go into a tunnel before they are outside
	Outside   bool // they get there; else nothing behind the tunnel leads there

	links       []Link
	first, left string
}

// String returns the hops, like "inside → vpn:tun0 → uplink → wifi:wlan0".
func (w Way) String() string { return strings.Join(w.Hops, " → ") }

// String returns the path as one line, like "web: inside → vpn:tun0 → uplink → wifi:wlan0; nothing else".
func (p Path) String() string {
	var parts []string
	open := false
	for _, w := range p.Ways {
		switch {
		case !w.Outside:
			parts = append(parts, w.String()+" (a dead end)")
		case !w.Tunnelled:
			parts, open = append(parts, w.String()+" (without a tunnel)"), true
		default:
			parts, open = append(parts, w.String()), true
		}
	}
	switch {
	case open:
		parts = append(parts, "nothing else")
	case len(p.Ways) > 0:
		parts = append(parts, "no way out")
	case len(p.Networks) > 0:
		parts = append(parts, strings.Join(p.Networks, ", "), "no way out")
	default:
		parts = append(parts, "no network")
	}
	return p.Guest + ": " + strings.Join(parts, "; ")
}

// Prove returns the paths of every confined guest of a site, sorted by guest with baked images last, and what is wrong
// with the site. When nothing is, no packet of a confined guest can reach the outside but through a tunnel.
func Prove(site *config.Site) ([]Path, []Problem) {
	t := New(site)
	problems := t.check()
	var paths []Path
	var all leaks
	for _, g := range t.guests {
		if !t.confined(g) {
			continue
		}
		p := Path{Guest: g.Name, Ways: t.walk(g.source())}
		for _, card := range g.NICs {
			if !slices.Contains(p.Networks, card.Network) {
				p.Networks = append(p.Networks, card.Network)
			}
		}
		paths = append(paths, p)
		all.add(subject(g), p.Ways)
	}
	for _, n := range t.networks(t.inside) {
		all.add("network."+n.Name, t.walk(anybody(n)))
	}
	return paths, append(problems, all.problems(t)...)
}

// source returns the guest as a sender. On the card that a tunnel of its own goes over, what it sends beside the tunnel is
// not taken for the tunnel's.
func (g *guest) source() source {
	return source{g.Name, g.starts(), func(l Link) cargo {
		if l.Over == "" && g.carries(l.Out) {
			return own
		}
		return plain
	}}
}

// anybody returns somebody unknown on a network as a sender.
func anybody(n config.Network) source {
	return source{"", []Link{{To: n.Name, Origin: n.Origin}}, func(Link) cargo { return plain }}
}

// subject is how a guest is called in sentences.
func subject(g *guest) string {
	if image, ok := strings.CutPrefix(g.Name, config.BakeName("")); ok {
		return "what bakes image." + image
	}
	return "guest." + g.Name
}
