package builders

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jeos/internal/config"
	"jeos/plan"
)

// bakeSite is the test site with an image that is baked on a network of its own, and one that is baked from that through a
// network of the site.
func bakeSite() *config.Site {
	site := testSite()
	site.Images = append(site.Images, config.Image{
		Name: "vpn", Format: "qcow2", Size: 4 << 30, Origin: "main.jeos.hcl:50",
		Bake: &config.Bake{
			Base: "wifi", Serial: 1, Packages: []string{"openvpn"}, Kernel: "keep", CPUs: 1, Memory: 512 << 20, Timeout: 20 * time.Minute,
			NIC: config.NIC{Name: "out", Network: "out", MAC: "52:54:00:00:00:22", DHCP: true, DefaultRoute: true},
		},
	}, config.Image{
		Name: "wifi", Format: "qcow2", Size: 4 << 30, Origin: "main.jeos.hcl:40",
		Bake: &config.Bake{
			Base: "debian", Serial: 2, Packages: []string{"wpasupplicant", "iw", "qemu-guest-agent"}, RemovePackages: []string{"nano"},
			Apt: config.Apt{Mirror: config.Text{Value: "http://mirror.example/debian"}, Proxy: config.Text{Value: "http://me:geheim@proxy:3128"}},
			Files: []config.File{
				{Path: "/etc/motd", Content: []byte("hello\n"), Mode: 0o644, Owner: "root:root", Origin: "main.jeos.hcl:41"},
				{Path: "/etc/vpn/a key", Content: []byte("geheim\xff"), Mode: 0o600, Owner: "openvpn:openvpn"},
			},
			Run:    []config.Text{{Value: "echo 'one' >/etc/one"}, {Value: "cat <<X\ngeheim\nX"}},
			Kernel: "generic", CPUs: 2, Memory: 1 << 30, Timeout: 30 * time.Minute,
			NIC: config.NIC{Name: "nat", Network: "bake.wifi", MAC: "52:54:00:00:00:21", DHCP: true, DefaultRoute: true},
			Network: &config.Network{
				Name: "bake.wifi", Mode: config.NAT, CIDRs: prefixes("100.64.7.0/28"), Host: addrs("100.64.7.1"), Bridge: "jbbbbbbbbbb",
				DHCP: true, DHCPRange: [2]netip.Addr(addrs("100.64.7.2", "100.64.7.14")), DNS: addrs("100.64.7.1"), Origin: "main.jeos.hcl:42",
			},
		},
	})
	return site
}

// secretBakeSite is that site with secrets in a recipe, which take their time to be hashed.
func secretBakeSite(t *testing.T) *config.Site {
	site := bakeSite()
	b := siteImage(t, site, "wifi").Bake
	b.Apt.Proxy.Sensitive, b.Files[1].Sensitive, b.Run[1].Sensitive = true, true, true
	return site
}

// siteImage returns an image of the site, for a test to change.
func siteImage(t *testing.T, site *config.Site, name string) *config.Image {
	t.Helper()
	i := slices.IndexFunc(site.Images, func(i config.Image) bool { return i.Name == name })
	if i < 0 {
		t.Fatalf("no image %s", name)
	}
	return &site.Images[i]
}

// baked returns the inventory of a host on which everything of the site is there, and the images have been baked.
func baked(t *testing.T, site *config.Site) *plan.Inventory {
	t.Helper()
	list := build(t, site, testHost())
	inv := applied(list)
	for _, r := range list {
		if r.Bake != nil {
			inv.Names[r.Host+markerSuffix] = true
		}
	}
	return inv
}

// addRemains adds to an inventory what a bake has made of its own.
func addRemains(inv *plan.Inventory, b *plan.Bake) {
	list := slices.Concat([]plan.Resource{b.Guest}, b.Volumes, b.Filters)
	if b.Network != nil {
		list = append(list, *b.Network)
	}
	more := applied(list)
	inv.Domains, inv.Networks = append(inv.Domains, more.Domains...), append(inv.Networks, more.Networks...)
	inv.Volumes, inv.Filters = append(inv.Volumes, more.Volumes...), append(inv.Filters, more.Filters...)
	maps.Copy(inv.Names, more.Names)
}

