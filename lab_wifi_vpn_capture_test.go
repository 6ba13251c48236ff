//go:build lab

package main_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// capture sees every frame that crosses a place between a guest's network card and its network: outside the guest, whatever
// rules that has. A place has a list of what may cross it; all else is counted by its kind.
type capture struct {
	t      *testing.T
	fd     int
	places []place
	links  map[int]net.Interface // by index

	mu      sync.Mutex
	allowed map[string]int            // frames, by place
	leaks   map[string]map[string]int // frames, by place and kind
	byClass map[string]map[string]int // the same, by place and class
	blind   []string                  // why the capture may have missed something
}

// place is one direction of one network card, or what comes to the host's own end of a bridge. libvirt gives the host's end of
// a card its address with another first byte.
type place struct {
	name  string
	mac   string // of the card
	in    bool   // what comes to the guest; else what it sends
	allow func(packet) bool

	bridge string // of the host, in place of a card
}

// at says whether frames in one direction of an interface cross the place.
func (p place) at(link net.Interface, outgoing bool) bool {
	if p.bridge != "" {
		return p.bridge == link.Name && !outgoing
	}
	mac := link.HardwareAddr
	return len(mac) == 6 && mac[0] == 0xfe && p.mac[2:] == mac.String()[2:] && p.in == outgoing
}

// newCapture begins to look, until the end of the test.
func newCapture(t *testing.T, places ...place) *capture {
	t.Helper()
	all := int(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL)))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20); err != nil {
		t.Fatal(err)
	}
	second := unix.NsecToTimeval(time.Second.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &second); err != nil {
		t.Fatal(err)
	}
	c := &capture{t: t, fd: fd, places: places, links: map[int]net.Interface{}, allowed: map[string]int{}, leaks: map[string]map[string]int{}, byClass: map[string]map[string]int{}}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		c.run(stop)
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		unix.Close(fd)
		for _, why := range c.blind {
			t.Errorf("the capture is not complete: %s", why)
		}
	})
	return c
}

func (c *capture) run(stop chan struct{}) {
	data := make([]byte, 1<<16)
	for {
		select {
		case <-stop:
			return
		default:
		}
		size, from, err := unix.Recvfrom(c.fd, data, 0)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENETDOWN) {
			continue
		}
		link, ok := from.(*unix.SockaddrLinklayer)
		if err != nil || !ok {
			c.doubt(fmt.Sprintf("receive: %v", err))
			return
		}
		c.take(link, data[:size])
		if stats, err := unix.GetsockoptTpacketStats(c.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err != nil || stats.Drops > 0 {
			c.doubt(fmt.Sprintf("frames were lost: %+v, %v", stats, err))
		}
	}
}

func (c *capture) doubt(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.blind) < 10 {
		c.blind = append(c.blind, why)
	}
}

// take counts one frame. What an interface receives is what the guest at its other end sends.
func (c *capture) take(link *unix.SockaddrLinklayer, data []byte) {
	end, known := c.links[link.Ifindex]
	if !known {
		if i, err := net.InterfaceByIndex(link.Ifindex); err == nil {
			end = *i
		} else if probeMark.Match(data) {
			c.doubt(fmt.Sprintf("a frame of an interface that is gone: %v", err))
			return
		}
		c.links[link.Ifindex] = end
	}
	for _, p := range c.places {
		if !p.at(end, link.Pkttype == unix.PACKET_OUTGOING) {
			continue
		}
		frame := decode(data)
		if frame.source == end.HardwareAddr.String() {
			continue // of the host's end itself, which greets its neighbours when it comes up
		}
		allowed := p.allow(frame)
		if !allowed && p.in && ofHost(frame.source) {
			continue // of the bridge, which tells that it snoops
		}
		c.mu.Lock()
		if allowed {
			c.allowed[p.name]++
		} else {
			if c.leaks[p.name] == nil {
				c.leaks[p.name], c.byClass[p.name] = map[string]int{}, map[string]int{}
			}
			c.leaks[p.name][frame.String()]++
			c.byClass[p.name][frame.class()]++
		}
		c.mu.Unlock()
	}
}

// ofHost says whether a hardware address is that of one of this machine's own interfaces.
func ofHost(mac string) bool {
	list, err := net.Interfaces()
	return err == nil && slices.ContainsFunc(list, func(i net.Interface) bool { return i.HardwareAddr.String() == mac })
}

// forget begins to count anew.
func (c *capture) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.allowed)
	clear(c.leaks)
	clear(c.byClass)
}

