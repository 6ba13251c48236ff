package topology_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"jeos/internal/config"
	"jeos/internal/topology"
)

// drawSite draws a site whose parts fit together. Small ones with few networks find the most.
func drawSite(t *rapid.T) *config.Site {
	site := &config.Site{Name: "home"}
	modes := []config.Mode{config.Isolated, config.Isolated, config.Isolated, config.Isolated, config.NAT, config.Bridged}
	var names []string
	for i := range rapid.IntRange(1, 5).Draw(t, "networks") {
		n := config.Network{Name: fmt.Sprint("n", i), Mode: rapid.SampledFrom(modes).Draw(t, "mode"), Bridge: fmt.Sprint("j", i), Origin: "site:1"}
		if rapid.IntRange(0, 7).Draw(t, "bridge") == 0 {
			n.Bridge = "j0"
		}
		if rapid.IntRange(0, 15).Draw(t, "host") == 0 {
			n.Host = append(n.Host, endpoint.Addr)
		}
		site.Networks = append(site.Networks, n)
		names = append(names, n.Name)
	}
	for i := range rapid.IntRange(1, 6).Draw(t, "guests") {
		site.Guests = append(site.Guests, drawGuest(t, fmt.Sprint("g", i), names))
	}
	if rapid.IntRange(0, 4).Draw(t, "bake") == 0 {
		card := config.NIC{Name: "bake", Network: rapid.SampledFrom(names).Draw(t, "bake network")}
		site.Images = append(site.Images, config.Image{Name: "noble", Bake: &config.Bake{NIC: card}, Origin: "site:1"})
	}
	return site
}

func drawGuest(t *rapid.T, name string, networks []string) config.Guest {
	g := config.Guest{Name: name, Origin: "site:1"}
	var cards []string
	for i := range rapid.SampledFrom([]int{0, 1, 1, 2, 2, 2, 3}).Draw(t, "cards") {
		card := config.NIC{Name: fmt.Sprint("c", i), Network: rapid.SampledFrom(networks).Draw(t, "network"), Origin: "site:1"}
		g.NICs = append(g.NICs, card)
		cards = append(cards, card.Name)
	}
	if rapid.IntRange(0, 9).Draw(t, "device") == 0 {
		g.Devices = []config.Device{{Name: "card", Origin: "site:1"}}
	}
	if rapid.Bool().Draw(t, "role") {
		g.Role = drawRole(t, cards)
	}
	return g
}

func drawRole(t *rapid.T, cards []string) *config.Role {
	role := &config.Role{Name: "test", Origin: "site:1", Confined: rapid.IntRange(0, 3).Draw(t, "confined") == 0}
	if rapid.IntRange(0, 3).Draw(t, "outside") == 0 {
		role.Outside = []string{"wlan0"}
	}
	under := append(slices.Clone(cards), role.Outside...)
	if len(under) == 0 {
		return role
	}
	out := slices.Clone(under)
	for i := range rapid.SampledFrom([]int{0, 0, 1, 1, 2}).Draw(t, "tunnels") {
		tunnel := config.Tunnel{Name: fmt.Sprint("tun", i), Over: rapid.SampledFrom(under).Draw(t, "over"), Endpoints: []config.Endpoint{endpoint}}
		role.Tunnels = append(role.Tunnels, tunnel)
		out = append(out, tunnel.Name, tunnel.Name)
	}
	for range rapid.SampledFrom([]int{0, 1, 1, 2, 3}).Draw(t, "forwards") {
		role.Forwards = append(role.Forwards, config.Forward{
			From: rapid.SampledFrom(under).Draw(t, "from"), To: rapid.SampledFrom(out).Draw(t, "to"),
			TunnelsAlone: rapid.Bool().Draw(t, "alone"),
		})
	}
	return role
}

