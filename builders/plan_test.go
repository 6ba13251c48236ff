package builders

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"

	"jeos/internal/config"
	"jeos/plan"
)

func TestPlanIsEmptyAfterApply(t *testing.T) {
	check := func(t *testing.T, site *config.Site, inv *plan.Inventory) {
		t.Helper()
		p, err := Plan(site, inv, plan.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !p.Empty() || len(p.Steps)+len(p.Pending)+len(p.Notices) > 0 {
			t.Errorf("changes %v, steps %v, pending %v, notices %v", p.Changes, p.Steps, p.Pending, p.Notices)
		}
	}
	t.Run("built", func(t *testing.T) {
		site := testSite()
		check(t, site, applied(build(t, site, testHost())))
	})
	t.Run("as libvirt writes it", func(t *testing.T) {
		site, inv := fromLibvirt(t)
		d := &inv.Domains[0]
		d.LiveXML = changed(t, d.LiveXML, func(root *etree.Element) { // what was plugged in by hand
			nics := root.FindElements("devices/interface")
			root.FindElement("devices").RemoveChild(nics[len(nics)-1])
		})
		check(t, site, inv)
	})
	t.Run("running left to others", func(t *testing.T) {
		site := testSite()
		inv := applied(build(t, site, testHost()))
		testGuest(site).Running, testGuest(site).Accel = nil, "auto"
		check(t, site, inv)
	})
	t.Run("host that has lost KVM", func(t *testing.T) {
		site := testSite()
		inv := applied(build(t, site, testHost()))
		inv.KVM = nil
		check(t, site, inv)
	})
}

func TestPlanSeesSecurityDrift(t *testing.T) {
	site, inv := fromLibvirt(t)
	p, err := Plan(site, inv, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !p.Security() || len(p.Changes) != 1 || len(p.Steps) != 1 || p.Steps[0].Verb != plan.DetachDevice {
		t.Errorf("changes %v, steps %v", p.Changes, p.Steps)
	}
}

func TestPlanNewSeed(t *testing.T) {
	cases := map[string]struct {
		change func(*config.Guest)
		opt    plan.Options
	}{
		"network changed": {func(g *config.Guest) { g.NICs[0].Addresses = g.NICs[0].Addresses[:1] }, plan.Options{}},
		"disks changed":   {func(g *config.Guest) { g.Disks[0].Mount = "/elsewhere" }, plan.Options{}},
		"replaced":        {func(g *config.Guest) { g.Protect = false }, plan.Options{Replace: []plan.Addr{guestAddr("web")}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			site := testSite()
			inv := applied(build(t, site, testHost()))
			c.change(testGuest(site))
			p, err := Plan(site, inv, c.opt)
			if err != nil {
				t.Fatal(err)
			}
			seeds := map[plan.Verb]string{}
			for _, s := range p.Steps {
				if strings.HasSuffix(s.Host, ".iso") {
					seeds[s.Verb] += s.Host
				}
			}
			want := map[plan.Verb]string{plan.UploadVolume: "home.web.seed-2.iso", plan.DeleteVolume: "home.web.seed-1.iso"}
			if diff := cmp.Diff(want, seeds); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlanFirstBootDiffers(t *testing.T) {
	site := testSite()
	inv := applied(build(t, site, testHost()))
	testGuest(site).Packages = []string{"nginx", "curl"}
	p, err := Plan(site, inv, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !p.Empty() || len(p.Notices) != 1 || !strings.Contains(p.Notices[0].Text, "packages") {
		t.Errorf("changes %v, notices %v", p.Changes, p.Notices)
	}
}

func TestPlanRefuses(t *testing.T) {
	site := testSite()
	inv := applied(build(t, site, testHost()))
	inv.Domains[1].XML = "<domain/>"
	inv.Domains = append(inv.Domains, foreignDomain("other", `<interface><mac address="52:54:00:00:00:02"/></interface>`))
	_, err := Plan(site, inv, plan.Options{})
	refusal, ok := errors.AsType[*plan.Refusal](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	var got []string
	for _, p := range refusal.Problems {
		got = append(got, p.Addr.String()+": "+p.Summary)
	}
	if diff := cmp.Diff([]string{"guest.web: MAC address is taken", "guest.web: Name is taken"}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := Plan(site, inv, plan.Options{Destroy: true}); err != nil {
		t.Errorf("what is not the site's stands in the way of destroy: %v", err)
	}
}

func TestPlanRejectsBadGuests(t *testing.T) {
	cases := map[string]func(*config.Guest){
		"unknown image":      func(g *config.Guest) { g.Image = "nothing" },
		"disk named root":    func(g *config.Guest) { g.Disks[0].Name = "root" },
		"disk named seed":    func(g *config.Guest) { g.Disks[0].Name = "seed" },
		"disk like a seed":   func(g *config.Guest) { g.Disks[0].Name = "seed-1" },
		"disk like any seed": func(g *config.Guest) { g.Disks[0].Name = "seed-42" },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			site := testSite()
			change(testGuest(site))
			if _, err := Plan(site, &plan.Inventory{}, plan.Options{}); err == nil || !strings.HasPrefix(err.Error(), "guest.web: ") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestBuildSharesImages(t *testing.T) {
	site := testSite()
	twin := site.Images[0]
	twin.Name = "another"
	site.Images = append([]config.Image{twin}, site.Images...)
	site.Guests[0].Image = "another"
	var images []string
	for _, r := range build(t, site, testHost()) {
		if r.Kind == plan.KindImage && r.Name != "unused" {
			images = append(images, r.Addr.String()+" "+r.Host)
		}
	}
	if diff := cmp.Diff([]string{"image.another jeos-image." + testSHA + ".qcow2"}, images); diff != "" {
		t.Error(diff)
	}
	if got := resource(t, build(t, site, testHost()), "volume.web.root").Needs; got[len(got)-1].String() != "image.another" {
		t.Errorf("the root disk needs %v", got)
	}
}

func TestContents(t *testing.T) {
	site := testSite()
	site.Images[0].Path = filepath.Join(t.TempDir(), "image")
	site.Images[0].FileSize = 5
	if err := os.WriteFile(site.Images[0].Path, []byte("image"), 0o600); err != nil {
		t.Fatal(err)
	}
	list := build(t, site, testHost())
	for _, addr := range []string{"image.debian", "volume.web.seed-1"} {
		content := resource(t, list, addr).Content
		first, second := readAll(t, content), readAll(t, content)
		if first != second {
			t.Errorf("%s: two readings differ", addr)
		}
		if addr == "image.debian" && first != "image" {
			t.Errorf("%s: %q", addr, first)
		}
	}
	site.Images[0].Path += ".gone"
	if _, _, err := resource(t, build(t, site, testHost()), "image.debian").Content.Open(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("image that is gone: %v", err)
	}
}

func readAll(t *testing.T, c *plan.Content) string {
	t.Helper()
	r, size, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(data)) != size {
		t.Errorf("%d bytes, said to be %d", len(data), size)
	}
	return string(data)
}

func TestArtifacts(t *testing.T) {
	list, err := Artifacts(testSite(), Offline(testSite()))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, a := range list {
		if len(a.Data) == 0 {
			t.Errorf("%s is empty", a.Path)
		}
		if !strings.HasSuffix(a.Path, ".xml") {
			paths = append(paths, a.Path)
		}
	}
	want := []string{
		"seed/home-min/meta-data", "seed/home-min/network-config", "seed/home-min/user-data",
		"seed/home-web/meta-data", "seed/home-web/network-config", "seed/home-web/user-data",
		"volume/home.min.seed-1.iso", "volume/home.web.seed-1.iso",
	}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Error(diff)
	}
}

// TestKeptDiskIsNotForgotten takes a kept disk out of the files of a guest that stays: no later plan may delete it.
func TestKeptDiskIsNotForgotten(t *testing.T) {
	cases := map[string]func(*plan.Inventory){
		"definition edited": func(inv *plan.Inventory) {
			site := testSite()
			g := testGuest(site)
			g.Disks = g.Disks[1:]
			_, host := Observe("home", "jeos", inv)
			edited, err := resource(t, build(t, site, host), "guest.web").Edit(inv.Domains[1].XML)
			if err != nil {
				t.Fatal(err)
			}
			inv.Domains[1].XML, inv.Domains[1].LiveXML = edited, edited
		},
		"domain gone and made again": func(inv *plan.Inventory) {
			site := testSite()
			g := testGuest(site)
			g.Disks = g.Disks[1:]
			inv.Domains = inv.Domains[:1]
			_, host := Observe("home", "jeos", inv)
			web := resource(t, build(t, site, host), "guest.web")
			inv.Domains = append(inv.Domains, plan.HostDomain{Name: web.Host, UUID: web.UUID, XML: web.XML, Persistent: true})
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			inv := applied(build(t, testSite(), testHost()))
			change(inv)
			if !observe(t, inv, "volume.web.data").Keep {
				t.Error("the disk data counts as disposable")
			}
		})
	}
}

// TestPlanRefusesSeedThatCannotBe finds a seed that is too large before anything is touched.
func TestPlanRefusesSeedThatCannotBe(t *testing.T) {
	site := testSite()
	inv := applied(build(t, site, testHost()))
	g := testGuest(site)
	g.Protect = false
	g.Files = append(g.Files, config.File{Path: "/large", Content: make([]byte, 2<<20), Mode: 0o644, Owner: "root:root"})
	if _, err := Plan(site, inv, plan.Options{}); err != nil {
		t.Errorf("the guest that is there is refused: %v", err)
	}
	_, err := Plan(site, inv, plan.Options{Replace: []plan.Addr{guestAddr(g.Name)}})
	var refusal *plan.Refusal
	if !errors.As(err, &refusal) || len(refusal.Problems) != 1 || refusal.Problems[0].Summary != "Content cannot be made" {
		t.Errorf("got %v", err)
	}
}
