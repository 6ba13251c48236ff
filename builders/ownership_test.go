package builders

import (
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"

	"jeos/plan"
)

func TestObserveOwnership(t *testing.T) {
	web, lan := guestAddr("web"), networkAddr("lan")
	domain := func(inv *plan.Inventory) *plan.HostDomain { return &inv.Domains[1] }
	cases := map[string]struct {
		change  func(*testing.T, *plan.Inventory)
		addr    plan.Addr
		own     bool
		foreign string // the host name under which it stands in the way
	}{
		"ours": {func(*testing.T, *plan.Inventory) {}, web, true, ""},
		"renamed": {func(t *testing.T, inv *plan.Inventory) {
			domain(inv).Name = "other"
		}, web, true, ""},
		"without a mark": {func(t *testing.T, inv *plan.Inventory) {
			domain(inv).XML = changed(t, domain(inv).XML, func(r *etree.Element) { removeChildren(r, "metadata") })
		}, web, false, "home-web"},
		"mark in another namespace": {func(t *testing.T, inv *plan.Inventory) {
			domain(inv).XML = strings.ReplaceAll(domain(inv).XML, `"urn:jeos:1"`, `"urn:else"`)
		}, web, false, "home-web"},
		"a copy": {func(t *testing.T, inv *plan.Inventory) {
			domain(inv).UUID = "11111111-1111-1111-1111-111111111111"
		}, web, false, "home-web"},
		"of another site": {func(t *testing.T, inv *plan.Inventory) {
			domain(inv).XML = strings.Replace(domain(inv).XML, `site="home"`, `site="lab"`, 1)
		}, web, false, "home-web"},
		"unrelated": {func(t *testing.T, inv *plan.Inventory) {
			*domain(inv) = plan.HostDomain{Name: "mail", UUID: "1", XML: "<domain/>"}
		}, web, false, ""},
		"unreadable": {func(t *testing.T, inv *plan.Inventory) {
			domain(inv).XML = ""
		}, web, false, "home-web"},
		"network without a mark": {func(t *testing.T, inv *plan.Inventory) {
			inv.Networks[1].XML = "<network><name>home-lan</name></network>"
		}, lan, false, "home-lan"},
	}
	list := build(t, testSite(), testHost())
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inv := applied(list)
			c.change(t, inv)
			actual, _ := Observe("home", "jeos", inv)
			if _, own := actual.Objects[c.addr]; own != c.own {
				t.Errorf("counts as the site's: %v", own)
			}
			var foreign []string
			for a, why := range actual.Foreign {
				if why == "" {
					t.Errorf("%s: no reason given", a)
				}
				foreign = append(foreign, a.Name)
			}
			if got := strings.Join(foreign, " "); got != c.foreign {
				t.Errorf("foreign: %q, want %q", got, c.foreign)
			}
		})
	}
}

func TestObserveVolumes(t *testing.T) {
	volume := func(inv *plan.Inventory, name string) *plan.HostVolume {
		for i := range inv.Volumes {
			if inv.Volumes[i].Name == name {
				return &inv.Volumes[i]
			}
		}
		t.Fatalf("no volume %s", name)
		return nil
	}
	addVolume := func(inv *plan.Inventory, name string) {
		inv.Volumes = append(inv.Volumes, plan.HostVolume{Name: name, XML: "<volume/>"})
		inv.Names[name] = true
	}
	cases := map[string]struct {
		change func(*plan.Inventory)
		addr   string
		want   plan.Object // its flags only
	}{
		"root":      {func(*plan.Inventory) {}, "volume.web.root", plan.Object{Complete: true, InUse: true}},
		"kept disk": {func(*plan.Inventory) {}, "volume.web.data", plan.Object{Complete: true, InUse: true, Keep: true}},
		"of a guest that is off": {
			func(*plan.Inventory) {}, "volume.min.root", plan.Object{Complete: true},
		},
		"seed":            {func(*plan.Inventory) {}, "volume.web.seed-1", plan.Object{Complete: true, InUse: true, Hidden: true}},
		"seed half there": {func(inv *plan.Inventory) { delete(inv.Names, "home.web.seed-1.iso.ok") }, "volume.web.seed-1", plan.Object{InUse: true, Hidden: true}},
		"qcow2 half there": {func(inv *plan.Inventory) {
			v := volume(inv, "home.web.root.qcow2")
			v.XML = strings.Replace(v.XML, `<format type="qcow2">`, `<format type="raw">`, 1)
		}, "volume.web.root", plan.Object{InUse: true}},
		"old seed": {func(inv *plan.Inventory) { addVolume(inv, "home.min.seed-7.iso") }, "volume.min.seed-7", plan.Object{Hidden: true}},
		"disk without a domain": {func(inv *plan.Inventory) {
			addVolume(inv, "home.gone.data.qcow2")
		}, "volume.gone.data", plan.Object{Keep: true}},
		"seed without a domain": {func(inv *plan.Inventory) {
			addVolume(inv, "home.gone.seed-2.iso")
		}, "volume.gone.seed-2", plan.Object{Hidden: true}},
		"image": {func(*plan.Inventory) {}, "image." + testSHA, plan.Object{Complete: true}},
	}
	list := build(t, testSite(), testHost())
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inv := applied(list)
			c.change(inv)
			o := observe(t, inv, c.addr)
			got := plan.Object{Complete: o.Complete, InUse: o.InUse, Hidden: o.Hidden, Keep: o.Keep}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestObservePool(t *testing.T) {
	inv := applied(build(t, testSite(), testHost()))
	actual, host := Observe("home", "jeos", inv)
	if actual.VolumesUnknown || actual.Pool != "jeos" || host.PoolPath != "/var/lib/libvirt/jeos" {
		t.Errorf("active pool: %+v, %q", actual.VolumesUnknown, host.PoolPath)
	}
	inv.Pool.Active, inv.Volumes, inv.Names = false, nil, nil
	if actual, _ = Observe("home", "jeos", inv); !actual.VolumesUnknown {
		t.Error("the volumes of a pool that is not active are not known")
	}
	inv.Pool = nil
	if actual, _ = Observe("home", "jeos", inv); actual.VolumesUnknown || actual.Objects[poolAddr("jeos")] != nil {
		t.Error("a pool that is missing holds nothing")
	}
}
