package plan

import (
	"fmt"
	"slices"
)

// emitGuest makes the definition and the disks of a guest that stays or comes. The definition comes first, although its
// disks are not there yet, so that every disk of ours always has a domain whose metadata says what to do with it. The
// root disk comes last, so that a guest whose root disk is there has all the rest too.
func (d *differ) emitGuest(a Addr, g *guestDiff) error {
	s, w := &d.steps, g.want
	if err := d.emitUpdates(a, g); err != nil {
		return err
	}
	last := s.stopped[a]
	if g.rename {
		last = []int{s.add(Step{Verb: RenameGuest, Addr: a, Host: w.Host, UUID: g.have.UUID}, last)}
	}
	if g.forget {
		last = []int{s.add(Step{Verb: ForgetGuest, Addr: a, Host: w.Host, UUID: g.have.UUID}, last)}
	}
	if g.recreate {
		last = slices.Concat(last, d.newImage(g))
		if g.cleared == nil {
			g.cleared = d.emptyGuest(g, last)
		}
		last = slices.Concat(last, g.cleared)
	}
	if g.define {
		xml := w.XML
		if !g.build {
			edited, err := w.Edit(g.have.XML)
			if err != nil {
				return fmt.Errorf("%s: cannot edit the definition that the host has: %w", a, err)
			}
			xml = edited
		}
		last = []int{s.add(Step{Verb: DefineGuest, Addr: a, Host: w.Host, UUID: w.UUID, XML: xml}, last)}
	}
	s.defined[a] = last
	if g.autostart {
		s.add(Step{Verb: AutostartGuest, Addr: a, Host: w.Host, UUID: w.UUID, On: w.Autostart}, last)
	}
	hidden := d.emitVolumes(g, last)
	d.emitLeftovers(g, last, &hidden)
	d.changeGuest(a, g, hidden)
	return nil
}

// emptyGuest deletes the disks of a guest that is made anew, the root disk last, and returns the steps.
func (d *differ) emptyGuest(g *guestDiff, after []int) []int {
	var gone []int
	for _, v := range g.want.Parts {
		w, h := d.want[v], d.have[v]
		if h == nil || w.Keep || v == g.want.Body {
			continue
		}
		gone = append(gone, d.deleteVolume(h, after))
	}
	return append(gone, d.deleteVolume(d.have[g.want.Body], after, gone))
}

// shown returns the address under which people know a volume.
func shown(volume, parent Addr, hidden bool) Addr {
	if hidden {
		return parent
	}
	return volume
}

func (d *differ) deleteVolume(o *Object, needs ...[]int) int {
	return d.steps.add(Step{Verb: DeleteVolume, Addr: shown(o.Addr, o.Parent, o.Hidden), Host: o.Host, Pool: d.actual.Pool}, needs...)
}

