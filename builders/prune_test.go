package builders

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jeos/internal/config"
	"jeos/plan"
)

// pruned returns what a plan to prune deletes, "ADDRESS: REASON", and the volumes of its steps.
func pruned(t *testing.T, site *config.Site, inv *plan.Inventory) (changes, volumes []string) {
	t.Helper()
	p, err := Prune(site, inv)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range p.Changes {
		if c.Action != plan.Delete {
			t.Errorf("%s: action %q", c.Addr, c.Action)
		}
		changes = append(changes, c.Addr.String()+": "+c.Reason)
	}
	for _, s := range p.Steps {
		if s.Verb != plan.DeleteVolume || s.Pool != "jeos" || len(s.Needs) > 0 {
			t.Errorf("step %+v", s)
		}
		volumes = append(volumes, s.Host)
	}
	return changes, volumes
}

func TestPrune(t *testing.T) {
	key := strings.Repeat("c3", 32)
	file, baked3, raw := imagePrefix+key+".qcow2", imagePrefix+key+"-3.qcow2", imagePrefix+key+".raw"
	manifest := ManifestVolume(baked3)
	add := func(inv *plan.Inventory, name, format string, extra string) {
		inv.Names[name] = true
		inv.Volumes = append(inv.Volumes, plan.HostVolume{Name: name, XML: `<volume><name>` + name + `</name><capacity unit="bytes">1073741824</capacity>` +
			`<target><format type="` + format + `"/></target>` + extra + `</volume>`})
	}
	addBaked := func(inv *plan.Inventory) {
		add(inv, baked3, "qcow2", "")
		add(inv, manifest, "raw", "")
		inv.Names[baked3+markerSuffix], inv.Names[manifest+markerSuffix] = true, true
	}
	domain := func(xml string) func(*plan.Inventory) {
		return func(inv *plan.Inventory) {
			addBaked(inv)
			inv.Domains = append(inv.Domains, plan.HostDomain{Name: "other", UUID: "1", XML: xml})
		}
	}
	unused := []string{"image.c3c3c3c3c3c3-3: nothing uses it"}
	cases := map[string]struct {
		change  func(*plan.Inventory)
		changes []string
		volumes []string
	}{
		"only what is wanted": {func(*plan.Inventory) {}, nil, nil},
		"a file": {
			func(inv *plan.Inventory) { add(inv, file, "qcow2", "") },
			[]string{"image.c3c3c3c3c3c3: nothing uses it"}, []string{file},
		},
		"a file that was not uploaded to its end": {
			func(inv *plan.Inventory) { add(inv, file, "raw", "") },
			[]string{"image.c3c3c3c3c3c3: it was never finished"}, []string{file},
		},
		"a raw file that was not uploaded to its end": {
			func(inv *plan.Inventory) { add(inv, raw, "raw", "") },
			[]string{"image.c3c3c3c3c3c3: it was never finished"}, []string{raw},
		},
		"a baked one": {addBaked, unused, []string{baked3, manifest}},
		"a baked one that was not cloned to its end": {
			func(inv *plan.Inventory) { addBaked(inv); delete(inv.Names, baked3+markerSuffix) },
			[]string{"image.c3c3c3c3c3c3-3: it was never finished"}, []string{baked3, manifest},
		},
		"a manifest alone": {
			func(inv *plan.Inventory) { add(inv, manifest, "raw", "") },
			[]string{"image.c3c3c3c3c3c3-3: its image is gone"}, []string{baked3, manifest},
		},
		"a marker alone": {
			func(inv *plan.Inventory) { inv.Names[baked3+markerSuffix] = true },
			[]string{"image.c3c3c3c3c3c3-3: its image is gone"}, []string{baked3},
		},
		"a layer of another site over it": {func(inv *plan.Inventory) {
			addBaked(inv)
			add(inv, "lab.web.root.qcow2", "qcow2", `<backingStore><path>/var/lib/libvirt/jeos/`+baked3+`</path></backingStore>`)
		}, nil, nil},
		"a layer that reaches it by another path": {func(inv *plan.Inventory) {
			addBaked(inv)
			add(inv, "mine.qcow2", "qcow2", `<backingStore><path>../`+baked3+`</path></backingStore>`)
		}, nil, nil},
		"a domain that is off":       {domain(`<domain><devices><disk><source file="/pool/` + baked3 + `"/></disk></devices></domain>`), nil, nil},
		"a domain with a pool":       {domain(`<domain><devices><disk><source pool="jeos" volume="` + baked3 + `"/></disk></devices></domain>`), nil, nil},
		"a domain that uses another": {domain(`<domain><devices><disk><source file="/pool/x` + baked3 + `"/></disk></devices></domain>`), unused, []string{baked3, manifest}},
		"a running domain with a layer elsewhere": {func(inv *plan.Inventory) {
			domain(`<domain><devices/></domain>`)(inv)
			inv.Domains[len(inv.Domains)-1].LiveXML = `<domain><devices><disk><source file="/else/layer"/><backingStore><source file="/pool/` + baked3 + `"/>` +
				`</backingStore></disk></devices></domain>`
		}, nil, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inv := baked(t, bakeSite())
			c.change(inv)
			changes, volumes := pruned(t, bakeSite(), inv)
			if diff := cmp.Diff(c.changes, changes); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.volumes, volumes); diff != "" {
				t.Errorf("volumes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPruneLeavesBakesAlone has another site bake an image at this moment: what it has cloned so far stays.
func TestPruneLeavesBakesAlone(t *testing.T) {
	site := bakeSite()
	site.Name = "lab"
	wifi := resource(t, build(t, site, testHost()), "image.wifi")
	inv := baked(t, testSite())
	inv.Domains = append(inv.Domains, plan.HostDomain{Name: wifi.Bake.Guest.Host, UUID: wifi.Bake.Guest.UUID, XML: wifi.Bake.Guest.XML})
	for _, c := range wifi.Bake.Clones {
		inv.Names[c.To] = true
		inv.Volumes = append(inv.Volumes, plan.HostVolume{Name: c.To, XML: c.XML})
	}
	if changes, _ := pruned(t, testSite(), inv); changes != nil {
		t.Errorf("while the bake goes on: %v", changes)
	}
	inv.Domains = inv.Domains[:len(inv.Domains)-1]
	if changes, _ := pruned(t, testSite(), inv); len(changes) != 1 {
		t.Errorf("when the bake was cut: %v", changes)
	}
}

// TestPruneBase prunes for a site that wants none of the images: a baked one stands by itself, so that the one that it was
// baked from goes although the baked one is in use.
func TestPruneBase(t *testing.T) {
	site := bakeSite()
	site.Images = slices.DeleteFunc(site.Images, func(i config.Image) bool { return i.Name == "unused" || i.Name == "vpn" })
	site.Guests = site.Guests[:1]
	site.Guests[0].Image = "wifi"
	changes, _ := pruned(t, &config.Site{Pool: site.Pool}, baked(t, site))
	if diff := cmp.Diff([]string{"image.a1a1a1a1a1a1: nothing uses it"}, changes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPruneFailsWhereItCannotTell(t *testing.T) {
	cases := map[string]func(*plan.Inventory){
		"domain": func(inv *plan.Inventory) {
			inv.Domains = append(inv.Domains, plan.HostDomain{Name: "odd", XML: "<domain"})
		},
		"running domain": func(inv *plan.Inventory) {
			inv.Domains = append(inv.Domains, plan.HostDomain{Name: "odd", XML: "<domain/>", LiveXML: "<domain"})
		},
		"volume": func(inv *plan.Inventory) {
			inv.Volumes = append(inv.Volumes, plan.HostVolume{Name: "odd", XML: "<volume"})
		},
	}
	inv := baked(t, bakeSite())
	inv.Pool.Active = false
	if _, err := Prune(bakeSite(), inv); err == nil || !strings.Contains(err.Error(), `pool "jeos" is not active`) {
		t.Errorf("pool: error %v", err)
	}
	for name, change := range cases {
		inv := baked(t, bakeSite())
		change(inv)
		if _, err := Prune(bakeSite(), inv); err == nil || !strings.Contains(err.Error(), `"odd"`) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
