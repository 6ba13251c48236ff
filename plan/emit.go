package plan

import (
	"fmt"
	"slices"
	"time"
)

// defaultStopTimeout is for guests that are not in the files and whose metadata does not say.
const defaultStopTimeout = 2 * time.Minute

// stepList collects steps. Its maps remember, by address, the steps after which an object is as others need it.
type stepList struct {
	list    []Step
	stopped map[Addr][]int // guest, network: steps after which it is off
	ready   map[Addr][]int // pool, image, volume, network, filter: steps after which it can be used
	updated map[Addr][]int // guest: steps that change devices of the running one
	defined map[Addr][]int // guest: steps after which its definition is the wanted one, or gone
	started map[Addr][]int // guest

	reported map[Addr][]int // guest: steps after which it is ready, as far as the plan waits for that
}

func newStepList() stepList {
	return stepList{
		stopped: map[Addr][]int{}, ready: map[Addr][]int{}, updated: map[Addr][]int{}, defined: map[Addr][]int{}, started: map[Addr][]int{},
		reported: map[Addr][]int{},
	}
}

// add appends a step that needs others, and returns its index.
func (l *stepList) add(s Step, needs ...[]int) int {
	for _, n := range needs {
		s.Needs = append(s.Needs, n...)
	}
	slices.Sort(s.Needs)
	s.Needs = slices.Compact(s.Needs)
	l.list = append(l.list, s)
	return len(l.list) - 1
}

// emit turns decisions into changes and steps. The order of the calls is the order of things: make images, stop, take
// away, prepare, define, fill, start, and remove what is left over. Images come first, so that a guest that is made anew
// from one runs on until that is there; but a bake that uses a network of the site, or takes the place of an image that is
// lost, comes after what happens to that network and to the guests on that image. A gateway that a bake goes through is
// started before its turn.
func (d *differ) emit() error {
	order := d.startOrder()
	early, late := d.partImages()
	if !d.opt.Destroy {
		d.emitPool()
	}
	d.emitImages(early)
	d.emitFilters()
	for _, a := range slices.Backward(order) {
		d.emitStop(a)
	}
	for _, a := range d.found(KindNetwork) {
		d.emitNetworkStop(a)
	}
	for _, a := range d.wanted(KindNetwork) {
		if err := d.emitNetwork(a); err != nil {
			return err
		}
	}
	done, err := d.emitLate(late)
	if err != nil {
		return err
	}
	for _, a := range order {
		g := d.guests[a]
		if done[a] {
			continue
		}
		if g.remove() {
			if g.cleared == nil {
				d.emitRemoval(a, g)
			}
		} else if err := d.emitGuest(a, g); err != nil {
			return err
		}
	}
	for _, a := range order {
		if !done[a] {
			d.emitStart(a, !d.opt.NoWait)
		}
	}
	d.emitStraySeeds()
	d.emitRemains()
	for _, a := range d.found(KindFilter) {
		d.emitFilterRemoval(a)
	}
	for _, a := range d.found(KindNetwork) {
		d.emitNetworkRemoval(a)
	}
	return nil
}

// startOrder returns all guests, those that others need first; otherwise sorted. Guests may refer to each other; the first
// of such a circle by name then comes last.
func (d *differ) startOrder() []Addr {
	var out []Addr
	seen := map[Addr]bool{}
	var visit func(a Addr)
	visit = func(a Addr) {
		g := d.guests[a]
		if seen[a] || g == nil {
			return
		}
		seen[a] = true
		for _, n := range d.needs(a) {
			visit(n)
		}
		out = append(out, a)
	}
	for _, a := range sortedAddrs(d.guests, "") {
		visit(a)
	}
	return out
}

// needs returns what the files say that an object needs, also when the plan removes it. Of what they do not have it is nil.
func (d *differ) needs(a Addr) []Addr {
	if f := d.files[a]; f != nil {
		return f.Needs
	}
	return nil
}

func (d *differ) emitStop(a Addr) {
	g := d.guests[a]
	for _, name := range g.detach {
		if g.stop {
			break // it goes with the restart
		}
		// Nothing waits for it: a definition is put right even if the guest does not let go of the device.
		d.steps.add(Step{Verb: DetachDevice, Addr: a, Host: g.have.Host, UUID: g.have.UUID, XML: g.have.Detach[name]})
	}
	if !g.stop {
		return
	}
	var behind []int // what needs it stops first
	for b := range d.guests {
		if slices.Contains(d.needs(b), a) {
			behind = append(behind, d.steps.stopped[b]...)
		}
	}
	timeout, force := defaultStopTimeout, g.have.ForceStop
	if t, err := time.ParseDuration(g.have.StopTimeout); err == nil {
		timeout = t
	}
	if g.want != nil {
		timeout, force = g.want.StopTimeout, g.want.ForceStop
	}
	i := d.steps.add(Step{Verb: StopGuest, Addr: a, Host: g.have.Host, UUID: g.have.UUID, Timeout: timeout, On: force || d.opt.ForceStop}, behind, d.newImage(g))
	d.steps.stopped[a] = []int{i}
}

