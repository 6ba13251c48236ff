package builders

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"jeos/internal/config"
	"jeos/plan"
)

// guests generates variants of the guest "web" of the test site: all have the same name, image and kind of machine.
func guests() *rapid.Generator[config.Guest] {
	return rapid.Custom(func(t *rapid.T) config.Guest {
		g := *testGuest(testSite())
		pick := func(label string, list ...string) string { return rapid.SampledFrom(list).Draw(t, label) }
		g.CPUs = rapid.IntRange(1, 8).Draw(t, "cpus")
		g.Memory = rapid.Int64Range(1, 4096).Draw(t, "memory") << 20
		g.Autostart, g.Protect = rapid.Bool().Draw(t, "autostart"), rapid.Bool().Draw(t, "protect")
		g.Accel = pick("accel", "auto", "kvm", "tcg")
		g.Timezone = pick("timezone", "", "UTC", "Europe/Berlin")
		g.StopTimeout = time.Duration(rapid.IntRange(1, 600).Draw(t, "stop timeout")) * time.Second
		if rapid.Bool().Draw(t, "unmanaged") {
			g.Running = nil
		}
		g.NICs, g.Disks = nil, nil
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), rapid.ID).Draw(t, "nics") {
			n := int(name[0]-'a') + 1
			g.NICs = append(g.NICs, config.NIC{
				Name: name, Network: pick("network", "lan", "out", "br"), MAC: fmt.Sprintf("52:54:00:00:00:%02x", n),
				DHCP:      rapid.Bool().Draw(t, "dhcp"),
				Gateway:   rapid.Bool().Draw(t, "gateway"),
				Filter:    rapid.SampledFrom([]*config.Filter{nil, {}, {Peers: []string{"52:54:00:99:99:99"}}}).Draw(t, "filter"),
				Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 66, 0, byte(rapid.IntRange(2, 200).Draw(t, "address"))}), 24)},
			})
		}
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"data", "logs", "a-name-that-is-too-long", "a-name-that-is-too-short"}), rapid.ID).Draw(t, "disks") {
			g.Disks = append(g.Disks, config.Disk{Name: name, Size: 1 << 30, Mount: "/" + name, FS: "ext4", Keep: rapid.Bool().Draw(t, "keep")})
		}
		for _, address := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"0000:03:00.0", "0000:04:00.1"}), rapid.ID).Draw(t, "devices") {
			g.Devices = append(g.Devices, config.Device{Name: "at" + address[5:7], Address: address, Managed: rapid.Bool().Draw(t, "managed")})
		}
		return g
	})
}

func siteWith(g config.Guest) *config.Site {
	site := testSite()
	site.Networks[1].IsolatedPorts = true
	site.Guests = []config.Guest{g}
	return site
}

// additions are what somebody may have added to a domain by hand and jeos leaves alone.
var additions = []string{
	`<graphics type="vnc" port="-1" autoport="yes"/>`,
	`<video><model type="virtio"/></video>`,
	`<disk type="block" device="disk"><source dev="/dev/mine"/><target dev="vdg" bus="virtio"/><serial>mine</serial></disk>`,
	`<watchdog model="i6300esb" action="reset"/>`,
}

// TestEdit is the law of edits: whatever a guest was, an edit makes it what the files say, what somebody added by hand
// stays, and a second edit changes nothing.
func TestEdit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := guests().Draw(t, "before"), guests().Draw(t, "after")
		inv := applied(build(t, siteWith(before), testHost()))
		d := &inv.Domains[0]
		kept := rapid.SliceOfDistinct(rapid.SampledFrom(additions), rapid.ID).Draw(t, "additions")
		d.XML = changed(t, d.XML, func(root *etree.Element) {
			root.AddChild(etree.NewElement("cputune"))
			for _, e := range kept {
				add(t, root, "devices", e)
			}
			add(t, root, "devices", `<hostdev mode="subsystem" type="mdev"><source><address uuid="c2177883-f1bb-47f0-914d-32a22e3a8804"/></source></hostdev>`)
			add(t, root, "metadata", `<app:data xmlns:app="urn:app"><app:x/></app:data>`)
		})
		_, host := Observe("home", "jeos", inv)
		list := build(t, siteWith(after), host)
		web := resource(t, list, "guest.web")

		edited, err := web.Edit(d.XML)
		if err != nil {
			t.Fatal(err)
		}
		recorded := observe(t, inv, "guest.web").Attrs
		d.XML, d.Name, d.Autostart = edited, web.Host, after.Autostart
		d.State = plan.Off
		if after.Running != nil && *after.Running {
			d.State = plan.Running
		}
		o := observe(t, inv, "guest.web")
		want := attrValues(web.Attrs)
		for name := range want {
			if firstBoot(name) {
				delete(want, name)
			}
		}
		for name, value := range recorded {
			if firstBoot(name) {
				want[name] = value
			}
		}
		if diff := cmp.Diff(want, attrs(o.Attrs, web)); diff != "" {
			t.Fatalf("attributes (-wanted +observed):\n%s", diff)
		}
		for _, e := range append([]string{"<cputune/>", `<app:data xmlns:app="urn:app"><app:x/></app:data>`}, kept...) {
			if !strings.Contains(edited, e) {
				t.Fatalf("%s is gone", e)
			}
		}
		again, err := web.Edit(edited)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(edited, again); diff != "" {
			t.Fatalf("a second edit (-first +second):\n%s", diff)
		}
		checkTargets(t, edited)
	})
}

// checkTargets fails when two disks have the same target or serial number, which libvirt and the guest would not stand.
func checkTargets(t *rapid.T, text string) {
	_, root, err := parseXML(text)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range root.FindElements("devices/disk") {
		names = append(names, value(e, "target", "dev"), e.SelectElement("serial").Text())
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Fatalf("targets and serials: %v", names)
	}
}

