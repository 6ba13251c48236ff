package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	filterWeb = Addr{KindFilter, "web.lan"}
	vpn       = Addr{KindGuest, "vpn"}
	vpnRoot   = Addr{KindVolume, "vpn.root"}
)

// guarded puts a filter on the card of the guest web.
func guarded(m map[Addr]*Resource) {
	m[filterWeb] = &Resource{Host: "home-web.lan", UUID: "f1", Parent: web, XML: "<filter/>", Attrs: attrs("rules", "drop")}
	m[web].Attrs = append(m[web].Attrs, Attr{Name: "filter.lan", Value: "filter.web.lan"}, Attr{Name: "port.lan", Value: "open"})
	m[web].Needs = append(m[web].Needs, filterWeb)
	m[web].Update = func(device string) (string, error) {
		if strings.HasPrefix(device, "<interface>") {
			return "updated(" + device + ")", nil
		}
		return "", nil
	}
}

// running has the host know of the filter what a real one does.
func running(m map[Addr]*Object) {
	m[web].Uses = []Addr{lan, filterWeb}
	m[web].Needs = m[web].Uses
	m[web].Devices = map[string]string{"filter.lan": "<interface>", "port.lan": "<interface>"}
	m[filterWeb].Applied = map[string]string{"rules": m[filterWeb].Attrs["rules"]}
	m[filterWeb].State = Off
}

// behind adds a gateway that the guest web is behind.
func behind(m map[Addr]*Resource) {
	on := true
	m[vpnRoot] = &Resource{Host: "home.vpn.root.qcow2", Parent: vpn, XML: "<root/>", Size: 8, Attrs: attrs("size", "8B"), Needs: []Addr{pool, image}}
	m[vpn] = &Resource{
		Host: "home-vpn", UUID: "g2", XML: "<domain/>", Edit: m[web].Edit, Running: &on, Body: vpnRoot, Parts: []Addr{vpnRoot}, Needs: []Addr{lan},
		Attrs: attrs("memory", "512MiB", "running", "true"),
	}
	m[web].Needs, m[web].Via = []Addr{lan, vpn}, []Addr{vpn}
}

