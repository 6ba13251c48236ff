package fakevirt_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"jeos/builders"
	"jeos/internal/config"
	"jeos/internal/fakevirt"
	"jeos/plan"
)

// The law: for every site A, every site B and every cut point k: apply A; apply B and lose the connection; apply B.
// Then the plan is empty, no orphan exists, and nothing that jeos does not own has changed by a byte.

func TestLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := siteGen().Draw(t, "A")
		b := siteGen().Draw(t, "B")
		k := rapid.IntRange(0, 60).Draw(t, "k")
		how := rapid.SampledFrom([]fakevirt.Cut{fakevirt.Before, fakevirt.After, fakevirt.Silence}).Draw(t, "how")
		law(t, a, b, k, how)
	})
}

// TestLawEveryCut tries every cut point of one change that has it all: a guest comes, one goes, one is replaced, one
// restarts, disks come, go and grow, networks come, go and change.
func TestLawEveryCut(t *testing.T) {
	before, after := richSites()
	calls := 0
	law(failer{t}, before, after, -1, fakevirt.Before, func(n int) { calls = n })
	if calls < 30 {
		t.Fatalf("the change makes only %d calls", calls)
	}
	for k := range calls {
		for _, how := range []fakevirt.Cut{fakevirt.Before, fakevirt.After, fakevirt.Silence} {
			t.Run(fmt.Sprintf("%d/%d", k, how), func(t *testing.T) { law(failer{t}, before, after, k, how) })
		}
	}
}

// tester is what testing.T and rapid.T have in common.
type tester interface {
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

type failer struct{ *testing.T }

func law(t tester, a, b *config.Site, k int, how fakevirt.Cut, counts ...func(int)) {
	host := fakevirt.New()
	addForeign(t, host)
	foreign := foreignObjects(t, host)

	apply(t, host.Open(false), a)
	mustBeEmpty(t, host, a)

	cut := host.Open(false)
	cut.CutAt(k, how)
	err := tryApply(cut, b)
	for _, count := range counts {
		count(cut.Calls())
	}
	if err != nil && cut.Calls() <= k {
		t.Fatalf("apply failed without a cut: %v", err)
	}

	apply(t, host.Open(false), b)
	mustBeEmpty(t, host, b)
	mustHaveNoOrphan(t, host, a, b)
	if diff := cmp.Diff(foreign, foreignObjects(t, host)); diff != "" {
		t.Errorf("something that is not jeos's changed:\n%s", diff)
	}
}

func replan(conn *fakevirt.Conn, site *config.Site) func(context.Context) (*plan.Plan, error) {
	return func(ctx context.Context) (*plan.Plan, error) {
		inv, err := conn.Inventory(ctx, site.Pool.Name, builders.Wanted(site.Name))
		if err != nil {
			return nil, err
		}
		if inv.KVM, err = conn.KVM(ctx); err != nil {
			return nil, err
		}
		return builders.Plan(site, inv, plan.Options{})
	}
}

func tryApply(conn *fakevirt.Conn, site *config.Site) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// A connection that is silent is given up by whoever made the call, here as soon as the call is made.
	conn.OnSilence(cancel)
	return plan.Apply(ctx, conn, replan(conn, site), func(*plan.Plan) error { return nil }, plan.ExecuteOptions{Parallelism: 1})
}

func apply(t tester, conn *fakevirt.Conn, site *config.Site) {
	if err := tryApply(conn, site); err != nil {
		t.Fatalf("apply: %v", err)
	}
}

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
	if len(out) != 5 {
		t.Fatalf("%d foreign objects, want 5", len(out))
	}
	return out
}

// imagePath is a file that stands for a base image. TestMain makes it.
var imagePath string

