package plan

import (
	"fmt"
	"slices"
	"strings"
)

// guestDiff is what happens to one guest.
type guestDiff struct {
	want *Resource // nil: not in the files
	have *Object   // nil: not on the host
	comparison
	build     bool // made from the builder's whole definition, with a new seed
	recreate  bool // its disks are thrown away first, but for the kept ones
	define    bool
	rename    bool
	forget    bool // drop its saved memory, which belongs to what it was
	autostart bool // set it, to want.Autostart
	stop      bool
	start     bool
	reason    string

	cleared []int // steps that take away its disks, or all of it, where these come before the others; nil: not there yet
}

// remove reports that the guest goes away.
func (g *guestDiff) remove() bool { return g.want == nil }

// on reports that the guest's domain is active, running or paused.
func (g *guestDiff) on() bool { return g.have != nil && g.have.State != Off }

// networkDiff is what happens to one network.
type networkDiff struct {
	want *Resource
	have *Object
	comparison
	define    bool
	autostart bool
	stop      bool
	start     bool
}

func (n *networkDiff) remove() bool { return n.want == nil }

// deferRename leaves a guest its name while it runs: only one that is off can be renamed.
func (g *guestDiff) deferRename() {
	g.changes = slices.DeleteFunc(g.changes, func(ch AttrChange) bool {
		if ch.Name == "name" {
			g.pending = append(g.pending, ch)
		}
		return ch.Name == "name"
	})
}

func (d *differ) decideNetworks() {
	for _, a := range d.union(KindNetwork) {
		n := &networkDiff{want: d.want[a], have: d.have[a]}
		d.networks[a] = n
		switch {
		case n.have == nil:
			n.define, n.start, n.autostart = true, true, n.want.Autostart
		case n.want == nil:
			n.stop = n.have.State != Off
		default:
			n.comparison = compare(KindNetwork, n.want.Attrs, n.have)
			for _, ch := range n.changes {
				switch ch.Name {
				case "active":
					n.start = true
				case "autostart":
					n.autostart = true
				default:
					n.define = true
				}
			}
			if n.effect() >= Restart && !d.opt.NoRestart {
				n.stop, n.start = n.have.State != Off, true
			}
		}
	}
}

func (d *differ) decideGuests() {
	for _, a := range d.union(KindGuest) {
		g := &guestDiff{want: d.want[a], have: d.have[a]}
		d.guests[a] = g
		if g.remove() {
			g.stop = g.on()
			continue
		}
		d.decideGuest(g)
	}
}

func (d *differ) decideGuest(g *guestDiff) {
	w := g.want
	runs := w.Running != nil && *w.Running
	switch {
	case g.have == nil:
		g.build = true
		if d.complete(w.Body) {
			g.recreate = slices.Contains(d.opt.Replace, w.Addr)
			g.reason = "its definition is gone, and its root disk is taken over as it is"
			if g.recreate {
				g.reason = "--replace asks for it"
			}
		}
	case !d.complete(w.Body):
		g.build, g.stop = true, g.on()
		g.reason = "its root disk is missing, because an apply was cut or somebody deleted it"
	default:
		g.comparison = compare(KindGuest, w.Attrs, g.have)
		g.followImage()
		if slices.Contains(d.opt.Replace, w.Addr) {
			g.recreate, g.reason = true, "--replace asks for it"
		} else if g.effect() == Replace {
			g.recreate, g.reason = true, g.replaceReason()
		}
		g.build = g.recreate
		g.stop = g.on() && (g.recreate || g.effect() >= Restart && !d.opt.NoRestart)
	}
	if g.build {
		g.define, g.autostart = true, true
		g.start = runs || w.Running == nil && (g.have == nil || g.on())
		g.rename = g.have != nil && g.have.Host != w.Host
		g.forget = g.have != nil && g.have.Saved
		return
	}
	d.decideUpdate(g, runs)
	d.noticeCreated(g)
}