func TestFilterSteps(t *testing.T) {
	tests := map[string]struct {
		desired []Resource
		actual  *Actual
		opt     Options
		want    string
	}{
		"nothing differs": {site(guarded), applied(site(guarded), running), Options{}, ""},
		"filter is opened by hand": {site(guarded), applied(site(guarded), running, func(m map[Addr]*Object) {
			m[filterWeb].Attrs["rules"] = "accept"
		}), Options{}, `
0 define filter web.lan <filter/>
`},
		"filter is removed by hand": {site(guarded), applied(site(guarded), running, func(m map[Addr]*Object) {
			delete(m, filterWeb)
		}), Options{}, `
0 define filter web.lan <filter/>
`},
		"card loses filter and port by hand": {site(guarded), applied(site(guarded), running, func(m map[Addr]*Object) {
			m[web].Live["filter.lan"], m[web].Live["port.lan"] = "none", "isolated"
		}), Options{}, `
0 update device of guest web updated(<interface>)
`},
		"card and definition lose the filter": {site(guarded), applied(site(guarded), running, func(m map[Addr]*Object) {
			m[web].Live["filter.lan"], m[web].Attrs["filter.lan"] = "none", "none"
		}), Options{}, `
0 update device of guest web updated(<interface>)
1 define guest web edited(<domain/>)
`},
		"definition loses the filter": {site(guarded), applied(site(guarded), running, func(m map[Addr]*Object) {
			m[web].Attrs["filter.lan"] = "none"
		}), Options{}, `
0 define guest web edited(<domain/>)
`},
		"guest is off": {site(guarded), applied(site(guarded), running, func(m map[Addr]*Object) {
			off(m[web])
			m[web].Devices, m[web].Uses = nil, nil
			delete(m, filterWeb)
		}), Options{NoWait: true}, `
0 define filter web.lan <filter/>
1 start guest web after [0]
`},
		"a filter is new": {site(guarded), applied(site(guarded), running, func(m map[Addr]*Object) {
			delete(m, filterWeb)
			delete(m[web].Attrs, "filter.lan")
			delete(m[web].Applied, "filter.lan")
			delete(m[web].Live, "filter.lan")
		}), Options{}, `
0 define filter web.lan <filter/>
1 update device of guest web updated(<interface>) after [0]
2 define guest web edited(<domain/>)
`},
		"a filter goes": {site(guarded, func(m map[Addr]*Resource) {
			delete(m, filterWeb)
			m[web].Attrs = slices.DeleteFunc(m[web].Attrs, func(a Attr) bool { return a.Name == "filter.lan" })
			m[web].Needs = []Addr{lan}
		}), applied(site(guarded), running), Options{}, `
0 update device of guest web updated(<interface>)
1 define guest web edited(<domain/>)
2 undefine filter web.lan after [0 1]
`},
		"a card goes, no restart": {site(func(m map[Addr]*Resource) {
			m[web].Update = func(string) (string, error) { return "", nil }
			m[web].Attrs = slices.DeleteFunc(m[web].Attrs, func(a Attr) bool { return a.Name == "nic.lan" })
		}), applied(site(guarded), running), Options{NoRestart: true}, `
0 define guest web edited(<domain/>)
`},
		"restart": {site(guarded, setAttr(web, "memory", "1GiB")), applied(site(guarded), running, func(m map[Addr]*Object) {
			m[web].Live["filter.lan"] = "none"
		}), Options{NoWait: true}, `
0 stop guest web
1 define guest web edited(<domain/>) after [0]
2 start guest web after [0 1]
`},
		"guest goes with its filter": {site(func(m map[Addr]*Resource) {
			for _, a := range []Addr{web, webRoot, webData, webSeed} {
				delete(m, a)
			}
		}), applied(site(guarded), running, func(m map[Addr]*Object) { m[webData].Keep = true }), Options{}, `
0 stop guest web
1 delete volume web.root after [0]
2 delete volume web after [0]
3 undefine guest web after [0 1 2]
4 undefine filter web.lan after [0 3]
`},
		"filter of no guest": {site(), applied(site(), func(m map[Addr]*Object) {
			m[filterWeb] = &Object{Addr: filterWeb, Host: "home-web.lan", UUID: "f1", Parent: web, Attrs: map[string]string{"rules": "drop"}}
		}), Options{}, `
0 undefine filter web.lan
`},
		"destroy, the gateway last": {site(behind), applied(site(behind)), Options{Destroy: true}, `
0 stop guest web
1 stop guest vpn after [0]
2 stop network lan after [0 1]
3 delete volume vpn.root after [1]
4 undefine guest vpn after [1 3]
5 delete volume web.root after [0]
6 delete volume web after [0]
7 undefine guest web after [0 5 6]
8 undefine network lan after [2 4 7]
`},
		"both restart": {site(behind, setAttr(web, "memory", "1GiB"), setAttr(vpn, "memory", "1GiB")), applied(site(behind)), Options{NoWait: true}, `
0 stop guest web
1 stop guest vpn after [0]
2 define guest vpn edited(<domain/>) after [1]
3 define guest web edited(<domain/>) after [0]
4 start guest vpn after [1 2]
5 start guest web after [0 3 4]
`},
		"a device goes from one guest to another": {
			site(behind, setAttr(vpn, "hostdev.card", "8086:2723 at 0000:03:00.0")),
			applied(site(behind, setAttr(web, "hostdev.mine", "8086:2723 at 0000:03:00.0 managed"))), Options{NoWait: true}, `
0 stop guest web
1 stop guest vpn after [0]
2 define guest vpn edited(<domain/>) after [1]
3 define guest web edited(<domain/>) after [0]
4 start guest vpn after [0 1 2]
5 start guest web after [0 3 4]
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
		})
	}
}

// TestDriftBesideFiles has somebody change a running guest while the files change the same.
func TestDriftBesideFiles(t *testing.T) {
	for name, hand := range map[string]func(*Object){
		"card moved":         func(o *Object) { o.Live["nic.lan"] = "network.default 52:54:00:00:00:01" },
		"filter not at work": func(o *Object) { o.Live["filter.lan"] = "filter.web.lan (not at work)" },
	} {
		t.Run(name, func(t *testing.T) {
			files := site(guarded, setAttr(web, "nic.lan", "network.lan 52:54:00:00:00:09"), setAttr(web, "filter.lan", "filter.other"))
			p, err := Diff(files, applied(site(guarded), running), Options{})
			if err != nil || p.Security() {
				t.Fatalf("a change of the files alone: %v, security %v", err, p.Security())
			}
			p, err = Diff(files, applied(site(guarded), running, func(m map[Addr]*Object) { hand(m[web]) }), Options{})
			if err != nil || !p.Security() {
				t.Fatalf("%v, security %v: %+v", err, p.Security(), p.Changes)
			}
			if text := planText(t, p, false); !strings.Contains(text, "Security drift on") {
				t.Errorf("the text does not tell of the drift:\n%s", text)
			}
		})
	}
}

func TestGuardDriftIsSecurity(t *testing.T) {
	hands := map[string]func(m map[Addr]*Object){
		"filter opened": func(m map[Addr]*Object) { m[filterWeb].Attrs["rules"] = "accept" },
		"filter without mark": func(m map[Addr]*Object) {
			m[filterWeb].Attrs["rules"], m[filterWeb].Applied = "accept", map[string]string{}
		},
		"card without filter": func(m map[Addr]*Object) { m[web].Live["filter.lan"] = "none" },
		"filter not at work":  func(m map[Addr]*Object) { m[web].Live["filter.lan"] = "filter.web.lan (not at work)" },
		"definition":          func(m map[Addr]*Object) { m[web].Attrs["filter.lan"] = "none" },
		"filter added": func(m map[Addr]*Object) {
			m[web].Attrs["filter.other"], m[web].Live["filter.other"] = "libvirt-filter x", "libvirt-filter x"
		},
	}
	for name, hand := range hands {
		t.Run(name, func(t *testing.T) {
			p, err := Diff(site(guarded), applied(site(guarded), running, hand), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if !p.Security() || len(p.Changes) != 1 || p.Changes[0].Effect != Live {
				t.Errorf("changes %+v", p.Changes)
			}
			text := planText(t, p, false)
			if !strings.HasPrefix(text, "Security drift on qemu:///system") || strings.Contains(text, "\nChanges on") {
				t.Errorf("the text does not begin with the drift, or goes on with changes:\n%s", text)
			}
			if rule := RuleFor(p.Changes[0].Kind, p.Changes[0].Attrs[0].Name); !strings.Contains(text, rule.Drift()) {
				t.Errorf("the text does not say %q:\n%s", rule.Drift(), text)
			}
		})
	}
}

func TestEverySecurityRuleSaysWhatDriftMeans(t *testing.T) {
	for _, r := range Rules() {
		if (r.Drift() != "") != r.Security {
			t.Errorf("%s %s: security %v, and %q", r.Kind, r.Name, r.Security, r.Drift())
		}
	}
}

// TestInterrupted restarts gateways: those behind them are named, and nobody else.
func TestInterrupted(t *testing.T) {
	wifi, mail := Addr{KindGuest, "wifi"}, Addr{KindGuest, "mail"}
	chain := func(m map[Addr]*Resource) {
		behind(m)
		for _, a := range []Addr{wifi, mail} {
			r := *m[vpn]
			r.Host, r.UUID, r.Needs = "home-"+a.Name, a.Name, []Addr{lan}
			r.Body = Addr{KindVolume, a.Name + ".root"}
			r.Parts = []Addr{r.Body}
			v := *m[vpnRoot]
			v.Parent, v.Host = a, "home."+r.Body.Name
			m[a], m[r.Body] = &r, &v
		}
		m[vpn].Needs, m[vpn].Via = []Addr{lan, wifi}, []Addr{wifi}
		m[mail].Needs = []Addr{lan, vpn} // a mere reference
	}
	tests := map[string]struct {
		restart Addr
		hand    func(m map[Addr]*Object)
		want    string
	}{
		"wifi": {wifi, func(map[Addr]*Object) {}, "[guest.vpn guest.web guest.wifi]"},
		"vpn":  {vpn, func(map[Addr]*Object) {}, "[guest.vpn guest.web]"},
		"mail": {mail, func(map[Addr]*Object) {}, "[guest.mail]"},
		"wifi, web is off": {wifi, func(m map[Addr]*Object) {
			off(m[web])
		}, "[guest.vpn guest.wifi]"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Diff(site(chain, setAttr(test.restart, "memory", "1GiB")), applied(site(chain), test.hand), Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range p.Changes {
				if c.Addr == test.restart {
					if got := fmt.Sprint(c.Disrupts); got != test.want {
						t.Errorf("interrupts %s, want %s", got, test.want)
					}
					return
				}
			}
			t.Errorf("changes %v", p.Changes)
		})
	}
}

// TestTargetsOfFilters asks for a filter alone: its guest comes with it, and what the guest needs.
func TestTargetsOfFilters(t *testing.T) {
	p, err := Diff(site(guarded), empty(), Options{Target: []Addr{filterWeb}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Addr == web }) {
		t.Errorf("changes %v", p.Changes)
	}
	actual := applied(site(guarded, behind), running)
	actual.Objects[filterWeb].Attrs["rules"] = "accept"
	p, err = Diff(site(guarded, behind), actual, Options{Target: []Addr{vpn}})
	if err != nil || !p.Empty() {
		t.Errorf("error %v, changes %v for another guest", err, p.Changes)
	}
}

func TestUpdateFails(t *testing.T) {
	desired := site(guarded, func(m map[Addr]*Resource) {
		m[web].Update = func(string) (string, error) { return "", errors.New("no XML") }
	})
	actual := applied(site(guarded), running, func(m map[Addr]*Object) { m[web].Live["filter.lan"] = "none" })
	if _, err := Diff(desired, actual, Options{}); err == nil || !strings.Contains(err.Error(), "guest.web: cannot change a device that the host has: no XML") {
		t.Errorf("error %v", err)
	}
}

// TestFilterAheadOfItsGuest changes a filter together with its guest: as the filter does not wait, it is said when the guest
// does.
func TestFilterAheadOfItsGuest(t *testing.T) {
	const said = "it changes at once, and guest.web may be cut off until it has been restarted"
	tests := map[string]struct {
		attr      string
		noRestart bool
		want      []string
	}{
		"a card waits":       {"nic.lan", true, []string{said}},
		"a seed waits":       {"seed.role", true, []string{said}},
		"other things wait":  {"memory", true, nil},
		"the guest restarts": {"nic.lan", false, nil},
		"only the filter":    {"rules", true, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			desired := site(guarded, setAttr(filterWeb, "rules", "accept"), func(m map[Addr]*Resource) {
				if tt.attr != "rules" {
					setAttr(web, tt.attr, "new")(m)
				}
			})
			p, err := Diff(desired, applied(site(guarded), running), Options{NoRestart: tt.noRestart})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, n := range p.Notices {
				if n.Addr == filterWeb {
					got = append(got, n.Text)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Addr == filterWeb }) {
				t.Errorf("changes %v", p.Changes)
			}
		})
	}
}
