package builders

import (
	"errors"
	"maps"
	"slices"

	"jeos/internal/config"
	"jeos/plan"
)

// NeedsKVM reports whether Plan has to know what hardware virtualisation the host has, in Inventory.KVM: a guest that is
// made, or made anew, takes what there is and keeps it, and so does one that bakes an image.
func NeedsKVM(site *config.Site, inv *plan.Inventory, opt plan.Options) bool {
	if len(opt.Replace) > 0 {
		return true
	}
	uuids := map[string]bool{}
	for _, d := range inv.Domains {
		uuids[d.UUID] = true
	}
	return lacksBake(site, inv) || slices.ContainsFunc(site.Guests, func(g config.Guest) bool {
		return g.Accel == accelAuto && !uuids[GuestUUID(site.Name, g.Name)]
	})
}

// NeedsDevices reports whether Plan has to know the devices of the host, in Inventory.Devices: a guest of the files has one
// of them for itself.
func NeedsDevices(site *config.Site, opt plan.Options) bool {
	return !opt.Destroy && len(opt.Images) == 0 && slices.ContainsFunc(site.Guests, func(g config.Guest) bool { return len(g.Devices) > 0 })
}

// lacksBake reports whether a baked image of the site is not on the host.
func lacksBake(site *config.Site, inv *plan.Inventory) bool {
	if !slices.ContainsFunc(site.Images, func(i config.Image) bool { return i.Bake != nil }) {
		return false
	}
	volumes, err := ImageVolumes(site)
	return err != nil || slices.ContainsFunc(site.Images, func(i config.Image) bool {
		volume := volumes[i.Name]
		return i.Bake != nil && !(inv.Names[volume] && inv.Names[volume+markerSuffix])
	})
}

// Plan compares what the files of a site say with an inventory of the host, and returns the way from one to the other.
//
// As with [plan.Diff], a plan that must not be applied comes with a *plan.Refusal; what stands in its way on the host is
// listed there too, except for a plan to destroy.
func Plan(site *config.Site, inv *plan.Inventory, opt plan.Options) (*plan.Plan, error) {
	actual, host := Observe(site.Name, site.Pool.Name, inv)
	var err error
	if opt.Images, err = firstNames(site, opt.Images); err != nil {
		return nil, err
	}
	if opt.Target, err = firstNames(site, opt.Target); err != nil {
		return nil, err
	}
	for _, a := range opt.Replace { // decided anew, as for a guest that was never there
		kept := host.Guests[a.Name]
		kept.Accel, kept.Seed = "", 0
		host.Guests[a.Name] = kept
	}
	desired, err := Build(site, host)
	if err != nil {
		return nil, err
	}
	nameImages(desired, actual)
	for i := range desired {
		forgetUnmanaged(&desired[i], actual.Objects[desired[i].Addr])
		recallRules(&desired[i], actual.Objects[desired[i].Addr])
	}
	p, err := plan.Diff(desired, actual, opt)
	if opt.Destroy {
		return p, err
	}
	refusal := &plan.Refusal{Problems: Conflicts(bakingSite(site, bakesIn(site, p)...), inv)}
	if p != nil {
		checked := checkDevices(site, host, p)
		refusal.Problems = append(refusal.Problems, checked.problems...)
		p.Notices = append(p.Notices, checked.notices...)
	}
	if r, ok := errors.AsType[*plan.Refusal](err); ok {
		refusal.Problems = append(refusal.Problems, r.Problems...)
	} else if err != nil {
		return nil, err
	}
	if len(refusal.Problems) > 0 {
		return p, refusal
	}
	return p, nil
}

// bakesIn returns the images that a plan bakes; nil has none.
func bakesIn(site *config.Site, p *plan.Plan) []*config.Image {
	var bakes []*config.Image
	for k := range site.Images {
		i := &site.Images[k]
		guest := guestAddr(config.BakeName(i.Name))
		if p != nil && i.Bake != nil && slices.ContainsFunc(p.Steps, func(s plan.Step) bool {
			return s.Verb == plan.DefineGuest && s.Addr == guest
		}) {
			bakes = append(bakes, i)
		}
	}
	return bakes
}

// firstNames returns the addresses with those of images replaced by the name under which the plan knows them: several of
// the files with the same content are one.
func firstNames(site *config.Site, addrs []plan.Addr) ([]plan.Addr, error) {
	if !slices.ContainsFunc(addrs, func(a plan.Addr) bool { return a.Kind == plan.KindImage }) {
		return addrs, nil
	}
	volumes, err := ImageVolumes(site)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(addrs)
	for i, a := range out {
		for _, name := range slices.Sorted(maps.Keys(volumes)) {
			if a.Kind == plan.KindImage && volumes[a.Name] != "" && volumes[name] == volumes[a.Name] {
				out[i].Name = name
				break
			}
		}
	}
	slices.SortFunc(out, plan.Addr.Compare)
	return slices.Compact(out), nil
}

// nameImages gives the images on the host the names that the files have for them. The host knows their hashes only.
func nameImages(desired []plan.Resource, actual *plan.Actual) {
	byVolume := map[string]*plan.Object{}
	for addr, o := range actual.Objects {
		if addr.Kind == plan.KindImage {
			byVolume[o.Host] = o
		}
	}
	for _, r := range desired {
		if o := byVolume[r.Host]; r.Kind == plan.KindImage && o != nil {
			delete(actual.Objects, o.Addr)
			o.Addr = r.Addr
			actual.Objects[o.Addr] = o
		}
	}
}

// forgetUnmanaged drops what was observed of a guest where its files leave the choice to others: whether it runs, and how.
func forgetUnmanaged(r *plan.Resource, o *plan.Object) {
	if r.Kind != plan.KindGuest || o == nil {
		return
	}
	wanted := attrValues(r.Attrs)
	for _, name := range []string{attrRunning, attrAccel} {
		if _, managed := wanted[name]; !managed {
			delete(o.Attrs, name)
			delete(o.Live, name)
		}
	}
}
