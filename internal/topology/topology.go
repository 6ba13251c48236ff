package topology

import (
	"slices"

	"jeos/internal/config"
)

// Topology is the graph of a site.
type Topology struct {
	site   *config.Site
	guests []*guest
	links  []Link
	from   map[string][]Link // by network
	inside map[string]bool   // networks
}

// New returns the graph of a site, which it keeps and does not change.
func New(site *config.Site) *Topology {
	t := &Topology{site: site, from: map[string][]Link{}, inside: map[string]bool{}}
	for i := range site.Guests {
		t.guests = append(t.guests, newGuest(&site.Guests[i]))
	}
	for _, i := range site.Images {
		if i.Bake != nil && i.Bake.Network == nil {
			t.guests = append(t.guests, newGuest(&config.Guest{
				Name: config.BakeName(i.Name), NICs: []config.NIC{i.Bake.NIC}, Origin: i.Origin,
			}))
		}
	}
	t.findInside()
	for _, g := range t.guests {
		t.links = append(t.links, g.links(t.inside)...)
	}
	t.links = append(t.links, hostLinks(site)...)
	for _, l := range t.links {
		t.from[l.From] = append(t.from[l.From], l)
	}
	return t
}

// findInside marks the networks from which a guest forwards into a tunnel of its own, and those on the same bridges.
func (t *Topology) findInside() {
	for _, g := range t.guests {
		for _, card := range g.NICs {
			if g.serves(card.Name) {
				t.inside[card.Network] = true
			}
		}
	}
	for _, n := range t.networks(t.inside) {
		for _, other := range t.site.Networks {
			if sameBridge(n, other) {
				t.inside[other.Name] = true
			}
		}
	}
}

// serves reports whether the guest forwards from a card into a tunnel of its own.
func (g *guest) serves(card string) bool {
	return slices.ContainsFunc(g.role().Forwards, func(f config.Forward) bool {
		_, tunnel := g.tunnels[f.To]
		return f.From == card && tunnel
	})
}

// Links returns every step that packets can take from a network, guest by guest, and then those that the host makes.
func (t *Topology) Links() []Link { return slices.Clone(t.links) }

// Inside reports whether guests on a network must leave it through a tunnel.
func (t *Topology) Inside(network string) bool { return t.inside[network] }

// networks returns those whose names are in a set, in the order of the site.
func (t *Topology) networks(set map[string]bool) []config.Network {
	var out []config.Network
	for _, n := range t.site.Networks {
		if set[n.Name] {
			out = append(out, n)
		}
	}
	return out
}

func (t *Topology) network(name string) config.Network {
	i := slices.IndexFunc(t.site.Networks, func(n config.Network) bool { return n.Name == name })
	if i < 0 {
		return config.Network{Name: name}
	}
	return t.site.Networks[i]
}

// together reports whether two names are those of one network.
func (t *Topology) together(a, b string) bool {
	return a == b || sameBridge(t.network(a), t.network(b))
}

// confined reports whether a guest must reach the outside through a tunnel alone.
func (t *Topology) confined(g *guest) bool {
	return g.role().Confined || slices.ContainsFunc(g.NICs, func(card config.NIC) bool {
		return t.inside[card.Network] && !slices.ContainsFunc(g.NICs, func(own config.NIC) bool {
			return g.serves(own.Name) && t.together(own.Network, card.Network)
		})
	})
}
