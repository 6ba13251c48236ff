package builders

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"

	"jeos/internal/config"
	"jeos/plan"
)

// testGuest returns the guest of the test site that has one of everything.
func testGuest(s *config.Site) *config.Guest { return &s.Guests[1] }

func TestObserveBuilt(t *testing.T) {
	list := build(t, testSite(), testHost())
	inv := applied(list)
	for _, r := range list {
		if r.Kind == plan.KindImage {
			continue // found under its hash
		}
		o := observe(t, inv, r.Addr.String())
		if diff := cmp.Diff(attrValues(r.Attrs), attrs(o.Attrs, r)); diff != "" {
			t.Errorf("%s: attributes (-wanted +observed):\n%s", r.Addr, diff)
		}
		if r.Kind == plan.KindGuest || r.Kind == plan.KindNetwork {
			if diff := cmp.Diff(attrValues(r.Attrs), o.Applied); diff != "" {
				t.Errorf("%s: last applied (-wanted +observed):\n%s", r.Addr, diff)
			}
		}
		if o.Host != r.Host || o.UUID != r.UUID || o.Size != r.Size || o.Parent != r.Parent || o.Hidden != r.Hidden || o.Keep != r.Keep {
			t.Errorf("%s: observed as %+v", r.Addr, o)
		}
	}
}

// attrs drops from what was observed what the files of r leave to others.
func attrs(observed map[string]string, r plan.Resource) map[string]string {
	o := &plan.Object{Attrs: observed}
	forgetUnmanaged(&r, o)
	if o.Attrs == nil {
		return map[string]string{}
	}
	return o.Attrs
}

