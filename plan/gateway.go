package plan

import "slices"

// interrupted returns a guest and the running guests behind it, whose packets go through it or through one behind it. Sorted.
func (d *differ) interrupted(gateway Addr) []Addr {
	out := []Addr{gateway}
	for i := 0; i < len(out); i++ {
		for a, f := range d.files {
			if slices.Contains(f.Via, out[i]) && !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	out = slices.DeleteFunc(out, func(a Addr) bool {
		o := d.actual.Objects[a]
		return a != gateway && (o == nil || o.State == Off)
	})
	slices.SortFunc(out, Addr.Compare)
	return out
}
