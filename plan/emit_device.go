package plan

import (
	"fmt"
	"strings"
)

// emitUpdates changes devices of a guest that runs on, each once however many of its attributes differ.
func (d *differ) emitUpdates(a Addr, g *guestDiff) error {
	if g.stop { // it goes with the restart
		return nil
	}
	var filters []int
	for _, n := range g.want.Needs {
		if n.Kind == KindFilter {
			filters = append(filters, d.steps.ready[n]...)
		}
	}
	seen := map[string]bool{}
	var changed []string
	for _, name := range g.update {
		xml, err := g.want.Update(g.have.Devices[name])
		if err != nil {
			return fmt.Errorf("%s: cannot change a device that the host has: %w", a, err)
		}
		if xml == "" { // it goes with the next restart, and stays as it is until then
			continue
		}
		changed = append(changed, name)
		if !seen[xml] {
			seen[xml] = true
			i := d.steps.add(Step{Verb: UpdateDevice, Addr: a, Host: g.have.Host, UUID: g.have.UUID, XML: xml}, filters)
			d.steps.updated[a] = append(d.steps.updated[a], i)
		}
	}
	g.update = changed
	return nil
}

// released returns the steps after which no other guest has a device of the host any more that this one gets.
func (d *differ) released(w *Resource) []int {
	var out []int
	for _, attr := range w.Attrs {
		if !strings.HasPrefix(attr.Name, "hostdev.") {
			continue
		}
		for a, g := range d.guests {
			if g.have == nil || a == w.Addr {
				continue
			}
			for name, live := range g.have.Live {
				if strings.HasPrefix(name, "hostdev.") && device(live) == device(attr.Value) {
					out = append(out, d.steps.stopped[a]...)
				}
			}
		}
	}
	return out
}

// device is the value of a device of the host without how the guest gets it.
func device(value string) string { return strings.TrimSuffix(value, " managed") }