// fromLibvirt returns the inventory of a host as libvirt 9.0 wrote it. A card was plugged into the running domain by hand.
func fromLibvirt(t *testing.T) (*config.Site, *plan.Inventory) {
	site := testSite()
	site.Guests, site.Networks = site.Guests[1:], site.Networks[1:]
	site.Guests[0].Firmware, site.Guests[0].Needs = "bios", nil
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join("testdata", "libvirt", name+".xml"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	inv := applied(build(t, site, testHost()))
	inv.Pool.XML = read("jeos")
	for i := range inv.Networks {
		n := &inv.Networks[i]
		n.XML, n.LiveXML = read(n.Name), read(n.Name+"-live")
	}
	d := &inv.Domains[0]
	d.XML, d.LiveXML = read(d.Name), read(d.Name+"-live")
	for i := range inv.Volumes {
		v := &inv.Volumes[i]
		switch {
		case v.Name == "home.web.root.qcow2":
			v.XML = read(v.Name)
		case strings.HasPrefix(v.Name, imagePrefix):
			v.XML = read("jeos-image.qcow2")
		}
	}
	return site, inv
}

func TestObserveLibvirt(t *testing.T) {
	site, inv := fromLibvirt(t)
	const extra = "nic.52:54:00:99:99:99"
	for _, r := range build(t, site, testHost()) {
		if r.Kind == plan.KindImage {
			continue
		}
		o := observe(t, inv, r.Addr.String())
		if diff := cmp.Diff(attrValues(r.Attrs), attrs(o.Attrs, r)); diff != "" {
			t.Errorf("%s: attributes (-wanted +observed):\n%s", r.Addr, diff)
		}
		for name, value := range o.Live {
			if name != extra && value != o.Attrs[name] {
				t.Errorf("%s: %s is %q in the definition and %q in what runs", r.Addr, name, o.Attrs[name], value)
			}
		}
	}
	web := observe(t, inv, "guest.web")
	if got, want := web.Live[extra], "network.out 52:54:00:99:99:99"; got != want {
		t.Errorf("card plugged in by hand: got %q, want %q", got, want)
	}
	if len(web.Detach) != 1 || !strings.HasPrefix(web.Detach[extra], "<interface type='network'>") &&
		!strings.HasPrefix(web.Detach[extra], `<interface type="network">`) {
		t.Errorf("to detach: %v", web.Detach)
	}
	if diff := cmp.Diff([]plan.Addr{networkAddr("lan"), networkAddr("out")}, web.Needs); diff != "" {
		t.Errorf("networks in use:\n%s", diff)
	}
}

func TestObserveDrift(t *testing.T) {
	device := func(xml string) func(*testing.T, *etree.Element) {
		return func(t *testing.T, root *etree.Element) { add(t, root, "devices", xml) }
	}
	set := func(path, text string) func(*testing.T, *etree.Element) {
		return func(_ *testing.T, root *etree.Element) { root.FindElement(path).SetText(text) }
	}
	attr := func(path, name, value string) func(*testing.T, *etree.Element) {
		return func(_ *testing.T, root *etree.Element) { root.FindElement(path).CreateAttr(name, value) }
	}
	remove := func(path string) func(*testing.T, *etree.Element) {
		return func(_ *testing.T, root *etree.Element) {
			e := root.FindElement(path)
			e.Parent().RemoveChild(e)
		}
	}
	cases := map[string]struct {
		edit func(*testing.T, *etree.Element)
		want map[string]string // attributes that differ; "" for what is gone
	}{
		"memory": {func(t *testing.T, r *etree.Element) {
			set("memory", "262144")(t, r)
			set("currentMemory", "262144")(t, r)
		}, map[string]string{"memory": "256MiB"}},
		"memory in GiB": {func(t *testing.T, r *etree.Element) { set("memory", "1")(t, r); attr("memory", "unit", "GiB")(t, r) }, map[string]string{"memory": "512MiB of 1GiB"}},
		"balloon":       {set("currentMemory", "262144"), map[string]string{"memory": "256MiB of 512MiB"}},
		"cpus":          {set("vcpu", "4"), map[string]string{"cpus": "4"}},
		"cpus offline":  {attr("vcpu", "current", "1"), map[string]string{"cpus": "1 of 2"}},
		"machine":       {attr("os/type", "machine", "pc-i440fx-7.2"), map[string]string{"machine": "pc"}},
		"firmware":      {func(_ *testing.T, r *etree.Element) { r.FindElement("os").RemoveAttr("firmware") }, map[string]string{"firmware": "bios"}},
		"accel":         {attr(".", "type", "kvm"), map[string]string{"accel": "kvm"}},
		"report port":   {remove("devices/channel"), map[string]string{"report": ""}},
		"nic removed":   {remove("devices/interface"), map[string]string{"nic.lan": ""}},
		"nic moved": {
			attr("devices/interface/source", "network", "default"),
			map[string]string{"nic.lan": "libvirt-network default 52:54:00:00:00:01 10.66.0.2/24 fd64::2/64"},
		},
		"nic added on a bridge": {
			device(`<interface type="bridge"><mac address="52:54:00:AA:00:01"/><source bridge="br0"/></interface>`),
			map[string]string{"nic.52:54:00:aa:00:01": "bridge br0 52:54:00:aa:00:01"},
		},
		"nic added with a MAC that is there": {
			device(`<interface type="network"><mac address="52:54:00:00:00:01"/><source network="home-out"/></interface>`),
			map[string]string{"nic.52:54:00:00:00:01": "network.out 52:54:00:00:00:01"},
		},
		"disk removed": {remove("devices/disk[3]"), map[string]string{"disk.data": ""}},
		"disk exchanged by a snapshot": {
			attr("devices/disk/source", "file", "/var/lib/libvirt/jeos/home.web.root.snap1"),
			map[string]string{"disk.root": "home.web.root.snap1"},
		},
		"disk of the user": {device(`<disk type="block" device="disk"><source dev="/dev/sdx"/><target dev="sda"/></disk>`), nil},
		"graphics":         {device(`<graphics type="vnc"/>`), nil},
		"PCI device": {
			device(`<hostdev mode="subsystem" type="pci"><source><address domain="0x0000" bus="0x03" slot="0x00" function="0x0"/></source></hostdev>`),
			map[string]string{"hostdev.0000:03:00.0": "pci 0000:03:00.0"},
		},
		"USB device": {
			device(`<hostdev mode="subsystem" type="usb"><source><vendor id="0x1d6b"/><product id="0x0002"/></source></hostdev>`),
			map[string]string{"hostdev.1d6b:0002": "usb 1d6b:0002"},
		},
		"folder": {
			device(`<filesystem type="mount"><source dir="/home"/><target dir="/mnt/home"/></filesystem>`),
			map[string]string{"share./mnt/home": "/home"},
		},
		"two folders of one name": {
			func(t *testing.T, r *etree.Element) {
				device(`<filesystem type="mount"><source dir="/a"/><target dir="x"/></filesystem>`)(t, r)
				device(`<filesystem type="mount"><source dir="/b"/><target dir="x"/></filesystem>`)(t, r)
			},
			map[string]string{"share.x": "/a", "share.x#2": "/b"},
		},
		"redirected device": {device(`<redirdev bus="usb" type="spicevmc"/>`), map[string]string{"redirdev.1": "spicevmc usb"}},
		"arguments for QEMU": {
			func(t *testing.T, r *etree.Element) {
				const namespace = `xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0"`
				add(t, r, ".", `<qemu:commandline `+namespace+`><qemu:arg value="-netdev"/><qemu:arg value="user,id=n"/><qemu:env name="A" value="b"/></qemu:commandline>`)
				add(t, r, ".", `<qemu:override `+namespace+`><qemu:device alias="net0"><qemu:frontend><qemu:property name="x" type="string" value="y"/></qemu:frontend></qemu:device></qemu:override>`)
			},
			map[string]string{"arguments": "-netdev user,id=n A=b x=y"},
		},
	}
	list := build(t, testSite(), testHost())
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inv := applied(list)
			d := &inv.Domains[1]
			d.XML = changed(t, d.XML, func(root *etree.Element) { c.edit(t, root) })
			d.LiveXML = d.XML
			web := resource(t, list, "guest.web")
			o := observe(t, inv, "guest.web")
			if diff := cmp.Diff(c.want, difference(attrValues(web.Attrs), o.Attrs)); diff != "" {
				t.Errorf("differs from what is wanted in (-want +got):\n%s", diff)
			}
			for name := range c.want {
				if _, wanted := attrValues(web.Attrs)[name]; !wanted && name != "arguments" && o.Detach[name] == "" {
					t.Errorf("%s cannot be detached", name)
				}
			}
			xml, err := web.Edit(d.XML)
			if err != nil {
				t.Fatal(err)
			}
			d.XML = xml
			left := difference(attrValues(web.Attrs), observe(t, inv, "guest.web").Attrs)
			for _, replaced := range []string{"machine", "firmware"} { // no edit changes these
				delete(left, replaced)
			}
			if len(left) > 0 {
				t.Errorf("still differs after an edit: %v", left)
			}
		})
	}
}

