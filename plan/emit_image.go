package plan

import (
	"slices"
	"unicode"
	"unicode/utf8"
)

// partImages tells the images that can be made at once from those that wait, since their bake, or one below it, uses a
// network that the plan makes, changes or restarts, or a gateway that it starts or whose filter it changes, or takes the place of an image that guests must let go of first.
func (d *differ) partImages() (early, late []Addr) {
	for _, a := range d.images {
		waits := len(d.layers[a]) > 0 || slices.ContainsFunc(d.bakeNeeds(d.want[a]), func(n Addr) bool {
			net := d.networks[n]
			return net != nil && (net.define || net.stop || net.start) || slices.Contains(late, n) || d.starts(n) || d.filterDiffers(n)
		})
		if waits {
			late = append(late, a)
		} else {
			early = append(early, a)
		}
	}
	return early, late
}

func (d *differ) emitImages(images []Addr) {
	for _, a := range images {
		if w := d.want[a]; w.Bake != nil {
			d.emitBake(a, w)
		} else {
			d.emitUpload(a, w)
		}
	}
}

func (d *differ) emitUpload(a Addr, w *Resource) {
	c := Change{Addr: a, Action: Create, Attrs: allAttrs(w.Attrs)}
	if d.have[a] != nil {
		c.Reason = "an earlier upload was cut"
	}
	d.change(c)
	d.checkContent(a, w)
	d.steps.ready[a] = []int{d.upload(w, d.poolReady())}
}

// upload adds the upload of a volume.
func (d *differ) upload(w *Resource, needs ...[]int) int {
	return d.steps.add(Step{Verb: UploadVolume, Addr: shown(w.Addr, w.Parent, w.Hidden), Host: w.Host, Pool: d.actual.Pool, Content: w.Content}, needs...)
}

// checkContent refuses an upload whose content cannot be made. The problem is shown as one of a.
func (d *differ) checkContent(a Addr, w *Resource) {
	if w.Content == nil || w.Content.Check == nil {
		return
	}
	if err := w.Content.Check(); err != nil {
		d.problem(a, "Content cannot be made", capital(err.Error())+".")
	}
}

// capital makes the text of an error a sentence's beginning.
func capital(text string) string {
	r, n := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[n:]
}
