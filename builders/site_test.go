package builders

import (
	"net/netip"
	"strings"
	"time"

	"github.com/beevik/etree"

	"pgregory.net/rapid"

	"jeos/internal/config"
	"jeos/plan"
)

var testSHA = strings.Repeat("a1", 32)

// testSite has one of each thing that a site can have.
func testSite() *config.Site {
	yes := true
	prefixes := func(list ...string) (out []netip.Prefix) {
		for _, s := range list {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	addrs := func(list ...string) (out []netip.Addr) {
		for _, s := range list {
			out = append(out, netip.MustParseAddr(s))
		}
		return out
	}
	return &config.Site{
		Name: "home",
		Pool: config.Pool{Name: "jeos", Path: "/var/lib/libvirt/jeos", Origin: "main.jeos.hcl:1"},
		Images: []config.Image{
			{Name: "debian", Path: "/images/debian.qcow2", Format: "qcow2", SHA256: testSHA, Size: 3 << 30, FileSize: 300 << 20, Origin: "main.jeos.hcl:5"},
			{Name: "unused", Path: "/images/unused.raw", Format: "raw", SHA256: strings.Repeat("b2", 32), Size: 1 << 30, FileSize: 1 << 30},
		},
		Networks: []config.Network{
			{
				Name: "br", Mode: config.Bridged, Bridge: "br0", Origin: "main.jeos.hcl:10",
			},
			{
				Name: "lan", Mode: config.Isolated, CIDRs: prefixes("10.66.0.0/24", "fd64::/64"), Bridge: "j0123456789",
				MTU: 1400, Origin: "main.jeos.hcl:11",
			},
			{
				Name: "out", Mode: config.NAT, CIDRs: prefixes("10.64.0.0/24", "fd65::/64"), Host: addrs("10.64.0.1", "fd65::1"),
				Bridge: "jabcdef0123", DHCP: true, DHCPRange: [2]netip.Addr(addrs("10.64.0.128", "10.64.0.254")), Origin: "main.jeos.hcl:12",
			},
		},
		Guests: []config.Guest{
			{
				Name: "min", Image: "debian", CPUs: 1, Memory: 256 << 20, Disk: 3 << 30, Arch: "x86_64", Machine: "q35",
				Firmware: "bios", Accel: "auto", Hostname: "min", StopTimeout: 2 * time.Minute, Origin: "main.jeos.hcl:20",
			},
			{
				Name: "web", Image: "debian", CPUs: 2, Memory: 512 << 20, Disk: 8 << 30, Running: &yes, Autostart: true,
				Arch: "x86_64", Machine: "q35", Firmware: "uefi", Accel: "tcg", Hostname: "web",
				Packages: []string{"nginx"}, StopTimeout: 90 * time.Second, ForceStop: true, ReadyTimeout: 10 * time.Minute, Protect: true,
				NICs: []config.NIC{
					{Name: "lan", Network: "lan", MAC: "52:54:00:00:00:01", Addresses: prefixes("10.66.0.2/24", "fd64::2/64"), Origin: "main.jeos.hcl:31"},
					{Name: "out", Network: "out", MAC: "52:54:00:00:00:02", DHCP: true, DefaultRoute: true, Origin: "main.jeos.hcl:32"},
				},
				Disks: []config.Disk{
					{Name: "data", Size: 20 << 30, Mount: "/srv", FS: "ext4", Keep: true, Origin: "main.jeos.hcl:33"},
					{Name: "a-disk-with-a-long-name", Size: 1 << 30, Mount: "/scratch", FS: "xfs", Origin: "main.jeos.hcl:34"},
				},
				Users:  []config.User{{Name: "admin", SSHKeys: []string{"ssh-ed25519 AAAA admin"}, Sudo: true}},
				Needs:  []string{"min"},
				Origin: "main.jeos.hcl:30",
			},
		},
	}
}

func testHost() Host {
	return Host{PoolPath: "/var/lib/libvirt/jeos", KVM: map[string]bool{"x86_64": true}, Guests: map[string]Kept{}}
}

func build(t rapid.TB, site *config.Site, host Host) []plan.Resource {
	t.Helper()
	list, err := Build(site, host)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func resource(t rapid.TB, list []plan.Resource, addr string) plan.Resource {
	t.Helper()
	for _, r := range list {
		if r.Addr.String() == addr {
			return r
		}
	}
	t.Fatalf("no resource %s", addr)
	return plan.Resource{}
}

// applied returns the inventory of a host on which the resources have been made, as nobody but jeos has touched them.
func applied(list []plan.Resource) *plan.Inventory {
	inv := &plan.Inventory{URI: "test:///default", KVM: map[string]bool{"x86_64": true}, Names: map[string]bool{}}
	for _, r := range list {
		switch r.Kind {
		case plan.KindPool:
			inv.Pool = &plan.HostPool{Name: r.Host, XML: r.XML, Active: true}
		case plan.KindNetwork:
			inv.Networks = append(inv.Networks, plan.HostNetwork{
				Name: r.Host, UUID: r.UUID, XML: r.XML, LiveXML: r.XML, Active: true, Autostart: r.Autostart, Persistent: true,
			})
		case plan.KindImage, plan.KindVolume:
			xml := r.XML
			if strings.HasSuffix(r.Host, ".qcow2") { // what a refresh of the pool makes of a finished upload
				xml = strings.Replace(xml, `<format type="raw">`, `<format type="qcow2">`, 1)
			} else {
				inv.Names[r.Host+markerSuffix] = true
			}
			inv.Names[r.Host] = true
			inv.Volumes = append(inv.Volumes, plan.HostVolume{Name: r.Host, XML: xml})
		case plan.KindGuest:
			d := plan.HostDomain{Name: r.Host, UUID: r.UUID, XML: r.XML, Autostart: r.Autostart, Persistent: true}
			if r.Running != nil && *r.Running {
				d.State, d.LiveXML = plan.Running, r.XML
			}
			inv.Domains = append(inv.Domains, d)
		}
	}
	return inv
}

// observe returns the object of that address on a host with that inventory.
func observe(t rapid.TB, inv *plan.Inventory, addr string) *plan.Object {
	t.Helper()
	actual, _ := Observe("home", "jeos", inv)
	for a, o := range actual.Objects {
		if a.String() == addr {
			return o
		}
	}
	t.Fatalf("%s was not observed", addr)
	return nil
}

// changed returns the XML after edit has done something to its root.
func changed(t rapid.TB, text string, edit func(root *etree.Element)) string {
	t.Helper()
	doc, root, err := parseXML(text)
	if err != nil {
		t.Fatal(err)
	}
	edit(root)
	out, err := doc.WriteToString()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// add adds an element, given as XML, to the element at a path below root.
func add(t rapid.TB, root *etree.Element, path, text string) {
	t.Helper()
	_, e, err := parseXML(text)
	if err != nil {
		t.Fatal(err)
	}
	root.FindElement(path).AddChild(e)
}
