package plan

import (
	"fmt"
	"maps"
	"slices"
)

// emitBake makes an image: a throw-away guest boots, does its work, reports ready and switches itself off; then its disk
// is cloned, and all that was its own goes away. What an earlier bake left behind goes first, since nobody knows how far it
// came. Guests that need the image wait for the last clone, and not for the cleaning up, which a bake that fails gets too.
//
// The guest is never cut off before its disk is cloned: what it has not written by then would be missing in the image.
func (d *differ) emitBake(a Addr, w *Resource) {
	s, b, left := &d.steps, w.Bake, d.actual.Bakes[a.Name]
	g := &b.Guest
	free := d.clearBake(left, nil)
	online := slices.Concat(d.emitBakeNetwork(b, free), d.emitBakeFilters(b, free))
	defined := []int{s.add(Step{Verb: DefineGuest, Addr: g.Addr, Host: g.Host, UUID: g.UUID, XML: g.XML}, free)}
	disks := d.emitBakeDisks(a, b, defined)
	started := s.add(Step{Verb: StartGuest, Addr: g.Addr, Host: g.Host, UUID: g.UUID}, defined, disks, online)
	worked := s.add(Step{
		Verb: AwaitGuest, Addr: g.Addr, Host: g.Host, UUID: g.UUID, Timeout: g.ReadyTimeout,
		Remedy: fmt.Sprintf("correct the block of %s, or what it gets from the network, and run the same command again", a),
	}, []int{started})
	last := []int{s.add(Step{
		Verb: StopGuest, Addr: g.Addr, Host: g.Host, UUID: g.UUID, Timeout: g.StopTimeout,
		Remedy: "find out what keeps its base from switching off, and run the same command again, which begins anew",
	}, []int{worked})}
	bare := d.clearLayers(a, last)
	for _, c := range b.Clones {
		last = []int{s.add(Step{Verb: CloneVolume, Addr: a, From: c.From, Host: c.To, Pool: d.actual.Pool, XML: c.XML}, last, bare)}
	}
	s.ready[a] = last
	d.clearBake(b.leavings(), last)

	c := Change{Addr: a, Action: Create, Attrs: allAttrs(w.Attrs), Disrupts: left.running()}
	c.Reason = "to be baked: there is no image of this recipe and serial yet"
	if left != nil || d.have[a] != nil {
		c.Reason = "to be baked: an earlier bake was cut"
	}
	d.change(c)
}

// running returns the guest of a bake if it still runs, for another jeos or for none. The remains may be nil.
func (r *Remains) running() []Addr {
	if r == nil || r.Guest == nil || r.Guest.State == Off {
		return nil
	}
	return []Addr{r.Guest.Addr}
}

// emitBakeNetwork brings up the network of a bake. It returns the steps after which the guest can be started on it, or on
// the network of the site that it uses, with the gateway there.
func (d *differ) emitBakeNetwork(b *Bake, free []int) []int {
	var online []int
	for _, n := range b.Guest.Needs {
		switch n.Kind {
		case KindNetwork, KindFilter:
			online = append(online, d.steps.ready[n]...)
		case KindGuest:
			online = append(online, d.steps.reported[n]...)
		}
	}
	if n := b.Network; n != nil {
		defined := d.steps.add(Step{Verb: DefineNetwork, Addr: n.Addr, Host: n.Host, UUID: n.UUID, XML: n.XML}, free)
		online = append(online, d.steps.add(Step{Verb: StartNetwork, Addr: n.Addr, Host: n.Host, UUID: n.UUID}, []int{defined}))
	}
	return online
}

// emitBakeFilters defines the filters of a bake, without which its guest cannot be started, and returns the steps.
func (d *differ) emitBakeFilters(b *Bake, free []int) []int {
	var defined []int
	for _, f := range b.Filters {
		defined = append(defined, d.steps.add(Step{Verb: DefineFilter, Addr: f.Addr, Host: f.Host, UUID: f.UUID, XML: f.XML}, free))
	}
	return defined
}

