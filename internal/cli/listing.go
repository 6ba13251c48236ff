package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"jeos/plan"
)

// listing is what a host has of a site, for show, and its own JSON form.
type listing struct {
	FormatVersion  string   `json:"format_version"`
	Site           string   `json:"site"`
	URI            string   `json:"uri"`
	Pool           string   `json:"pool"`
	VolumesUnknown bool     `json:"volumes_unknown"` // the pool is not active
	Objects        []object `json:"objects"`         // in the order of plan.Addr.Compare
}

type object struct {
	Address string            `json:"address"`
	Host    string            `json:"host"`
	UUID    string            `json:"uuid,omitempty"`
	State   string            `json:"state,omitempty"` // of pools, networks and guests
	Attrs   map[string]string `json:"attributes"`
	Live    map[string]string `json:"live,omitempty"` // what differs in the running one
	Seed    []string          `json:"seed,omitempty"` // what the first boot did, by name
	Notes   []string          `json:"notes"`
}

func newListing(s *site, actual *plan.Actual) *listing {
	l := &listing{
		FormatVersion: plan.FormatVersion, Site: s.Name, URI: s.uri, Pool: actual.Pool,
		VolumesUnknown: actual.VolumesUnknown, Objects: []object{},
	}
	images := map[string]string{} // names by hash: the host knows images by their hashes only
	for _, i := range s.Images {
		images[i.SHA256] = i.Name
	}
	addrs := slices.SortedFunc(maps.Keys(actual.Objects), plan.Addr.Compare)
	for _, a := range addrs {
		if o := actual.Objects[a]; !o.Hidden {
			l.Objects = append(l.Objects, newObject(o, actual, images))
		}
	}
	return l
}

func newObject(o *plan.Object, actual *plan.Actual, images map[string]string) object {
	out := object{
		Address: o.Addr.String(), Host: o.Host, UUID: o.UUID,
		Attrs: map[string]string{}, Live: map[string]string{}, Notes: []string{},
	}
	for name, value := range o.Attrs {
		if seeded, ok := strings.CutPrefix(name, "seed."); ok {
			out.Seed = append(out.Seed, seeded) // the values are digests
			continue
		}
		out.Attrs[name] = value
		if live, ok := o.Live[name]; ok && live != value {
			out.Live[name] = live
		}
	}
	slices.Sort(out.Seed)
	switch o.Kind {
	case plan.KindNetwork, plan.KindPool:
		out.State = "active"
		if o.State == plan.Off {
			out.State = "inactive"
		}
	case plan.KindGuest:
		out.State = stateText(o.State)
		if o.Protect {
			out.Notes = append(out.Notes, "protected")
		}
	case plan.KindImage:
		if name := images[o.Name]; name != "" {
			out.Address = plan.Addr{Kind: plan.KindImage, Name: name}.String()
		} else {
			out.Notes = append(out.Notes, "not in the files")
		}
	case plan.KindVolume:
		out.Notes = append(out.Notes, volumeNotes(o, actual)...)
	}
	if (o.Kind == plan.KindVolume || o.Kind == plan.KindImage) && !o.Complete {
		out.Notes = append(out.Notes, "incomplete")
	}
	return out
}

func volumeNotes(o *plan.Object, actual *plan.Actual) []string {
	var notes []string
	if o.Keep {
		notes = append(notes, "kept")
	}
	if actual.Objects[o.Parent] == nil {
		notes = append(notes, "no guest uses it")
	}
	return notes
}

// only returns the object of an address and, for a guest, its disks and filters.
func (l *listing) only(a plan.Addr) []object {
	return slices.DeleteFunc(slices.Clone(l.Objects), func(o object) bool {
		kind, name, _ := strings.Cut(o.Address, ".")
		part := kind == string(plan.KindVolume) || kind == string(plan.KindFilter)
		return o.Address != a.String() && !(a.Kind == plan.KindGuest && part && strings.HasPrefix(name, a.Name+"."))
	})
}

func (l *listing) writeText(w io.Writer, color bool) {
	fmt.Fprintf(w, "Site %s on %s, pool %s\n", l.Site, l.URI, printable(l.Pool))
	if len(l.Objects) == 0 {
		fmt.Fprintln(w, "\nThe host has nothing of this site.")
	}
	for _, o := range l.Objects {
		o.writeText(w, color)
	}
	if l.VolumesUnknown {
		fmt.Fprintln(w, "\nThe pool is not active, so its disks cannot be seen.")
	}
}

func (o *object) writeText(w io.Writer, color bool) {
	words := o.Notes
	if o.State != "" {
		words = append([]string{o.State}, o.Notes...)
	}
	fmt.Fprintf(w, "\n%s", paint(color, bold, o.Address))
	if len(words) > 0 {
		fmt.Fprintf(w, "  %s", printable(strings.Join(words, ", ")))
	}
	fmt.Fprintf(w, "\n    %s\n", paint(color, dim, printable(strings.TrimSpace(o.Host+"  "+o.UUID))))
	width := 0
	for name := range o.Attrs {
		width = max(width, len(name))
	}
	for _, name := range slices.Sorted(maps.Keys(o.Attrs)) {
		if strings.HasPrefix(o.Address, string(plan.KindFilter)+".") { // whose value has one rule a line
			fmt.Fprintf(w, "    %s:\n", name)
			for rule := range strings.SplitSeq(o.Attrs[name], "\n") {
				fmt.Fprintf(w, "        %s\n", printable(rule))
			}
			continue
		}
		live := ""
		if value, ok := o.Live[name]; ok {
			live = "  # runs with " + printable(value)
		}
		fmt.Fprintf(w, "    %-*s = %s%s\n", width, name, printable(o.Attrs[name]), live)
	}
	if len(o.Seed) > 0 {
		fmt.Fprintf(w, "    %s\n", paint(color, dim, "seed: "+printable(strings.Join(o.Seed, ", "))))
	}
}
