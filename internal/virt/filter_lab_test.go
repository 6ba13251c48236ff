//go:build lab

package virt_test

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"jeos/builders"
	"jeos/internal/config"
	"jeos/internal/virt"
	"jeos/plan"
)

// guardedSite is a guest behind a gateway that has a tunnel to two endpoints. No system is in them.
func guardedSite(t *testing.T) *config.Site {
	t.Helper()
	site := lawSites(t)[0]
	site.Name, site.Pool = "guard", config.Pool{Name: "guardpool", Path: "/var/lib/libvirt/images/guardpool"}
	network := func(name, four, six string) config.Network {
		return config.Network{
			Name: name, Mode: config.Isolated, IsolatedPorts: true, Bridge: config.DeriveBridge(site.Name, name),
			CIDRs: []netip.Prefix{netip.MustParsePrefix(four + "0/24"), netip.MustParsePrefix(six + "/64")},
		}
	}
	lan, up := network("lan", "10.9.7.", "fd64:7::"), network("up", "10.9.8.", "fd64:8::")
	nic := func(guest string, n config.Network, host string) config.NIC {
		four := strings.TrimSuffix(n.CIDRs[0].Addr().String(), "0") + host
		return config.NIC{
			Name: n.Name, Network: n.Name, MAC: config.DeriveMAC(site.Name, guest, n.Name),
			Addresses: []netip.Prefix{netip.MustParsePrefix(four + "/24"), netip.MustParsePrefix(n.CIDRs[1].Addr().String() + host + "/64")},
		}
	}
	guest := func(name string, nics ...config.NIC) config.Guest {
		g := site.Guests[0]
		g.Name, g.Hostname, g.NICs, g.Running = name, name, nics, nil
		return g
	}
	inside, uplink, client := nic("gate", lan, "1"), nic("gate", up, "2"), nic("web", lan, "3")
	inside.Gateway, inside.Filter = true, &config.Filter{Router: true, Peers: []string{client.MAC}}
	uplink.Filter = &config.Filter{Peers: []string{"52:54:00:99:99:99"}, Endpoints: []config.Endpoint{
		{Addr: netip.MustParseAddr("198.51.100.10"), Proto: "udp", Port: 1194},
		{Addr: netip.MustParseAddr("2001:db8::1"), Proto: "tcp", Port: 443},
	}}
	client.Via, client.Filter = "gate", &config.Filter{Peers: []string{inside.MAC}}
	site.Networks, site.Guests = []config.Network{lan, up}, []config.Guest{guest("gate", inside, uplink), guest("web", client)}
	return site
}

// guardLab applies sites to a real libvirtd.
type guardLab struct {
	*testing.T
	hv *virt.Hypervisor
}

func (l *guardLab) apply(site *config.Site, opt plan.Options) {
	l.Helper()
	opt.NoWait, opt.ForceStop = true, true
	replan := func(ctx context.Context) (*plan.Plan, error) { return lawPlan(ctx, l.hv, site, opt) }
	if err := plan.Apply(l.Context(), l.hv, replan, func(*plan.Plan) error { return nil }, plan.ExecuteOptions{Parallelism: 2}); err != nil {
		l.Fatal(err)
	}
}

// plan returns the plan that somebody makes who may not write, and its text.
func (l *guardLab) plan(site *config.Site) (*plan.Plan, string) {
	l.Helper()
	hv, err := virt.Open(l.Context(), "qemu:///system", virt.Options{ReadOnly: true})
	if err != nil {
		l.Fatal(err)
	}
	defer hv.Close()
	p, err := lawPlan(l.Context(), hv, site, plan.Options{})
	if err != nil {
		l.Fatal(err)
	}
	var text strings.Builder
	if err := p.WriteText(&text, plan.TextOptions{}); err != nil {
		l.Fatal(err)
	}
	return p, text.String()
}

