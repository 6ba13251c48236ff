package builders

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"

	"jeos/internal/config"
	"jeos/plan"
)

func TestFilterRules(t *testing.T) {
	const own, peer, other = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"
	four, six := netip.MustParsePrefix("10.66.0.2/24"), netip.MustParsePrefix("fd64::2/64")
	udp := config.Endpoint{Addr: netip.MustParseAddr("198.51.100.10"), Proto: "udp", Port: 1194}
	tcp := config.Endpoint{Addr: netip.MustParseAddr("2001:db8::1"), Proto: "tcp", Port: 443}
	tests := map[string]struct {
		addresses []netip.Prefix
		filter    config.Filter
		want      string
	}{
		"nobody": {nil, config.Filter{}, `
inout mac: drop (priority 1000)
`},
		"workload with IPv4": {[]netip.Prefix{four}, config.Filter{Peers: []string{peer}}, `
in mac srcmacaddr=52:54:00:00:00:02: accept
inout mac: drop (priority 1000)
out arp srcmacaddr=52:54:00:00:00:01 arpsrcmacaddr=52:54:00:00:00:01 arpsrcipaddr=10.66.0.2 dstmacaddr=52:54:00:00:00:02: accept
out arp srcmacaddr=52:54:00:00:00:01 arpsrcmacaddr=52:54:00:00:00:01 arpsrcipaddr=10.66.0.2 dstmacaddr=ff:ff:ff:ff:ff:ff: accept
out ip srcmacaddr=52:54:00:00:00:01 srcipaddr=10.66.0.2 dstmacaddr=52:54:00:00:00:02: accept
`},
		"workload with IPv6": {[]netip.Prefix{six}, config.Filter{Peers: []string{peer}}, `
in mac srcmacaddr=52:54:00:00:00:02: accept
inout mac: drop (priority 1000)
out ipv6 srcmacaddr=52:54:00:00:00:01 srcipaddr=:: srcipmask=128 dstmacaddr=33:33:ff:00:00:00 dstmacmask=ff:ff:ff:00:00:00 protocol=icmpv6 type=135: accept
out ipv6 srcmacaddr=52:54:00:00:00:01 srcipaddr=fd64::2 dstmacaddr=52:54:00:00:00:02: accept
out ipv6 srcmacaddr=52:54:00:00:00:01 srcipaddr=fd64::2 srcipmask=128 dstmacaddr=33:33:ff:00:00:00 dstmacmask=ff:ff:ff:00:00:00 protocol=icmpv6 type=135: accept
out ipv6 srcmacaddr=52:54:00:00:00:01 srcipaddr=fd64::2 srcipmask=128 dstmacaddr=52:54:00:00:00:02 protocol=icmpv6 type=135 typeend=136: accept
out ipv6 srcmacaddr=52:54:00:00:00:01 srcipaddr=fe80:: srcipmask=10 dstmacaddr=33:33:ff:00:00:00 dstmacmask=ff:ff:ff:00:00:00 protocol=icmpv6 type=135: accept
out ipv6 srcmacaddr=52:54:00:00:00:01 srcipaddr=fe80:: srcipmask=10 dstmacaddr=52:54:00:00:00:02 protocol=icmpv6 type=135 typeend=136: accept
`},
		"router": {[]netip.Prefix{four}, config.Filter{Router: true, Peers: []string{peer, other}}, `
in mac srcmacaddr=52:54:00:00:00:02: accept
in mac srcmacaddr=52:54:00:00:00:03: accept
inout mac: drop (priority 1000)
out arp srcmacaddr=52:54:00:00:00:01 arpsrcmacaddr=52:54:00:00:00:01 arpsrcipaddr=10.66.0.2 dstmacaddr=52:54:00:00:00:02: accept
out arp srcmacaddr=52:54:00:00:00:01 arpsrcmacaddr=52:54:00:00:00:01 arpsrcipaddr=10.66.0.2 dstmacaddr=52:54:00:00:00:03: accept
out arp srcmacaddr=52:54:00:00:00:01 arpsrcmacaddr=52:54:00:00:00:01 arpsrcipaddr=10.66.0.2 dstmacaddr=ff:ff:ff:ff:ff:ff: accept
out ip srcmacaddr=52:54:00:00:00:01 dstmacaddr=52:54:00:00:00:02: accept
out ip srcmacaddr=52:54:00:00:00:01 dstmacaddr=52:54:00:00:00:03: accept
`},
		"tunnel whose endpoints have one family": {[]netip.Prefix{four, six}, config.Filter{Peers: []string{peer}, Endpoints: []config.Endpoint{udp}}, `
in mac srcmacaddr=52:54:00:00:00:02: accept
inout mac: drop (priority 1000)
out arp srcmacaddr=52:54:00:00:00:01 arpsrcmacaddr=52:54:00:00:00:01 arpsrcipaddr=10.66.0.2 dstmacaddr=52:54:00:00:00:02: accept
out arp srcmacaddr=52:54:00:00:00:01 arpsrcmacaddr=52:54:00:00:00:01 arpsrcipaddr=10.66.0.2 dstmacaddr=ff:ff:ff:ff:ff:ff: accept
out ip srcmacaddr=52:54:00:00:00:01 srcipaddr=10.66.0.2 dstmacaddr=52:54:00:00:00:02 dstipaddr=198.51.100.10 protocol=udp dstportstart=1194: accept
out ipv6 srcmacaddr=52:54:00:00:00:01 srcipaddr=:: srcipmask=128 dstmacaddr=33:33:ff:00:00:00 dstmacmask=ff:ff:ff:00:00:00 protocol=icmpv6 type=135: accept
out ipv6 srcmacaddr=52:54:00:00:00:01 srcipaddr=fd64::2 srcipmask=128 dstmacaddr=33:33:ff:00:00:00 dstmacmask=ff:ff:ff:00:00:00 protocol=icmpv6 type=135: accept
out ipv6 srcmacaddr=52:54:00:00:00:01 srcipaddr=fd64::2 srcipmask=128 dstmacaddr=52:54:00:00:00:02 protocol=icmpv6 type=135 typeend=136: accept
out ipv6 srcmacaddr=52:54:00:00:00:01 srcipaddr=fe80:: srcipmask=10 dstmacaddr=33:33:ff:00:00:00 dstmacmask=ff:ff:ff:00:00:00 protocol=icmpv6 type=135: accept
out ipv6 srcmacaddr=52:54:00:00:00:01 srcipaddr=fe80:: srcipmask=10 dstmacaddr=52:54:00:00:00:02 protocol=icmpv6 type=135 typeend=136: accept
`},
		"tunnel without endpoints": {[]netip.Prefix{four}, config.Filter{Peers: []string{peer}, Endpoints: []config.Endpoint{}}, `
in mac srcmacaddr=52:54:00:00:00:02: accept
inout mac: drop (priority 1000)
out arp srcmacaddr=52:54:00:00:00:01 arpsrcmacaddr=52:54:00:00:00:01 arpsrcipaddr=10.66.0.2 dstmacaddr=52:54:00:00:00:02: accept
out arp srcmacaddr=52:54:00:00:00:01 arpsrcmacaddr=52:54:00:00:00:01 arpsrcipaddr=10.66.0.2 dstmacaddr=ff:ff:ff:ff:ff:ff: accept
`},
		"tunnel to another family than the card's": {[]netip.Prefix{four}, config.Filter{Peers: []string{peer}, Endpoints: []config.Endpoint{tcp}}, `
in mac srcmacaddr=52:54:00:00:00:02: accept
inout mac: drop (priority 1000)
out arp srcmacaddr=52:54:00:00:00:01 arpsrcmacaddr=52:54:00:00:00:01 arpsrcipaddr=10.66.0.2 dstmacaddr=52:54:00:00:00:02: accept
out arp srcmacaddr=52:54:00:00:00:01 arpsrcmacaddr=52:54:00:00:00:01 arpsrcipaddr=10.66.0.2 dstmacaddr=ff:ff:ff:ff:ff:ff: accept
`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := &filter{"home", "web", &config.NIC{Name: "lan", MAC: own, Addresses: tt.addresses, Filter: &tt.filter}}
			r, err := f.resource()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Trim(tt.want, "\n"), attrValues(r.Attrs)[attrRules]); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
			observed, applied, err := readFilter(r.XML)
			if diff := cmp.Diff(attrValues(r.Attrs), observed); diff != "" || err != nil {
				t.Errorf("%v; attributes (-wanted +observed):\n%s", err, diff)
			}
			if diff := cmp.Diff(attrValues(r.Attrs), applied); diff != "" {
				t.Errorf("last applied (-wanted +observed):\n%s", diff)
			}
		})
	}
}

