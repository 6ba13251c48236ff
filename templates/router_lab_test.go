//go:build lab

package templates_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"jeos/internal/wire"
)

// TestLabRouter sends from the vpn guest, without any of its guards, all that it should not send, and looks at what the
// wifi guest makes of it, with a radio and with a cable.
func TestLabRouter(t *testing.T) {
	for _, outside := range []string{"wlan0", "wan"} {
		t.Run(outside, func(t *testing.T) { testRouter(t, newLabBy(t, outside)) })
	}
}

func testRouter(t *testing.T, l *lab) {
	server := netip.MustParseAddr("198.51.100.10")
	beyond := newCapture(t, l.internet.node, "ap0", l.wifi, l.outside, judgeUplink(
		append(addresses("192.168.43.2", "2001:db8:43::2"), linkLocal("02:00:00:00:00:00")),
		append(addresses("192.168.43.1", "2001:db8:43::1"), linkLocal("02:00:00:00:01:00")),
		[]endpoint{{server, syscall.IPPROTO_UDP, 1194}}))
	l.boot(false)
	var frames [][]byte
	add := func(p []byte) {
		kind := uint16(0x800)
		if p[0]>>4 == 6 {
			kind = 0x86dd
		}
		frames = append(frames, wire.Ethernet(hardware(wifiMAC), hardware(uplinkMAC), kind, p))
	}
	const own4, own6 = "10.64.0.3", "fd64::3"
	for _, target := range []string{target4, publicDNS, "192.168.43.1", unpinned} {
		add(wire.UDP(own4, target, 4001, 53, tagged("R")))
		add(wire.UDP(own4, target, 4001, 1194, tagged("R")))
		add(wire.TCP(own4, target, 4001, 80, wire.SYN, tagged("R")))
		add(wire.Ping(own4, target, tagged("R")))
		add(wire.IP(own4, target, 47, 64, []byte(tagged("R")+"........")))
	}
	add(wire.UDP(own4, server.String(), 4001, 1195, tagged("R")))
	add(wire.TCP(own4, server.String(), 4001, 1194, wire.SYN, tagged("R")))
	add(wire.UDP("10.64.0.77", server.String(), 4001, 1194, tagged("R"))) // not the client's address
	add(wire.UDP("10.66.0.3", server.String(), 4001, 1194, tagged("R")))  // a guest behind it
	add(wire.UDP(own6, target6, 4001, 1194, tagged("R")))
	add(wire.Ping(own6, target6, tagged("R")))
	fd := 0
	l.vpn.inside(func() (err error) {
		fd, err = openPacketSocket("uplink")
		return err
	})
	defer unix.Close(fd)
	send := func() window {
		beyond.take()
		for range 3 {
			for _, f := range frames {
				unix.Write(fd, f)
			}
			unix.Write(fd, wire.Ethernet(hardware(wifiMAC), hardware(uplinkMAC), 0x800, wire.UDP(own4, server.String(), 4001, 1194, "encrypted")))
			time.Sleep(100 * time.Millisecond)
		}
		return beyond.take()
	}
	closed := send()
	if closed.leaked() > 0 || closed.good < 3 {
		t.Errorf("%d frames of the tunnel pass, and besides %v\n%s", closed.good, closed.counts, strings.Join(closed.shown, "\n"))
	}
	if out, err := l.wifi.try("/usr/local/lib/jeos/router", "check"); err != nil || out != "closed\n" {
		t.Errorf("the guard says %q, %v", out, err)
	}
	// As long as the radio has no address, the kernel translates to one of another card.
	l.wifi.sh(strings.ReplaceAll("ip -4 address flush dev CARD; ip -4 route add default via 192.168.43.1 dev CARD onlink; "+
		"ip neigh replace 192.168.43.1 lladdr 02:00:00:00:01:00 dev CARD nud permanent", "CARD", l.outside))
	inside := func() int {
		beyond.take()
		for range 3 {
			unix.Write(fd, wire.Ethernet(hardware(wifiMAC), hardware(uplinkMAC), 0x800, wire.UDP(own4, server.String(), 4002, 1194, tagged("T"))))
			time.Sleep(100 * time.Millisecond)
		}
		return beyond.take().counts["T"]
	}
	if n := inside(); n > 0 {
		t.Errorf("%d packets leave with an address of the inside", n)
	}
	l.wifi.run("nft", "flush", "chain", "inet", "jeos", "postrouting")
	if inside() == 0 {
		t.Error("no packet leaves with an address of the inside, although nothing stops it: the test is blind")
	}
	l.wifi.run("ip", "address", "add", "192.168.43.2/24", "dev", l.outside)
	l.wifi.run("nft", "flush", "ruleset")
	if out, err := l.wifi.try("/usr/local/lib/jeos/router", "check"); err == nil {
		t.Errorf("without rules the guard says %q", out)
	}
	open := send()
	if open.counts["R"] == 0 {
		t.Error("nothing passes without the router's rules: the test is blind")
	}
	record(t, fmt.Sprintf("| class | what | closed by | frames | without |\n|---|---|---|---|---|\n"+
		"| – | a vpn guest without guards, beyond the wifi guest, by "+l.outside+" | the wifi guest's rules | %d | %d |\n", closed.leaked(), open.leaked()))
}

// TestLabAdvertisedRouter has a router beyond the uplink offer itself (L11).
func TestLabAdvertisedRouter(t *testing.T) {
	l := newLab(t)
	state := func() string {
		return l.vpn.run("sh", "-c", "ip -6 -o address show dev uplink scope global | awk '{print $4}'; ip -6 route show table all | sed 's/ expires.*//' | sort")
	}
	changes := map[bool]int{}
	for _, open := range []bool{false, true} {
		l.reset()
		l.boot(true)
		l.vpn.start("jeos-gateway.service")
		if open {
			l.vpn.sh("nft flush ruleset; sysctl -q -w net.ipv6.conf.all.accept_ra=2 net.ipv6.conf.uplink.accept_ra=2 net.ipv6.conf.uplink.autoconf=1")
		}
		before := state()
		if redirects := l.vpn.run("sh", "-c", "cat /proc/sys/net/ipv[46]/conf/*/accept_redirects | sort -u"); !open && redirects != "0\n" {
			t.Errorf("redirects are taken somewhere: %q", redirects)
		}
		router := linkLocal(wifiMAC).String()
		for range 5 {
			l.inject(wire.Ethernet(hardware("33:33:00:00:00:01"), hardware(wifiMAC), 0x86dd, wire.RouterAdvertisement(router, "2001:db8:bad::")))
			time.Sleep(100 * time.Millisecond)
		}
		known := strings.Split(before, "\n")
		for _, line := range strings.Split(state(), "\n") {
			if !slices.Contains(known, line) {
				changes[open]++
				if !open {
					t.Errorf("new: %s", line)
				}
			}
		}
	}
	if changes[true] == 0 {
		t.Error("a gateway that listens to routers does not change: the test is blind")
	}
	record(t, fmt.Sprintf("| class | what | closed by | changed routes and addresses | without |\n|---|---|---|---|---|\n"+
		"| L11 | a router that advertises itself and a prefix | settings, rules | %d | %d |\n", changes[false], changes[true]),
		tally{"L11", changes[false], changes[true]})
}
