//go:build lab

package templates_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"jeos/internal/wire"
)

// probe is a frame that a guest sends again and again. Its text names the class of leak that it is about.
type probe struct {
	tag   string
	frame []byte
}

func tagged(tag string) string { return "jeos:" + tag + ";" }

// insideProbes are all that a guest behind the gateway tries to get out with, whatever its kernel would say about it.
func insideProbes(mac, gateway net.HardwareAddr) (all []probe) {
	const own4, own6 = "10.66.0.3", "fd66::3"
	add := func(tag string, p []byte) {
		kind := uint16(unix.ETH_P_IP)
		if p[0]>>4 == 6 {
			kind = unix.ETH_P_IPV6
		}
		all = append(all, probe{tag, wire.Ethernet(gateway, mac, kind, p)})
	}
	pair := func(tag, target string) { // of the ways in which one talks to a target
		own := own4
		if strings.Contains(target, ":") {
			own = own6
		}
		add(tag, wire.UDP(own, target, 4001, 9999, tagged(tag)))
		add(tag, wire.TCP(own, target, 4002, 80, wire.SYN, tagged(tag)))
		add(tag, wire.Ping(own, target, tagged(tag)))
	}
	pair("plain", target4)
	pair("plain", "10.64.0.2")     // the router
	pair("plain", "198.51.100.10") // the server of the tunnel
	add("plain", wire.UDP(own4, "198.51.100.10", 4003, 1194, tagged("plain")))
	pair("L10", target6)
	pair("L10", "fd64::2")
	add("L10", wire.UDP(own6, "2001:db8:5::10", 4003, 1194, tagged("L10")))
	add("L6", wire.UDP(own4, unpinned, 4003, 1194, tagged("L6")))
	for _, resolver := range []string{publicDNS, "10.64.0.2", "192.168.43.1", "198.51.100.10"} {
		add("L13", wire.UDP(own4, resolver, 4004, 53, tagged("L13")))
		add("L13", wire.TCP(own4, resolver, 4004, 53, wire.SYN, tagged("L13")))
	}
	add("L13", wire.UDP(own6, publicDNS6, 4004, 53, tagged("L13")))
	for _, port := range []uint16{853, 443} {
		add("L14", wire.TCP(own4, publicDNS, 4005, port, wire.SYN, tagged("L14")))
		add("L14", wire.UDP(own4, publicDNS, 4005, port, tagged("L14")))
	}
	for _, proto := range []byte{4, 41, 47, 50, 51, 132, 253} {
		add("L19", wire.IP(own4, target4, proto, 64, []byte(tagged("L19")+"........")))
		add("L19", wire.IP(own6, target6, proto, 64, []byte(tagged("L19")+"........")))
	}
	for _, group := range []string{"224.0.0.251", "239.255.255.250", "255.255.255.255", "10.66.0.255", "10.64.0.255"} {
		add("L20", wire.UDP(own4, group, 5353, 5353, tagged("L20")))
		add("L20", wire.UDP(own4, group, 68, 67, tagged("L20")))
	}
	add("L20", wire.UDP(own6, "ff02::fb", 5353, 5353, tagged("L20")))
	add("L20", wire.UDP(own6, "ff05::1:3", 546, 547, tagged("L20")))
	for _, kind := range []uint16{0x88cc, 0x88b5, 0x8863, 0x888e} {
		all = append(all, probe{"L20", wire.Ethernet(gateway, mac, kind, []byte(tagged("L20")+strings.Repeat(".", 46)))})
	}
	tag := binary.BigEndian.AppendUint16([]byte{0, 5}, unix.ETH_P_IP)
	all = append(all, probe{"L20", wire.Ethernet(gateway, mac, 0x8100, append(tag, wire.UDP(own4, target4, 4001, 9999, tagged("L20"))...))})
	for _, src := range []string{"10.64.0.3", "10.64.0.2", "10.8.0.2", "203.0.113.5", "127.0.0.1"} {
		add("L21", wire.UDP(src, target4, 4006, 9999, tagged("L21")))
		add("L21", wire.TCP(src, target4, 4006, 80, wire.SYN, tagged("L21")))
		add("L21", wire.Ping(src, target4, tagged("L21")))
	}
	for _, src := range []string{"fd64::3", "fd08::2", "2001:db8:1::5", "::ffff:10.66.0.3"} {
		add("L21", wire.UDP(src, target6, 4006, 9999, tagged("L21")))
	}
	add("L23", wire.IP(own4, target4, unix.IPPROTO_UDP, 1, wire.UDP(own4, target4, 4007, 33434, tagged("L23"))[20:]))
	add("L23", wire.UDP(own4, target4, 4007, 9999, tagged("L23")+strings.Repeat(".", 1460)))
	add("L25", wire.UDP(own4, bypassed, 4008, 9999, tagged("L25")))
	return all
}

