//go:build lab

package virt_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jeos/builders"
	"jeos/internal/config"
	"jeos/internal/virt"
	"jeos/plan"
)

// How a connection is lost at some packet that jeos sends.
const (
	before  = iota // the packet never goes out
	after          // it goes out and is acted on; the answer is lost
	silence        // it never goes out, and no answer ever comes
	ways
)

// cutter makes connections of which one is lost at the packet at, counted over all of them from 0.
type cutter struct {
	mu     sync.Mutex
	packet int
	at     int
	how    int
}

func (c *cutter) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &cutConn{Conn: conn, cutter: c}, nil
}

type cutConn struct {
	net.Conn
	cutter *cutter
	deaf   atomic.Bool // what comes next is lost, and the connection with it
}

func (c *cutConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.deaf.Load() {
		c.Conn.Close()
		return 0, io.EOF
	}
	return n, err
}

var errCut = errors.New("cut by the test")

func (c *cutConn) Write(p []byte) (int, error) {
	c.cutter.mu.Lock()
	now := c.cutter.packet == c.cutter.at
	c.cutter.packet++
	c.cutter.mu.Unlock()
	if !now {
		return c.Conn.Write(p)
	}
	switch c.cutter.how {
	case after:
		c.deaf.Store(true)
		return c.Conn.Write(p)
	case silence:
		return len(p), nil
	}
	c.Conn.Close()
	return 0, errCut
}

// TestLabLaw keeps the law on a real libvirtd: apply A; apply B and lose the connection at any packet; apply B. Then the
// plan is empty and no orphan exists. A and B take turns, so that each step is cut in both directions.
func TestLabLaw(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/run/jeos-lab"); err != nil {
		t.Fatal("this is no lab: run scripts/test, or see CONTRIBUTING.md")
	}
	sites := lawSites(t)
	t.Cleanup(func() {
		lawApply(t, virt.Options{}, nil)
		exec.Command("sh", "-c", "virsh pool-destroy lawpool; virsh pool-undefine lawpool").Run()
	})
	cut, k := 0, 0
	for through := 0; through < 2; k++ {
		site := sites[(k+1)%2]
		c := &cutter{at: k, how: k / 2 % ways}
		opt := virt.Options{Dial: c.dial}
		if c.how == silence {
			opt.CallTimeout = 200 * time.Millisecond
		}
		err := lawApply(t, opt, site)
		switch {
		case c.packet > k:
			cut++
		case err == nil:
			through++ // the whole apply has fewer packets
		case c.how != silence: // whose calls get little time
			t.Errorf("apply without a cut: %v", err)
		}
		if err := lawApply(t, virt.Options{}, site); err != nil {
			t.Fatalf("apply after the cut at packet %d, way %d: %v", k, c.how, err)
		}
		lawCheck(t, site, k, c.how)
		if t.Failed() {
			return
		}
	}
	if cut < 40 {
		t.Errorf("only %d cuts", cut)
	}
	t.Logf("%d cuts", cut)
}

// lawApply applies a site, or destroys it when it is nil.
func lawApply(t *testing.T, opt virt.Options, site *config.Site) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	hv, err := virt.Open(ctx, "qemu:///system", opt)
	if err != nil {
		return err
	}
	defer hv.Close()
	options := plan.Options{Destroy: site == nil, ForceStop: true}
	if site == nil {
		site = lawSites(t)[0]
	}
	replan := func(ctx context.Context) (*plan.Plan, error) { return lawPlan(ctx, hv, site, options) }
	return plan.Apply(ctx, hv, replan, func(*plan.Plan) error { return nil }, plan.ExecuteOptions{Parallelism: 1})
}

func lawPlan(ctx context.Context, hv plan.Reader, site *config.Site, opt plan.Options) (*plan.Plan, error) {
	inv, err := hv.Inventory(ctx, site.Pool.Name, builders.Wanted(site.Name))
	if err != nil {
		return nil, err
	}
	return builders.Plan(site, inv, opt)
}