func TestBuildBake(t *testing.T) {
	site := bakeSite()
	list := build(t, site, testHost())
	wifi, vpn := resource(t, list, "image.wifi"), resource(t, list, "image.vpn")
	for _, c := range []struct {
		what string
		got  []plan.Addr
		want string
	}{
		{"image.wifi", wifi.Needs, "pool.jeos image.debian"},
		{"guest of image.wifi", wifi.Bake.Guest.Needs, "image.debian"},
		{"image.vpn", vpn.Needs, "pool.jeos image.wifi"},
		{"guest of image.vpn", vpn.Bake.Guest.Needs, "image.wifi network.out"},
		{"disks of image.wifi", wifi.Bake.Guest.Parts, "volume.bake.wifi.manifest volume.bake.wifi.root volume.bake.wifi.seed-1"},
		{"root disk of image.vpn", vpn.Bake.Volumes[0].Needs, "pool.jeos image.wifi"},
	} {
		var words []string
		for _, a := range c.got {
			words = append(words, a.String())
		}
		if got := strings.Join(words, " "); got != c.want {
			t.Errorf("%s needs %q, want %q", c.what, got, c.want)
		}
	}
	if vpn.Bake.Network != nil || wifi.Bake.Network == nil {
		t.Error("only image.wifi is baked on a network of its own")
	}
	volumes, err := ImageVolumes(site)
	if err != nil {
		t.Fatal(err)
	}
	wantClones := []plan.Clone{
		{From: "home.bake.wifi.manifest.raw", To: ManifestVolume(volumes["wifi"])},
		{From: "home.bake.wifi.root.qcow2", To: volumes["wifi"]},
	}
	for i := range wantClones {
		wantClones[i].XML = wifi.Bake.Clones[i].XML // see the golden files
	}
	if diff := cmp.Diff(wantClones, wifi.Bake.Clones); diff != "" {
		t.Errorf("clones (-want +got):\n%s", diff)
	}
	if wifi.Host != volumes["wifi"] || !strings.HasSuffix(wifi.Host, "-2.qcow2") {
		t.Errorf("image.wifi is in %s", wifi.Host)
	}
	g := wifi.Bake.Guest
	if g.Host != "home-bake.wifi" || g.UUID != GuestUUID("home", "bake.wifi") || g.Autostart || !g.ForceStop || g.ReadyTimeout != 30*time.Minute {
		t.Errorf("guest: %+v", g)
	}
}

func TestBakeAttrsHoldNoSecret(t *testing.T) {
	for _, a := range resource(t, build(t, secretBakeSite(t), testHost()), "image.wifi").Attrs {
		secret := slices.Contains([]string{"apt.proxy", "file./etc/vpn/a key", "run.2"}, a.Name)
		if a.Secret != secret || strings.Contains(a.Value, "geheim") {
			t.Errorf("%s: secret %v, value %q", a.Name, a.Secret, a.Value)
		}
	}
}

