package builders

import (
	"slices"

	"jeos/internal/config"
	"jeos/plan"
)

// guestNeeds returns what must be there before a guest starts, sorted: its networks and filters, its gateways, and the guests
// that its blocks refer to. A gateway that refers to a guest behind it does not need that: the gateway comes first.
func guestNeeds(site *config.Site, g *config.Guest) []plan.Addr {
	needs := gateways(g)
	for _, n := range g.NICs {
		needs = append(needs, networkAddr(n.Network))
		if n.Filter != nil {
			needs = append(needs, filterAddr(g.Name, n.Name))
		}
	}
	behind := behind(site, g.Name)
	for _, name := range g.Needs {
		if !slices.Contains(behind, name) {
			needs = append(needs, guestAddr(name))
		}
	}
	slices.SortFunc(needs, plan.Addr.Compare)
	return slices.Compact(needs)
}

// gateways returns the guests that are gateways of a guest, sorted.
func gateways(g *config.Guest) []plan.Addr {
	var list []plan.Addr
	for _, n := range g.NICs {
		if n.Via != "" {
			list = append(list, guestAddr(n.Via))
		}
	}
	slices.SortFunc(list, plan.Addr.Compare)
	return slices.Compact(list)
}

// behind returns the guests whose packets go through a guest, directly or through others.
func behind(site *config.Site, gateway string) []string {
	list := []string{gateway}
	for i := 0; i < len(list); i++ {
		for k := range site.Guests {
			g := &site.Guests[k]
			if slices.Contains(gateways(g), guestAddr(list[i])) && !slices.Contains(list, g.Name) {
				list = append(list, g.Name)
			}
		}
	}
	return list[1:]
}