func (l *guardLab) sh(script string, args ...string) string {
	l.Helper()
	out, err := exec.Command("sh", append([]string{"-euc", script, "sh"}, args...)...).CombinedOutput()
	if err != nil {
		l.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

var vnet = regexp.MustCompile(`vnet[0-9]+`)

// rules are the rules of the host that are at work for a guest's cards, without the names of ports. The ports of others, which
// run at the same time, are left out.
func (l *guardLab) rules(domain string) string {
	l.Helper()
	ports := vnet.FindAllString(l.sh("virsh domiflist $1", domain), -1)
	var lines []string
	for line := range strings.Lines(l.sh("ebtables-save -t nat")) {
		if slices.Contains(ports, vnet.FindString(line)) && strings.HasPrefix(line, "-A") {
			lines = append(lines, vnet.ReplaceAllString(line, "vnet"))
		}
	}
	return strings.Join(lines, "")
}

// TestLabFilters has somebody change by hand what guards a guest that runs, in each way. The plan says so, and apply puts it
// right without a restart.
func TestLabFilters(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/run/jeos-lab"); err != nil {
		t.Fatal("this is no lab: run scripts/test, or see CONTRIBUTING.md")
	}
	hv, err := virt.Open(t.Context(), "qemu:///system", virt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer hv.Close()
	l, site := &guardLab{t, hv}, guardedSite(t)
	t.Cleanup(func() {
		exec.Command("sh", "-c", `for d in guard-gate guard-web; do virsh destroy $d; virsh undefine $d; done; for n in guard-lan guard-up; do virsh net-destroy $n; virsh net-undefine $n; done
			for f in $(virsh nwfilter-list | grep -o 'guard-[^ ]*'); do virsh nwfilter-undefine $f; done; virsh pool-destroy guardpool; virsh pool-undefine guardpool`).Run()
	})
	l.apply(site, plan.Options{})
	l.sh("virsh suspend guard-gate && virsh suspend guard-web") // there is no system in them, which takes a processor each
	if p, text := l.plan(site); !p.Empty() || len(p.Pending)+len(p.Notices) > 0 {
		t.Fatalf("after apply the plan is not empty:\n%s", text)
	}
	before := l.rules("guard-web")
	if n := strings.Count(before, "-j ACCEPT"); n < 10 || strings.Count(before, "-j DROP") != 2 {
		t.Errorf("rules at work:\n%s", before)
	}
	const live = "virsh dumpxml guard-web | sed -n '/<interface/,/<\\/interface/p' >card.xml; "
	hands := []struct{ name, script, want string }{
		{"card without filter", live + "sed -i /filterref/d card.xml; virsh update-device guard-web card.xml --live", "none -> filter.web.lan"},
		{"binding deleted", live + "virsh nwfilter-binding-delete $(grep -o 'vnet[0-9]*' card.xml)", "(not at work)"},
		{"another filter", live + "sed -i s/guard-web.lan/guard-gate.lan/ card.xml; virsh update-device guard-web card.xml --live", "filter.gate.lan -> filter.web.lan"},
		{"another filter at work", live + `port=$(grep -o 'vnet[0-9]*' card.xml); virsh nwfilter-binding-dumpxml $port >binding.xml; virsh nwfilter-binding-delete $port
			sed -i s/guard-web.lan/guard-gate.lan/ binding.xml; virsh nwfilter-binding-create binding.xml`, "(guard-gate.lan is at work)"},
		{"port opened", live + "sed -i \"s/isolated='yes'/isolated='no'/\" card.xml; virsh update-device guard-web card.xml --live", "port.lan = open"},
		{"filter opened", `virsh nwfilter-dumpxml guard-web.lan | sed "s/action='drop'/action='accept'/" >filter.xml; virsh nwfilter-define filter.xml`, "- inout mac: accept"},
		{"filter without its mark", `virsh nwfilter-dumpxml guard-web.lan | sed "s/ comment='.*'//; /<arp /d" | grep -v '^$' >filter.xml
			awk '/<rule/{r=$0;getline;if($0~/<\/rule>/)next;print r}{print}' filter.xml >filter2.xml; virsh nwfilter-define filter2.xml`, "+ out arp"},
		{"definition without filter", "virsh dumpxml --inactive guard-web | sed /filterref/d >domain.xml; virsh define domain.xml", "none -> filter.web.lan"},
	}
	for _, hand := range hands {
		t.Run(hand.name, func(t *testing.T) {
			l := &guardLab{t, hv}
			l.sh("cd $1; "+hand.script, t.TempDir())
			p, text := l.plan(site)
			if !p.Security() || !strings.Contains(text, hand.want) {
				t.Errorf("the plan does not say %q as security drift:\n%s", hand.want, text)
			}
			if slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Verb == plan.StopGuest }) {
				t.Errorf("the plan stops a guest:\n%s", text)
			}
			l.apply(site, plan.Options{})
			if p, text := l.plan(site); !p.Empty() {
				t.Errorf("after apply the plan is not empty:\n%s", text)
			}
			if after := l.rules("guard-web"); after != before {
				t.Errorf("rules at work before:\n%s\nand after:\n%s", before, after)
			}
			if isolated := l.sh("bridge -d link show dev $(virsh domiflist guard-web | grep -o 'vnet[0-9]*')"); !strings.Contains(isolated, "isolated on") {
				t.Errorf("the port is not isolated: %s", isolated)
			}
		})
	}

	// Peers and endpoints change while the guests run, and a filter goes.
	site.Guests[0].NICs[1].Filter.Endpoints = site.Guests[0].NICs[1].Filter.Endpoints[:1]
	site.Guests[1].NICs[0].Filter = nil
	l.apply(site, plan.Options{})
	if rules := l.rules("guard-web"); rules != "" {
		t.Errorf("rules at work without a filter:\n%s", rules)
	}
	if rules := l.rules("guard-gate"); strings.Contains(rules, "2001:db8::1") || !strings.Contains(rules, "198.51.100.10") {
		t.Errorf("rules at work:\n%s", rules)
	}
	if p, text := l.plan(site); !p.Empty() {
		t.Errorf("after apply the plan is not empty:\n%s", text)
	}
	l.apply(site, plan.Options{Destroy: true})
	if left := l.sh("virsh nwfilter-list; virsh list --all --name; virsh net-list --all --name"); strings.Contains(left, "guard-") {
		t.Errorf("left over:\n%s", left)
	}
}

