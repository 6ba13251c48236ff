package builders

import (
	"strings"
	"testing"

	"github.com/beevik/etree"

	"jeos/internal/config"
	"jeos/plan"
)

func foreignDomain(name, devices string) plan.HostDomain {
	return plan.HostDomain{
		Name: name, UUID: "22222222-2222-2222-2222-222222222222", Persistent: true,
		XML: "<domain><name>" + name + "</name><devices>" + devices + "</devices></domain>",
	}
}

func TestConflicts(t *testing.T) {
	network := func(content string) func(*testing.T, *plan.Inventory) {
		return func(_ *testing.T, inv *plan.Inventory) {
			inv.Networks = append(inv.Networks, plan.HostNetwork{Name: "default", UUID: "3", XML: "<network>" + content + "</network>"})
		}
	}
	cases := map[string]struct {
		change func(*testing.T, *plan.Inventory)
		want   string // address, origin and summary; "" for no conflict
		says   string // part of the detail
	}{
		"none": {func(*testing.T, *plan.Inventory) {}, "", ""},
		"MAC address": {func(_ *testing.T, inv *plan.Inventory) {
			inv.Domains = append(inv.Domains, foreignDomain("mail", `<interface><mac address="52:54:00:00:00:01"/></interface>`))
		}, "guest.web main.jeos.hcl:31 MAC address is taken", `"mail"`},
		"another MAC address": {func(_ *testing.T, inv *plan.Inventory) {
			inv.Domains = append(inv.Domains, foreignDomain("mail", `<interface><mac address="52:54:00:00:00:0f"/></interface>`))
		}, "", ""},
		"UUID of a guest": {func(_ *testing.T, inv *plan.Inventory) {
			inv.Domains[1].Name, inv.Domains[1].XML = "mail", "<domain/>"
		}, "guest.web main.jeos.hcl:30 UUID is taken", `"mail"`},
		"UUID of a network": {func(_ *testing.T, inv *plan.Inventory) {
			inv.Networks[1].Name, inv.Networks[1].XML = "default", "<network/>"
		}, "network.lan main.jeos.hcl:11 UUID is taken", `"default"`},
		"bridge":              {network(`<bridge name="j0123456789"/>`), "network.lan main.jeos.hcl:11 Bridge is taken", `"default"`},
		"bridge of the host":  {network(`<forward mode="bridge"/><bridge name="br0"/>`), "", ""},
		"subnet":              {network(`<ip address="10.64.0.9" netmask="255.255.0.0"/>`), "network.out main.jeos.hcl:12 Subnets overlap", "10.64.0.0/16"},
		"IPv6 subnet":         {network(`<ip family="ipv6" address="fd65::9" prefix="64"/>`), "network.out main.jeos.hcl:12 Subnets overlap", "fd65::/64"},
		"subnet that is free": {network(`<ip address="192.168.122.1" netmask="255.255.255.0"/>`), "", ""},
		"subnet without host": {network(`<ip address="10.66.0.9" prefix="24"/>`), "", ""},
		"address of no sense": {network(`<ip address="nowhere" prefix="24"/>`), "", ""},
		"pool": {func(_ *testing.T, inv *plan.Inventory) {
			inv.Pool.XML = `<pool type="logical"><name>jeos</name></pool>`
		}, "pool.jeos main.jeos.hcl:1 Unsupported storage pool", `"logical"`},
		"snapshot": {func(t *testing.T, inv *plan.Inventory) {
			d := &inv.Domains[1]
			d.XML = changed(t, d.XML, func(root *etree.Element) {
				root.FindElement("devices/disk/source").CreateAttr("file", "/pool/home.web.root.snap1")
			})
		}, "guest.web main.jeos.hcl:30 Disk was exchanged", "virsh blockcommit home-web vda"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			site := testSite()
			inv := applied(build(t, site, testHost()))
			c.change(t, inv)
			var got, details []string
			for _, p := range Conflicts(site, inv) {
				got = append(got, p.Addr.String()+" "+p.Origin+" "+p.Summary)
				details = append(details, p.Detail)
			}
			if strings.Join(got, "\n") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if !strings.Contains(strings.Join(details, "\n"), c.says) {
				t.Errorf("%q is not said in %q", c.says, details)
			}
		})
	}
}

func TestConflictsOnEmptyHost(t *testing.T) {
	if got := Conflicts(testSite(), &plan.Inventory{}); got != nil {
		t.Errorf("got %v", got)
	}
	if got := Conflicts(&config.Site{Name: "home"}, &plan.Inventory{}); got != nil {
		t.Errorf("got %v", got)
	}
}
