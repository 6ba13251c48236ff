package plan

import (
	"errors"
	"strings"
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
	noGuest := func(m map[Addr]*Object) { delete(m, web) }
	mail := func(m map[Addr]*Resource) { // a guest that is to be made from the same image
		guest, root := Addr{KindGuest, "mail"}, Addr{KindVolume, "mail.root"}
		m[guest] = &Resource{Host: "home-mail", Body: root, Parts: []Addr{root}}
		m[root] = &Resource{Host: "home.mail.root.qcow2", Parent: guest, Needs: []Addr{pool, wifi}}
	}
	other := func(m map[Addr]*Resource) {
		m[webRoot].Needs = []Addr{pool, image}
		setAttr(web, "image", "sha256:aa")(m)
	}
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
		"image is gone, guest is off": {site(baked), lost(applied(site(baked), stopped), "home-web"), Options{}, web, "Image is gone"},
		"image is gone, guest restarts": {site(baked, setAttr(web, "memory", "1GiB")), lost(applied(site(baked), noImage), "home-web"), Options{},
			web, "Image is gone"},
		"image is gone, root disk is taken over": {site(baked), lost(applied(site(baked), noImage, noGuest), "home-web"), Options{}, web, "Image is gone"},
		"image is gone, and asked for":           {site(baked), lost(applied(site(baked), noImage), "home-web"), Options{Images: []Addr{wifi}}, wifi, "Image is in use"},
		"image is gone, a new guest needs it": {site(baked, mail), lost(applied(site(baked), noImage), "home-web"), Options{},
			wifi, "Image is in use"},
		"image is gone, a new guest needs it and the old one names another": {site(baked, mail, other), lost(applied(site(baked), noImage), "home-web"), Options{},
			wifi, "Image is in use"},
		"image is gone, one of two is replaced": {site(baked), lost(applied(site(baked), noImage), "home-web", "lab-mail"), Options{Replace: []Addr{web}},
			wifi, "Image is in use"},
		"image is gone, the guest is not among the targets": {site(baked, mail), lost(applied(site(baked), noImage), "home-web"), Options{Target: []Addr{{KindGuest, "mail"}}},
			wifi, "Image is in use"},
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
	gone := func(change ...func(map[Addr]*Object)) *Actual {
		return lost(applied(site(baked), append(change, noImage)...), "home-web")
	}
	over := func(image string) Notice {
		return Notice{web, "its root disk is a layer over " + image + ", which is gone and cannot be made again; --replace guest.web makes the guest anew"}
	}
	differs := Notice{web, `image differs; not applied, because only a new guest is made from it (--replace guest.web, or on_image_change = "recreate")`}
	tests := map[string]struct {
		desired []Resource
		actual  *Actual
		opt     Options
		want    []Notice
	}{
		"guest runs on":           {site(baked), gone(), Options{}, []Notice{over("image.wifi")}},
		"guest follows another":   {site(baked, follow, setAttr(web, "image", "recipe:2")), lost(applied(site(baked)), "home-web"), Options{}, nil},
		"guest is replaced":       {site(baked), gone(), Options{Replace: []Addr{web}}, nil},
		"guest is destroyed":      {site(baked), gone(), Options{Destroy: true}, []Notice{{webData, "kept, as its keep = true asked; a guest and disk of the same names take it up again"}}},
		"guest is of another":     {site(baked), applied(site(baked), madeFrom("recipe:0")), Options{}, []Notice{differs}},
		"guest of another site":   {site(baked), lost(applied(site(baked)), "lab-web"), Options{}, nil},
		"disk of guest is gone":   {site(baked), applied(site(baked), noImage, func(m map[Addr]*Object) { delete(m, webRoot) }), Options{}, nil},
		"guest was renamed":       {site(baked), lost(applied(site(baked), noImage, func(m map[Addr]*Object) { m[web].Host = "mine" }), "mine"), Options{}, []Notice{over("image.wifi")}},
		"files name another":      {site(baked, setAttr(web, "image", "recipe:2")), gone(), Options{}, []Notice{differs, over("image.wifi")}},
		"files have it no more":   {site(), gone(), Options{}, []Notice{differs, over("the volume jeos-image.wifi-1.qcow2")}},
		"guest is not a target":   {site(baked), gone(), Options{Target: []Addr{lan}}, nil},
		"root disk is taken over": {site(baked), applied(site(baked), noImage, func(m map[Addr]*Object) { delete(m, web) }), Options{}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Diff(test.desired, test.actual, test.opt)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, p.Notices); diff != "" {
				t.Errorf("notices (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDiffLostImageNamesItsUsers(t *testing.T) {
	tests := map[string]struct {
		domains []string
		want    string
	}{
		"guest of the site": {[]string{"home-web"}, `of guest.web. Another bake in its place would give them another content. ` +
			`Make what uses it anew in the same run with --replace guest.web, or bake the image under another name with "jeos image bake --upgrade wifi".`},
		"guests of others too": {[]string{"home-web", "lab-mail"}, `of guest.web, domain lab-mail. Another bake in its place would give them another content. ` +
			`Bake the image under another name with "jeos image bake --upgrade wifi".`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Diff(site(baked), lost(applied(site(baked), noImage), test.domains...), Options{Images: []Addr{wifi}})
			if err == nil || !strings.HasSuffix(err.Error(), test.want) {
				t.Errorf("got %v, want an end of %q", err, test.want)
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
