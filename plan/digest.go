package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
)

// wanted is what of a resource can change what apply does.
type wanted struct {
	Addr, UUID, XML string
	Attrs           []Attr
	Needs, Parts    []Addr
	Via             []Addr
	Size            int64
	Content         string
	Running         *bool
	Flags           []bool
	Timeouts        []int64
	Bake            []wanted // its guest, network, filters and volumes
	Clones          []Clone
}

// digestWanted returns a digest of everything in desired that can change what apply does.
func digestWanted(desired []Resource) string {
	list := make([]wanted, len(desired))
	for i := range desired {
		list[i] = wantedOf(&desired[i])
	}
	slices.SortFunc(list, func(a, b wanted) int { return cmp.Compare(a.Addr, b.Addr) })
	return digest(list)
}

func wantedOf(r *Resource) wanted {
	w := wanted{
		Addr: r.Addr.String() + " " + r.Host, UUID: r.UUID, XML: r.XML, Attrs: r.Attrs, Needs: r.Needs, Parts: r.Parts, Via: r.Via, Size: r.Size,
		Running: r.Running, Flags: []bool{r.Autostart, r.ForceStop, r.Protect, r.Keep, r.Hidden, r.FollowImage},
		Timeouts: []int64{int64(r.StopTimeout), int64(r.ReadyTimeout)},
	}
	if r.Content != nil {
		w.Content = "content " + r.Content.SHA256
	}
	if b := r.Bake; b != nil {
		w.Bake, w.Clones = []wanted{wantedOf(&b.Guest)}, b.Clones
		if b.Network != nil {
			w.Bake = append(w.Bake, wantedOf(b.Network))
		}
		for i := range b.Filters {
			w.Bake = append(w.Bake, wantedOf(&b.Filters[i]))
		}
		for i := range b.Volumes {
			w.Bake = append(w.Bake, wantedOf(&b.Volumes[i]))
		}
	}
	return w
}

// digestFound returns a digest of everything in actual that the plan depends on.
func digestFound(actual *Actual) string {
	objects := make([]*Object, 0, len(actual.Objects))
	for _, a := range slices.SortedFunc(maps.Keys(actual.Objects), Addr.Compare) {
		objects = append(objects, foundOf(actual.Objects[a]))
	}
	bakes := map[string][]*Object{}
	for image, r := range actual.Bakes {
		for _, o := range slices.Concat([]*Object{r.Guest, r.Network}, r.Filters, r.Volumes) {
			bakes[image] = append(bakes[image], foundOf(o))
		}
	}
	foreign := map[string]string{}
	for a, why := range actual.Foreign {
		foreign[a.String()] = why
	}
	return digest(struct {
		Objects []*Object
		Bakes   map[string][]*Object
		Lost    map[string][]string
		Foreign map[string]string
		Unknown bool
	}{objects, bakes, actual.Lost, foreign, actual.VolumesUnknown})
}

// foundOf returns what matters of an object, which may be nil.
func foundOf(o *Object) *Object {
	if o == nil {
		return nil
	}
	found := *o
	found.XML, found.Detach, found.Devices = "", nil, nil // say more than matters: times of access, and passwords
	return &found
}

func digest(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic("plan: " + err.Error()) // plain data always encodes
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
