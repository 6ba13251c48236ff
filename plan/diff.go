package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Options are what the operator asks of a plan beside what the files say.
type Options struct {
	Destroy   bool   // as if the files had no guest and no network
	Replace   []Addr // guests to make anew
	Target    []Addr // only these, what they need, and their parts; empty means all
	NoRestart bool   // change definitions, restart nothing
	ForceStop bool   // pull the plug of every guest that does not shut down in time
	NoWait    bool   // do not wait until started guests are ready
	Images    []Addr // make these images, with those below them, and touch nothing else; empty: no such wish

	RequireProbes bool // wait until the probes of started guests succeed, too
}

// Problem is a reason why a plan must not be applied, in the form of a diagnostic.
type Problem struct {
	Addr    Addr
	Origin  string // "main.jeos.hcl:12"; empty when the files do not mention the object
	Summary string // terse and fixed
	Detail  string // full sentences; the last says what to do
}

// Refusal is the error of a plan that must not be applied. It holds at least one problem.
type Refusal struct{ Problems []Problem }

// Error returns all problems, one a line.
func (r *Refusal) Error() string {
	lines := make([]string, len(r.Problems))
	for i, p := range r.Problems {
		lines[i] = p.Addr.String() + ": " + p.Summary + ": " + p.Detail
	}
	return strings.Join(lines, "\n")
}

// Diff compares what the files want with what the host has. It is pure: the same arguments give the same plan.
//
// When the plan must not be applied the error is a *Refusal, and the plan is returned all the same so that it can be
// shown. Other errors come from the Edit of a resource, and then the plan is nil.
func Diff(desired []Resource, actual *Actual, opt Options) (*Plan, error) {
	d := newDiffer(desired, actual, opt)
	if actual.VolumesUnknown {
		d.onlyPool()
		return d.finish()
	}
	d.checkForeign()
	d.decideNetworks()
	d.decideGuests()
	d.spread()
	d.checkProtected()
	d.decideImages()
	if err := d.emit(); err != nil {
		return nil, err
	}
	return d.finish()
}

// differ holds a diff in the making. It runs in three passes: decide what happens to each object by itself, spread what
// one decision means for others, then emit changes and steps.
type differ struct {
	opt    Options
	actual *Actual
	want   map[Addr]*Resource
	have   map[Addr]*Object
	files  map[Addr]*Resource // what the files have, also where Destroy or Target drops it from want

	guests   map[Addr]*guestDiff
	networks map[Addr]*networkDiff
	images   []Addr          // to be made, those that others are baked from first
	layers   map[Addr][]Addr // by image to be baked: the guests whose disks are layers over one that is lost, and go away

	plan     *Plan
	problems []Problem
	steps    stepList
}

func newDiffer(desired []Resource, actual *Actual, opt Options) *differ {
	d := &differ{
		opt: opt, actual: actual, plan: &Plan{Pool: actual.Pool, Wanted: digestWanted(desired), Found: digestFound(actual)},
		want: map[Addr]*Resource{}, have: map[Addr]*Object{},
		files:  map[Addr]*Resource{},
		guests: map[Addr]*guestDiff{}, networks: map[Addr]*networkDiff{}, layers: map[Addr][]Addr{}, steps: newStepList(),
	}
	for i := range desired {
		r := &desired[i]
		d.files[r.Addr] = r
		if opt.Destroy && r.Kind != KindPool && r.Kind != KindImage {
			continue
		}
		d.want[r.Addr] = r
	}
	for a, o := range actual.Objects {
		d.have[a] = o
	}
	d.opt.Target = d.owners(opt.Target)
	d.checkNamed(opt.Replace, "--replace", true)
	d.checkNamed(opt.Target, "--target", false)
	d.checkImages()
	switch {
	case len(opt.Images) > 0:
		d.restrict(opt.Images)
		d.drop(func(a Addr) bool { return a.Kind != KindPool && a.Kind != KindImage }) // a network that a bake uses is there or not
	case len(opt.Target) > 0:
		d.restrict(d.opt.Target)
	}
	return d
}

// checkNamed refuses addresses on the command line that name nothing.
func (d *differ) checkNamed(addrs []Addr, flag string, guestOnly bool) {
	for _, a := range addrs {
		wanted, found := d.want[a] != nil, d.have[a] != nil
		switch {
		case guestOnly && a.Kind != KindGuest:
			d.problem(a, "Not a guest", fmt.Sprintf("%s takes the address of a guest, such as guest.web, and %s is none.", flag, a))
		case guestOnly && !wanted, !wanted && !found:
			d.problem(a, "No such address", fmt.Sprintf("%s names %s, which is neither in the files nor on the host. \"jeos show\" lists what there is.", flag, a))
		}
	}
}