// difference returns the values in b of what differs from a; "" for what b has not. It is nil when nothing differs.
func difference(a, b map[string]string) map[string]string {
	var out map[string]string
	note := func(name string) {
		if out == nil {
			out = map[string]string{}
		}
		out[name] = b[name]
	}
	for name, value := range a {
		if v, ok := b[name]; !ok || v != value {
			note(name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			note(name)
		}
	}
	return out
}

func TestObserveLiveBalloon(t *testing.T) {
	inv := applied(build(t, testSite(), testHost()))
	d := &inv.Domains[1]
	d.LiveXML = changed(t, d.LiveXML, func(root *etree.Element) {
		root.FindElement("currentMemory").SetText("131072")
		root.FindElement("vcpu").CreateAttr("current", "1")
	})
	o := observe(t, inv, "guest.web")
	if o.Live["memory"] != "512MiB" || o.Live["cpus"] != "2" {
		t.Errorf("memory %q, cpus %q", o.Live["memory"], o.Live["cpus"])
	}
}

// libvirt shows a card on a network of mode bridge as a card on the bridge while the domain runs.
func TestObserveLiveBridge(t *testing.T) {
	site := testSite()
	testGuest(site).NICs[0].Network = "br"
	inv := applied(build(t, site, testHost()))
	d := &inv.Domains[1]
	d.LiveXML = changed(t, d.LiveXML, func(root *etree.Element) {
		root.FindElement("devices/interface").CreateAttr("type", "bridge")
		root.FindElement("devices/interface/source").CreateAttr("bridge", "br0")
	})
	o := observe(t, inv, "guest.web")
	if got := difference(o.Attrs, o.Live)["nic.lan"]; got != "" {
		t.Errorf("%q, in the definition %q", got, o.Attrs["nic.lan"])
	}
}

func TestObserveNetworkDrift(t *testing.T) {
	cases := map[string]struct {
		addr string
		edit func(*testing.T, *etree.Element)
		want map[string]string
	}{
		"address on an isolated network": {"network.lan", func(t *testing.T, r *etree.Element) {
			add(t, r, ".", `<ip address="10.66.0.1" netmask="255.255.255.0"/>`)
		}, map[string]string{"ip": "10.66.0.1/24"}},
		"forwarding on an isolated network": {"network.lan", func(t *testing.T, r *etree.Element) {
			add(t, r, ".", `<forward mode="route" dev="eth0"/>`)
		}, map[string]string{"mode": "route dev eth0"}},
		"forward without a mode": {"network.lan", func(t *testing.T, r *etree.Element) {
			add(t, r, ".", `<forward/>`)
		}, map[string]string{"mode": "nat"}},
		"mtu": {"network.lan", func(t *testing.T, r *etree.Element) {
			removeChildren(r, "mtu")
		}, map[string]string{"mtu": "default"}},
		"bridge": {"network.out", func(t *testing.T, r *etree.Element) {
			r.FindElement("bridge").CreateAttr("name", "virbr7")
		}, map[string]string{"bridge": "virbr7"}},
		"range": {"network.out", func(t *testing.T, r *etree.Element) {
			r.FindElement("ip/dhcp/range").CreateAttr("end", "10.64.0.130")
		}, map[string]string{"dhcp": "10.64.0.128-10.64.0.130"}},
		"no range": {"network.out", func(t *testing.T, r *etree.Element) {
			removeChildren(r.FindElement("ip"), "dhcp")
		}, map[string]string{"dhcp": "none"}},
		"second IPv4 address": {"network.out", func(t *testing.T, r *etree.Element) {
			add(t, r, ".", `<ip address="10.99.0.1" prefix="16"/>`)
		}, map[string]string{"ip": "10.64.0.1/24 10.99.0.1/16 fd65::1/64"}},
	}
	list := build(t, testSite(), testHost())
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inv := applied(list)
			r := resource(t, list, c.addr)
			n := &inv.Networks[map[string]int{"network.lan": 1, "network.out": 2}[c.addr]]
			n.XML = changed(t, n.XML, func(root *etree.Element) { c.edit(t, root) })
			if diff := cmp.Diff(c.want, difference(attrValues(r.Attrs), observe(t, inv, c.addr).Attrs)); diff != "" {
				t.Errorf("differs from what is wanted in (-want +got):\n%s", diff)
			}
			xml, err := r.Edit(n.XML)
			if err != nil {
				t.Fatal(err)
			}
			n.XML = xml
			if left := difference(attrValues(r.Attrs), observe(t, inv, c.addr).Attrs); left != nil {
				t.Errorf("still differs after an edit: %v", left)
			}
		})
	}
}

