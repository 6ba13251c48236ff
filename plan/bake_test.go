package plan

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	wifi     = Addr{KindImage, "wifi"}
	bakeWifi = Addr{KindGuest, "bake.wifi"}
)

// baked makes web a guest of an image that is baked from noble, through a network of its own.
func baked(m map[Addr]*Resource) {
	m[wifi] = bakeOf("wifi", image)
	m[webRoot].Needs = []Addr{pool, wifi}
	m[web].Attrs = append(m[web].Attrs, Attr{Name: "image", Value: "recipe:1"})
}

// bakeOf is an image that is baked from another one.
func bakeOf(name string, base Addr) *Resource {
	guest := Addr{KindGuest, "bake." + name}
	root, seed := Addr{KindVolume, guest.Name + ".root"}, Addr{KindVolume, guest.Name + ".seed-1"}
	return &Resource{
		Host: "jeos-image." + name + "-1.qcow2", Origin: "main.jeos.hcl:9", Needs: []Addr{pool}, Attrs: attrs("base", base.String(), "packages", "iw, hostapd"),
		Bake: &Bake{
			Guest: Resource{
				Addr: guest, Host: "home-" + guest.Name, UUID: "b-" + name, XML: "<bake/>", Body: root, Needs: []Addr{base},
				StopTimeout: time.Minute, ReadyTimeout: 30 * time.Minute,
			},
			Network: &Resource{Addr: Addr{KindNetwork, guest.Name}, Host: "home-" + guest.Name, UUID: "n-" + name, XML: "<nat/>"},
			Volumes: []Resource{
				{Addr: root, Host: "home." + guest.Name + ".root.qcow2", Parent: guest, XML: "<layer/>", Needs: []Addr{pool, base}},
				{Addr: seed, Host: "home." + guest.Name + ".seed-1.iso", Parent: guest, Hidden: true, Content: &Content{}, Needs: []Addr{pool}},
			},
			Clones: []Clone{{From: "manifest", To: "jeos-image." + name + "-1.manifest", XML: "<manifest/>"}, {From: "root", To: "jeos-image." + name + "-1.qcow2", XML: "<image/>"}},
		},
	}
}

// throughLan has the bake of wifi use the site's network.
func throughLan(m map[Addr]*Resource) {
	m[wifi].Bake.Network = nil
	m[wifi].Bake.Guest.Needs = []Addr{image, lan}
}

var bakeFilter, vpnFilter = Addr{KindFilter, "bake.wifi.bake"}, Addr{KindFilter, "vpn.lan"}

// throughGateway has the bake of wifi use the site's network and a gateway there, the guest vpn.
func throughGateway(m map[Addr]*Resource) {
	throughLan(m)
	on := true
	m[vpnRoot] = &Resource{Host: "home.vpn.root.qcow2", Parent: vpn, XML: "<root/>", Needs: []Addr{pool, image}}
	m[vpnFilter] = &Resource{Host: "home-vpn.lan", UUID: "f-vpn", Parent: vpn, XML: "<filter/>", Attrs: attrs("rules", "drop")}
	m[vpn] = &Resource{
		Host: "home-vpn", UUID: "u-vpn", XML: "<domain/>", Body: vpnRoot, Parts: []Addr{vpnRoot}, Needs: []Addr{lan, vpnFilter}, Running: &on,
		Attrs: attrs("running", "true"),
	}
	b := m[wifi].Bake
	b.Guest.Needs = append(b.Guest.Needs, vpn, vpnFilter)
	b.Filters = []Resource{{Addr: bakeFilter, Host: "home-bake.wifi.bake", UUID: "f-wifi", Parent: bakeWifi, XML: "<bakefilter/>"}}
}

// gone takes objects from the host.
func gone(addrs ...Addr) func(m map[Addr]*Object) {
	return func(m map[Addr]*Object) {
		for _, a := range addrs {
			delete(m, a)
		}
	}
}

func state(a Addr, s State) func(m map[Addr]*Object) {
	return func(m map[Addr]*Object) { m[a].State = s }
}

func follow(m map[Addr]*Resource) { m[web].FollowImage = true }

func noImage(m map[Addr]*Object) { delete(m, wifi) }

// madeFrom has web made from an image of another recipe, and the host not have the one of this.
func madeFrom(recipe string) func(m map[Addr]*Object) {
	return func(m map[Addr]*Object) {
		delete(m, wifi)
		m[web].Attrs["image"], m[web].Applied["image"] = recipe, recipe
	}
}

// lost has the image of wifi be gone, although the root disks of these domains are layers over it.
func lost(a *Actual, domains ...string) *Actual {
	a.Lost = map[string][]string{"jeos-image.wifi-1.qcow2": domains}
	return a
}

