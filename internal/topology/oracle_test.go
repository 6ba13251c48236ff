package topology_test

import (
	"maps"
	"slices"

	"jeos/internal/config"
)

// The oracle knows nothing of links and paths. It lets every packet that can be sent be on every wire that it can reach,
// again and again until nothing new is seen anywhere, straight from what the site says.

// sighting is a packet that somebody on a wire can see. A wire is a bridge.
type sighting struct {
	wire        string
	kind        string // "any", "beside" a tunnel, or "sealed" in one
	first, last string // tunnels
}

// flood is what one sender can do.
type flood struct {
	site   *config.Site
	sender string
	seen   map[sighting]bool
	leaks  map[string]bool // exits that packets reach without a tunnel
	sealed map[string]bool // "first tunnel, last tunnel, exit"
}

func newFlood(site *config.Site, sender string) *flood {
	return &flood{site, sender, map[sighting]bool{}, map[string]bool{}, map[string]bool{}}
}

func wireOf(site *config.Site, network string) string {
	for _, n := range site.Networks {
		if n.Name == network && n.Bridge != "" {
			return n.Bridge
		}
	}
	return "alone " + network
}

// guestsOf returns all that is on the wires.
func guestsOf(site *config.Site) []config.Guest {
	all := slices.Clone(site.Guests)
	for _, i := range site.Images {
		if i.Bake != nil && i.Bake.Network == nil {
			all = append(all, config.Guest{Name: "bake." + i.Name, NICs: []config.NIC{i.Bake.NIC}})
		}
	}
	return all
}

func roleOf(g config.Guest) config.Role {
	if g.Role != nil {
		return *g.Role
	}
	return config.Role{}
}

// run floods until nothing changes.
func (f *flood) run() {
	for before := -1; before != len(f.seen)+len(f.leaks)+len(f.sealed); {
		before = len(f.seen) + len(f.leaks) + len(f.sealed)
		for s := range maps.Clone(f.seen) {
			for _, n := range f.site.Networks {
				if wireOf(f.site, n.Name) == s.wire && (n.Mode == config.NAT || n.Mode == config.Bridged || len(n.Host) > 0) {
					f.out(s, n.Name)
				}
			}
			for _, g := range guestsOf(f.site) {
				for _, card := range g.NICs {
					if g.Name != f.sender && wireOf(f.site, card.Network) == s.wire {
						f.through(g, card, s)
					}
				}
			}
		}
	}
}

func (f *flood) out(s sighting, exit string) {
	if s.kind == "sealed" {
		f.sealed[s.first+", "+s.last+", "+exit] = true
	} else {
		f.leaks[exit] = true
	}
}

// through lets a guest pass on what came in by a card.
func (f *flood) through(g config.Guest, in config.NIC, s sighting) {
	said := map[string]bool{}
	for _, fw := range roleOf(g).Forwards {
		said[fw.From], said[fw.To] = true, true
		if fw.From == in.Name && (!fw.TunnelsAlone || s.kind != "beside") {
			f.send(g, fw.To, s)
		}
	}
	for _, t := range roleOf(g).Tunnels {
		said[t.Name], said[t.Over] = true, true
	}
	if said[in.Name] && len(insideWires(f.site)[wireOf(f.site, in.Network)]) == 0 {
		return // the role is believed
	}
	if s.kind == "beside" {
		s.kind = "any"
	}
	for _, card := range g.NICs {
		if !said[card.Name] && card.Network != in.Network { // what stays on a network is not passed on
			f.send(g, card.Name, s)
		}
	}
	for _, name := range roleOf(g).Outside {
		if !said[name] {
			f.send(g, name, s)
		}
	}
	f.devices(g, s)
}

func (f *flood) devices(g config.Guest, s sighting) {
	if len(g.Devices) > len(roleOf(g).Outside) {
		for _, d := range g.Devices {
			f.out(s, g.Name+":"+d.Name)
		}
	}
}

// send lets a packet leave a guest.
func (f *flood) send(g config.Guest, by string, s sighting) {
	for _, t := range roleOf(g).Tunnels {
		if t.Name == by {
			s.kind, s.last = "sealed", g.Name+":"+t.Name
			if s.first == "" {
				s.first = s.last
			}
			f.send(g, t.Over, s)
		}
	}
	for _, card := range g.NICs {
		if card.Name == by {
			s.wire = wireOf(f.site, card.Network)
			f.seen[s] = true
		}
	}
	if slices.Contains(roleOf(g).Outside, by) {
		f.out(s, g.Name+":"+by)
	}
}

// originate lets a guest send whatever it likes.
func (f *flood) originate(g config.Guest) {
	role := roleOf(g)
	for _, card := range g.NICs {
		s := sighting{kind: "any"}
		over := slices.ContainsFunc(role.Tunnels, func(t config.Tunnel) bool { return t.Over == card.Name })
		if over && !slices.ContainsFunc(role.Forwards, func(fw config.Forward) bool { return fw.To == card.Name }) {
			s.kind = "beside"
		}
		f.send(g, card.Name, s)
	}
	for _, name := range role.Outside {
		f.send(g, name, sighting{kind: "any"})
	}
	for _, t := range role.Tunnels {
		f.send(g, t.Name, sighting{kind: "any"})
	}
	f.devices(g, sighting{kind: "any"})
}

// insideWires returns the wires from which some guest forwards into its tunnel, each with those guests.
func insideWires(site *config.Site) map[string]map[string]bool {
	wires := map[string]map[string]bool{}
	for _, g := range guestsOf(site) {
		for _, fw := range roleOf(g).Forwards {
			for _, t := range roleOf(g).Tunnels {
				for _, card := range g.NICs {
					if fw.From == card.Name && fw.To == t.Name {
						wire := wireOf(site, card.Network)
						if wires[wire] == nil {
							wires[wire] = map[string]bool{}
						}
						wires[wire][g.Name] = true
					}
				}
			}
		}
	}
	return wires
}

func isConfined(site *config.Site, g config.Guest) bool {
	wires := insideWires(site)
	for _, card := range g.NICs {
		gateways := wires[wireOf(site, card.Network)]
		if len(gateways) > 0 && !gateways[g.Name] {
			return true
		}
	}
	return roleOf(g).Confined
}
