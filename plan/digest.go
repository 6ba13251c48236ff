package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
)

// digestWanted returns a digest of everything in desired that can change what apply does.
func digestWanted(desired []Resource) string {
	type wanted struct {
		Addr, UUID, XML string
		Attrs           []Attr
		Needs, Parts    []Addr
		Size            int64
		Content         string
		Running         *bool
		Flags           []bool
		Timeouts        []int64
	}
	list := make([]wanted, 0, len(desired))
	for _, r := range desired {
		w := wanted{
			Addr: r.Addr.String() + " " + r.Host, UUID: r.UUID, XML: r.XML, Attrs: r.Attrs, Needs: r.Needs, Parts: r.Parts, Size: r.Size,
			Running: r.Running, Flags: []bool{r.Autostart, r.ForceStop, r.Protect, r.Keep, r.Hidden},
			Timeouts: []int64{int64(r.StopTimeout), int64(r.ReadyTimeout)},
		}
		if r.Content != nil {
			w.Content = "content " + r.Content.SHA256
		}
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b wanted) int {
		if a.Addr < b.Addr {
			return -1
		}
		return 1
	})
	return digest(list)
}

// digestFound returns a digest of everything in actual that the plan depends on.
func digestFound(actual *Actual) string {
	objects := make([]*Object, 0, len(actual.Objects))
	for _, a := range slices.SortedFunc(maps.Keys(actual.Objects), Addr.Compare) {
		o := *actual.Objects[a]
		o.XML, o.Detach = "", nil // says more than matters: times of access, and passwords
		objects = append(objects, &o)
	}
	foreign := map[string]string{}
	for a, why := range actual.Foreign {
		foreign[a.String()] = why
	}
	return digest(struct {
		Objects []*Object
		Foreign map[string]string
		Unknown bool
	}{objects, foreign, actual.VolumesUnknown})
}

func digest(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic("plan: " + err.Error()) // plain data always encodes
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
