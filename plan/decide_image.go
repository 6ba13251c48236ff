package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// attrImage is the attribute of a guest that says which image it was made from.
const attrImage = "image"

// followImage makes another image a reason for a new guest, where the files ask for that. A guest of which nobody knows
// what it was made from stays.
func (g *guestDiff) followImage() {
	from, known := g.have.Attrs[attrImage]
	if !g.want.FollowImage || !known || !g.otherImage() {
		return
	}
	g.created = slices.DeleteFunc(g.created, func(name string) bool { return name == attrImage })
	to := attrNamed(g.want.Attrs, attrImage)
	ch := difference(RuleFor(KindGuest, attrImage), attrImage, from, to, g.have.Applied)
	ch.Effect = Replace
	g.changes = sortChanges(append(g.changes, ch))
}

// otherImage reports whether the guest was made from another image than the one that the files name now.
func (g *guestDiff) otherImage() bool { return slices.Contains(g.created, attrImage) }

// replaceReason says why a guest is made anew although nobody asked for it now.
func (g *guestDiff) replaceReason() string {
	for _, ch := range g.changes {
		if ch.Effect == Replace && ch.Name != attrImage {
			return "an attribute changed that cannot be changed in place"
		}
	}
	return "its image is another one, and on_image_change asks for a new guest then"
}

// decideImages finds the images that have to be made: those of disks that are made now, those that were asked for by
// name, and those that others are baked from. What a guest that stays was made from is uploaded again when it is missing;
// it cannot be baked again, because the bake would give another one.
func (d *differ) decideImages() {
	if d.opt.Destroy {
		return
	}
	for _, a := range slices.Concat(d.opt.Images, d.opt.Target) {
		d.needImage(a)
	}
	for _, a := range sortedAddrs(d.guests, "") {
		g := d.guests[a]
		for _, image := range d.imagesOf(g.want) {
			if d.makesRoot(g) || d.files[image].Bake == nil && !g.otherImage() {
				d.needImage(image)
			}
		}
	}
	d.checkBakes()
	d.checkLostImages()
}

// imagesOf returns the images that the root disk of a guest is a layer over. The guest may be nil.
func (d *differ) imagesOf(guest *Resource) []Addr {
	if guest == nil || d.files[guest.Body] == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(d.files[guest.Body].Needs), func(a Addr) bool { return a.Kind != KindImage || d.files[a] == nil })
}

// makesRoot reports whether the plan makes the root disk of a guest.
func (d *differ) makesRoot(g *guestDiff) bool {
	return g.want != nil && (g.recreate || !d.complete(g.want.Body))
}

// needImage puts an image on the list of those to be made, after those that it is baked from. One that the host has, and
// what is no image, is left out.
func (d *differ) needImage(a Addr) {
	w := d.want[a]
	if a.Kind != KindImage || w == nil || d.complete(a) || slices.Contains(d.images, a) {
		return
	}
	for _, n := range d.bakeNeeds(w) {
		d.needImage(n)
	}
	d.images = append(d.images, a)
}

// bakeNeeds returns what the bake of an image needs: another image, and a network of the site if it uses one, with the
// gateway there. It returns nothing where there is nothing to bake.
func (d *differ) bakeNeeds(w *Resource) []Addr {
	if w.Bake == nil || d.complete(w.Addr) {
		return nil
	}
	return w.Bake.Guest.Needs
}

// checkBakes refuses bakes that cannot be done on this host as it is.
func (d *differ) checkBakes() {
	for _, a := range d.images {
		b := d.want[a].Bake
		if b == nil {
			continue
		}
		d.checkName(a, KindGuest, b.Guest.Host)
		if b.Network != nil {
			d.checkName(a, KindNetwork, b.Network.Host)
		}
		for _, f := range b.Filters {
			d.checkName(a, KindFilter, f.Host)
		}
		d.checkWayOut(a, b)
		for _, n := range b.Guest.Needs {
			if o := d.actual.Objects[n]; n.Kind == KindNetwork && d.networks[n] == nil && (o == nil || o.State == Off) {
				d.problem(a, "Network is not there", fmt.Sprintf(
					"The image is baked through %s, which is not active on the host. Run \"jeos apply --target %s\" first.", n, n))
			}
		}
	}
}