// decideUpdate is decideGuest for a guest that stays as it was made; runs says that the files want it to run.
func (d *differ) decideUpdate(g *guestDiff, runs bool) {
	g.forget = g.have.Saved && g.effect() >= Restart
	if d.opt.NoRestart && g.on() {
		g.deferRename()
	}
	for _, ch := range g.changes {
		switch ch.Name {
		case "running":
		case "autostart":
			g.autostart = true
		case "name":
			g.rename, g.define = true, true
			g.stop = g.on()
		case "persistent":
			g.define, g.autostart = true, true
		default:
			// A device that only the running guest has is not in the definition.
			g.define = g.define || g.have.Attrs[ch.Name] != ch.To
		}
	}
	switch {
	case g.want.Running == nil:
		g.start = g.stop
	case runs:
		g.start = g.stop || g.have.State != Running
	default:
		g.stop = g.on()
		if g.have.State == Paused && g.reason == "" {
			g.reason = "it is paused, and must be off"
		}
	}
}

// noticeCreated tells what would differ if the guest were made anew, and that it is not applied.
func (d *differ) noticeCreated(g *guestDiff) {
	var what []string
	for _, name := range g.created {
		if name == attrImage {
			d.notice(g.want.Addr, "image differs; not applied, because only a new guest is made from it (--replace %s, or on_image_change = \"recreate\")", g.want.Addr)
			continue
		}
		what = append(what, seedName(name))
	}
	if len(what) > 0 {
		d.notice(g.want.Addr, "seed differs: %s; not applied, because a first boot happens once (--replace %s makes the guest anew)",
			strings.Join(what, ", "), g.want.Addr)
	}
}

// complete reports whether the volume is on the host and written to its end.
func (d *differ) complete(volume Addr) bool {
	o := d.have[volume]
	return o != nil && o.Complete
}

// spread carries decisions over to others: a network that is stopped takes the guests on it along.
func (d *differ) spread() {
	for _, a := range sortedAddrs(d.networks, "") {
		n := d.networks[a]
		if n.have == nil || !n.stop && !n.start {
			continue
		}
		d.checkOutside(a)
		for _, g := range d.attached(a) {
			if !g.on() || g.remove() || g.stop {
				continue
			}
			if d.opt.NoRestart {
				if n.have.State == Off {
					d.notice(g.want.Addr, "stays cut off from %s until it is restarted", a)
				}
				continue
			}
			g.stop, g.start = true, g.want.Running == nil || *g.want.Running
			if g.reason == "" {
				g.reason = a.String() + " is restarted, and a running guest does not find back to its network by itself"
			}
		}
		if d.opt.NoRestart && n.remove() && d.inUse(a) {
			n.stop = false
			d.notice(a, "still in use by a running guest, so it stays until that guest has been restarted")
			delete(d.networks, a)
		}
	}
}

// checkOutside refuses to stop or start a network under running guests that are not among the targets: they would be cut
// off, and stay so.
func (d *differ) checkOutside(network Addr) {
	for _, b := range sortedAddrs(d.actual.Objects, KindGuest) {
		o := d.actual.Objects[b]
		if d.guests[b] == nil && o.State != Off && slices.Contains(o.Needs, network) {
			d.problem(network, "Network is in use", fmt.Sprintf(
				"%s must be restarted, which cuts off %s, and that is not among the targets. Add --target %s.", network, b, b))
		}
	}
}

// attached returns the guests whose definitions use a network or filter, sorted by address.
func (d *differ) attached(to Addr) []*guestDiff {
	var out []*guestDiff
	for _, a := range sortedAddrs(d.guests, "") {
		if g := d.guests[a]; g.have != nil && slices.Contains(g.have.Needs, to) {
			out = append(out, g)
		}
	}
	return out
}

// inUse reports whether a guest that stays on uses the network.
func (d *differ) inUse(network Addr) bool {
	return slices.ContainsFunc(d.attached(network), func(g *guestDiff) bool { return g.on() && !g.stop })
}

// checkProtected refuses to destroy or replace what is protected, by the files or by what the host remembers.
func (d *differ) checkProtected() {
	for _, a := range sortedAddrs(d.guests, "") {
		g := d.guests[a]
		file := d.files[a]
		switch {
		case g.remove() && file != nil && file.Protect, g.remove() && file == nil && g.have.Protect:
			d.problem(a, "Guest is protected", "protect = true was set for "+a.String()+", and the host remembers it even when the block is gone. "+
				"To remove the guest, set protect = false in its block, apply, and then remove it.")
		case g.recreate && g.want.Protect:
			d.problem(a, "Guest is protected", "protect = true forbids replacing "+a.String()+", which would throw away its root disk. "+
				"Set protect = false and apply before replacing it.")
		}
	}
}
