package plan

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiffUploadsOnlyWhatIsNeeded(t *testing.T) {
	from := func(m map[Addr]*Resource) {
		m[web].Attrs = append(m[web].Attrs, Attr{Name: "image", Value: "sha256:aa"})
	}
	gone := func(recorded string) *Actual {
		return applied(site(from), func(m map[Addr]*Object) {
			delete(m, image)
			m[web].Attrs["image"] = recorded
		})
	}
	tests := map[string]struct {
		actual *Actual
		opt    Options
		want   string
	}{
		"the guest was made from it":                {gone("sha256:aa"), Options{}, "0 upload volume noble\n"},
		"the guest was made from another":           {gone("sha256:bb"), Options{}, ""},
		"asked for by name":                         {gone("sha256:bb"), Options{Images: []Addr{image}}, "0 upload volume noble\n"},
		"the domain is gone, and its disk is there": {applied(site(from), func(m map[Addr]*Object) { delete(m, image); delete(m, web) }), Options{}, "0 upload volume noble\n"},
		"everything is to go":                       {gone("sha256:aa"), Options{Destroy: true}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Diff(site(from), test.actual, test.opt)
			if err != nil {
				t.Fatal(err)
			}
			var uploads []Step
			for _, s := range p.Steps {
				if s.Addr.Kind == KindImage {
					uploads = append(uploads, s)
				}
			}
			if got := lines(uploads); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestDiffRefusesBakes(t *testing.T) {
	stopped := func(m map[Addr]*Object) { noImage(m); off(m[web]) }
	tests := map[string]struct {
		desired []Resource
		actual  *Actual
		opt     Options
		addr    Addr
		want    string // summary of the only problem
	}{
		"name of the guest is taken": {site(baked), &Actual{Foreign: map[Addr]string{{KindGuest, "home-bake.wifi"}: "it carries no owner mark"}}, Options{}, wifi, "Name is taken"},
		"name of the network is taken": {site(baked), &Actual{Foreign: map[Addr]string{{KindNetwork, "home-bake.wifi"}: "it carries no owner mark"}}, Options{},
			wifi, "Name is taken"},
		"no such image":               {site(baked), empty(), Options{Images: []Addr{{KindImage, "mail"}}}, Addr{KindImage, "mail"}, "No such image"},
		"no image":                    {site(baked), empty(), Options{Images: []Addr{web}}, web, "No such image"},
		"network is not there":        {site(baked, throughLan), empty(), Options{Images: []Addr{wifi}}, wifi, "Network is not there"},
		"image is gone, guest is off": {site(baked), applied(site(baked), stopped), Options{}, web, "Image is gone"},
		"image is gone, guest restarts": {site(baked, setAttr(web, "memory", "1GiB")), applied(site(baked), noImage), Options{},
			web, "Image is gone"},
		"image is gone, and asked for": {site(baked), applied(site(baked), noImage), Options{Images: []Addr{wifi}}, wifi, "Image is in use"},
		"guest that follows is protected": {site(baked, follow, func(m map[Addr]*Resource) { m[web].Protect = true }), applied(site(baked), madeFrom("recipe:0")), Options{},
			web, "Guest is protected"},
		"recipe that cannot be rendered": {site(baked, func(m map[Addr]*Resource) {
			m[wifi].Bake.Volumes[1].Content = &Content{Check: func() error { return errors.New("no") }}
		}), empty(), Options{}, wifi, "Content cannot be made"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Diff(test.desired, test.actual, test.opt)
			refusal, ok := errors.AsType[*Refusal](err)
			if !ok {
				t.Fatalf("no refusal: %v", err)
			}
			if len(refusal.Problems) != 1 || refusal.Problems[0].Summary != test.want || refusal.Problems[0].Addr != test.addr {
				t.Errorf("got %v, want %q of %s", refusal, test.want, test.addr)
			}
		})
	}
}

func TestDiffLostImage(t *testing.T) {
	tests := map[string]struct {
		actual *Actual
		opt    Options
		want   []Notice
	}{
		"guest runs on":           {applied(site(baked), noImage), Options{}, []Notice{{web, "its root disk is a layer over image.wifi, which is gone and cannot be made again; --replace guest.web makes the guest anew"}}},
		"image half made":         {applied(site(baked), func(m map[Addr]*Object) { m[wifi].Complete = false }), Options{}, []Notice{{web, "its root disk is a layer over image.wifi, which is gone and cannot be made again; --replace guest.web makes the guest anew"}}},
		"guest is replaced":       {applied(site(baked), noImage), Options{Replace: []Addr{web}}, nil},
		"guest is destroyed":      {applied(site(baked), noImage), Options{Destroy: true}, []Notice{{webData, "kept, as its keep = true asked; a guest and disk of the same names take it up again"}}},
		"guest is of another":     {applied(site(baked), madeFrom("recipe:0")), Options{}, []Notice{{web, `image differs; not applied, because only a new guest is made from it (--replace guest.web, or on_image_change = "recreate")`}}},
		"disk of guest is gone":   {applied(site(baked), noImage, func(m map[Addr]*Object) { delete(m, webRoot) }), Options{}, nil},
		"root disk is taken over": {applied(site(baked), noImage, func(m map[Addr]*Object) { delete(m, web) }), Options{}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Diff(site(baked), test.actual, test.opt)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, p.Notices); diff != "" {
				t.Errorf("notices (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDiffFollowImage(t *testing.T) {
	tests := map[string]struct {
		actual *Actual
		want   Action
	}{
		"the same":               {applied(site(baked)), NoOp},
		"another":                {applied(site(baked), madeFrom("recipe:0")), Recreate},
		"nobody knows which one": {applied(site(baked), func(m map[Addr]*Object) { delete(m[web].Attrs, "image") }), NoOp},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Diff(site(baked, follow), test.actual, Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := Change{}
			for _, c := range p.Changes {
				if c.Addr == web {
					got = c
				}
			}
			if got.Action != test.want {
				t.Errorf("got %q, want %q", got.Action, test.want)
			}
			if test.want == NoOp {
				return
			}
			want := []AttrChange{{Name: "image", From: "recipe:0", To: "recipe:1", Effect: Replace, Cause: ByFiles}}
			if diff := cmp.Diff(want, got.Attrs); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
		})
	}
}
