package fakevirt_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"jeos/internal/config"
	"jeos/plan"
)

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

// baked returns an image that is baked over another one, through a network of its own unless one is named.
func baked(name string, octet byte, base string, through *config.Network, packages ...string) config.Image {
	b := &config.Bake{Base: base, Serial: 1, Packages: packages, Kernel: "keep", CPUs: 1, Memory: 1 << 30, Timeout: time.Minute}
	if through == nil {
		own := network(config.BakeName(name), octet, config.NAT)
		b.Network, through = &own, &own
	}
	subnet := through.CIDRs[0].Addr().As4()
	b.NIC = config.NIC{
		Name: "bake", Network: through.Name, MAC: config.DeriveMAC("home", config.BakeName(name), "bake"), DefaultRoute: true,
		Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 9, subnet[2], octet}), 24)},
	}
	return config.Image{Name: name, Format: "qcow2", Size: 2 << 30, Bake: b}
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

// richSites returns a site and what it becomes: a guest comes, one goes, one is replaced, one restarts, disks come, go and
// grow, networks come, go and change.
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

// guardedSites returns a site with a gateway and what it becomes: another guest is the gateway, one comes behind it, one goes,
// a network isolates its guests no more and another one does, and a device goes from one guest to another.
func guardedSites() (before, after *config.Site) {
	lan, wan := network("lan", 1, config.Isolated), network("wan", 2, config.Isolated)
	site := func(gateways map[string]string, card string, guests ...config.Guest) *config.Site {
		s := newSite()
		s.Networks, s.Guests = []config.Network{lan, wan}, guests
		for i := range s.Networks {
			gateway(s, &s.Networks[i], gateways[s.Networks[i].Name])
		}
		for i := range s.Guests {
			if s.Guests[i].Name == card {
				s.Guests[i].Devices = []config.Device{{Name: "card", ID: "8086:2723"}}
			}
		}
		return s
	}
	before = site(map[string]string{"lan": "vpn", "wan": "wifi"}, "wifi", guest("goes", lan), guest("vpn", lan, wan), guest("web", lan), guest("wifi", wan))
	after = site(map[string]string{"lan": "wifi"}, "web", guest("comes", lan), guest("vpn", wan), guest("web", lan), guest("wifi", lan, wan))
	return before, after
}

// bakeSites returns a site with images that are baked, one over another, and what it becomes: the recipe of the lower one
// changes, one guest follows and another does not, and one comes whose image is baked through a network that restarts.
func bakeSites() (before, after *config.Site) {
	lan := network("lan", 1, config.Isolated)
	before, after = newSite(), newSite()
	stays, follows, comes := guest("stays", lan), guest("follows", lan), guest("comes", lan)
	stays.Image, follows.Image, comes.Image = "wifi", "vpn", "cache"
	follows.FollowImage = true
	follows.Disks = []config.Disk{{Name: "kept", Size: 1 << 30, FS: "ext4", Keep: true}, {Name: "lost", Size: 1 << 30, FS: "ext4"}}

	before.Images = append(before.Images, baked("vpn", 201, "wifi", nil, "openvpn"), baked("wifi", 202, "noble", nil, "iw"))
	before.Networks = []config.Network{lan}
	before.Guests = []config.Guest{follows, stays}

	lan.MTU = 1400
	after.Images = append([]config.Image{baked("cache", 203, "noble", &lan, "apt-cacher-ng")}, after.Images...)
	after.Images = append(after.Images, baked("vpn", 201, "wifi", nil, "openvpn"), baked("wifi", 202, "noble", nil, "iw", "hostapd"))
	after.Images[0].Bake.NIC.Filter = &config.Filter{Peers: []string{"52:54:00:00:00:99"}} // as one has that goes through a gateway
	after.Networks = []config.Network{lan}
	after.Guests = []config.Guest{comes, follows, stays}
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
		for i, name := range []string{"router", "server"} {
			base := rapid.SampledFrom(s.Images).Draw(t, "base of "+name).Name
			packages := rapid.SampledFrom([]string{"iw", "nginx"}).Draw(t, "packages of "+name)
			s.Images = append(s.Images, baked(name, byte(201+i), base, drawThrough(t, s.Networks), packages))
		}
		for _, name := range []string{"mail", "vpn", "web"} {
			if rapid.Bool().Draw(t, "has "+name) {
				s.Guests = append(s.Guests, drawGuest(t, name, s))
			}
		}
		for i := range s.Networks {
			if rapid.Bool().Draw(t, "gateway on "+s.Networks[i].Name) {
				drawnGateway(t, s, &s.Networks[i])
			}
		}
		return s
	})
}

