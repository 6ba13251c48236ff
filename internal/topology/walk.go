package topology

import (
	"cmp"
	"slices"
)

// cargo is what packets are to those who see them.
type cargo int

const (
	plain  cargo = iota // anything
	own                 // what a guest sends beside its tunnel, on the card that the tunnel goes over
	sealed              // what went into a tunnel
)

// place is where packets are, and what of their way matters from here on.
type place struct {
	network     string // empty: outside
	exit        string // where they got outside
	cargo       cargo
	first, last string // tunnels that they went into, "guest:interface"
	left        string // the exit by which they left the inside networks without a tunnel; empty: they did not
}

// source is who sends packets: a guest, or anybody on a network.
type source struct {
	guest string // empty: it is no guest that the files know
	links []Link // their first steps
	sends func(Link) cargo
}

// visit is a place and how it was reached.
type visit struct {
	place
	link Link
	prev *visit // nil: it is the first step
}

// step returns where packets are after a link; false when they cannot take it.
func (t *Topology) step(at place, l Link) (place, bool) {
	if l.TunnelsAlone && at.cargo == own {
		return place{}, false
	}
	if at.network = l.To; at.network == "" {
		at.exit = l.exit
	}
	switch {
	case l.Over != "":
		at.cargo, at.left, at.last = sealed, "", l.exit
		at.first = cmp.Or(at.first, at.last)
	case at.cargo != sealed:
		if l.Assumed {
			at.cargo = plain
		}
		if !t.inside[l.To] {
			at.left = cmp.Or(at.left, l.exit)
		}
	}
	return at, true
}

// walk returns the ways out that begin with some links: for each exit one without a tunnel by each place where the inside
// networks are left, and one for each pair of the first and the last tunnel, each time the shortest. A tunnel behind
// which nothing leads outside gives a way, too. They are sorted by length and then by their hops.
//
// Packets do not pass through the guest that sends them: wherever it would pass them on to, it can send them at once.
func (t *Topology) walk(from source) []Way {
	var queue, tunnels []*visit
	var ways []Way
	seen := map[place]bool{}
	take := func(prev *visit, at place, l Link) {
		next, ok := t.step(at, l)
		if !ok || seen[next] {
			return
		}
		seen[next] = true
		v := &visit{next, l, prev}
		if next.network == "" {
			ways = append(ways, v.way())
			return
		}
		queue = append(queue, v)
		if at.first == "" && next.first != "" {
			tunnels = append(tunnels, v)
		}
	}
	for _, l := range from.links {
		take(nil, place{cargo: from.sends(l)}, l)
	}
	for i := 0; i < len(queue); i++ {
		for _, l := range t.from[queue[i].network] {
			if l.Guest == "" || l.Guest != from.guest {
				take(queue[i], queue[i].place, l)
			}
		}
	}
	for _, v := range tunnels {
		if !slices.ContainsFunc(ways, func(w Way) bool { return w.first == v.first }) {
			ways = append(ways, v.way())
		}
	}
	slices.SortStableFunc(ways, func(a, b Way) int {
		return cmp.Or(cmp.Compare(len(a.Hops), len(b.Hops)), slices.Compare(a.Hops, b.Hops))
	})
	return ways
}

// way returns the steps that led to a place.
func (v *visit) way() Way {
	w := Way{Tunnelled: v.cargo == sealed, Outside: v.network == "", first: v.first, left: v.left}
	for at := v; at != nil; at = at.prev {
		w.links = append(w.links, at.link)
	}
	slices.Reverse(w.links)
	for _, l := range w.links {
		w.Hops = append(w.Hops, l.hops()...)
	}
	return w
}