// TestLabMissingFilter checks that a guest does not start without its filter, and what libvirt's answer is good for.
func TestLabMissingFilter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "domain.xml")
	xml := `<domain type='qemu'><name>unguarded</name><memory unit='MiB'>32</memory><os><type arch='x86_64' machine='q35'>hvm</type></os>
		<devices><interface type='user'/><interface type='ethernet'><filterref filter='there-is-none'/></interface></devices></domain>`
	if err := os.WriteFile(path, []byte(xml), 0o600); err != nil {
		t.Fatal(err)
	}
	l := &guardLab{T: t}
	l.sh("virsh define $1", path)
	t.Cleanup(func() { exec.Command("sh", "-c", "virsh destroy unguarded; virsh undefine unguarded").Run() })
	hv, err := virt.Open(t.Context(), "qemu:///system", virt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer hv.Close()
	err = hv.Do(t.Context(), plan.Step{Verb: plan.StartGuest, Host: "unguarded"}, nil)
	if err == nil || !strings.Contains(err.Error(), "a filter is missing") {
		t.Errorf("error %v, want that a filter is missing", err)
	}
}

// TestLabDevices reads the devices of the host that the lab is on.
func TestLabDevices(t *testing.T) {
	t.Parallel()
	hv, err := virt.Open(t.Context(), "qemu:///system", virt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer hv.Close()
	devices, err := hv.Devices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	site := guardedSite(t)
	site.Name, site.Pool.Name = "devices", "devicespool"
	site.Guests[0].Devices = []config.Device{{Name: "card", ID: "ffff:ffff"}}
	inv, err := hv.Inventory(t.Context(), site.Pool.Name, builders.Wanted(site.Name))
	if err != nil {
		t.Fatal(err)
	}
	inv.Devices = devices
	if _, err := builders.Plan(site, inv, plan.Options{}); err == nil || !strings.Contains(err.Error(), "Device not found") {
		t.Errorf("error %v, want that the device is not found", err)
	}
}