// drawnGateway has the guest vpn, or mail if that is not there, be the gateway on a network, and the others behind it.
func drawnGateway(t *rapid.T, s *config.Site, n *config.Network) {
	for _, name := range []string{"vpn", "mail"} {
		if gateway(s, n, name) {
			endpoints := rapid.SampledFrom([]string{"", "198.51.100.10", "198.51.100.11"}).Draw(t, "endpoint")
			for _, g := range s.Guests {
				for i := range g.NICs {
					if nic := &g.NICs[i]; g.Name == name && nic.Network != n.Name && nic.Filter == nil && endpoints != "" {
						nic.Filter = &config.Filter{
							Peers:     []string{"52:54:00:99:99:99"},
							Endpoints: []config.Endpoint{{Addr: netip.MustParseAddr(endpoints), Proto: "udp", Port: 1194}},
						}
					}
				}
			}
			return
		}
	}
}

// gateway has a guest be the gateway on a network, with filters on all cards there. It reports whether there is such a guest.
func gateway(s *config.Site, n *config.Network, name string) bool {
	var router *config.NIC
	for _, g := range s.Guests {
		for i := range g.NICs {
			if g.Name == name && g.NICs[i].Network == n.Name {
				router = &g.NICs[i]
			}
		}
	}
	if router == nil {
		return false
	}
	n.IsolatedPorts = true
	router.Gateway, router.Via, router.Filter = true, "", &config.Filter{Router: true}
	for _, g := range s.Guests {
		for i := range g.NICs {
			if nic := &g.NICs[i]; nic.Network == n.Name && g.Name != name {
				nic.Via, nic.Filter = name, &config.Filter{Peers: []string{router.MAC}}
				router.Filter.Peers = append(router.Filter.Peers, nic.MAC)
			}
		}
	}
	slices.Sort(router.Filter.Peers)
	return true
}

// hostDevices are the devices of every host here.
func hostDevices() []plan.HostDevice {
	return []plan.HostDevice{pciDevice("8086", "10d3", 3), pciDevice("8086", "2723", 4)}
}

// pciDevice describes a network card that is set aside for guests, alone on a bus.
func pciDevice(vendor, product string, bus int) plan.HostDevice {
	name := fmt.Sprintf("pci_0000_%02x_00_0", bus)
	return plan.HostDevice{Name: name, XML: fmt.Sprintf(`<device><name>%s</name><driver><name>vfio-pci</name></driver><capability type='pci'><class>0x028000</class>
		<domain>0</domain><bus>%d</bus><slot>0</slot><function>0</function><product id='0x%s'>Card</product><vendor id='0x%s'>Maker</vendor>
		<iommuGroup number='%d'><address domain='0x0000' bus='0x%02x' slot='0x00' function='0x0'/></iommuGroup></capability></device>`,
		name, bus, product, vendor, bus, bus)}
}

// drawThrough draws the network of a bake: one of the site's, or nil.
func drawThrough(t *rapid.T, networks []config.Network) *config.Network {
	if i := rapid.IntRange(-1, len(networks)-1).Draw(t, "through"); i >= 0 {
		return &networks[i]
	}
	return nil
}

func drawGuest(t *rapid.T, name string, site *config.Site) config.Guest {
	var on []config.Network
	for _, n := range site.Networks {
		if rapid.Bool().Draw(t, "on "+n.Name) {
			on = append(on, n)
		}
	}
	g := guest(name, on...)
	g.Image = rapid.SampledFrom(site.Images).Draw(t, "image").Name
	g.FollowImage = rapid.Bool().Draw(t, "follow image")
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
	if name != "web" && rapid.Bool().Draw(t, "has a device") {
		// One that only this guest can have: a device is of one guest.
		d := map[string]config.Device{"mail": {Name: "card", ID: "8086:2723"}, "vpn": {Name: "card", Address: "0000:03:00.0"}}[name]
		d.Managed = rapid.Bool().Draw(t, "managed")
		g.Devices = []config.Device{d}
	}
	if rapid.Bool().Draw(t, "file") {
		g.Files = []config.File{{Path: "/etc/motd", Content: []byte("hi"), Mode: 0o644, Owner: "root:root"}}
	}
	return g
}