// newImage returns the steps after which the image of a guest that is made anew is there, as far as they come already.
// Until then nothing is taken away from what it was.
func (d *differ) newImage(g *guestDiff) []int {
	var out []int
	if g.recreate {
		for _, image := range d.imagesOf(g.want) {
			out = append(out, d.steps.ready[image]...)
		}
	}
	return out
}

// stoppedOn returns the steps after which no guest that is to be stopped uses the network.
func (d *differ) stoppedOn(network Addr) []int {
	var out []int
	for _, g := range d.attached(network) {
		out = append(out, d.steps.stopped[g.have.Addr]...)
	}
	return out
}

func (d *differ) emitNetworkStop(a Addr) {
	n := d.networks[a]
	if n == nil || !n.stop {
		return
	}
	i := d.steps.add(Step{Verb: StopNetwork, Addr: a, Host: n.have.Host, UUID: n.have.UUID}, d.stoppedOn(a))
	d.steps.stopped[a] = []int{i}
}

func (d *differ) emitPool() {
	for _, a := range d.wanted(KindPool) {
		w, h := d.want[a], d.have[a]
		var last []int
		if h == nil {
			last = []int{d.steps.add(Step{Verb: DefinePool, Addr: a, Host: w.Host, XML: w.XML})}
		}
		if h == nil || h.State == Off {
			last = []int{d.steps.add(Step{Verb: StartPool, Addr: a, Host: w.Host}, last)}
		}
		d.steps.ready[a] = last
		switch {
		case h == nil:
			d.change(Change{Addr: a, Action: Create, Attrs: allAttrs(w.Attrs)})
		case h.State == Off:
			d.change(Change{Addr: a, Action: Update, Attrs: compare(KindPool, w.Attrs, h).changes, Reason: "it is not active"})
		}
	}
}

// poolReady returns the steps after which the pool can be used.
func (d *differ) poolReady() []int { return d.steps.ready[Addr{KindPool, d.actual.Pool}] }

func (d *differ) emitNetwork(a Addr) error {
	n, s := d.networks[a], &d.steps
	w, h := n.want, n.have
	xml := w.XML
	if h != nil && n.define {
		edited, err := w.Edit(h.XML)
		if err != nil {
			return fmt.Errorf("%s: cannot edit the definition that the host has: %w", a, err)
		}
		xml = edited
	}
	last := s.stopped[a]
	if n.define && h != nil && h.Host != w.Host { // libvirt renames no network
		last = []int{s.add(Step{Verb: UndefineNetwork, Addr: a, Host: h.Host, UUID: h.UUID}, last)}
	}
	if n.define {
		last = []int{s.add(Step{Verb: DefineNetwork, Addr: a, Host: w.Host, UUID: w.UUID, XML: xml}, last)}
	}
	if n.autostart {
		s.add(Step{Verb: AutostartNetwork, Addr: a, Host: w.Host, UUID: w.UUID, On: w.Autostart}, last)
	}
	if n.start {
		last = []int{s.add(Step{Verb: StartNetwork, Addr: a, Host: w.Host, UUID: w.UUID}, last, d.stoppedOn(a))}
	}
	s.ready[a] = last

	c := Change{Addr: a, Attrs: n.changes, Effect: n.effect()}
	switch {
	case h == nil:
		c.Action, c.Attrs = Create, allAttrs(w.Attrs)
	case len(n.changes) > 0:
		c.Action = Update
	}
	if n.stop || h != nil && n.start {
		c.Disrupts = d.cutOff(a)
	}
	d.change(c)
	d.pending(a, n.pending)
	return nil
}

func (d *differ) emitNetworkRemoval(a Addr) {
	n := d.networks[a]
	if n == nil || !n.remove() {
		return
	}
	needs := slices.Clone(d.steps.stopped[a])
	for _, g := range d.attached(a) {
		needs = append(needs, d.steps.defined[g.have.Addr]...)
	}
	d.steps.add(Step{Verb: UndefineNetwork, Addr: a, Host: n.have.Host, UUID: n.have.UUID}, needs)
	d.change(Change{Addr: a, Action: Delete, Attrs: goneAttrs(KindNetwork, n.have.Attrs), Disrupts: d.cutOff(a), Reason: d.goneReason()})
}

// cutOff returns the running guests on a network, sorted.
func (d *differ) cutOff(network Addr) []Addr {
	var out []Addr
	for _, g := range d.attached(network) {
		if g.on() {
			out = append(out, g.have.Addr)
		}
	}
	return out
}

func (d *differ) goneReason() string {
	if d.opt.Destroy {
		return ""
	}
	return "not in the files any more"
}

// change records a change that does something.
func (d *differ) change(c Change) {
	if c.Action == NoOp {
		return
	}
	if w := d.want[c.Addr]; w != nil {
		c.Origin = w.Origin
	}
	for _, a := range c.Attrs {
		c.Security = c.Security || a.Security
	}
	d.plan.Changes = append(d.plan.Changes, c)
}

// pending records what waits for a restart.
func (d *differ) pending(a Addr, attrs []AttrChange) {
	if len(attrs) > 0 {
		d.plan.Pending = append(d.plan.Pending, Change{Addr: a, Action: Update, Attrs: attrs, Effect: Restart})
	}
}