func TestEditKeepsLibvirtsOwn(t *testing.T) {
	site, inv := fromLibvirt(t)
	g := &site.Guests[0]
	g.Memory, g.CPUs, g.NICs[0].Network = 1<<30, 4, "out"
	g.Disks = append(g.Disks[:1], config.Disk{Name: "new", Size: 1 << 30, Mount: "/new", FS: "ext4"})
	_, host := Observe("home", "jeos", inv)
	web := resource(t, build(t, site, host), "guest.web")
	edited, err := web.Edit(inv.Domains[0].XML)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "edited.xml", []byte(edited))
	inv.Domains[0].XML = edited
	if left := difference(attrValues(web.Attrs), attrs(observe(t, inv, "guest.web").Attrs, web)); left != nil {
		t.Errorf("not as wanted: %v", left)
	}
}

func TestEditNetwork(t *testing.T) {
	modes := func(n *config.Network, t *rapid.T) {
		full := testSite().Networks
		*n = full[rapid.IntRange(0, 2).Draw(t, "mode")]
		n.Name = "lan"
		n.MTU = rapid.SampledFrom([]int{0, 1280, 1500}).Draw(t, "mtu")
		if n.Mode == config.Bridged {
			n.MTU = 0
		}
		if n.Mode == config.NAT {
			families := rapid.IntRange(1, 2).Draw(t, "families")
			n.CIDRs, n.Host = n.CIDRs[:families], n.Host[:families]
			n.DHCP = rapid.Bool().Draw(t, "dhcp")
			if rapid.Bool().Draw(t, "elsewhere") {
				n.CIDRs, n.Host = slices.Clone(n.CIDRs), slices.Clone(n.Host)
				n.CIDRs[0], n.Host[0] = netip.MustParsePrefix("10.65.0.0/24"), netip.MustParseAddr("10.65.0.1")
				n.DHCPRange = [2]netip.Addr(addrs("10.65.0.128", "10.65.0.254"))
			}
		}
		if n.Mode != config.Bridged {
			n.Bridge = rapid.SampledFrom([]string{"j1", "j2"}).Draw(t, "bridge")
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var before, after config.Network
		modes(&before, t)
		modes(&after, t)
		site := testSite()
		site.Guests, site.Networks = nil, []config.Network{before}
		inv := applied(build(t, site, testHost()))
		site.Networks[0] = after
		lan := resource(t, build(t, site, testHost()), "network.lan")
		edited, err := lan.Edit(inv.Networks[0].XML)
		if err != nil {
			t.Fatal(err)
		}
		inv.Networks[0].XML = edited
		o := observe(t, inv, "network.lan")
		if diff := cmp.Diff(attrValues(lan.Attrs), o.Attrs); diff != "" {
			t.Fatalf("attributes (-wanted +observed):\n%s", diff)
		}
		if diff := cmp.Diff(attrValues(lan.Attrs), o.Applied); diff != "" {
			t.Fatalf("last applied (-wanted +observed):\n%s", diff)
		}
	})
}

func TestEditNetworkKeepsReservations(t *testing.T) {
	site := testSite()
	out := resource(t, build(t, site, testHost()), "network.out")
	const reservation = `<host mac="52:54:00:77:77:77" ip="10.64.0.77"/>`
	const name = `<host ip="10.64.0.77"><hostname>printer</hostname></host>`
	current := changed(t, out.XML, func(root *etree.Element) {
		add(t, root, "ip/dhcp", reservation)
		root.CreateElement("dns")
		add(t, root, "dns", name)
	})
	site.Networks[2].DHCPRange[1] = netip.MustParseAddr("10.64.0.200")
	edited, err := resource(t, build(t, site, testHost()), "network.out").Edit(current)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{reservation, name, `end="10.64.0.200"`} {
		if !strings.Contains(edited, want) {
			t.Errorf("%s is not in\n%s", want, edited)
		}
	}
}

func TestEditRefusesNonsense(t *testing.T) {
	list := build(t, testSite(), testHost())
	for _, addr := range []string{"guest.web", "network.out"} {
		for _, text := range []string{"", "<domain", "no xml"} {
			if out, err := resource(t, list, addr).Edit(text); err == nil {
				t.Errorf("%s: %q became %q", addr, text, out)
			}
		}
	}
}

// TestEditAddsWholeDevices checks what libvirt insists on and reading does not miss: the type of an added device.
func TestEditAddsWholeDevices(t *testing.T) {
	site := testSite()
	g := testGuest(site)
	before := resource(t, build(t, site, testHost()), "guest."+g.Name)
	g.NICs = append(g.NICs, config.NIC{Name: "added", Network: g.NICs[0].Network, MAC: "52:54:00:00:00:77"})
	g.Disks = append(g.Disks, config.Disk{Name: "added", Size: 1 << 30, FS: "ext4"})
	edited, err := resource(t, build(t, site, testHost()), "guest."+g.Name).Edit(before.XML)
	if err != nil {
		t.Fatal(err)
	}
	_, root, err := parseXML(edited)
	if err != nil {
		t.Fatal(err)
	}
	added := 0
	for _, path := range []string{"devices/interface", "devices/disk", "devices/channel"} {
		for _, e := range root.FindElements(path) {
			added++
			if e.SelectAttrValue("type", "") == "" {
				t.Errorf("%s has no type", e.Tag)
			}
		}
	}
	if want := len(g.NICs) + len(g.Disks) + 2 + 2; added != want {
		t.Errorf("%d devices, want %d", added, want)
	}
}
