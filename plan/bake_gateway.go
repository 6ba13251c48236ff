package plan

import (
	"fmt"
	"slices"
)

// A bake may go through a guest of the site, the gateway on its network. It then waits until that guest is ready.

// starts reports whether the address is that of a guest that the plan starts.
func (d *differ) starts(a Addr) bool {
	g := d.guests[a]
	return g != nil && !g.remove() && g.start
}

// filterDiffers reports whether the address is that of a filter which the host does not have as the files want it.
func (d *differ) filterDiffers(a Addr) bool {
	w, h := d.files[a], d.actual.Objects[a]
	return a.Kind == KindFilter && w != nil && (h == nil || len(compare(KindFilter, w.Attrs, h).changes) > 0)
}

// checkWayOut refuses a bake through a gateway that lets nothing through.
func (d *differ) checkWayOut(image Addr, b *Bake) {
	for _, n := range b.Guest.Needs {
		switch {
		case n.Kind == KindFilter && d.want[n] == nil && d.filterDiffers(n):
			d.problem(image, "Filter is not up to date", fmt.Sprintf(
				"The image is baked through a gateway whose filter on the host, %s, is not as the files say, so that it may not let the bake through. Run \"jeos apply --target %s\" first.", n, n))
		case n.Kind == KindGuest && d.starts(n):
			if d.waitsFor(n, image, map[Addr]bool{}) {
				d.problem(image, "Gateway waits for the image", fmt.Sprintf(
					"The image is baked through %s, which this plan starts, and that needs the image itself before. Bake the image through another network, or make %s from another image.", n, n))
			}
		case n.Kind == KindGuest && !d.staysOn(n):
			d.problem(image, "Gateway does not run", fmt.Sprintf(
				"The image is baked through %s, which does not run, or will not, and this plan does not start it. Start it with \"jeos apply --target %s\", "+
					"or by hand with \"virsh start %s\" where the files leave it off, and run the same command again.", n, n, d.hostName(n)))
		}
	}
}

// hostName returns the name of an object on the host.
func (d *differ) hostName(a Addr) string {
	if o := d.actual.Objects[a]; o != nil {
		return o.Host
	}
	if f := d.files[a]; f != nil {
		return f.Host
	}
	return a.Name
}

// staysOn reports whether a guest runs and the plan does not stop it.
func (d *differ) staysOn(a Addr) bool {
	o, g := d.actual.Objects[a], d.guests[a]
	return o != nil && o.State == Running && (g == nil || !g.stop)
}

// waitsFor reports whether the plan can do what it does with an image or a guest only after it has made another image.
func (d *differ) waitsFor(a, image Addr, seen map[Addr]bool) bool {
	if seen[a] {
		return false
	}
	seen[a] = true
	return slices.ContainsFunc(d.before(a), func(n Addr) bool { return n == image || d.waitsFor(n, image, seen) })
}

// before returns the images and guests that the plan makes or starts before it makes an image or starts a guest.
func (d *differ) before(a Addr) []Addr {
	var list []Addr
	if g := d.guests[a]; g != nil {
		list = slices.Clone(d.needs(a))
		if d.makesRoot(g) {
			list = append(list, d.imagesOf(g.want)...)
		}
	} else if w := d.want[a]; w != nil {
		list = slices.Clone(d.bakeNeeds(w))
	}
	return slices.DeleteFunc(list, func(n Addr) bool { return !d.starts(n) && !slices.Contains(d.images, n) })
}

// emitLate makes the images that wait for others. The gateways that these are baked through are started before, each after
// what it needs itself. It returns what it has emitted.
func (d *differ) emitLate(images []Addr) (done map[Addr]bool, err error) {
	done = map[Addr]bool{}
	var emit func(a Addr) error
	emit = func(a Addr) error {
		if done[a] || !d.starts(a) && !slices.Contains(images, a) {
			return nil
		}
		done[a] = true
		for _, n := range d.before(a) {
			if err := emit(n); err != nil {
				return err
			}
		}
		g := d.guests[a]
		if g == nil {
			d.emitImages([]Addr{a})
			return nil
		}
		if err := d.emitGuest(a, g); err != nil {
			return err
		}
		d.emitStart(a, true)
		return nil
	}
	for _, a := range images {
		if err := emit(a); err != nil {
			return nil, err
		}
	}
	return done, nil
}