// emitVolumes makes and grows the disks of a guest. It returns the changes of its hidden volumes, the seeds, as
// attributes of the guest.
func (d *differ) emitVolumes(g *guestDiff, defined []int) (hidden []AttrChange) {
	var others []int
	for _, v := range slices.Concat(slices.DeleteFunc(slices.Clone(g.want.Parts), func(v Addr) bool { return v == g.want.Body }), []Addr{g.want.Body}) {
		w, h := d.want[v], d.have[v]
		needs := slices.Concat(defined, d.poolReady())
		for _, n := range w.Needs {
			needs = append(needs, d.steps.ready[n]...)
		}
		if v == g.want.Body {
			needs = append(needs, others...)
		}
		c := Change{Addr: v, Action: NoOp}
		switch {
		case h == nil || g.recreate && !w.Keep:
			c.Action, c.Attrs = Create, allAttrs(w.Attrs)
			if h != nil {
				c.Action, c.Effect, c.Disrupts = Recreate, DataLoss, nil
				c.Reason = "its guest is made anew"
			}
			d.steps.ready[v] = []int{d.fill(w, needs)}
		case h.Foreign(w):
			d.problem(v, "Disk is not a qcow2 image", fmt.Sprintf(
				"The volume %s is on the host and holds something else than a qcow2 image. jeos never overwrites it. "+
					"Convert it with \"qemu-img convert -O qcow2\" to a file of that name, or move it away.", h.Host))
		case !h.Complete || g.build && w.Hidden:
			c.Action, c.Attrs, c.Reason = Create, allAttrs(w.Attrs), "an earlier apply did not finish it"
			d.steps.ready[v] = []int{d.fill(w, needs, []int{d.deleteVolume(h, needs)})}
		case w.SizeDefault:
		case w.Size > h.Size:
			c.Action, c.Attrs = Update, compare(KindVolume, w.Attrs, h).changes
			d.steps.ready[v] = []int{d.steps.add(Step{Verb: GrowVolume, Addr: v, Host: w.Host, Pool: d.actual.Pool, Domain: g.want.Host, Size: w.Size}, needs)}
		case w.Size < h.Size && !w.Hidden:
			d.shrink(w, h)
		}
		if c.Action == Create || c.Action == Recreate {
			d.checkContent(shown(v, w.Parent, w.Hidden), w)
		}
		others = append(others, d.steps.ready[v]...)
		if !w.Hidden {
			d.change(c)
		} else if c.Action != NoOp {
			hidden = append(hidden, AttrChange{Name: "seed", To: w.Host, Cause: ByHand})
		}
	}
	return hidden
}

// fill creates a volume, by upload where it has content.
func (d *differ) fill(w *Resource, needs ...[]int) int {
	if w.Content != nil {
		return d.upload(w, needs...)
	}
	return d.steps.add(Step{Verb: CreateVolume, Addr: w.Addr, Host: w.Host, Pool: d.actual.Pool, XML: w.XML}, needs...)
}

func (d *differ) shrink(w *Resource, h *Object) {
	d.problem(w.Addr, "Disk cannot shrink", fmt.Sprintf(
		"The disk has %s on the host and the files ask for %s. Shrinking would cut off data, so jeos never does it. "+
			"Ask for the size that it has, or make the guest anew with --replace.", attrOr(h.Attrs, "size"), attrValue(w.Attrs, "size")))
}

func attrOr(attrs map[string]string, name string) string {
	if v, ok := attrs[name]; ok {
		return v
	}
	return "another size"
}

func attrValue(attrs []Attr, name string) string {
	for _, a := range attrs {
		if a.Name == name {
			return a.Value
		}
	}
	return "less"
}

// emitLeftovers deletes the volumes of a staying guest that it has no use for any more: disks that are not in the files,
// unless they are kept, and old seeds. What a running guest still has open stays until it has been restarted.
func (d *differ) emitLeftovers(g *guestDiff, defined []int, hidden *[]AttrChange) {
	for _, v := range d.found(KindVolume) {
		h := d.have[v]
		if d.want[v] != nil || h.Parent != g.want.Addr {
			continue
		}
		switch {
		case h.Keep:
			if _, attached := g.attached(h); attached {
				d.notice(v, "kept, as its keep = true asked; a disk block of that name takes it up again")
			}
		case h.InUse && !g.stop:
			if !h.Hidden {
				d.notice(v, "still in use by the running guest; it is deleted by an apply after the guest's restart")
			}
		default:
			d.deleteVolume(h, defined, d.steps.stopped[g.want.Addr])
			if h.Hidden {
				*hidden = append(*hidden, AttrChange{Name: "seed", From: h.Host, Cause: ByFiles})
			} else {
				d.change(Change{Addr: v, Action: Delete, Attrs: goneAttrs(KindVolume, h.Attrs), Effect: DataLoss, Reason: d.goneReason()})
			}
		}
	}
}

// attached finds the change that detaches a volume from the guest, if there is one.
func (g *guestDiff) attached(volume *Object) (AttrChange, bool) {
	for _, ch := range g.changes {
		if ch.From == volume.Host && ch.To == "" {
			return ch, true
		}
	}
	return AttrChange{}, false
}