// prober sends all probes of a guest every few moments.
type prober struct{ stop func() }

func startInside(t *testing.T, n *node, device string, probes []probe) *prober {
	t.Helper()
	var fd int
	n.inside(func() (err error) {
		fd, err = openPacketSocket(device)
		return err
	})
	p := every(t, 100*time.Millisecond, func() {
		for _, probe := range probes {
			unix.Write(fd, probe.frame) // a card that is down takes none
		}
	})
	t.Cleanup(func() { unix.Close(fd) })
	return p
}

func every(t *testing.T, interval time.Duration, f func()) *prober {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			f()
			select {
			case <-stop:
				return
			case <-time.After(interval):
			}
		}
	}()
	p := &prober{stop: func() {}}
	end := func() { close(stop); <-done; p.stop = func() {} }
	p.stop = end
	t.Cleanup(func() { p.stop() })
	return p
}

// startOwn sends what programs on the gateway itself send, whoever runs them: packets without the mark of the tunnel; one
// with it, to a server that is not an endpoint; and one from a socket that is bound to the uplink.
func startOwn(t *testing.T, n *node) *prober {
	t.Helper()
	var sockets []int
	socket := func(family, option, value int) int {
		fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		if option != 0 {
			err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, value)
		}
		if err != nil {
			t.Fatal(err)
		}
		sockets = append(sockets, fd)
		return fd
	}
	var plain4, plain6, marked, bound int
	n.inside(func() error {
		plain4, plain6 = socket(unix.AF_INET, 0, 0), socket(unix.AF_INET6, 0, 0)
		marked = socket(unix.AF_INET, unix.SO_MARK, tunnelMark)
		bound = socket(unix.AF_INET, 0, 0)
		return unix.BindToDevice(bound, "uplink")
	})
	send := func(fd int, tag, target string) {
		to := netip.MustParseAddrPort(target)
		if to.Addr().Is6() {
			unix.Sendto(fd, []byte(tagged(tag)), 0, &unix.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port())})
		} else {
			unix.Sendto(fd, []byte(tagged(tag)), 0, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
		}
	}
	p := every(t, 100*time.Millisecond, func() {
		for _, target := range []string{target4 + ":9999", publicDNS + ":53", "10.64.0.2:53", "192.168.43.1:123", bypassed + ":9999"} {
			send(plain4, "L17", target)
		}
		for _, target := range []string{"[" + target6 + "]:9999", "[" + publicDNS6 + "]:53", "[fd64::2]:53"} {
			send(plain6, "L17", target)
		}
		send(plain4, "L18", "198.51.100.10:1194")
		send(plain6, "L18", "[2001:db8:5::10]:1194")
		send(marked, "L6", unpinned+":1194")
		send(bound, "bound", boundTarget+":9999")
	})
	t.Cleanup(func() {
		p.stop()
		for _, fd := range sockets {
			unix.Close(fd)
		}
	})
	return p
}
