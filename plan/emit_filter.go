package plan

import (
	"slices"
	"strings"
)

// emitFilters defines the filters that are missing or not as wanted. Nothing waits before that: a filter that somebody
// opened is closed at once, whatever else is to be done.
func (d *differ) emitFilters() {
	for _, a := range d.wanted(KindFilter) {
		w, h := d.want[a], d.have[a]
		c := Change{Addr: a, Action: Create, Attrs: allAttrs(w.Attrs)}
		if h != nil {
			differs := compare(KindFilter, w.Attrs, h)
			if len(differs.changes) == 0 {
				continue
			}
			c = Change{Addr: a, Action: Update, Attrs: differs.changes, Effect: differs.effect()}
			for _, g := range d.attached(a) {
				if g.waits() {
					d.notice(a, "it changes at once, and %s may be cut off until it has been restarted", g.have.Addr)
				}
			}
		}
		d.steps.ready[a] = []int{d.steps.add(Step{Verb: DefineFilter, Addr: a, Host: w.Host, UUID: w.UUID, XML: w.XML})}
		d.change(c)
	}
}

// waits reports whether what a guest sends will only be what the files say after a restart that does not come now.
func (g *guestDiff) waits() bool {
	return g.on() && !g.stop && slices.ContainsFunc(slices.Concat(g.changes, g.pending), func(c AttrChange) bool {
		return c.Effect == Restart && (strings.HasPrefix(c.Name, "nic.") || strings.HasPrefix(c.Name, "seed."))
	})
}

// emitFilterRemoval removes a filter that is not in the files, once no guest uses it any more.
func (d *differ) emitFilterRemoval(a Addr) {
	h := d.have[a]
	if d.want[a] != nil {
		return
	}
	var needs []int
	for _, g := range d.attached(a) {
		if d.filtersOn(g, a) {
			d.notice(a, "still at work in the running %s, so it stays until that guest has been restarted", g.have.Addr)
			return
		}
		for _, after := range []map[Addr][]int{d.steps.stopped, d.steps.updated, d.steps.defined} {
			needs = append(needs, after[g.have.Addr]...)
		}
	}
	d.steps.add(Step{Verb: UndefineFilter, Addr: a, Host: h.Host, UUID: h.UUID}, needs)
	d.change(Change{Addr: a, Action: Delete, Attrs: goneAttrs(KindFilter, h.Attrs), Reason: d.goneReason()})
}

// filtersOn reports whether a filter goes on to be at work on a guest.
func (d *differ) filtersOn(g *guestDiff, filter Addr) bool {
	if !g.on() || g.stop || !slices.Contains(g.have.Uses, filter) {
		return false
	}
	return !slices.ContainsFunc(g.update, func(name string) bool {
		value, _, _ := strings.Cut(g.have.Live[name], " ")
		return value == filter.String()
	})
}
