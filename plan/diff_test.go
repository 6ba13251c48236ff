package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	pool    = Addr{KindPool, "jeos"}
	image   = Addr{KindImage, "noble"}
	lan     = Addr{KindNetwork, "lan"}
	web     = Addr{KindGuest, "web"}
	webRoot = Addr{KindVolume, "web.root"}
	webData = Addr{KindVolume, "web.data"}
	webSeed = Addr{KindVolume, "web.seed-1"}
)

// site returns a small site: one guest with a kept data disk on one network.
func site(change ...func(map[Addr]*Resource)) []Resource {
	on := true
	content := &Content{SHA256: "aa"}
	edit := func(current string) (string, error) { return "edited(" + current + ")", nil }
	m := map[Addr]*Resource{
		pool:    {Host: "jeos", XML: "<pool/>", Attrs: []Attr{{Name: "active", Value: "true"}}},
		image:   {Host: "jeos-image.aa.qcow2", Content: content, Needs: []Addr{pool}},
		lan:     {Host: "home-lan", UUID: "n1", XML: "<network/>", Autostart: true, Attrs: attrs("active", "true", "autostart", "true", "bridge", "j0"), Edit: edit},
		webRoot: {Host: "home.web.root.qcow2", Parent: web, XML: "<root/>", Size: 8, Attrs: attrs("size", "8B"), Needs: []Addr{pool, image}},
		webData: {Host: "home.web.data.qcow2", Parent: web, XML: "<data/>", Size: 4, Attrs: attrs("size", "4B"), Keep: true, Needs: []Addr{pool}},
		webSeed: {Host: "home.web.seed-1.iso", Parent: web, Hidden: true, Content: content, Needs: []Addr{pool}},
		web: {
			Host: "home-web", UUID: "g1", XML: "<domain/>", Origin: "main.jeos.hcl:3", Edit: edit, Running: &on, Autostart: true,
			Body: webRoot, Parts: []Addr{webData, webRoot, webSeed}, Needs: []Addr{lan},
			StopTimeout: time.Minute, ReadyTimeout: 10 * time.Minute,
			Attrs: attrs("autostart", "true", "cpus", "1", "memory", "512MiB", "nic.lan", "network.lan 52:54:00:00:00:01", "running", "true", "seed.packages", "sha256:1"),
		},
	}
	for _, f := range change {
		f(m)
	}
	var out []Resource
	for _, a := range slices.SortedFunc(maps.Keys(m), Addr.Compare) {
		m[a].Addr = a
		out = append(out, *m[a])
	}
	return out
}

func attrs(pairs ...string) []Attr {
	var out []Attr
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, Attr{Name: pairs[i], Value: pairs[i+1]})
	}
	return out
}

// applied returns the host as it is after the resources were applied, with changes made to it since.
func applied(desired []Resource, change ...func(map[Addr]*Object)) *Actual {
	m := map[Addr]*Object{}
	for _, r := range desired {
		o := &Object{Addr: r.Addr, Host: r.Host, UUID: r.UUID, XML: r.XML, State: Running, Complete: true, Size: r.Size, Parent: r.Parent, Hidden: r.Hidden, Keep: r.Keep, Protect: r.Protect}
		o.Attrs = map[string]string{}
		for _, a := range r.Attrs {
			o.Attrs[a.Name] = a.Value
		}
		if r.Kind == KindGuest || r.Kind == KindNetwork {
			o.Applied, o.Live, o.LiveApplied = maps.Clone(o.Attrs), maps.Clone(o.Attrs), maps.Clone(o.Attrs)
			o.Needs = slices.DeleteFunc(slices.Clone(r.Needs), func(a Addr) bool { return a.Kind != KindNetwork })
		}
		m[r.Addr] = o
	}
	for _, f := range change {
		f(m)
	}
	return &Actual{Pool: "jeos", Objects: m}
}