// checkLostImages looks at the root disks that are layers over baked images which are gone. A guest that keeps such a disk
// must not be started, and no other bake may take the place of that image before the disk is gone.
func (d *differ) checkLostImages() {
	for _, volume := range slices.Sorted(maps.Keys(d.actual.Lost)) {
		image := d.imageIn(volume)
		baked := slices.Contains(d.images, image)
		var own []Addr      // guests of the site that keep such a disk, also where nothing is decided about them
		var others []string // domains that nothing here can be done about
		for _, host := range d.actual.Lost[volume] {
			guest := d.guestNamed(host)
			switch g := d.guests[guest]; {
			case guest == (Addr{}):
				others = append(others, "domain "+host)
			case g == nil, !g.remove() && !d.makesRoot(g):
				own = append(own, guest)
			case baked && (g.remove() || g.recreate): // else its disk was never finished
				d.layers[image] = append(d.layers[image], guest)
			}
		}
		switch {
		case !baked:
			d.reportLost(volume, own)
		case len(own)+len(others) > 0:
			d.refuseBake(image, own, others)
		}
	}
}

// refuseBake refuses to bake an image under disks that need the one that is gone.
func (d *differ) refuseBake(image Addr, own []Addr, others []string) {
	var users, replace []string
	for _, guest := range own {
		users, replace = append(users, guest.String()), append(replace, "--replace "+guest.String())
	}
	upgrade := fmt.Sprintf("bake the image under another name with \"jeos image bake --upgrade %s\".", image.Name)
	remedy := "Make what uses it anew in the same run with " + strings.Join(replace, " ") + ", or " + upgrade
	if len(others) > 0 { // nothing in this run can help them
		remedy = capital(upgrade)
	}
	d.problem(image, "Image is in use", fmt.Sprintf(
		"The image is gone from the pool, and root disks are layers over it: of %s. Another bake in its place would give them another content. %s",
		strings.Join(slices.Concat(users, others), ", "), remedy))
}

// reportLost tells of the guests that keep a disk over an image that is gone.
func (d *differ) reportLost(volume string, guests []Addr) {
	image := "the volume " + volume
	if a := d.imageIn(volume); a != (Addr{}) {
		image = a.String()
	}
	for _, guest := range guests {
		g := d.guests[guest] // nil: nothing is decided about it, since it is not among the targets
		switch {
		case g != nil && g.start:
			d.problem(guest, "Image is gone", fmt.Sprintf(
				"The guest must be started, and its root disk is a layer over %s, which is gone from the pool and cannot be made again: another bake would not be the same. "+
					"Put the image back from a copy, or make the guest anew with --replace %s.", image, guest))
		case g != nil:
			d.notice(guest, "its root disk is a layer over %s, which is gone and cannot be made again; --replace %s makes the guest anew", image, guest)
		}
	}
}

// imageIn returns the image of the files that has this name on the host, or the zero value.
func (d *differ) imageIn(volume string) Addr {
	for a, r := range d.files {
		if a.Kind == KindImage && r.Host == volume {
			return a
		}
	}
	return Addr{}
}

// guestNamed returns the guest of the site that has, or would have, this name on the host. The zero value is none.
func (d *differ) guestNamed(host string) Addr {
	for a, o := range d.actual.Objects {
		if a.Kind == KindGuest && o.Host == host {
			return a
		}
	}
	for a, r := range d.files {
		if a.Kind == KindGuest && r.Host == host && d.actual.Objects[a] == nil {
			return a
		}
	}
	return Addr{}
}

// attrNamed returns the attribute of that name, or the zero value.
func attrNamed(list []Attr, name string) Attr {
	if i := slices.IndexFunc(list, func(a Attr) bool { return a.Name == name }); i >= 0 {
		return list[i]
	}
	return Attr{}
}