// crossed returns how many frames crossed a place that may.
func (c *capture) crossed(place string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.allowed[place]
}

// leaked returns how many frames crossed a place that may not, and a line for each kind, those with most frames first.
func (c *capture) leaked(place string) (frames int, kinds []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	leaks := c.leaks[place]
	for _, n := range leaks {
		frames += n
	}
	names := slices.SortedFunc(maps.Keys(leaks), func(a, b string) int {
		if leaks[a] != leaks[b] {
			return leaks[b] - leaks[a]
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		kinds = append(kinds, fmt.Sprintf("%4d × %s", leaks[name], name))
	}
	return frames, kinds
}

// Classes of leaks that one look at probes can tell apart: packets of IPv4 and IPv6 that take another way than the tunnel,
// connections that go on, DNS to any resolver, the gateway's own packets, packets to the VPN server around the tunnel, and
// those of neither TCP, UDP nor ICMP.
const (
	leakIPv4, leakIPv6, leakFlow, leakDNS, leakOwn, leakServer, leakProtocol = "L1", "L10", "L8", "L13", "L17", "L18", "L19"
	leakOther                                                                = "other"
)

// Classes of leaks by frames that only a program with all rights sends: what routers and servers of addresses say, and what
// asks for them, frames that are for many or of no protocol, and addresses that are not the sender's.
const leakNeighbour, leakDHCP, leakLink, leakSpoofed = "L12", "L24", "L20", "L21"

// forged are these classes.
var forged = []string{leakNeighbour, leakDHCP, leakLink, leakSpoofed}

// leakHost is a frame for the host's own end of a bridge, which could pass it on as a router.
const leakHost = "L26"

// forgeries are the kinds of such frames, with the class of each.
var forgeries = map[string]string{
	"rawarp": leakNeighbour, "rawrouter": leakNeighbour, "rawoffer": leakNeighbour, "rawdiscover": leakDHCP,
	"rawmulticast": leakLink, "rawtype": leakLink, "rawvlan": leakLink, "rawsource": leakSpoofed,
	"rawhost": leakHost,
}

var leakClasses = []string{leakIPv4, leakIPv6, leakFlow, leakDNS, leakOwn, leakServer, leakProtocol}

// class is the class of leaks that a frame would be.
func (p packet) class() string {
	guest, kind, _ := strings.Cut(p.probe, " ")
	switch {
	case forgeries[kind] != "":
		return forgeries[kind]
	case p.icmp(routerAdvertisement):
		return leakNeighbour
	case p.proto == udp && p.to.Port() == 67:
		return leakDHCP
	case guest == "vpn" && strings.HasPrefix(kind, "server"):
		return leakServer
	case guest == "vpn":
		return leakOwn
	case strings.HasPrefix(kind, "flow"):
		return leakFlow
	case strings.HasPrefix(kind, "dns") || kind == "resolver":
		return leakDNS
	case strings.HasPrefix(kind, "proto"):
		return leakProtocol
	case p.to.Addr() == target4:
		return leakIPv4
	case p.to.Addr() == target6:
		return leakIPv6
	}
	return leakOther
}

// classes returns how many frames of each class leaked at a place, as "L1:12".
func (c *capture) classes(place string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, class := range slices.Concat(leakClasses, forged, []string{leakHost, leakOther}) {
		if n := c.byClass[place][class]; n > 0 {
			list = append(list, fmt.Sprintf("%s:%d", class, n))
		}
	}
	return list
}

// probeMark is in what the prober sends, as far as that has a body: with the guest and the kind of the probe.
var probeMark = regexp.MustCompile(`jeos-probe_([a-z0-9-]+)_([a-z0-9]+)_`)

// packet is what a test needs to know of a frame.
type packet struct {
	kind     uint16 // of Ethernet
	from, to netip.AddrPort
	proto    byte   // of IP; for ICMP the ports of from and to are its type and code
	probe    string // "web udp4": the guest and the kind of a probe with a mark
	short    bool   // it ends before it should, or is a later part of something
	source   string // its address of Ethernet
}

// Protocols of IP, and types of ICMPv6.
const (
	icmp4, tcp, udp, icmp6 = 1, 6, 17, 58

	routerSolicitation, routerAdvertisement     = 133, 134
	neighbourSolicitation, neighbourAdvertising = 135, 136
	listenerReport                              = 143
)

func decode(data []byte) packet {
	p := packet{short: true}
	if mark := probeMark.FindSubmatch(data); mark != nil {
		p.probe = string(mark[1]) + " " + string(mark[2])
	}
	if len(data) < 14 {
		return p
	}
	p.source = net.HardwareAddr(data[6:12]).String()
	p.kind = binary.BigEndian.Uint16(data[12:])
	var from, to netip.Addr
	var body []byte
	switch rest := data[14:]; p.kind {
	case unix.ETH_P_IP:
		header := 0
		if len(rest) > 0 {
			header = int(rest[0]&15) * 4
		}
		if header < 20 || len(rest) < header || binary.BigEndian.Uint16(rest[6:])&0x1fff != 0 {
			return p
		}
		from, to = netip.AddrFrom4([4]byte(rest[12:16])), netip.AddrFrom4([4]byte(rest[16:20]))
		p.proto, body = rest[9], rest[header:]
	case unix.ETH_P_IPV6:
		if len(rest) < 40 {
			return p
		}
		from, to = netip.AddrFrom16([16]byte(rest[8:24])), netip.AddrFrom16([16]byte(rest[24:40]))
		p.proto, body = rest[6], rest[40:]
		if p.proto == 0 && len(body) >= 8 { // the hop-by-hop options of multicast listener reports
			p.proto, body = body[0], body[min(len(body), 8+8*int(body[1])):]
		}
	default:
		p.short = false
		return p
	}
	var fromPort, toPort uint16
	switch {
	case (p.proto == udp || p.proto == tcp) && len(body) >= 4:
		fromPort, toPort = binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:])
	case (p.proto == icmp4 || p.proto == icmp6) && len(body) >= 2:
		fromPort, toPort = uint16(body[0]), uint16(body[1])
	case p.proto == udp || p.proto == tcp || p.proto == icmp4 || p.proto == icmp6:
		return p
	}
	p.from, p.to, p.short = netip.AddrPortFrom(from, fromPort), netip.AddrPortFrom(to, toPort), false
	return p
}

