//go:build lab

package builders

import (
	"net/netip"
	"strings"
	"time"

	"pgregory.net/rapid"

	"jeos/internal/config"
)

// siteGen generates sites in which everything that shapes a definition takes its different values. Their networks,
// guests and disks have few names, so that two sites often share some.
func siteGen() *rapid.Generator[*config.Site] {
	return rapid.Custom(func(t *rapid.T) *config.Site {
		s := &config.Site{
			Name: "home", Pool: testSite().Pool,
			Images: []config.Image{
				{Name: "debian", Path: "/images/debian.qcow2", Format: "qcow2", SHA256: testSHA, Size: 3 << 30, FileSize: 300 << 20},
				{Name: "raw", Path: "/images/raw.img", Format: "raw", SHA256: strings.Repeat("b2", 32), Size: 1 << 30, FileSize: 1 << 30},
			},
		}
		for i, name := range []string{"br", "lan", "wan"} {
			if rapid.Bool().Draw(t, "has "+name) {
				s.Networks = append(s.Networks, drawNetwork(t, name, byte(i)))
			}
		}
		for _, name := range []string{"mail", "vpn-de-1", "w"} {
			if rapid.Bool().Draw(t, "has "+name) {
				s.Guests = append(s.Guests, drawGuest(t, name, s.Networks))
			}
		}
		return s
	})
}

func drawNetwork(t *rapid.T, name string, octet byte) config.Network {
	n := config.Network{
		Name: name, Bridge: config.DeriveBridge("home", name),
		Mode: rapid.SampledFrom([]config.Mode{config.Isolated, config.NAT, config.Bridged}).Draw(t, "mode"),
		MTU:  rapid.SampledFrom([]int{0, 1280, 1400, 9000}).Draw(t, "mtu"),
	}
	n.IsolatedPorts = rapid.Bool().Draw(t, "isolated ports")
	if n.Mode == config.Bridged {
		n.Bridge, n.MTU = "br0", 0
		return n
	}
	four := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 9, octet, 0}), 24)
	six := netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 7: octet}), 64)
	n.CIDRs = rapid.SampledFrom([][]netip.Prefix{{four}, {six}, {four, six}}).Draw(t, "cidrs")
	if n.Mode == config.NAT {
		for _, cidr := range n.CIDRs {
			n.Host = append(n.Host, cidr.Addr().Next())
		}
		if n.DHCP = n.CIDRs[0] == four && rapid.Bool().Draw(t, "dhcp"); n.DHCP {
			n.DHCPRange = [2]netip.Addr{netip.AddrFrom4([4]byte{10, 9, octet, 128}), netip.AddrFrom4([4]byte{10, 9, octet, 254})}
		}
		n.DNS = rapid.SampledFrom([][]netip.Addr{nil, n.Host, {netip.MustParseAddr("9.9.9.9")}}).Draw(t, "dns")
	}
	return n
}

func drawGuest(t *rapid.T, name string, networks []config.Network) config.Guest {
	yes, no := true, false
	g := config.Guest{
		Name: name, Hostname: name,
		Image:       rapid.SampledFrom([]string{"debian", "raw"}).Draw(t, "image"),
		CPUs:        rapid.IntRange(1, 255).Draw(t, "cpus"),
		Memory:      rapid.Int64Range(64, 1<<20).Draw(t, "memory") << 20,
		Disk:        rapid.Int64Range(3, 1<<12).Draw(t, "disk") << 30,
		Running:     rapid.SampledFrom([]*bool{nil, &yes, &no}).Draw(t, "running"),
		Autostart:   rapid.Bool().Draw(t, "autostart"),
		Accel:       rapid.SampledFrom([]string{"auto", "kvm", "tcg"}).Draw(t, "accel"),
		StopTimeout: time.Duration(rapid.IntRange(1, 3600).Draw(t, "stop_timeout")) * time.Second,
		ForceStop:   rapid.Bool().Draw(t, "force_stop"),
		Protect:     rapid.Bool().Draw(t, "protect"),
	}
	board := rapid.SampledFrom([][3]string{
		{"x86_64", "q35", "bios"}, {"x86_64", "q35", "uefi"}, {"x86_64", "pc", "bios"}, {"aarch64", "virt", "uefi"},
	}).Draw(t, "board")
	g.Arch, g.Machine, g.Firmware = board[0], board[1], board[2]
	for _, n := range networks {
		if !rapid.Bool().Draw(t, "on "+n.Name) {
			continue
		}
		nic := config.NIC{Name: n.Name, Network: n.Name, MAC: config.DeriveMAC("home", name, n.Name), MTU: n.MTU, DNS: n.DNS, DHCP: n.DHCP}
		for _, cidr := range n.CIDRs {
			nic.Addresses = append(nic.Addresses, netip.PrefixFrom(cidr.Addr().Next().Next(), cidr.Bits()))
		}
		nic.Gateway, nic.Filter = rapid.Bool().Draw(t, "gateway"), drawFilter(t)
		g.NICs = append(g.NICs, nic)
	}
	if rapid.Bool().Draw(t, "device") {
		g.Devices = []config.Device{{Name: "card", Address: "0000:" + rapid.SampledFrom([]string{"03:00.0", "ff:1f.7"}).Draw(t, "address"), Managed: rapid.Bool().Draw(t, "managed")}}
	}
	for _, disk := range []string{"data", "a-disk-with-a-long-name", "x"} {
		if rapid.Bool().Draw(t, "has "+disk) {
			g.Disks = append(g.Disks, config.Disk{
				Name: disk, Size: rapid.Int64Range(1, 1<<12).Draw(t, "size") << 30, FS: rapid.SampledFrom([]string{"ext4", "xfs"}).Draw(t, "fs"),
				Mount: rapid.SampledFrom([]string{"", "/srv/" + disk}).Draw(t, "mount"), Keep: rapid.Bool().Draw(t, "keep"),
			})
		}
	}
	return g
}

func drawFilter(t *rapid.T) *config.Filter {
	if rapid.Bool().Draw(t, "no filter") {
		return nil
	}
	f := &config.Filter{Router: rapid.Bool().Draw(t, "router")}
	f.Peers = rapid.SampledFrom([][]string{nil, {"52:54:00:00:00:fe"}, {"52:54:00:00:00:fd", "52:54:00:00:00:fe"}}).Draw(t, "peers")
	for _, e := range []config.Endpoint{
		{Addr: netip.MustParseAddr("198.51.100.10"), Proto: "udp", Port: 1194},
		{Addr: netip.MustParseAddr("2001:db8::ffff:1"), Proto: "tcp", Port: 65535},
	} {
		if rapid.Bool().Draw(t, "endpoint") {
			f.Endpoints = append(f.Endpoints, e)
		}
	}
	return f
}
