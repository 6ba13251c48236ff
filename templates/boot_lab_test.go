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
)

// TestLabBoot looks at gateways whose role has not run, cannot run, or runs late, with guests behind it that try all the
// time. Each time there is an ordinary default route by the uplink, which the role would not make.
func TestLabBoot(t *testing.T) {
	l := newLab(t)
	l.internet.servers(t)
	inside := startInside(t, l.web, "lan", insideProbes(hardware(webMAC), hardware(lanMAC)))
	defer inside.stop()
	var table strings.Builder
	table.WriteString("Forwarding that nothing but the gateway's own unit switches on, after the rules:\n\n")
	table.WriteString("| class | what | closed by | frames | without |\n|---|---|---|---|---|\n")
	for _, c := range []struct {
		class, what string
		files       bool
		before      string // shell, once the network is up
		run         func()
	}{
		{"L2", "the network is up, and the gateway's unit is masked", true, "", func() {}},
		{"L2", "the gateway's unit has rules that nft refuses", true, "echo nonsense >>/etc/jeos/gateway.nft", l.fails},
		{"L2", "the rules that are loaded drop nothing", true, "sed -i 's/policy drop/policy accept/' /etc/jeos/gateway.nft", l.fails},
		{"L3", "the role's files never came", false, "", func() {}},
		{"L9", "the gateway is reset; the network is up half a second before its unit", true, "sleep 0.5", func() {
			l.vpn.start("jeos-gateway.service")
			l.dns = l.vpn.service("jeos-dns.service")
			l.tunnel()
			l.works()
		}},
	} {
		counts := map[bool]int{}
		for _, open := range []bool{false, true} {
			l.reset()
			l.uplink.take()
			l.boot(c.files)
			l.vpn.sh("ip route add default via 10.64.0.2; ip -6 route add default via fd64::2")
			if open { // as a line in /etc/sysctl.d would
				l.vpn.sh("sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
				time.Sleep(300 * time.Millisecond)
			}
			if c.before != "" {
				l.vpn.sh(c.before)
			}
			if !open {
				c.run()
			}
			time.Sleep(500 * time.Millisecond)
			w := l.uplink.take()
			counts[open] = w.total("chatter") // what the kernel says about itself, which names no guest
			if !open && counts[open] > 0 {
				t.Errorf("%s: %s: %v\n%s", c.class, c.what, w.counts, strings.Join(w.shown[:min(10, len(w.shown))], "\n"))
			}
			if open && counts[open] == 0 {
				t.Errorf("%s: %s: nothing leaks when it is open: the test is blind", c.class, c.what)
			}
		}
		fmt.Fprintf(&table, "| %s | %s | topology, rules (the unit) | %d | %d |\n", c.class, c.what, counts[false], counts[true])
	}
	record(t, table.String())
}

// reset turns the gateway off, as one pulls a plug.
func (l *lab) reset() {
	for _, s := range []*service{l.client, l.dns} {
		if s != nil {
			s.stop(syscall.SIGKILL)
		}
	}
	if l.vpn == nil {
		return
	}
	l.vpn.end()
	l.host.until(10*time.Second, "the gateway is off", func() bool {
		_, err := l.host.try("ip", "link", "show", "dev", l.vpnPort)
		return err != nil
	})
}

// fails runs the gateway's unit, which must not succeed or leave forwarding on.
func (l *lab) fails() {
	l.t.Helper()
	if _, err := l.vpn.oneshot("jeos-gateway.service", "ExecStart"); err == nil {
		l.t.Error("the unit succeeds without rules")
	}
	if _, err := l.vpn.oneshot("jeos-gateway.service", "ExecStopPost"); err != nil {
		l.t.Error(err)
	}
	if got := l.vpn.run("sysctl", "-n", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"); got != "0\n0\n" {
		l.t.Errorf("forwarding is %q after a failure", got)
	}
}

// TestLabFailover has the client go from one pinned server to the next by all families and protocols, and to no other.
func TestLabFailover(t *testing.T) {
	l := newLab(t)
	servers := l.internet.servers(t)
	l.internet.server(t, 3, "udp4", unpinned, 1194)
	l.boot(true)
	l.vpn.start("jeos-gateway.service")
	l.uplink.take()
	l.tunnel()
	for i, want := range []string{"198.51.100.10", "2001:db8:5::10", "198.51.100.11"} {
		if i > 0 {
			before := l.client.count(completed)
			servers[i-1].stop(syscall.SIGKILL)
			l.client.said(completed, before)
		}
		l.works()
		if got := l.vpn.run("/usr/local/lib/jeos/tunnel", "probe"); got != "tunnel up, "+want+"\n" {
			t.Errorf("the probe says %q, want %s", got, want)
		}
	}
	before := l.client.count("process restarting")
	servers[2].stop(syscall.SIGKILL)
	l.client.said("process restarting", before+1)
	if out, err := l.vpn.try("/usr/local/lib/jeos/tunnel", "probe"); err == nil || !strings.HasPrefix(out, "tunnel down") {
		t.Errorf("without a server the probe says %q, %v", out, err)
	}
	w := l.uplink.take()
	if w.total() > 0 || w.good < 30 {
		t.Errorf("%d frames, and besides %v\n%s", w.good, w.counts, strings.Join(w.shown, "\n"))
	}
	record(t, fmt.Sprintf("| class | what | closed by | frames |\n|---|---|---|---|\n"+
		"| L6 | servers fail one after the other, by UDP, UDP over IPv6 and TCP, then all | rules, routes, the configuration | %d |\n"+
		"| L16 | no name is resolved on the way to any of them | the configuration | %d |\n", w.total(), w.total()))
}

// TestLabRouter sends from the vpn guest, without any of its guards, all that it should not send, and looks at what the
// wifi guest makes of it.
func TestLabRouter(t *testing.T) {
	l := newLab(t)
	server := netip.MustParseAddr("198.51.100.10")
	beyond := newCapture(t, l.internet.node, "ap0", l.wifi, "wlan0", judgeUplink(
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
		frames = append(frames, ethernet(hardware(wifiMAC), hardware(uplinkMAC), kind, p))
	}
	const own4, own6 = "10.64.0.3", "fd64::3"
	for _, target := range []string{target4, publicDNS, "192.168.43.1", unpinned} {
		add(udp(own4, target, 4001, 53, tagged("R")))
		add(udp(own4, target, 4001, 1194, tagged("R")))
		add(tcp(own4, target, 4001, 80, syn, tagged("R")))
		add(ping(own4, target, tagged("R")))
		add(packet(own4, target, 47, 64, []byte(tagged("R")+"........")))
	}
	add(udp(own4, server.String(), 4001, 1195, tagged("R")))
	add(tcp(own4, server.String(), 4001, 1194, syn, tagged("R")))
	add(udp("10.64.0.77", server.String(), 4001, 1194, tagged("R"))) // not the client's address
	add(udp("10.66.0.3", server.String(), 4001, 1194, tagged("R")))  // a guest behind it
	add(udp(own6, target6, 4001, 1194, tagged("R")))
	add(ping(own6, target6, tagged("R")))
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
			unix.Write(fd, ethernet(hardware(wifiMAC), hardware(uplinkMAC), 0x800, udp(own4, server.String(), 4001, 1194, "encrypted")))
			time.Sleep(100 * time.Millisecond)
		}
		return beyond.take()
	}
	closed := send()
	if closed.total() > 0 || closed.good < 3 {
		t.Errorf("%d frames of the tunnel pass, and besides %v\n%s", closed.good, closed.counts, strings.Join(closed.shown, "\n"))
	}
	if out, err := l.wifi.try("/usr/local/lib/jeos/router", "check"); err != nil || out != "closed\n" {
		t.Errorf("the guard says %q, %v", out, err)
	}
	l.wifi.run("nft", "flush", "ruleset")
	if out, err := l.wifi.try("/usr/local/lib/jeos/router", "check"); err == nil {
		t.Errorf("without rules the guard says %q", out)
	}
	open := send()
	if open.counts["R"] == 0 {
		t.Error("nothing passes without the router's rules: the test is blind")
	}
	record(t, fmt.Sprintf("| class | what | closed by | frames | without |\n|---|---|---|---|---|\n"+
		"| – | a vpn guest without guards, beyond the wifi guest | the wifi guest's rules | %d | %d |\n", closed.total(), open.total()))
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
			l.inject(ethernet(hardware("33:33:00:00:00:01"), hardware(wifiMAC), 0x86dd, advertisement(router, "2001:db8:bad::")))
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
		"| L11 | a router that advertises itself and a prefix | settings, rules | %d | %d |\n", changes[false], changes[true]))
}