// String says what kind of frame it is: without what changes from one to the next.
func (p packet) String() string {
	mark := ""
	if p.probe != "" {
		mark = ": " + p.probe
	}
	switch {
	case p.short:
		return fmt.Sprintf("ethernet %04x, cut%s", p.kind, mark)
	case !p.from.IsValid():
		return fmt.Sprintf("ethernet %04x%s", p.kind, mark)
	case p.proto == icmp4 || p.proto == icmp6:
		return fmt.Sprintf("icmp%s type %d code %d, %s → %s%s", map[bool]string{true: "v6"}[p.proto == icmp6], p.from.Port(), p.to.Port(), p.from.Addr(), p.to.Addr(), mark)
	case p.proto == udp || p.proto == tcp:
		from := "any"
		if p.from.Port() < 1200 {
			from = fmt.Sprint(p.from.Port())
		}
		return fmt.Sprintf("%s %s:%s → %s%s", map[byte]string{tcp: "tcp", udp: "udp"}[p.proto], p.from.Addr(), from, p.to, mark)
	}
	return fmt.Sprintf("protocol %d, %s → %s%s", p.proto, p.from.Addr(), p.to.Addr(), mark)
}

// icmp says whether it is ICMPv6 of one of some types.
func (p packet) icmp(types ...uint16) bool {
	return !p.short && p.proto == icmp6 && p.from.IsValid() && slices.Contains(types, p.from.Port())
}

// onUplink is what may cross between the gateways: the encrypted tunnel, and what finds the other end.
func onUplink(p packet) bool {
	server := func(a netip.AddrPort) bool {
		return a.Port() == vpnPort && (a.Addr() == server4 || a.Addr() == server6)
	}
	return p.probe == "" && (p.kind == unix.ETH_P_ARP || p.icmp(neighbourSolicitation, neighbourAdvertising) ||
		!p.short && p.proto == udp && (server(p.to) || server(p.from)))
}

// onAir is what the guest with the radio may send: what is its own, which goes out in clear, and the encrypted tunnel. It
// never has business with the targets.
func onAir(p packet) bool {
	site := append(slices.Clone(tunnelNetworks), netip.MustParsePrefix("10.64.0.0/24"), netip.MustParsePrefix("10.66.0.0/24"), netip.MustParsePrefix("fd64:6a65:6f73::/48"))
	strange := func(a netip.Addr) bool {
		return within(a, site) || slices.Contains([]netip.Addr{target4, target6, resolver4, resolver6, spoofed4, spoofed6}, a)
	}
	return p.probe == "" && !p.short && !strange(p.from.Addr()) && !strange(p.to.Addr())
}