// TestFilterDrift changes the definition of a filter by hand, in ways that change what it does, and in ways that do not.
func TestFilterDrift(t *testing.T) {
	find := func(root *etree.Element, path string) *etree.Element {
		e := root.FindElement(path)
		if e == nil {
			t.Fatalf("no %s", path)
		}
		return e
	}
	const drop = "rule[@action='drop']"
	tests := map[string]struct {
		hand  func(root *etree.Element)
		drift bool
		cause plan.Cause
	}{
		"nothing":              {func(*etree.Element) {}, false, ""},
		"default priority":     {func(root *etree.Element) { find(root, "rule").RemoveAttr("priority") }, false, ""},
		"mark removed":         {func(root *etree.Element) { find(root, drop+"/mac").RemoveAttr("comment") }, false, ""},
		"rule accepts":         {func(root *etree.Element) { find(root, drop).CreateAttr("action", "accept") }, true, plan.ByHand},
		"rule for one way":     {func(root *etree.Element) { find(root, drop).CreateAttr("direction", "in") }, true, plan.ByHand},
		"rule comes first":     {func(root *etree.Element) { find(root, drop).CreateAttr("priority", "100") }, true, plan.ByHand},
		"rule removed":         {func(root *etree.Element) { root.RemoveChild(find(root, drop)) }, true, plan.ByHand},
		"rule for all but one": {func(root *etree.Element) { find(root, "rule/ip").CreateAttr("match", "no") }, true, plan.ByHand},
		"rule of other state":  {func(root *etree.Element) { find(root, "rule").CreateAttr("statematch", "false") }, true, plan.ByHand},
		"another address":      {func(root *etree.Element) { find(root, "rule/ip").CreateAttr("srcipaddr", "10.66.0.3") }, true, plan.ByHand},
		"rule added":           {func(root *etree.Element) { add(t, root, ".", `<rule action="accept" direction="out"><all/></rule>`) }, true, plan.ByHand},
		"rule without a field": {func(root *etree.Element) { add(t, root, ".", `<rule action="accept" direction="out"/>`) }, true, plan.ByHand},
		"filter included":      {func(root *etree.Element) { add(t, root, ".", `<filterref filter="allow-dhcp"/>`) }, true, plan.ByHand},
		"another chain":        {func(root *etree.Element) { root.CreateAttr("chain", "ipv4") }, true, plan.ByHand},
		"all replaced": {func(root *etree.Element) {
			for _, e := range root.SelectElements("rule") {
				root.RemoveChild(e)
			}
		}, true, plan.ByHand},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			site := guardedSite()
			inv := applied(build(t, site, guardedHost()))
			inv.Devices = testDevices()
			for i := range inv.Filters {
				if inv.Filters[i].Name == "home-web.lan" {
					inv.Filters[i].XML = changed(t, inv.Filters[i].XML, tt.hand)
				}
			}
			p, err := Plan(site, inv, plan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if p.Security() != tt.drift || len(p.Changes) > 1 {
				t.Errorf("security drift %v, want %v; changes %v", p.Security(), tt.drift, p.Changes)
			}
			for _, c := range p.Changes {
				if c.Addr != filterAddr("web", "lan") || c.Attrs[0].Cause != tt.cause || c.Effect != plan.Live {
					t.Errorf("change %+v", c)
				}
			}
		})
	}
}