// leftBehind adds to the host what a bake of wifi leaves that is cut while its guest runs.
func leftBehind(a *Actual) *Actual {
	a.Bakes = map[string]*Remains{"wifi": {
		Guest:   &Object{Addr: bakeWifi, Host: "home-bake.wifi", UUID: "b-wifi", State: Running},
		Network: &Object{Addr: Addr{KindNetwork, "bake.wifi"}, Host: "home-bake.wifi", UUID: "n-wifi", State: Running},
		Volumes: []*Object{{Addr: Addr{KindVolume, "bake.wifi.root"}, Host: "home.bake.wifi.root.qcow2", Parent: bakeWifi}},
	}}
	return a
}

func TestDiffBakeSteps(t *testing.T) {
	newGuest := func(m map[Addr]*Object) {
		for _, a := range []Addr{wifi, web, webRoot, webData, webSeed} {
			delete(m, a)
		}
	}
	const bake = `
0 define network bake.wifi <nat/>
1 start network bake.wifi after [0]
2 define guest bake.wifi <bake/>
3 create volume bake.wifi.root <layer/> after [2]
4 upload volume bake.wifi after [2]
5 start guest bake.wifi after [1 2 3 4]
6 wait for guest bake.wifi after [5]
7 stop guest bake.wifi after [6]
8 clone volume wifi <manifest/> after [7]
9 clone volume wifi <image/> after [8]
10 stop guest bake.wifi by force always after [9]
11 undefine guest bake.wifi after [10]
12 delete volume bake.wifi.root after [10]
13 delete volume bake.wifi after [10]
14 stop network bake.wifi always after [10]
15 undefine network bake.wifi after [14]
`
	tests := map[string]struct {
		desired []Resource
		actual  *Actual
		opt     Options
		want    string
	}{
		"nothing differs":                 {site(baked), applied(site(baked)), Options{}, ""},
		"image that no new guest needs":   {site(baked), applied(site(baked), madeFrom("recipe:0")), Options{}, ""},
		"image that is gone, guest stays": {site(baked), applied(site(baked), noImage), Options{}, ""},
		"new guest": {site(baked), applied(site(baked), newGuest), Options{NoWait: true}, bake + `16 define guest web <domain/>
17 set autostart of guest web after [16]
18 create volume web.data <data/> after [16]
19 upload volume web after [16]
20 create volume web.root <root/> after [9 16 18 19]
21 start guest web after [16 18 19 20]
`},
		"guest that follows": {site(baked, follow), applied(site(baked), madeFrom("recipe:0")), Options{NoWait: true}, bake + `16 stop guest web after [9]
17 delete volume web after [9 16]
18 delete volume web.root after [9 16 17]
19 define guest web <domain/> after [9 16 17 18]
20 set autostart of guest web after [19]
21 upload volume web after [19]
22 create volume web.root <root/> after [9 19 21]
23 start guest web after [16 19 21 22]
`},
		"earlier bake was cut": {site(baked), leftBehind(applied(site(baked), madeFrom("recipe:0"))), Options{Images: []Addr{wifi}}, `
0 stop guest bake.wifi by force always
1 undefine guest bake.wifi after [0]
2 delete volume bake.wifi.root after [0]
3 stop network bake.wifi always after [0]
4 undefine network bake.wifi after [3]
5 define network bake.wifi <nat/> after [1 2 4]
6 start network bake.wifi after [5]
7 define guest bake.wifi <bake/> after [1 2 4]
8 create volume bake.wifi.root <layer/> after [7]
9 upload volume bake.wifi after [7]
10 start guest bake.wifi after [6 7 8 9]
11 wait for guest bake.wifi after [10]
12 stop guest bake.wifi after [11]
13 clone volume wifi <manifest/> after [12]
14 clone volume wifi <image/> after [13]
15 stop guest bake.wifi by force always after [14]
16 undefine guest bake.wifi after [15]
17 delete volume bake.wifi.root after [15]
18 delete volume bake.wifi after [15]
19 stop network bake.wifi always after [15]
20 undefine network bake.wifi after [19]
`},
		"left behind, no bake": {site(baked), leftBehind(applied(site(baked))), Options{}, `
0 stop guest bake.wifi by force always
1 undefine guest bake.wifi after [0]
2 delete volume bake.wifi.root after [0]
3 stop network bake.wifi always after [0]
4 undefine network bake.wifi after [3]
`},
		"left behind, all is to go": {site(baked), leftBehind(empty()), Options{Destroy: true}, `
0 stop guest bake.wifi by force always
1 undefine guest bake.wifi after [0]
2 delete volume bake.wifi.root after [0]
3 stop network bake.wifi always after [0]
4 undefine network bake.wifi after [3]
`},
		"image that is lost, its guest made anew": {site(baked), lost(applied(site(baked), noImage), "home-web"), Options{NoWait: true, Replace: []Addr{web}}, `
0 stop guest web
1 define network bake.wifi <nat/>
2 start network bake.wifi after [1]
3 define guest bake.wifi <bake/>
4 create volume bake.wifi.root <layer/> after [3]
5 upload volume bake.wifi after [3]
6 start guest bake.wifi after [2 3 4 5]
7 wait for guest bake.wifi after [6]
8 stop guest bake.wifi after [7]
9 delete volume web after [0 8]
10 delete volume web.root after [0 8 9]
11 clone volume wifi <manifest/> after [8 9 10]
12 clone volume wifi <image/> after [9 10 11]
13 stop guest bake.wifi by force always after [12]
14 undefine guest bake.wifi after [13]
15 delete volume bake.wifi.root after [13]
16 delete volume bake.wifi after [13]
17 stop network bake.wifi always after [13]
18 undefine network bake.wifi after [17]
19 define guest web <domain/> after [0 9 10 12]
20 set autostart of guest web after [19]
21 upload volume web after [19]
22 create volume web.root <root/> after [12 19 21]
23 start guest web after [0 19 21 22]
`},
		"left behind, another target":    {site(baked), leftBehind(applied(site(baked))), Options{Target: []Addr{lan}}, ""},
		"left behind, asked for another": {site(baked), leftBehind(applied(site(baked))), Options{Images: []Addr{image}}, ""},
		"through a network that restarts": {site(baked, throughLan, follow, setAttr(lan, "mtu", "1400")), applied(site(baked), madeFrom("recipe:0")), Options{NoWait: true}, `
0 stop guest web
1 stop network lan after [0]
2 define network lan edited(<network/>) after [1]
3 start network lan after [0 2]
4 define guest bake.wifi <bake/>
5 create volume bake.wifi.root <layer/> after [4]
6 upload volume bake.wifi after [4]
7 start guest bake.wifi after [3 4 5 6]
8 wait for guest bake.wifi after [7]
9 stop guest bake.wifi after [8]
10 clone volume wifi <manifest/> after [9]
11 clone volume wifi <image/> after [10]
12 stop guest bake.wifi by force always after [11]
13 undefine guest bake.wifi after [12]
14 delete volume bake.wifi.root after [12]
15 delete volume bake.wifi after [12]
16 delete volume web after [0 11]
17 delete volume web.root after [0 11 16]
18 define guest web <domain/> after [0 11 16 17]
19 set autostart of guest web after [18]
20 upload volume web after [18]
21 create volume web.root <root/> after [11 18 20]
22 start guest web after [0 3 18 20 21]
`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Diff(test.desired, test.actual, test.opt)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), lines(p.Steps)); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if p.Empty() != (len(p.Steps) == 0) {
				t.Errorf("%d changes but %d steps", len(p.Changes), len(p.Steps))
			}
		})
	}
}

