package plan

import (
	"fmt"
	"slices"
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

// bakeNeeds returns what the bake of an image needs: another image, and a network of the site if it uses one. It returns
// nothing where there is nothing to bake.
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
		for _, n := range b.Guest.Needs {
			if o := d.actual.Objects[n]; n.Kind == KindNetwork && d.networks[n] == nil && (o == nil || o.State == Off) {
				d.problem(a, "Network is not there", fmt.Sprintf(
					"The image is baked through %s, which is not active on the host. Run \"jeos apply --target %s\" first.", n, n))
			}
		}
	}
}

// checkLostImages looks at the guests that stay although the baked image below their root disk is gone. They must not be
// started, and no other bake may take the place of that image.
func (d *differ) checkLostImages() {
	for _, a := range sortedAddrs(d.files, KindGuest) {
		for _, image := range d.imagesOf(d.files[a]) {
			if d.files[image].Bake != nil && !d.onHost(image) && d.stays(a) {
				d.lostImage(a, image)
			}
		}
	}
}

func (d *differ) lostImage(guest, image Addr) {
	g := d.guests[guest] // nil: nothing is decided about it, since it is not among the targets
	switch {
	case slices.Contains(d.images, image):
		d.problem(image, "Image is in use", fmt.Sprintf(
			"The image is gone from the pool, and the root disk of %s is a layer over it. Another bake in its place would give that disk another content. "+
				"Make that guest anew in the same run with --replace %s, or bake the image under another name with \"jeos image bake --upgrade %s\".", guest, guest, image.Name))
	case g != nil && g.start:
		d.problem(guest, "Image is gone", fmt.Sprintf(
			"The guest must be started, and its root disk is a layer over %s, which is gone from the pool and cannot be made again: another bake would not be the same. "+
				"Put the image back from a copy, or make the guest anew with --replace %s.", image, guest))
	case g != nil:
		d.notice(guest, "its root disk is a layer over %s, which is gone and cannot be made again; --replace %s makes the guest anew", image, guest)
	}
}

// stays reports whether a guest of the files is on the host, keeps its root disk, and was made from the image that the
// files name.
func (d *differ) stays(guest Addr) bool {
	w, h := d.files[guest], d.actual.Objects[guest]
	if h == nil || !d.onHost(w.Body) || h.Attrs[attrImage] != attrNamed(w.Attrs, attrImage).Value {
		return false
	}
	g := d.guests[guest]
	return g == nil || !g.remove() && !g.recreate
}

// onHost is complete, also for what the plan leaves out.
func (d *differ) onHost(volume Addr) bool {
	o := d.actual.Objects[volume]
	return o != nil && o.Complete
}

// attrNamed returns the attribute of that name, or the zero value.
func attrNamed(list []Attr, name string) Attr {
	if i := slices.IndexFunc(list, func(a Attr) bool { return a.Name == name }); i >= 0 {
		return list[i]
	}
	return Attr{}
}
