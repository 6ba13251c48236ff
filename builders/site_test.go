package builders

import (
	"fmt"
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
		case plan.KindFilter:
			inv.Filters = append(inv.Filters, plan.HostFilter{Name: r.Host, UUID: r.UUID, XML: r.XML})
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
				d.State, d.LiveXML = plan.Running, plugIn(inv, r.XML)
			}
			inv.Domains = append(inv.Domains, d)
		}
	}
	return inv
}

// plugIn returns a definition as it is when the domain runs: its network cards have ports, where their filters are at work.
func plugIn(inv *plan.Inventory, definition string) string {
	doc, root, err := parseXML(definition)
	if err != nil {
		panic(err)
	}
	for _, e := range root.FindElements("devices/interface") {
		port := fmt.Sprintf("vnet%d", len(inv.Bindings))
		e.CreateElement("target").CreateAttr("dev", port)
		if filter := value(e, "filterref", "filter"); filter != "" {
			inv.Bindings = append(inv.Bindings, plan.HostBinding{Port: port, Filter: filter})
		}
	}
	live, err := doc.WriteToString()
	if err != nil {
		panic(err)
	}
	return live
}

// guardedSite has a gateway with a tunnel and a device of the host, and a guest behind it.
func guardedSite() *config.Site {
	s := testSite()
	web, vpn := s.Guests[1], s.Guests[0]
	s.Networks = s.Networks[1:]
	s.Networks[0].IsolatedPorts = true
	vpn.Name, vpn.Hostname, vpn.Running = "vpn", "vpn", web.Running
	vpn.NICs = []config.NIC{
		{
			Name: "inside", Network: "lan", MAC: "52:54:00:00:00:11", Gateway: true, Origin: "main.jeos.hcl:21",
			Addresses: []netip.Prefix{netip.MustParsePrefix("10.66.0.1/24"), netip.MustParsePrefix("fd64::1/64")},
			Filter:    &config.Filter{Router: true, Peers: []string{"52:54:00:00:00:01"}},
		},
		{
			Name: "uplink", Network: "out", MAC: "52:54:00:00:00:12", Origin: "main.jeos.hcl:22",
			Addresses: []netip.Prefix{netip.MustParsePrefix("10.64.0.9/24"), netip.MustParsePrefix("fd65::9/64")},
			Filter: &config.Filter{Peers: []string{"52:54:00:00:00:fe"}, Endpoints: []config.Endpoint{
				{Addr: netip.MustParseAddr("198.51.100.10"), Proto: "udp", Port: 1194},
				{Addr: netip.MustParseAddr("2001:db8::1"), Proto: "tcp", Port: 443},
			}},
		},
	}
	vpn.Devices = []config.Device{
		{Name: "card", ID: "8086:2723", Origin: "main.jeos.hcl:23"},
		{Name: "port", Address: "0000:04:00.1", Managed: true, Origin: "main.jeos.hcl:24"},
	}
	vpn.Needs, web.Needs = []string{"web"}, []string{"vpn"} // vpn forwards a port to web
	web.NICs = web.NICs[:1]
	web.NICs[0].Via, web.NICs[0].Filter = "vpn", &config.Filter{Peers: []string{"52:54:00:00:00:11"}}
	s.Guests = []config.Guest{vpn, web}
	return s
}

// guardedHost is a host for it.
func guardedHost() Host {
	h := testHost()
	h.Devices = testDevices()
	return h
}

// testDevices are a wifi card, and a network card with two ports of which the host uses none.
func testDevices() []plan.HostDevice {
	return []plan.HostDevice{
		pciNode("0000:00:1c.0", "8086:9d10", "0x060400", "pcieport", 1),
		pciNode("0000:03:00.0", "8086:2723", "0x028000", "vfio-pci", 5),
		pciNode("0000:04:00.0", "8086:1521", "0x020000", "", 6, "0000:04:00.1"),
		pciNode("0000:04:00.1", "8086:1521", "0x020000", "igb", 6, "0000:04:00.0"),
	}
}

// pciNode describes a PCI device as libvirt does. A group of 0 is none.
func pciNode(address, id, class, driver string, group int, others ...string) plan.HostDevice {
	split := func(address string) []string {
		return strings.FieldsFunc(address, func(r rune) bool { return r == ':' || r == '.' })
	}
	var domain, bus, slot, function int
	if _, err := fmt.Sscanf(address, "%x:%x:%x.%x", &domain, &bus, &slot, &function); err != nil {
		panic(err)
	}
	vendor, product, _ := strings.Cut(id, ":")
	name := "pci_" + strings.Join(split(address), "_")
	xml := fmt.Sprintf("<device><name>%s</name>", name)
	if driver != "" {
		xml += fmt.Sprintf("<driver><name>%s</name></driver>", driver)
	}
	xml += fmt.Sprintf("<capability type='pci'><class>%s</class><domain>%d</domain><bus>%d</bus><slot>%d</slot><function>%d</function>"+
		"<product id='0x%s'>Card</product><vendor id='0x%s'>Maker</vendor>", class, domain, bus, slot, function, product, vendor)
	if group > 0 {
		xml += fmt.Sprintf("<iommuGroup number='%d'>", group)
		for _, a := range append(others, address) {
			p := split(a)
			xml += fmt.Sprintf("<address domain='0x%s' bus='0x%s' slot='0x%s' function='0x%s'/>", p[0], p[1], p[2], p[3])
		}
		xml += "</iommuGroup>"
	}
	return plan.HostDevice{Name: name, XML: xml + "</capability></device>"}
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