// TestDiffBakesInOrder checks what waits for what among bakes.
func TestDiffBakesInOrder(t *testing.T) {
	vpn, mail := Addr{KindImage, "vpn"}, Addr{KindImage, "mail"}
	desired := site(baked, func(m map[Addr]*Resource) {
		m[vpn], m[mail] = bakeOf("vpn", wifi), bakeOf("mail", image)
	})
	p, err := Diff(desired, empty(), Options{Images: []Addr{vpn, mail}})
	if err != nil {
		t.Fatal(err)
	}
	find := func(text string) int {
		i := slices.IndexFunc(p.Steps, func(s Step) bool { return s.String() == text })
		if i < 0 {
			t.Fatalf("no step %q in\n%s", text, lines(p.Steps))
		}
		return i
	}
	var waits func(i, j int) bool
	waits = func(i, j int) bool {
		return slices.ContainsFunc(p.Steps[i].Needs, func(n int) bool { return n == j || waits(n, j) })
	}
	tests := map[string]struct {
		step, other string
		want        bool
	}{
		"disk over an uploaded image":      {"create volume bake.mail.root", "upload volume noble", true},
		"disk over a baked image":          {"create volume bake.vpn.root", "clone volume wifi", true},
		"guest of the upper, lower's work": {"start guest bake.vpn", "wait for guest bake.wifi", true},
		"definition of the upper":          {"define guest bake.vpn", "clone volume wifi", false},
		"bakes side by side":               {"clone volume mail", "clone volume wifi", false},
		"and the other way round":          {"clone volume wifi", "clone volume mail", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := waits(find(test.step), find(test.other)); got != test.want {
				t.Errorf("%q waits for %q: %v, want %v", test.step, test.other, got, test.want)
			}
		})
	}
}