func setAttr(a Addr, name, value string) func(map[Addr]*Resource) {
	return func(m map[Addr]*Resource) {
		for i := range m[a].Attrs {
			if m[a].Attrs[i].Name == name {
				m[a].Attrs[i].Value = value
				return
			}
		}
		m[a].Attrs = append(m[a].Attrs, Attr{Name: name, Value: value})
	}
}

func empty() *Actual { return &Actual{Pool: "jeos"} }

// lines shows steps and what they need, one a line.
func lines(steps []Step) string {
	var b strings.Builder
	for i, s := range steps {
		fmt.Fprintf(&b, "%d %s", i, s)
		if s.On && s.Verb == StopGuest {
			b.WriteString(" by force")
		}
		if s.Always {
			b.WriteString(" always")
		}
		if s.XML != "" && s.Verb != DetachDevice {
			b.WriteString(" " + s.XML)
		}
		if len(s.Needs) > 0 {
			fmt.Fprintf(&b, " after %v", s.Needs)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestDiffSteps(t *testing.T) {
	tests := map[string]struct {
		desired []Resource
		actual  *Actual
		opt     Options
		want    string
	}{
		"nothing differs": {site(), applied(site()), Options{}, ""},
		"all is new": {site(), empty(), Options{}, `
0 define pool jeos <pool/>
1 start pool jeos after [0]
2 upload volume noble after [1]
3 define network lan <network/>
4 set autostart of network lan after [3]
5 start network lan after [3]
6 define guest web <domain/>
7 set autostart of guest web after [6]
8 create volume web.data <data/> after [1 6]
9 upload volume web after [1 6]
10 create volume web.root <root/> after [1 2 6 8 9]
11 start guest web after [5 6 8 9 10]
12 wait for guest web after [11]
`},
		"memory changes": {site(setAttr(web, "memory", "1GiB")), applied(site()), Options{}, `
0 stop guest web
1 define guest web edited(<domain/>) after [0]
2 start guest web after [0 1]
3 wait for guest web after [2]
`},
		"memory changes, no restart": {site(setAttr(web, "memory", "1GiB")), applied(site()), Options{NoRestart: true}, `
0 define guest web edited(<domain/>)
`},
		"stopped by hand": {site(), applied(site(), func(m map[Addr]*Object) { off(m[web]) }), Options{NoWait: true}, `
0 start guest web
`},
		"left paused": {site(), applied(site(), func(m map[Addr]*Object) {
			m[web].State, m[web].Attrs["running"] = Paused, "false"
		}), Options{NoWait: true}, `
0 start guest web
`},
		"undefined by hand": {site(), applied(site(), func(m map[Addr]*Object) { delete(m, web) }), Options{NoWait: true}, `
0 define guest web <domain/>
1 set autostart of guest web after [0]
2 delete volume web after [0]
3 upload volume web after [0 2]
4 start guest web after [0 3]
`},
		"made by half": {site(), applied(site(), func(m map[Addr]*Object) {
			off(m[web])
			delete(m, webRoot)
			m[webData].Complete = true
			m[webSeed].Complete = false
		}), Options{NoWait: true}, `
0 define guest web <domain/>
1 set autostart of guest web after [0]
2 delete volume web after [0]
3 upload volume web after [0 2]
4 create volume web.root <root/> after [0 3]
5 start guest web after [0 3 4]
`},
		"replace": {site(), applied(site()), Options{Replace: []Addr{web}, NoWait: true}, `
0 stop guest web
1 delete volume web after [0]
2 delete volume web.root after [0 1]
3 define guest web <domain/> after [0 1 2]
4 set autostart of guest web after [3]
5 upload volume web after [3]
6 create volume web.root <root/> after [3 5]
7 start guest web after [0 3 5 6]
`},
		"destroy": {site(), applied(site()), Options{Destroy: true}, `
0 stop guest web
1 stop network lan after [0]
2 delete volume web.root after [0]
3 delete volume web after [0]
4 undefine guest web after [0 2 3]
5 undefine network lan after [1 4]
`},
		"network changes": {site(setAttr(lan, "mtu", "1400")), applied(site()), Options{NoWait: true}, `
0 stop guest web
1 stop network lan after [0]
2 define network lan edited(<network/>) after [1]
3 start network lan after [0 2]
4 start guest web after [0 3]
`},
		"network stopped by hand": {site(), applied(site(), func(m map[Addr]*Object) {
			m[lan].State, m[lan].Attrs["active"], m[lan].Live = Off, "false", nil
		}), Options{NoWait: true}, `
0 stop guest web
1 start network lan after [0]
2 start guest web after [0 1]
`},
		"disk grows": {site(func(m map[Addr]*Resource) { m[webData].Size = 6; m[webData].Attrs = attrs("size", "6B") }), applied(site()), Options{}, `
0 grow volume web.data
`},
		"nic plugged into the running guest by hand": {site(), applied(site(), func(m map[Addr]*Object) {
			m[web].Live["nic.52:54:00:aa:aa:aa"] = "network.default 52:54:00:aa:aa:aa"
			m[web].Detach = map[string]string{"nic.52:54:00:aa:aa:aa": "<interface/>"}
		}), Options{}, `
0 detach device from guest web
`},
		"nic put into the definition of a running guest by hand": {site(), applied(site(), func(m map[Addr]*Object) {
			m[web].Attrs["nic.52:54:00:aa:aa:aa"] = "network.default 52:54:00:aa:aa:aa"
		}), Options{}, `
0 define guest web edited(<domain/>)
`},
		"folder shared by hand with a running guest": {site(), applied(site(), func(m map[Addr]*Object) {
			m[web].Attrs["share.etc"], m[web].Live["share.etc"] = "/etc", "/etc"
			m[web].Detach = map[string]string{"share.etc": "<filesystem/>"}
		}), Options{NoWait: true}, `
0 stop guest web
1 define guest web edited(<domain/>) after [0]
2 start guest web after [0 1]
`},
		"memory saved by hand, and a change": {site(setAttr(web, "memory", "1GiB")), applied(site(), func(m map[Addr]*Object) {
			off(m[web])
			m[web].Saved = true
		}), Options{NoWait: true}, `
0 drop saved memory of guest web
1 define guest web edited(<domain/>) after [0]
2 start guest web after [1]
`},
		"old seed left over": {site(), applied(site(), func(m map[Addr]*Object) {
			old := Addr{KindVolume, "web.seed-0"}
			m[old] = &Object{Addr: old, Host: "home.web.seed-0.iso", Parent: web, Hidden: true, Complete: true}
		}), Options{}, `
0 delete volume web
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
			for i, s := range p.Steps {
				if slices.ContainsFunc(s.Needs, func(n int) bool { return n >= i }) {
					t.Errorf("step %d needs a later one: %v", i, s.Needs)
				}
			}
		})
	}
}

func off(o *Object) {
	o.State, o.Live, o.LiveApplied = Off, nil, nil
	o.Attrs["running"] = "false"
}

func TestDiffRefuses(t *testing.T) {
	protect := func(m map[Addr]*Resource) { m[web].Protect = true }
	tests := map[string]struct {
		desired []Resource
		actual  *Actual
		opt     Options
		want    string // summary of the only problem
	}{
		"disk shrinks":                     {site(func(m map[Addr]*Resource) { m[webData].Size = 2 }), applied(site()), Options{}, "Disk cannot shrink"},
		"name is taken":                    {site(), &Actual{Foreign: map[Addr]string{{KindGuest, "home-web"}: "it carries no owner mark"}}, Options{}, "Name is taken"},
		"protected, destroy":               {site(protect), applied(site(protect)), Options{Destroy: true}, "Guest is protected"},
		"protected, replace":               {site(protect), applied(site(protect)), Options{Replace: []Addr{web}}, "Guest is protected"},
		"protected, block gone":            {nil, applied(site(protect)), Options{}, "Guest is protected"},
		"replace names no guest":           {site(), applied(site()), Options{Replace: []Addr{lan}}, "Not a guest"},
		"replace names a guest not there":  {site(), applied(site()), Options{Replace: []Addr{{KindGuest, "mail"}}}, "No such address"},
		"target names something not there": {site(), applied(site()), Options{Target: []Addr{{KindNetwork, "wan"}}}, "No such address"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Diff(test.desired, test.actual, test.opt)
			var refusal *Refusal
			if !errors.As(err, &refusal) {
				t.Fatalf("no refusal: %v", err)
			}
			if p == nil {
				t.Error("no plan to show")
			}
			if len(refusal.Problems) != 1 || refusal.Problems[0].Summary != test.want {
				t.Errorf("got %v, want %q", refusal, test.want)
			}
		})
	}
}

func TestDiffProtectLifted(t *testing.T) {
	protected := applied(site(func(m map[Addr]*Resource) { m[web].Protect = true }))
	if _, err := Diff(site(), protected, Options{Destroy: true}); err != nil {
		t.Errorf("the files say that it is not protected, and yet: %v", err)
	}
}

func TestDiffTarget(t *testing.T) {
	mail := Addr{KindGuest, "mail"}
	both := site(func(m map[Addr]*Resource) {
		m[mail] = &Resource{Host: "home-mail", UUID: "g2", Body: webRoot, Needs: []Addr{lan}}
	})
	p, err := Diff(both, empty(), Options{Target: []Addr{web}})
	if err != nil {
		t.Fatal(err)
	}
	var got []Addr
	for _, c := range p.Changes {
		got = append(got, c.Addr)
	}
	// The pool and the image come along, as the disks need them; mail does not.
	if diff := cmp.Diff([]Addr{pool, image, lan, webData, webRoot, web}, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestDiffDestroyKeepsWhatTheFilesKeep(t *testing.T) {
	found := applied(site(), func(m map[Addr]*Object) { m[webData].Keep = false })
	p, err := Diff(site(), found, Options{Destroy: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Steps {
		if s.Verb == DeleteVolume && s.Addr == webData {
			t.Error("a disk that the files keep is deleted")
		}
	}
}

func TestDiffTargetRefusesToCutOffOthers(t *testing.T) {
	changed := site(setAttr(lan, "mtu", "1400"))
	_, err := Diff(changed, applied(site()), Options{Target: []Addr{lan}})
	if err == nil || !strings.Contains(err.Error(), "Add --target guest.web") {
		t.Errorf("got %v", err)
	}
	p, err := Diff(site(func(m map[Addr]*Resource) { m[webData].Size = 6; m[webData].Attrs = attrs("size", "6B") }), applied(site()), Options{Target: []Addr{webData}})
	if err != nil || p.Empty() {
		t.Errorf("a disk as the target does nothing: %v", err)
	}
}

func TestDiffNetworkStartedUnderGuests(t *testing.T) {
	stopped := applied(site(), func(m map[Addr]*Object) { m[lan].State, m[lan].Attrs["active"], m[lan].Live = Off, "false", nil })
	p, err := Diff(site(), stopped, Options{NoRestart: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := lines(p.Steps), "0 start network lan\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(p.Notices) != 1 || p.Notices[0].Addr != web {
		t.Errorf("nothing says that the guest stays cut off: %v", p.Notices)
	}
}

func TestDiffStraySeed(t *testing.T) {
	stray := Addr{KindVolume, "old.seed-3"}
	p, err := Diff(site(), applied(site(), func(m map[Addr]*Object) {
		m[stray] = &Object{Addr: stray, Host: "home.old.seed-3.iso", Parent: Addr{KindGuest, "old"}, Hidden: true, Complete: true}
	}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := lines(p.Steps), "0 delete volume old.seed-3\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDiffPoolNotActive(t *testing.T) {
	p, err := Diff(site(), &Actual{Pool: "jeos", VolumesUnknown: true, Objects: map[Addr]*Object{pool: {Addr: pool, Attrs: map[string]string{"active": "false"}}}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := lines(p.Steps), "0 start pool jeos\n"; got != want {
		t.Errorf("got steps %q, want %q", got, want)
	}
	if len(p.Notices) != 1 {
		t.Errorf("nothing says that disks cannot be seen: %v", p.Notices)
	}
}