func lawCheck(t *testing.T, site *config.Site, k, how int) {
	t.Helper()
	hv, err := virt.Open(t.Context(), "qemu:///system", virt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer hv.Close()
	p, err := lawPlan(t.Context(), hv, site, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !p.Empty() {
		var text strings.Builder
		if err := p.WriteText(&text, plan.TextOptions{}); err != nil {
			t.Fatal(err)
		}
		t.Errorf("cut at packet %d, way %d: the plan is not empty:\n%s", k, how, text.String())
	}
	inv, err := hv.Inventory(t.Context(), site.Pool.Name, func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, g := range site.Guests {
		want = append(want, "domain law-"+g.Name, "root of "+g.Name, "seed of "+g.Name)
		for _, n := range g.NICs {
			if n.Filter != nil {
				want = append(want, "filter "+builders.FilterName("law", g.Name, n.Name))
			}
		}
		for _, d := range g.Disks {
			want = append(want, d.Name+" of "+g.Name)
		}
	}
	for _, d := range inv.Domains {
		if strings.HasPrefix(d.Name, "law-") {
			got = append(got, "domain "+d.Name)
		}
	}
	for _, f := range inv.Filters {
		if strings.HasPrefix(f.Name, "law-") {
			got = append(got, "filter "+f.Name)
		}
	}
	for name := range inv.Names {
		if rest, ours := strings.CutPrefix(name, "law."); ours && !strings.HasSuffix(name, ".ok") {
			parts := strings.Split(rest, ".")
			disk, _, _ := strings.Cut(parts[1], "-")
			got = append(got, disk+" of "+parts[0])
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("cut at packet %d, way %d: the host has\n  %s\nwant\n  %s", k, how, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// lawSites returns two sites that differ in everything that a plan can do without booting a guest.
func lawSites(t *testing.T) [2]*config.Site {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "base.qcow2")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", path, "16M").CombinedOutput(); err != nil {
		t.Fatalf("qemu-img: %v\n%s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	image := config.Image{Name: "base", Path: path, Format: "qcow2", SHA256: hex.EncodeToString(sum[:]), Size: 16 << 20, FileSize: int64(len(data))}
	lan := config.Network{Name: "lan", Mode: config.Isolated, CIDRs: []netip.Prefix{netip.MustParsePrefix("10.9.1.0/24")}, Bridge: config.DeriveBridge("law", "lan")}
	guest := func(name string) config.Guest {
		off := false
		return config.Guest{
			Name: name, Image: "base", CPUs: 1, Memory: 64 << 20, Disk: 16 << 20, Running: &off, Arch: "x86_64", Machine: "q35", Firmware: "bios",
			Accel: "tcg", Hostname: name, StopTimeout: time.Second, ReadyTimeout: time.Second,
			NICs: []config.NIC{{Name: "lan", Network: "lan", MAC: config.DeriveMAC("law", name, "lan"), Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 9, 1, 10 + name[0] - 'a'}), 24)}}},
		}
	}
	site := func(guests ...config.Guest) *config.Site {
		return &config.Site{
			Name: "law", Pool: config.Pool{Name: "lawpool", Path: "/var/lib/libvirt/images/lawpool"},
			Images: []config.Image{image}, Networks: []config.Network{lan}, Guests: guests,
		}
	}
	a, b, stays := guest("a"), guest("b"), guest("s")
	a.NICs[0].Filter, stays.NICs[0].Filter = &config.Filter{Peers: []string{stays.NICs[0].MAC}}, &config.Filter{Peers: []string{a.NICs[0].MAC}}
	first := site(a, stays)
	stays.NICs = []config.NIC{stays.NICs[0]}
	stays.NICs[0].Filter = &config.Filter{Peers: []string{b.NICs[0].MAC}}
	stays.Memory = 80 << 20
	stays.Autostart = true
	stays.Disks = []config.Disk{{Name: "data", Size: 1 << 20, FS: "ext4", Mount: "/srv"}}
	lan.MTU = 1400
	return [2]*config.Site{first, site(b, stays)}
}
