package plan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDiffBakeThroughGateway checks that a bake waits for the guest that its packets go through, and has filters of its own.
func TestDiffBakeThroughGateway(t *testing.T) {
	want := site(baked, throughGateway)
	filterLeft := applied(want, state(vpn, Running))
	filterLeft.Bakes = map[string]*Remains{"wifi": {
		Guest:   &Object{Addr: bakeWifi, Host: "home-bake.wifi", UUID: "b-wifi", State: Off},
		Filters: []*Object{{Addr: bakeFilter, Host: "home-bake.wifi.bake", UUID: "f-wifi", Parent: bakeWifi}},
	}}
	bake := Options{Target: []Addr{wifi}}
	tests := map[string]struct {
		actual *Actual
		opt    Options
		want   string
	}{
		"gateway runs": {applied(want, state(vpn, Running), gone(wifi)), bake, `
0 define filter bake.wifi.bake <bakefilter/>
1 define guest bake.wifi <bake/>
2 create volume bake.wifi.root <layer/> after [1]
3 upload volume bake.wifi after [1]
4 start guest bake.wifi after [0 1 2 3]
5 wait for guest bake.wifi after [4]
6 stop guest bake.wifi after [5]
7 clone volume wifi <manifest/> after [6]
8 clone volume wifi <image/> after [7]
9 stop guest bake.wifi by force always after [8]
10 undefine guest bake.wifi after [9]
11 undefine filter bake.wifi.bake after [9]
12 delete volume bake.wifi.root after [9]
13 delete volume bake.wifi after [9]
`},
		"gateway is started, its filter is put right, and nobody else waits": {
			applied(want, state(vpn, Off), gone(wifi, vpnFilter), func(m map[Addr]*Object) { m[vpn].Attrs["running"] = "false" }), Options{Target: []Addr{wifi}, NoWait: true}, `
0 define filter vpn.lan <filter/>
1 start guest vpn after [0]
2 wait for guest vpn after [1]
3 define filter bake.wifi.bake <bakefilter/>
4 define guest bake.wifi <bake/>
5 create volume bake.wifi.root <layer/> after [4]
6 upload volume bake.wifi after [4]
7 start guest bake.wifi after [0 2 3 4 5 6]
8 wait for guest bake.wifi after [7]
9 stop guest bake.wifi after [8]
10 clone volume wifi <manifest/> after [9]
11 clone volume wifi <image/> after [10]
12 stop guest bake.wifi by force always after [11]
13 undefine guest bake.wifi after [12]
14 undefine filter bake.wifi.bake after [12]
15 delete volume bake.wifi.root after [12]
16 delete volume bake.wifi after [12]
`},
		"left behind, no bake": {filterLeft, Options{}, `
0 undefine guest bake.wifi
1 undefine filter bake.wifi.bake
`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Diff(want, test.actual, test.opt)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), lines(p.Steps)); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDiffBakeBehindNewGateway makes everything at once.
func TestDiffBakeBehindNewGateway(t *testing.T) {
	p, err := Diff(site(baked, throughGateway), empty(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, s := range p.Steps {
		at[s.String()] = i
		for _, n := range s.Needs {
			if n >= i {
				t.Errorf("%q needs step %d", s, n)
			}
		}
	}
	count := strings.Count(lines(p.Steps), " start guest vpn ")
	if !(at["start guest vpn"] < at["wait for guest vpn"] && at["wait for guest vpn"] < at["start guest bake.wifi"] &&
		at["clone volume wifi"] < at["create volume web.root"]) || count != 1 {
		t.Errorf("steps:\n%s", lines(p.Steps))
	}
}

func TestDiffRefusesBakeWithoutGateway(t *testing.T) {
	off := func(m map[Addr]*Resource) { m[vpn].Running, m[vpn].Attrs = nil, nil }
	images := Options{Images: []Addr{wifi}}
	tests := map[string]struct {
		desired []Resource
		change  []func(map[Addr]*Object)
		opt     Options
		want    string
	}{
		"runs":                           {site(baked, throughGateway), []func(map[Addr]*Object){state(vpn, Running)}, images, ""},
		"images only, gateway is off":    {site(baked, throughGateway), []func(map[Addr]*Object){state(vpn, Off)}, images, "Gateway does not run"},
		"images only, gateway is gone":   {site(baked, throughGateway), []func(map[Addr]*Object){gone(vpn, vpnRoot)}, images, "Gateway does not run"},
		"images only, filter is missing": {site(baked, throughGateway), []func(map[Addr]*Object){state(vpn, Running), gone(vpnFilter)}, images, "Filter is not up to date"},
		"nobody says that it runs":       {site(baked, throughGateway, off), []func(map[Addr]*Object){state(vpn, Off)}, Options{Target: []Addr{wifi}}, "Gateway does not run"},
		"needs the image itself": {
			site(baked, throughGateway, func(m map[Addr]*Resource) { m[vpnRoot].Needs = []Addr{pool, wifi} }),
			[]func(map[Addr]*Object){gone(vpn, vpnRoot)}, Options{}, "Gateway waits for the image",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Diff(test.desired, applied(test.desired, append(test.change, noImage)...), test.opt)
			var got []string
			if r, ok := err.(*Refusal); ok {
				for _, p := range r.Problems {
					got = append(got, p.Summary)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if strings.Join(got, "; ") != test.want {
				t.Errorf("got %q, want %q (%v)", got, test.want, err)
			}
		})
	}
}