const imageBytes = "QFI\xfb and the rest of an image"

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "law")
	if err != nil {
		panic(err)
	}
	imagePath = filepath.Join(dir, "noble.img")
	if err := os.WriteFile(imagePath, []byte(imageBytes), 0o600); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func newSite() *config.Site {
	sum := sha256.Sum256([]byte(imageBytes))
	return &config.Site{
		Name: "home", Pool: config.Pool{Name: "jeos", Path: "/pool"},
		Images: []config.Image{{
			Name: "noble", Path: imagePath, Format: "qcow2", SHA256: hex.EncodeToString(sum[:]), Size: 1 << 30, FileSize: int64(len(imageBytes)),
		}},
	}
}

func network(name string, octet byte, mode config.Mode) config.Network {
	cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 9, octet, 0}), 24)
	n := config.Network{Name: name, Mode: mode, CIDRs: []netip.Prefix{cidr}, Bridge: config.DeriveBridge("home", name)}
	if mode == config.NAT {
		n.Host = []netip.Addr{cidr.Addr().Next()}
	}
	return n
}

func guest(name string, networks ...config.Network) config.Guest {
	on := true
	g := config.Guest{
		Name: name, Image: "noble", CPUs: 1, Memory: 512 << 20, Disk: 2 << 30, Running: &on, Autostart: true, Arch: "x86_64", Machine: "q35",
		Firmware: "bios", Accel: "auto", Hostname: name, StopTimeout: time.Minute, ReadyTimeout: time.Minute,
	}
	for i, n := range networks {
		addr := netip.AddrFrom4([4]byte{10, 9, n.CIDRs[0].Addr().As4()[2], byte(10 + len(name) + int(name[0]))})
		g.NICs = append(g.NICs, config.NIC{
			Name: n.Name, Network: n.Name, MAC: config.DeriveMAC("home", name, n.Name), DefaultRoute: i == 0,
			Addresses: []netip.Prefix{netip.PrefixFrom(addr, 24)},
		})
	}
	return g
}

// richSites returns a site and what it becomes.
func richSites() (before, after *config.Site) {
	lan, wan, old := network("lan", 1, config.Isolated), network("wan", 2, config.NAT), network("old", 3, config.Isolated)
	before, after = newSite(), newSite()

	stays := guest("stays", lan)
	stays.Disks = []config.Disk{{Name: "data", Size: 1 << 30, Mount: "/srv", FS: "ext4"}, {Name: "gone", Size: 1 << 30, FS: "ext4"}, {Name: "kept", Size: 1 << 30, FS: "ext4", Keep: true}}
	goes := guest("goes", old)
	goes.Disks = []config.Disk{{Name: "kept", Size: 1 << 30, FS: "ext4", Keep: true}}
	replaced := guest("replaced", lan)
	replaced.Disks = []config.Disk{{Name: "kept", Size: 1 << 30, FS: "ext4", Keep: true}, {Name: "lost", Size: 1 << 30, FS: "ext4"}}
	before.Networks = []config.Network{lan, old}
	before.Guests = []config.Guest{goes, replaced, stays}

	lan.MTU = 1400
	stays = guest("stays", lan, wan)
	stays.Memory, stays.Disk = 1<<30, 3<<30
	stays.Disks = []config.Disk{{Name: "data", Size: 2 << 30, Mount: "/srv", FS: "ext4"}, {Name: "new", Size: 1 << 30, FS: "ext4", Mount: "/new"}}
	replaced.Firmware = "uefi"
	comes := guest("comes", lan, wan)
	comes.Files = []config.File{{Path: "/etc/motd", Content: []byte("hello\n"), Mode: 0o644, Owner: "root:root"}}
	after.Networks = []config.Network{lan, wan}
	after.Guests = []config.Guest{comes, replaced, stays}
	return before, after
}