// TestObserveLost takes baked images away from under root disks.
func TestObserveLost(t *testing.T) {
	site := bakeSite()
	site.Guests[0].Image, site.Guests[1].Image = "wifi", "vpn"
	other := bakeSite()
	other.Name = "lab"
	other.Guests = other.Guests[:1]
	other.Guests[0].Image = "wifi"
	volumes, err := ImageVolumes(site)
	if err != nil {
		t.Fatal(err)
	}
	wifi, vpn := volumes["wifi"], volumes["vpn"]
	dropDomain := func(inv *plan.Inventory, name string) {
		inv.Domains = slices.DeleteFunc(inv.Domains, func(d plan.HostDomain) bool { return d.Name == name })
	}
	cases := map[string]struct {
		change func(*plan.Inventory)
		want   map[string][]string
	}{
		"nothing":  {func(*plan.Inventory) {}, map[string][]string{}},
		"an image": {func(inv *plan.Inventory) { delete(inv.Names, vpn) }, map[string][]string{vpn: {"home-web"}}},
		"the mark of an image, which two sites use": {
			func(inv *plan.Inventory) { delete(inv.Names, wifi+markerSuffix) }, map[string][]string{wifi: {"home-min", "lab-min"}},
		},
		"an image that is a file": {func(inv *plan.Inventory) { delete(inv.Names, volumes["debian"]) }, map[string][]string{}},
		"an image and a root disk": {
			func(inv *plan.Inventory) { delete(inv.Names, wifi); delete(inv.Names, "lab.min.root.qcow2") }, map[string][]string{wifi: {"home-min"}},
		},
		"an image and a domain": {
			func(inv *plan.Inventory) { delete(inv.Names, wifi); dropDomain(inv, "home-min") }, map[string][]string{wifi: {"home-min", "lab-min"}},
		},
		"an image and the mark of a domain of another site": {func(inv *plan.Inventory) {
			delete(inv.Names, wifi)
			inv.Domains[slices.IndexFunc(inv.Domains, func(d plan.HostDomain) bool { return d.Name == "lab-min" })].XML = "<domain/>"
		}, map[string][]string{wifi: {"home-min"}}},
		"an image below a guest that bakes": {func(inv *plan.Inventory) {
			for _, r := range build(t, site, testHost()) {
				if r.Name == "vpn" && r.Bake != nil {
					addRemains(inv, r.Bake)
				}
			}
			delete(inv.Names, wifi)
		}, map[string][]string{wifi: {"home-min", "lab-min"}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inv, more := baked(t, site), baked(t, other)
			inv.Domains = append(inv.Domains, more.Domains...)
			maps.Copy(inv.Names, more.Names)
			c.change(inv)
			actual, _ := Observe("home", "jeos", inv)
			if diff := cmp.Diff(c.want, actual.Lost); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBakedFrom(t *testing.T) {
	digest := strings.Repeat("d4", 32)
	for attr, want := range map[string]string{
		"recipe:" + digest + "-2":      imagePrefix + digest + "-2.qcow2",
		"recipe:" + digest:             "",
		"recipe:" + digest + "-02":     "",
		"recipe:" + digest + "-2.raw":  "",
		"sha256:" + digest:             "",
		"sha256:" + digest + "-2":      "",
		digest + "-2":                  "",
		"":                             "",
		"recipe:../" + digest + "-2":   "",
		"recipe:" + digest[:63] + "-2": "",
	} {
		if got := bakedFrom(attr); got != want {
			t.Errorf("%q: got %q, want %q", attr, got, want)
		}
	}
}
