package fakevirt_test

import (
	"context"
	"encoding/xml"
	"path"
	"slices"
	"strings"

	"jeos/builders"
	"jeos/internal/config"
	"jeos/internal/fakevirt"
	"jeos/plan"
)

func mustBeEmpty(t tester, host *fakevirt.Host, site *config.Site) {
	p, err := replan(host.Open(true), site)(context.Background())
	if err != nil {
		t.Fatalf("plan: %v", err)
	}
	if p.Empty() && len(p.Pending) == 0 {
		return
	}
	var text strings.Builder
	if err := p.WriteText(&text, plan.TextOptions{}); err != nil {
		t.Fatalf("%v", err)
	}
	t.Errorf("after apply the plan is not empty:\n%s", text.String())
}

// mustHaveNoOrphan checks that the host has no domain, network or volume of the site that b does not want, but for
// disks that either site keeps.
func mustHaveNoOrphan(t tester, host *fakevirt.Host, a, b *config.Site) {
	inv := inventory(t, host)
	for _, d := range inv.Domains {
		if name, ours := strings.CutPrefix(d.Name, b.Name+"-"); ours && !slices.ContainsFunc(b.Guests, func(g config.Guest) bool { return g.Name == name }) {
			t.Errorf("orphan domain %s", d.Name)
		}
	}
	for _, n := range inv.Networks {
		if name, ours := strings.CutPrefix(n.Name, b.Name+"-"); ours && !slices.ContainsFunc(b.Networks, func(w config.Network) bool { return w.Name == name }) {
			t.Errorf("orphan network %s", n.Name)
		}
	}
	for name := range inv.Names {
		rest, ours := strings.CutPrefix(name, b.Name+".")
		if !ours {
			continue
		}
		guest, disk, _ := strings.Cut(rest, ".")
		disk, _, _ = strings.Cut(disk, ".")
		if !hasDisk(b, guest, disk, false) && !hasDisk(a, guest, disk, true) {
			t.Errorf("orphan volume %s", name)
		}
	}
	for _, f := range inv.Filters {
		if name, ours := strings.CutPrefix(f.Name, b.Name+"-"); ours && !slices.ContainsFunc(b.Guests, func(g config.Guest) bool {
			return slices.ContainsFunc(g.NICs, func(n config.NIC) bool { return n.Filter != nil && name == g.Name+"."+n.Name })
		}) {
			t.Errorf("orphan filter %s", f.Name)
		}
	}
	seeds := map[string]int{}
	for name := range inv.Names {
		if marked, isMarker := strings.CutSuffix(name, ".ok"); isMarker && !inv.Names[marked] {
			t.Errorf("orphan marker %s", name)
		}
		if guest, _, isSeed := strings.Cut(name, ".seed-"); isSeed && strings.HasSuffix(name, ".iso") {
			seeds[guest]++
		}
	}
	for guest, n := range seeds {
		if n > 1 {
			t.Errorf("%s has %d seeds", guest, n)
		}
	}
}

// liveCards are the network cards of a domain that runs.
type liveCards struct {
	Cards []struct {
		MAC struct {
			Address string `xml:"address,attr"`
		} `xml:"mac"`
		Target struct {
			Dev string `xml:"dev,attr"`
		} `xml:"target"`
		Port struct {
			Isolated string `xml:"isolated,attr"`
		} `xml:"port"`
	} `xml:"devices>interface"`
}

// mustBeGuarded checks that the filter of each card is at work in the guests that run, that no other one is, and that the ports
// of gateways alone are open.
func mustBeGuarded(t tester, host *fakevirt.Host, site *config.Site) {
	inv := inventory(t, host)
	at := map[string]string{}
	for _, b := range inv.Bindings {
		at[b.Port] = b.Filter
	}
	cards := map[string]config.NIC{}
	filters := map[string]string{}
	for _, g := range site.Guests {
		for _, n := range g.NICs {
			cards[n.MAC] = n
			if n.Filter != nil {
				filters[n.MAC] = builders.FilterName(site.Name, g.Name, n.Name)
			}
		}
	}
	for _, d := range inv.Domains {
		var live liveCards
		if d.LiveXML == "" || !strings.HasPrefix(d.Name, site.Name+"-") {
			continue
		}
		if err := xml.Unmarshal([]byte(d.LiveXML), &live); err != nil {
			t.Fatalf("%v", err)
		}
		for _, c := range live.Cards {
			if filter := at[c.Target.Dev]; filter != filters[c.MAC.Address] {
				t.Errorf("%s: the filter %q is at work on %s, want %q", d.Name, filter, c.MAC.Address, filters[c.MAC.Address])
			}
			if open := c.Port.Isolated == "no"; open != cards[c.MAC.Address].Gateway {
				t.Errorf("%s: the port of %s is open: %v", d.Name, c.MAC.Address, open)
			}
		}
	}
}

func hasDisk(site *config.Site, guest, disk string, keptOnly bool) bool {
	for _, g := range site.Guests {
		if g.Name != guest {
			continue
		}
		if !keptOnly && (disk == "root" || strings.HasPrefix(disk, "seed-")) {
			return true
		}
		for _, d := range g.Disks {
			if d.Name == disk && (d.Keep || !keptOnly) {
				return true
			}
		}
	}
	return false
}