// TestOracle holds the proof against brute force: the same guests are confined, and the packets of each of them get
// outside at the same places, through the same tunnels or through none.
func TestOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		site := drawSite(t)
		paths, problems := topology.Prove(site)
		leaking := false
		for _, g := range guestsOf(site) {
			i := slices.IndexFunc(paths, func(p topology.Path) bool { return p.Guest == g.Name })
			if (i >= 0) != isConfined(site, g) {
				t.Fatalf("%s is confined: %t", g.Name, isConfined(site, g))
			}
			if i < 0 {
				continue
			}
			f := newFlood(site, g.Name)
			f.originate(g)
			f.run()
			leaking = leaking || len(f.leaks) > 0
			if diff := cmp.Diff(found(f), shown(paths[i])); diff != "" {
				t.Fatalf("%s (-oracle +proof):\n%s", paths[i], diff)
			}
			for _, w := range paths[i].Ways {
				walkable(t, site, g.Name, w)
			}
		}
		for wire := range insideWires(site) {
			f := newFlood(site, "")
			f.seen[sighting{wire: wire, kind: "any"}] = true
			f.run()
			leaking = leaking || len(f.leaks) > 0
		}
		refused := slices.ContainsFunc(problems, func(p topology.Problem) bool { return p.Summary == "Path around the tunnel" })
		if refused != leaking {
			t.Fatalf("packets leak: %t, and the problems are %v", leaking, problems)
		}
	})
}

func found(f *flood) []string {
	var all []string
	for exit := range maps.Keys(f.leaks) {
		all = append(all, "leak, "+exit)
	}
	all = slices.AppendSeq(all, maps.Keys(f.sealed))
	slices.Sort(all)
	return all
}

// shown says of a path what the oracle knows.
func shown(p topology.Path) []string {
	var all []string
	for _, w := range p.Ways {
		exit := w.Hops[len(w.Hops)-1]
		var tunnels []string
		for _, hop := range w.Hops {
			if strings.Contains(hop, ":tun") {
				tunnels = append(tunnels, hop)
			}
		}
		switch {
		case !w.Outside:
		case w.Tunnelled:
			all = append(all, tunnels[0]+", "+tunnels[len(tunnels)-1]+", "+exit)
		default:
			all = append(all, "leak, "+exit)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// walkable checks that every hop of a way can follow the one before it.
func walkable(t *rapid.T, site *config.Site, sender string, w topology.Way) {
	wire, in := "", sender // where packets are: on a wire, or in a guest
	for _, hop := range w.Hops {
		name, face, leaves := strings.Cut(hop, ":")
		if !leaves {
			next := wireOf(site, hop)
			if wire != next && !onWire(site, in, next) {
				t.Fatalf("%s: nothing leads to %s", w, hop)
			}
			wire, in = next, ""
			continue
		}
		if name != in && !onWire(site, name, wire) {
			t.Fatalf("%s: %s is not where packets are", w, name)
		}
		in, wire = name, ""
		if strings.HasPrefix(face, "tun") && !w.Tunnelled {
			t.Fatalf("%s counts as plain", w)
		}
	}
}

func onWire(site *config.Site, guest, wire string) bool {
	for _, g := range guestsOf(site) {
		for _, card := range g.NICs {
			if g.Name == guest && wireOf(site, card.Network) == wire {
				return true
			}
		}
	}
	return false
}

// A card on a network with NAT opens a path for any confined guest, whatever the site.
func TestSecondCardIsRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		site := drawSite(t)
		site.Networks = append(site.Networks, config.Network{Name: "open", Mode: config.NAT, Bridge: "jopen"})
		i := rapid.IntRange(0, len(site.Guests)-1).Draw(t, "which")
		g := &site.Guests[i]
		if !isConfined(site, *g) {
			g.Role = &config.Role{Name: "test", Confined: true, Origin: "site:1"}
		}
		g.NICs = append(g.NICs, config.NIC{Name: "second", Network: "open", Origin: "site:99"})
		_, problems := topology.Prove(site)
		if !slices.ContainsFunc(problems, func(p topology.Problem) bool { return p.Origin == "site:99" }) {
			t.Fatalf("no problem points at the card: %v", problems)
		}
	})
}

// The same site gives the same words, and keeps what it is.
func TestDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		site := drawSite(t)
		paths, problems := topology.Prove(site)
		morePaths, moreProblems := topology.Prove(site)
		if render(paths, problems) != render(morePaths, moreProblems) {
			t.Fatal("two proofs differ")
		}
	})
}