// TestFilterChanges has the files change what a filter lets through: that is no drift, unless somebody changed it too.
func TestFilterChanges(t *testing.T) {
	for name, hand := range map[string]bool{"by the files": false, "by both": true} {
		t.Run(name, func(t *testing.T) {
			site := guardedSite()
			inv := applied(build(t, site, guardedHost()))
			inv.Devices = testDevices()
			site.Guests[1].NICs[0].Filter.Peers = []string{"52:54:00:00:00:99"}
			want := plan.ByFiles
			if hand {
				want = plan.ByBoth
				for i := range inv.Filters {
					inv.Filters[i].XML = strings.Replace(inv.Filters[i].XML, "<ip srcmacaddr", "<ip dstipaddr='1.2.3.4' srcmacaddr", 1)
				}
			}
			p, err := Plan(site, inv, plan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range p.Changes {
				if c.Addr == filterAddr("web", "lan") {
					if c.Attrs[0].Cause != want || c.Security != hand {
						t.Errorf("cause %q, security %v, want %q, %v", c.Attrs[0].Cause, c.Security, want, hand)
					}
					return
				}
			}
			t.Errorf("changes %v", p.Changes)
		})
	}
}

func TestFilterOfOthers(t *testing.T) {
	tests := map[string]struct {
		hand func(f *plan.HostFilter)
		want string
	}{
		"our name, another UUID": {func(f *plan.HostFilter) { f.UUID = "1" }, "filter.web.lan: Name is taken"},
		"another name, our UUID": {func(f *plan.HostFilter) { f.Name = "clean-traffic" }, "filter.web.lan: UUID is taken"},
		"unreadable":             {func(f *plan.HostFilter) { f.XML = "" }, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			site := guardedSite()
			site.Guests[1].Protect = false
			inv := applied(build(t, site, guardedHost()))
			inv.Devices = testDevices()
			for i := range inv.Filters {
				if inv.Filters[i].Name == "home-web.lan" {
					tt.hand(&inv.Filters[i])
				}
			}
			p, err := Plan(site, inv, plan.Options{})
			refusal, _ := errors.AsType[*plan.Refusal](err)
			if tt.want == "" {
				if err != nil || len(p.Steps) != 1 || p.Steps[0].Verb != plan.DefineFilter {
					t.Errorf("error %v, steps %v, want the filter defined", err, p.Steps)
				}
				return
			}
			if refusal == nil || len(refusal.Problems) != 1 || !strings.HasPrefix(err.Error(), tt.want) || refusal.Problems[0].Origin != "main.jeos.hcl:31" {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			gone, err := Plan(site, inv, plan.Options{Destroy: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range gone.Steps {
				if s.Verb == plan.UndefineFilter && s.Addr == filterAddr("web", "lan") {
					t.Errorf("destroy removes what is not ours: %v", s)
				}
			}
		})
	}
}

func TestFilterNames(t *testing.T) {
	if a, b := FilterName("home", "a-b", "c"), FilterName("home", "a", "b-c"); a == b {
		t.Errorf("two cards have the filter %s", a)
	}
	guest, nic, ok := parseFilter("home", FilterName("home", "web-1", "lan"))
	if !ok || guest != "web-1" || nic != "lan" {
		t.Errorf("got %q, %q, %v", guest, nic, ok)
	}
	guest, nic, ok = parseFilter("home", FilterName("home", "bake.wifi", "lan"))
	if !ok || guest != "bake.wifi" || nic != "lan" {
		t.Errorf("of a bake: got %q, %q, %v", guest, nic, ok)
	}
	guest, nic, ok = parseFilter("home", FilterName("home", "bake", "wifi"))
	if !ok || guest != "bake" || nic != "wifi" {
		t.Errorf("of the guest bake: got %q, %q, %v", guest, nic, ok)
	}
	for _, name := range []string{"clean-traffic", "home-web", "home-.lan", "home-web.", "homely-web.lan", "home-a.b.c", "home-bake.wifi.lan.x", "home-bake..lan", "home-bake.wifi."} {
		if _, _, ok := parseFilter("home", name); ok {
			t.Errorf("%s counts as ours", name)
		}
		if Wanted("home")(name) {
			t.Errorf("%s is read", name)
		}
	}
	if !Wanted("home")("home-web.lan") {
		t.Error("a filter of ours is not read")
	}
}