// owners puts the guest in the place of each of its volumes and filters: only with it can they change.
func (d *differ) owners(targets []Addr) []Addr {
	out := slices.Clone(targets)
	for i, a := range out {
		if w := d.want[a]; w != nil && w.Parent != (Addr{}) {
			out[i] = w.Parent
		} else if h := d.have[a]; h != nil && h.Parent != (Addr{}) {
			out[i] = h.Parent
		}
	}
	return out
}

// checkImages refuses to make images that the files do not have.
func (d *differ) checkImages() {
	for _, a := range d.opt.Images {
		if d.want[a] == nil || a.Kind != KindImage {
			d.problem(a, "No such image", fmt.Sprintf("There is no %s in the files. Name an image block of theirs.", a))
		}
	}
}

// restrict drops everything that the addresses do not need. The pool stays: without it nothing can be said of disks.
func (d *differ) restrict(to []Addr) {
	keep := map[Addr]bool{{KindPool, d.actual.Pool}: true}
	var visit func(a Addr)
	visit = func(a Addr) {
		if keep[a] {
			return
		}
		keep[a] = true
		if w := d.want[a]; w != nil {
			for _, n := range slices.Concat(w.Needs, w.Parts, d.bakeNeeds(w)) {
				visit(n)
			}
		}
		for b, o := range d.have {
			if o.Parent == a {
				visit(b)
			}
		}
	}
	for _, a := range to {
		visit(a)
	}
	d.drop(func(a Addr) bool { return !keep[a] })
}

// drop leaves some addresses out of the plan.
func (d *differ) drop(out func(Addr) bool) {
	maps.DeleteFunc(d.want, func(a Addr, _ *Resource) bool { return out(a) })
	maps.DeleteFunc(d.have, func(a Addr, _ *Object) bool { return out(a) })
}

func (d *differ) problem(a Addr, summary, detail string) {
	p := Problem{Addr: a, Summary: summary, Detail: detail}
	if f := d.files[a]; f != nil {
		p.Origin = f.Origin
	}
	d.problems = append(d.problems, p)
}

func (d *differ) notice(a Addr, format string, args ...any) {
	d.plan.Notices = append(d.plan.Notices, Notice{a, fmt.Sprintf(format, args...)})
}

// checkForeign refuses names that something else on the host has already.
func (d *differ) checkForeign() {
	for _, a := range d.wanted("") {
		d.checkName(a, a.Kind, d.want[a].Host)
	}
}

// checkName refuses a name on the host that a needs and something else has.
func (d *differ) checkName(a Addr, kind Kind, host string) {
	if why, taken := d.actual.Foreign[Addr{kind, host}]; taken {
		d.problem(a, "Name is taken", fmt.Sprintf(
			"The host has a %s named %q already, and it is not this site's: %s. jeos never touches what is not its own. "+
				"Rename it or remove it there, or give the block or the site another name here.", hostKind(kind), host, why))
	}
}

// hostKind is what libvirt calls a kind.
func hostKind(k Kind) string {
	switch k {
	case KindGuest:
		return "domain"
	case KindImage:
		return "volume"
	case KindFilter:
		return "network filter"
	}
	return string(k)
}

// wanted returns the wanted addresses of a kind ("" for all), sorted.
func (d *differ) wanted(kind Kind) []Addr { return sortedAddrs(d.want, kind) }

// found returns the addresses of what the host has of a kind ("" for all), sorted.
func (d *differ) found(kind Kind) []Addr { return sortedAddrs(d.have, kind) }

func sortedAddrs[V any](m map[Addr]V, kind Kind) []Addr {
	var out []Addr
	for a := range m {
		if kind == "" || a.Kind == kind {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, Addr.Compare)
	return out
}

// union returns the addresses of a kind that are wanted or found, sorted.
func (d *differ) union(kind Kind) []Addr {
	out := slices.Concat(d.wanted(kind), d.found(kind))
	slices.SortFunc(out, Addr.Compare)
	return slices.Compact(out)
}

// onlyPool plans to start the pool and nothing else: until it is active nobody knows which disks exist.
func (d *differ) onlyPool() {
	d.emitPool()
	d.notice(Addr{KindPool, d.actual.Pool}, "the pool is not active, so its disks cannot be seen; what else differs is known once it is started")
}

func (d *differ) finish() (*Plan, error) {
	slices.SortStableFunc(d.plan.Changes, func(a, b Change) int { return a.Addr.Compare(b.Addr) })
	slices.SortStableFunc(d.plan.Pending, func(a, b Change) int { return a.Addr.Compare(b.Addr) })
	slices.SortStableFunc(d.plan.Notices, func(a, b Notice) int { return a.Addr.Compare(b.Addr) })
	d.plan.Steps = d.steps.list
	d.plan.poolMissing = d.actual.Objects[Addr{KindPool, d.actual.Pool}] == nil
	if len(d.problems) > 0 {
		return d.plan, &Refusal{d.problems}
	}
	return d.plan, nil
}