// changeGuest records what people see of a guest.
func (d *differ) changeGuest(a Addr, g *guestDiff, hidden []AttrChange) {
	c := Change{Addr: a, Reason: g.reason}
	switch {
	case g.recreate:
		c.Action, c.Attrs, c.Effect = Recreate, g.changes, Replace
	case g.build:
		c.Action, c.Attrs = Create, allAttrs(g.want.Attrs)
	case len(g.changes) > 0 || g.stop:
		c.Action, c.Attrs, c.Effect = Update, g.changes, g.effect()
		if g.stop && g.start {
			c.Effect = max(c.Effect, Restart)
		}
	case len(hidden) > 0:
		c.Action, c.Attrs, c.Effect = Update, hidden, Live
	}
	if g.on() && g.stop {
		c.Disrupts = d.interrupted(a)
	}
	d.change(c)
	if !g.stop {
		d.pending(a, g.pending)
	}
}

// emitStart starts a guest. wait is whether the plan waits until it is ready.
func (d *differ) emitStart(a Addr, wait bool) {
	s, g := &d.steps, d.guests[a]
	if g.remove() || !g.start {
		return
	}
	w := g.want
	needs := slices.Concat(s.stopped[a], s.defined[a], d.released(w))
	for _, n := range slices.Concat(w.Parts, w.Needs) {
		needs = append(needs, s.ready[n]...)
		needs = append(needs, s.started[n]...)
	}
	i := s.add(Step{Verb: StartGuest, Addr: a, Host: w.Host, UUID: w.UUID}, needs)
	s.started[a] = []int{i}
	if wait {
		s.reported[a] = []int{s.add(Step{Verb: AwaitGuest, Addr: a, Host: w.Host, UUID: w.UUID, Probes: d.opt.RequireProbes, Timeout: w.ReadyTimeout}, []int{i})}
	}
}

// emitRemoval removes a guest that is not in the files: its disks, but for the kept ones, and last its definition, whose
// metadata says which are kept.
func (d *differ) emitRemoval(a Addr, g *guestDiff) {
	var gone []int
	for _, v := range d.found(KindVolume) {
		h := d.have[v]
		if h.Parent != a {
			continue
		}
		if f := d.files[v]; h.Keep || f != nil && f.Keep {
			d.notice(v, "kept, as its keep = true asked; a guest and disk of the same names take it up again")
			continue
		}
		gone = append(gone, d.deleteVolume(h, d.steps.stopped[a]))
		if !h.Hidden {
			d.change(Change{Addr: v, Action: Delete, Attrs: goneAttrs(KindVolume, h.Attrs), Effect: DataLoss, Reason: d.goneReason()})
		}
	}
	i := d.steps.add(Step{Verb: UndefineGuest, Addr: a, Host: g.have.Host, UUID: g.have.UUID}, d.steps.stopped[a], gone)
	d.steps.defined[a] = []int{i}
	c := Change{Addr: a, Action: Delete, Attrs: goneAttrs(KindGuest, g.have.Attrs), Effect: DataLoss, Reason: d.goneReason()}
	if g.on() {
		c.Disrupts = d.interrupted(a)
	}
	d.change(c)
}

// emitStraySeeds deletes the seeds of guests that are neither in the files nor on the host: they hold the guests' secrets.
// Disks of such guests stay, as nobody knows whether they were to be kept.
func (d *differ) emitStraySeeds() {
	for _, v := range d.found(KindVolume) {
		h := d.have[v]
		if d.guests[h.Parent] != nil {
			continue
		}
		if !h.Hidden {
			if d.opt.Destroy {
				d.notice(v, "stays: nothing on the host says that it may go")
			}
			continue
		}
		d.steps.add(Step{Verb: DeleteVolume, Addr: v, Host: h.Host, Pool: d.actual.Pool})
		d.change(Change{Addr: v, Action: Delete, Attrs: goneAttrs(KindVolume, h.Attrs), Reason: "its guest is gone"})
	}
}