// mustHaveWholeImages checks that what every root disk is a layer over is there, whole and marked as such, and that what is
// baked was written by one boot of one guest.
func mustHaveWholeImages(t tester, host *fakevirt.Host) {
	inv := inventory(t, host)
	for _, v := range inv.Volumes {
		below := backing(t, v)
		if strings.HasPrefix(v.Name, "jeos-image.") && below != "" {
			t.Errorf("the image %s is a layer over %s", v.Name, below)
		}
		if bakedVolume(v.Name) && inv.Names[v.Name+".ok"] {
			data, err := host.Open(false).ReadVolume(context.Background(), "jeos", v.Name, 100)
			if err != nil || string(data) != "booted\n" {
				t.Errorf("the image %s was made from a disk with %q: %v", v.Name, data, err)
			}
		}
		if !strings.HasPrefix(v.Name, "home.") || !strings.HasSuffix(v.Name, ".root.qcow2") {
			continue
		}
		if !inv.Names[below] || bakedVolume(below) && !inv.Names[below+".ok"] {
			t.Errorf("%s is a layer over %q, which is not complete", v.Name, below)
		}
	}
}

// bakedVolume reports whether a volume of that name is an image that was baked, or was to be.
func bakedVolume(name string) bool {
	rest, image := strings.CutPrefix(name, "jeos-image.")
	return image && strings.HasSuffix(name, ".qcow2") && strings.Contains(rest, "-")
}

// backing returns the name of the volume that another one is a layer over, or "".
func backing(t tester, v plan.HostVolume) string {
	var def struct {
		Backing string `xml:"backingStore>path"`
	}
	if err := xml.Unmarshal([]byte(v.XML), &def); err != nil {
		t.Fatalf("%v", err)
	}
	if def.Backing == "" {
		return ""
	}
	return path.Base(def.Backing)
}

// imageBelow returns the name of the image that the root disk of a guest is a layer over.
func imageBelow(t tester, host *fakevirt.Host, guest string) string {
	for _, v := range inventory(t, host).Volumes {
		if v.Name == "home."+guest+".root.qcow2" {
			return backing(t, v)
		}
	}
	t.Fatalf("%s has no root disk", guest)
	return ""
}

func inventory(t tester, host *fakevirt.Host) *plan.Inventory {
	inv, err := host.Open(true).Inventory(context.Background(), "jeos", func(string) bool { return true })
	if err != nil {
		t.Fatalf("inventory: %v", err)
	}
	return inv
}

// addForeign gives the host a domain, a network, a pool and a volume that are not jeos's.
func addForeign(t tester, host *fakevirt.Host) {
	conn := host.Open(false)
	for _, s := range []plan.Step{
		{Verb: plan.DefinePool, Host: "jeos", XML: "<pool type='dir'><name>jeos</name><target><path>/pool</path></target></pool>"},
		{Verb: plan.StartPool, Host: "jeos"},
		{Verb: plan.CreateVolume, Pool: "jeos", XML: "<volume><name>diary.qcow2</name><capacity>5</capacity><target><format type='qcow2'/></target></volume>"},
		{Verb: plan.CreateVolume, Pool: "jeos", XML: "<volume><name>homely.web.root.qcow2</name><capacity>5</capacity><target><format type='qcow2'/></target></volume>"},
		{Verb: plan.DefineGuest, Host: "windows", UUID: "f1", XML: "<domain type='kvm'><name>windows</name><uuid>f1</uuid><devices/></domain>"},
		{Verb: plan.StartGuest, Host: "windows", UUID: "f1"},
		{Verb: plan.DefineNetwork, Host: "default", UUID: "f2", XML: "<network><name>default</name><uuid>f2</uuid><forward mode='nat'/></network>"},
		{Verb: plan.StartNetwork, Host: "default", UUID: "f2"},
		{Verb: plan.DefineFilter, Host: "clean-traffic", UUID: "f3", XML: "<filter name='clean-traffic'><uuid>f3</uuid></filter>"},
		{Verb: plan.DefineFilter, Host: "homely-web.lan", UUID: "f4", XML: "<filter name='homely-web.lan'><uuid>f4</uuid></filter>"},
	} {
		if err := conn.Do(context.Background(), s, nil); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func foreignObjects(t tester, host *fakevirt.Host) []any {
	inv := inventory(t, host)
	out := []any{*inv.Pool}
	for _, d := range inv.Domains {
		if d.Name == "windows" {
			out = append(out, d)
		}
	}
	for _, n := range inv.Networks {
		if n.Name == "default" {
			out = append(out, n)
		}
	}
	for _, v := range inv.Volumes {
		if v.Name == "diary.qcow2" || v.Name == "homely.web.root.qcow2" {
			out = append(out, v)
		}
	}
	for _, f := range inv.Filters {
		if f.Name == "clean-traffic" || f.Name == "homely-web.lan" {
			out = append(out, f)
		}
	}
	if len(out) != 7 {
		t.Fatalf("%d foreign objects, want 7", len(out))
	}
	return out
}