// emitBakeDisks makes the disks of the guest that bakes an image, and returns the steps. Only the root disk waits for the
// image below.
func (d *differ) emitBakeDisks(a Addr, b *Bake, defined []int) []int {
	var disks []int
	for i := range b.Volumes {
		v := &b.Volumes[i]
		d.checkContent(a, v)
		needs := slices.Concat(defined, d.poolReady())
		for _, n := range v.Needs {
			needs = append(needs, d.steps.ready[n]...)
		}
		disks = append(disks, d.fill(v, needs))
	}
	return disks
}

// leavings is what a bake has to clear away at its end, be it a good or a bad one: then the guest may still run.
func (b *Bake) leavings() *Remains {
	r := &Remains{Guest: &Object{Addr: b.Guest.Addr, Host: b.Guest.Host, UUID: b.Guest.UUID, State: Running}}
	if n := b.Network; n != nil {
		r.Network = &Object{Addr: n.Addr, Host: n.Host, UUID: n.UUID, State: Running}
	}
	for _, f := range b.Filters {
		r.Filters = append(r.Filters, &Object{Addr: f.Addr, Host: f.Host, UUID: f.UUID, Parent: f.Parent})
	}
	for _, v := range b.Volumes {
		r.Volumes = append(r.Volumes, &Object{Addr: v.Addr, Host: v.Host, Parent: v.Parent, Hidden: v.Hidden})
	}
	return r
}

// clearBake removes the remains of a bake, nil for none, once the steps of after have ended, however they did, and returns
// the steps after which they are gone. A guest that still runs is not asked to shut down: nothing in it counts. Its network
// goes down even when it does not, so that at least it has no way out; its disks and filters stay as long as it runs with them.
func (d *differ) clearBake(r *Remains, after []int) []int {
	if r == nil {
		return nil
	}
	s, off := &d.steps, after
	var gone []int
	if g := r.Guest; g != nil {
		if g.State != Off {
			off = []int{s.add(Step{Verb: StopGuest, Addr: g.Addr, Host: g.Host, UUID: g.UUID, On: true, Always: true}, after)}
		}
		gone = append(gone, s.add(Step{Verb: UndefineGuest, Addr: g.Addr, Host: g.Host, UUID: g.UUID}, off))
	}
	for _, f := range r.Filters {
		gone = append(gone, s.add(Step{Verb: UndefineFilter, Addr: f.Addr, Host: f.Host, UUID: f.UUID}, off))
	}
	for _, v := range r.Volumes {
		gone = append(gone, d.deleteVolume(v, off))
	}
	if n := r.Network; n != nil {
		down := off
		if n.State != Off {
			down = []int{s.add(Step{Verb: StopNetwork, Addr: n.Addr, Host: n.Host, UUID: n.UUID, Always: true}, off)}
		}
		gone = append(gone, s.add(Step{Verb: UndefineNetwork, Addr: n.Addr, Host: n.Host, UUID: n.UUID}, down))
	}
	return gone
}

// clearLayers takes away the disks that are layers over an image in whose place another one is put, and returns the steps
// after which they are gone. Those of a guest that is made anew stay until the bake has done its work.
func (d *differ) clearLayers(image Addr, worked []int) []int {
	var gone []int
	for _, a := range d.layers[image] {
		g := d.guests[a]
		if g.remove() {
			d.emitRemoval(a, g)
			g.cleared = d.steps.defined[a]
		} else {
			g.cleared = d.emptyGuest(g, slices.Concat(d.steps.stopped[a], worked))
		}
		gone = append(gone, g.cleared...)
	}
	return gone
}

// emitRemains removes what is left of bakes that are not done again now. A plan for some addresses only leaves those of
// other images alone.
func (d *differ) emitRemains() {
	partial := len(d.opt.Target)+len(d.opt.Images) > 0
	for _, name := range slices.Sorted(maps.Keys(d.actual.Bakes)) {
		image, r := Addr{KindImage, name}, d.actual.Bakes[name]
		if slices.Contains(d.images, image) || partial && d.want[image] == nil {
			continue
		}
		d.clearBake(r, nil)
		d.change(Change{
			Addr: Addr{KindGuest, "bake." + name}, Action: Delete, Disrupts: r.running(),
			Reason: "left behind by a bake that did not come to its end",
		})
	}
}