// siteGen generates sites whose guests, networks and disks have few names, so that two sites often share some.
func siteGen() *rapid.Generator[*config.Site] {
	return rapid.Custom(func(t *rapid.T) *config.Site {
		s := newSite()
		for i, name := range []string{"lan", "wan"} {
			if rapid.Bool().Draw(t, "has "+name) {
				n := network(name, byte(i+1), rapid.SampledFrom([]config.Mode{config.Isolated, config.NAT}).Draw(t, "mode"))
				n.MTU = rapid.SampledFrom([]int{0, 1400}).Draw(t, "mtu")
				s.Networks = append(s.Networks, n)
			}
		}
		for _, name := range []string{"mail", "vpn", "web"} {
			if rapid.Bool().Draw(t, "has "+name) {
				s.Guests = append(s.Guests, drawGuest(t, name, s.Networks))
			}
		}
		return s
	})
}

func drawGuest(t *rapid.T, name string, networks []config.Network) config.Guest {
	var on []config.Network
	for _, n := range networks {
		if rapid.Bool().Draw(t, "on "+n.Name) {
			on = append(on, n)
		}
	}
	g := guest(name, on...)
	g.CPUs = rapid.IntRange(1, 2).Draw(t, "cpus")
	g.Memory = rapid.SampledFrom([]int64{512 << 20, 1 << 30}).Draw(t, "memory")
	g.Firmware = rapid.SampledFrom([]string{"bios", "uefi"}).Draw(t, "firmware")
	g.Autostart = rapid.Bool().Draw(t, "autostart")
	g.Running = rapid.SampledFrom([]*bool{nil, new(bool), g.Running}).Draw(t, "running")
	for _, disk := range []string{"data", "logs"} {
		if rapid.Bool().Draw(t, "has "+disk) {
			g.Disks = append(g.Disks, config.Disk{Name: disk, Size: 1 << 30, FS: "ext4", Keep: rapid.Bool().Draw(t, "keep"), Mount: rapid.SampledFrom([]string{"", "/" + disk}).Draw(t, "mount")})
		}
	}
	if rapid.Bool().Draw(t, "file") {
		g.Files = []config.File{{Path: "/etc/motd", Content: []byte("hi"), Mode: 0o644, Owner: "root:root"}}
	}
	return g
}

// TestSavedMemory saves a guest's memory and then changes the guest: it must not come back as it was.
func TestSavedMemory(t *testing.T) {
	before, after := richSites()
	host := fakevirt.New()
	apply(t, host.Open(false), before)
	host.Save("home-stays")
	host.Save("home-replaced")
	apply(t, host.Open(false), after)
	mustBeEmpty(t, host, after)
}

// TestUnmanagedPower changes guests whose power is not managed: what ran runs again, what was off stays off.
func TestUnmanagedPower(t *testing.T) {
	before, after := richSites()
	host := fakevirt.New()
	apply(t, host.Open(false), before)
	for i := range after.Guests {
		after.Guests[i].Running = nil
	}
	apply(t, host.Open(false), after)
	mustBeEmpty(t, host, after)
	for _, d := range inventory(t, host).Domains {
		if d.State != plan.Running {
			t.Errorf("%s does not run", d.Name)
		}
	}
}

// TestForeignDisk refuses a file of a disk's name that holds something else, and leaves it alone.
func TestForeignDisk(t *testing.T) {
	site, _ := richSites()
	host := fakevirt.New()
	addForeign(t, host)
	xml := "<volume><name>home.goes.kept.qcow2</name><capacity>12345</capacity><target><format type='raw'/></target></volume>"
	if err := host.Open(false).Do(t.Context(), plan.Step{Verb: plan.CreateVolume, Pool: "jeos", XML: xml}, nil); err != nil {
		t.Fatal(err)
	}
	err := tryApply(host.Open(false), site)
	if err == nil || !strings.Contains(err.Error(), "Disk is not a qcow2 image") {
		t.Errorf("got %v", err)
	}
	if inv := inventory(t, host); !inv.Names["home.goes.kept.qcow2"] || inv.Names["home.goes.root.qcow2"] {
		t.Errorf("volumes: %v", inv.Names)
	}
}