func TestBuildRejectsBadBakes(t *testing.T) {
	cases := map[string]struct {
		change func(*config.Site)
		want   string
	}{
		"no base":   {func(s *config.Site) { siteImage(t, s, "wifi").Bake.Base = "nothing" }, `there is no image "nothing"`},
		"a circle":  {func(s *config.Site) { siteImage(t, s, "wifi").Bake.Base = "vpn" }, "is baked from itself"},
		"itself":    {func(s *config.Site) { siteImage(t, s, "vpn").Bake.Base = "vpn" }, "image.vpn is baked from itself"},
		"no serial": {func(s *config.Site) { siteImage(t, s, "wifi").Bake.Serial = 0 }, "image.wifi: no volume can be named"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			site := bakeSite()
			c.change(site)
			if _, err := Build(site, testHost()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// TestBuildSharesBakes has two blocks ask for the same image.
func TestBuildSharesBakes(t *testing.T) {
	site := bakeSite()
	twin := *siteImage(t, site, "wifi")
	twin.Name = "another"
	site.Images = append([]config.Image{twin}, site.Images...)
	list := build(t, site, testHost())
	if resource(t, list, "image.another").Bake.Guest.Name != "bake.another" {
		t.Error("the image is not baked under its first name")
	}
	for _, r := range list {
		if r.Addr.String() == "image.wifi" {
			t.Error("the image is there twice")
		}
	}
	if got := resource(t, list, "image.vpn").Needs[1].Name; got != "another" {
		t.Errorf("image.vpn is baked from image.%s", got)
	}
}

func TestBakeArch(t *testing.T) {
	site := bakeSite()
	site.Images[0].Arch = "aarch64"
	g := bakeGuest(site, siteImage(t, site, "vpn"))
	if g.Arch != "aarch64" || g.Machine != "virt" || g.Firmware != "uefi" {
		t.Errorf("%s %s %s", g.Arch, g.Machine, g.Firmware)
	}
	if g := bakeGuest(bakeSite(), siteImage(t, site, "vpn")); g.Arch != "x86_64" || g.Machine != "q35" || g.Firmware != "bios" {
		t.Errorf("%s %s %s", g.Arch, g.Machine, g.Firmware)
	}
}

func TestObserveBakedImage(t *testing.T) {
	site := bakeSite()
	wifi := resource(t, build(t, site, testHost()), "image.wifi")
	key := strings.TrimSuffix(strings.TrimPrefix(wifi.Host, imagePrefix), ".qcow2")
	inv := baked(t, site)
	o := observe(t, inv, "image."+key)
	recipe, serial, _ := strings.Cut(key, "-")
	want := map[string]string{"recipe": recipe, "serial": serial, "size": "4GiB"}
	if diff := cmp.Diff(want, o.Attrs); diff != "" || !o.Complete || o.Host != wifi.Host {
		t.Errorf("complete %v, host %s, attributes (-want +got):\n%s", o.Complete, o.Host, diff)
	}
	delete(inv.Names, wifi.Host+markerSuffix)
	if o := observe(t, inv, "image."+key); o.Complete {
		t.Error("an image without its marker counts as complete")
	}
}

func TestObserveRemains(t *testing.T) {
	site := bakeSite()
	list := build(t, site, testHost())
	wifi, vpn := resource(t, list, "image.wifi").Bake, resource(t, list, "image.vpn").Bake
	before, host := Observe("home", "jeos", baked(t, site))
	inv := baked(t, site)
	addRemains(inv, wifi)
	inv.Names["home.bake.vpn.root.qcow2"] = true
	inv.Volumes = append(inv.Volumes, applied(vpn.Volumes[:1]).Volumes...)
	after, hostAfter := Observe("home", "jeos", inv)

	if diff := cmp.Diff(before.Objects, after.Objects); diff != "" {
		t.Errorf("objects of the site (-without +with remains):\n%s", diff)
	}
	if diff := cmp.Diff(host, hostAfter); diff != "" {
		t.Errorf("what the host remembers (-without +with remains):\n%s", diff)
	}
	if len(after.Foreign) > 0 || len(before.Bakes) > 0 || len(after.Bakes) != 2 {
		t.Errorf("foreign %v, bakes before %v, after %v", after.Foreign, before.Bakes, after.Bakes)
	}
	left := after.Bakes["wifi"]
	check := func(o *plan.Object, r plan.Resource) {
		t.Helper()
		if o == nil || o.Addr != r.Addr || o.Host != r.Host || o.UUID != r.UUID || o.Parent != r.Parent || o.Hidden != r.Hidden || o.Keep {
			t.Errorf("%s: observed as %+v", r.Addr, o)
		}
	}
	check(left.Guest, wifi.Guest)
	check(left.Network, *wifi.Network)
	for i, r := range wifi.Volumes {
		check(left.Volumes[i], r)
	}
	if diff := cmp.Diff(attrValues(wifi.Guest.Attrs), attrs(left.Guest.Attrs, wifi.Guest)); diff != "" {
		t.Errorf("attributes of the guest (-wanted +observed):\n%s", diff)
	}
	if diff := cmp.Diff(attrValues(wifi.Network.Attrs), left.Network.Attrs); diff != "" {
		t.Errorf("attributes of the network (-wanted +observed):\n%s", diff)
	}
	if left := after.Bakes["vpn"]; left.Guest != nil || left.Network != nil || len(left.Volumes) != 1 {
		t.Errorf("remains of image.vpn: %+v", left)
	}
}

// TestBakeFilter bakes through a gateway: both its card and that of the bake have a filter.
func TestBakeFilter(t *testing.T) {
	site := bakeSite()
	web := slices.IndexFunc(site.Guests, func(g config.Guest) bool { return len(g.NICs) > 0 })
	gateway := &site.Guests[web]
	nic := &gateway.NICs[0]
	nic.Gateway = true
	own := &siteImage(t, site, "vpn").Bake.NIC
	own.Name, own.Network, own.Via, own.DHCP, own.Addresses = "bake", nic.Network, gateway.Name, false, prefixes("10.66.0.14/24")
	nic.Filter, own.Filter = &config.Filter{Peers: []string{own.MAC}, Router: true}, &config.Filter{Peers: []string{nic.MAC}}
	bake := resource(t, build(t, site, testHost()), "image.vpn").Bake
	if len(bake.Filters) != 1 {
		t.Fatalf("filters %v", bake.Filters)
	}
	f := bake.Filters[0]
	if f.Addr.String() != "filter.bake.vpn.bake" || f.Host != "home-bake.vpn.bake" || !strings.Contains(bake.Guest.XML, `<filterref filter="home-bake.vpn.bake"`) ||
		!strings.Contains(f.XML, nic.MAC) {
		t.Errorf("filter %s %s\n%s\nof\n%s", f.Addr, f.Host, f.XML, bake.Guest.XML)
	}
	for _, need := range []plan.Addr{guestAddr(gateway.Name), filterAddr(gateway.Name, nic.Name), networkAddr(nic.Network)} {
		if !slices.Contains(bake.Guest.Needs, need) {
			t.Errorf("needs %v, not %s", bake.Guest.Needs, need)
		}
	}
	if !Wanted("home")(f.Host) {
		t.Error("the filter is not read")
	}
	inv := baked(t, site)
	addRemains(inv, bake)
	actual, _ := Observe("home", "jeos", inv)
	left := actual.Bakes["vpn"]
	if left == nil || len(left.Filters) != 1 || left.Filters[0].Addr != f.Addr || left.Filters[0].UUID != f.UUID || actual.Objects[f.Addr] != nil {
		t.Errorf("remains %+v", left)
	}
}

// TestObserveForeignBake finds what has a name that a bake needs and belongs to somebody else.
func TestObserveForeignBake(t *testing.T) {
	inv := baked(t, bakeSite())
	inv.Domains = append(inv.Domains, plan.HostDomain{Name: "home-bake.wifi", UUID: "1", XML: "<domain/>"})
	actual, _ := Observe("home", "jeos", inv)
	if len(actual.Bakes) > 0 || actual.Foreign[plan.Addr{Kind: plan.KindGuest, Name: "home-bake.wifi"}] == "" {
		t.Errorf("bakes %v, foreign %v", actual.Bakes, actual.Foreign)
	}
}

func TestPlanBake(t *testing.T) {
	site := bakeSite()
	site.Guests[0].Image = "wifi"
	inv := baked(t, site)
	if p, err := Plan(site, inv, plan.Options{}); err != nil || !p.Empty() || len(p.Steps) > 0 {
		t.Errorf("with all images there: changes %v, error %v", p.Changes, err)
	}
	if NeedsKVM(site, inv, plan.Options{}) {
		t.Error("KVM matters although nothing is made")
	}
	volumes, err := ImageVolumes(site)
	if err != nil {
		t.Fatal(err)
	}
	delete(inv.Names, volumes["wifi"]+markerSuffix)
	if !NeedsKVM(site, inv, plan.Options{}) {
		t.Error("KVM does not matter although an image must be baked")
	}
	opt := plan.Options{Images: []plan.Addr{{Kind: plan.KindImage, Name: "vpn"}}}
	if p, err := Plan(site, inv, opt); err != nil || !p.Empty() {
		t.Errorf("image.vpn is there: changes %v, error %v", p.Changes, err)
	}
}

func TestPlanBakeConflicts(t *testing.T) {
	site := bakeSite()
	site.Guests = nil
	list := build(t, site, testHost())
	inv := applied(list[:0])
	inv.Pool = &plan.HostPool{Name: "jeos", XML: resource(t, list, "pool.jeos").XML, Active: true}
	inv.Networks = []plan.HostNetwork{{Name: "other", UUID: "1", XML: `<network><name>other</name><bridge name="jbbbbbbbbbb"/>` +
		`<forward mode="nat"/><ip address="100.64.7.5" prefix="24"/></network>`}}
	inv.Domains = []plan.HostDomain{foreignDomain("other", `<interface><mac address="52:54:00:00:00:21"/></interface>`)}
	summaries := func(opt plan.Options) []string {
		_, err := Plan(site, inv, opt)
		refusal, ok := err.(*plan.Refusal)
		if !ok {
			if err != nil {
				t.Fatal(err)
			}
			return nil
		}
		var list []string
		for _, p := range refusal.Problems {
			list = append(list, p.Addr.String()+": "+p.Summary)
		}
		return list
	}
	if got := summaries(plan.Options{}); got != nil {
		t.Errorf("nothing is baked, and yet: %v", got)
	}
	want := []string{"network.bake.wifi: Bridge is taken", "network.bake.wifi: Subnets overlap", "guest.bake.wifi: MAC address is taken"}
	if diff := cmp.Diff(want, summaries(plan.Options{Images: []plan.Addr{{Kind: plan.KindImage, Name: "wifi"}}})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBakeArtifacts(t *testing.T) {
	list, err := Artifacts(bakeSite(), Offline(bakeSite()))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, a := range list {
		if strings.Contains(a.Path, "bake") && !strings.HasSuffix(a.Path, ".xml") {
			paths = append(paths, a.Path)
		}
	}
	want := []string{
		"seed/home-bake.vpn/meta-data", "seed/home-bake.vpn/network-config", "seed/home-bake.vpn/user-data",
		"seed/home-bake.wifi/meta-data", "seed/home-bake.wifi/network-config", "seed/home-bake.wifi/user-data",
		"volume/home.bake.vpn.seed-1.iso", "volume/home.bake.wifi.seed-1.iso",
	}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Error(diff)
	}
}