// TestFailedBake fails a step after the other: what the bake has made of its own goes away, and what does not need the image
// is done.
func TestFailedBake(t *testing.T) {
	p, err := Diff(site(baked), empty(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, fails := range []string{"define network bake.wifi", "create volume bake.wifi.root", "start guest bake.wifi", "wait for guest bake.wifi", "clone volume wifi"} {
		t.Run(fails, func(t *testing.T) {
			r := &recorder{do: func(_ context.Context, s Step) error {
				if s.String() == fails {
					return errors.New("apt found no package hostapd")
				}
				return nil
			}}
			if err := Execute(t.Context(), r, p.Steps, ExecuteOptions{}); err == nil || err.Error() != fails+": apt found no package hostapd" {
				t.Errorf("got %v", err)
			}
			for _, name := range []string{"create volume web.root", "start guest web", "wait for guest web"} {
				if slices.Contains(r.done, name) {
					t.Errorf("%s was done without the image", name)
				}
			}
			for _, name := range []string{"create volume web.data", "upload volume web", "start network lan"} {
				if !slices.Contains(r.done, name) {
					t.Errorf("%s was not done, and needs no image", name)
				}
			}
			cleaning := []string{
				"stop guest bake.wifi", "undefine guest bake.wifi", "delete volume bake.wifi.root", "delete volume bake.wifi", "stop network bake.wifi", "undefine network bake.wifi",
			}
			for _, name := range cleaning {
				if at := lastIndex(r.done, name); at < lastIndex(r.done, fails) || at < lastIndex(r.done, "upload volume bake.wifi") {
					t.Errorf("%s was not done, or too early: %v", name, r.done)
				}
			}
		})
	}
}

func lastIndex(list []string, s string) int {
	for i, v := range slices.Backward(list) {
		if v == s {
			return i
		}
	}
	return -1
}

func TestDiffImagesTouchesNothingElse(t *testing.T) {
	desired := site(baked, setAttr(web, "memory", "1GiB"), setAttr(lan, "mtu", "1400"))
	p, err := Diff(desired, applied(site(baked), madeFrom("recipe:0"), func(m map[Addr]*Object) { delete(m, image) }), Options{Images: []Addr{wifi}})
	if err != nil {
		t.Fatal(err)
	}
	var got []Addr
	for _, c := range p.Changes {
		got = append(got, c.Addr)
	}
	if diff := cmp.Diff([]Addr{image, wifi}, got); diff != "" || len(p.Notices) > 0 {
		t.Errorf("notices %v, changes (-want +got):\n%s", p.Notices, diff)
	}
}

func TestDiffTargetImage(t *testing.T) {
	p, err := Diff(site(baked, throughLan), empty(), Options{Target: []Addr{wifi}})
	if err != nil {
		t.Fatal(err)
	}
	var got []Addr
	for _, c := range p.Changes {
		got = append(got, c.Addr)
	}
	if diff := cmp.Diff([]Addr{pool, image, wifi, lan}, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// TestDigestsSeeBakes changes one thing after the other: a saved plan must not be taken for another one.
func TestDigestsSeeBakes(t *testing.T) {
	plain, err := Diff(site(baked), leftBehind(empty()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	of := func(change func(*Bake)) []Resource {
		return site(baked, func(m map[Addr]*Resource) { change(m[wifi].Bake) })
	}
	for name, desired := range map[string][]Resource{
		"definition": of(func(b *Bake) { b.Guest.XML = "<other/>" }),
		"timeout":    of(func(b *Bake) { b.Guest.ReadyTimeout++ }),
		"network":    of(func(b *Bake) { b.Network.XML = "<other/>" }),
		"no network": of(func(b *Bake) { b.Network = nil }),
		"filter":     of(func(b *Bake) { b.Filters = []Resource{{Addr: bakeFilter, XML: "<filter/>"}} }),
		"disk":       of(func(b *Bake) { b.Volumes[0].XML = "<other/>" }),
		"clone":      of(func(b *Bake) { b.Clones[1].To = "jeos-image.other-1.qcow2" }),
		"no bake":    site(baked, func(m map[Addr]*Resource) { m[wifi].Bake = nil }),
		"follow":     site(baked, follow),
	} {
		if digestWanted(desired) == plain.Wanted {
			t.Errorf("%s: the digest of what is wanted is the same", name)
		}
	}
	for name, change := range map[string]func(*Remains){
		"guest is off": func(r *Remains) { r.Guest.State = Off },
		"no guest":     func(r *Remains) { r.Guest = nil },
		"no network":   func(r *Remains) { r.Network = nil },
		"filter":       func(r *Remains) { r.Filters = []*Object{{Addr: bakeFilter}} },
		"no volume":    func(r *Remains) { r.Volumes = nil },
	} {
		found := leftBehind(empty())
		change(found.Bakes["wifi"])
		if digestFound(found) == plain.Found {
			t.Errorf("%s: the digest of what was found is the same", name)
		}
	}
	if digestFound(lost(leftBehind(empty()), "lab-mail")) == plain.Found {
		t.Error("lost image: the digest of what was found is the same")
	}
}
