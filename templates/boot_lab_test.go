//go:build lab

package templates_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLabBoot looks at gateways whose role has not run, cannot run, or runs late, with guests behind it that try all the
// time. Each time there is an ordinary default route by the uplink, which the role would not make.
func TestLabBoot(t *testing.T) {
	l := newLab(t)
	l.internet.servers(t)
	inside := startInside(t, l.web, "lan", insideProbes(hardware(webMAC), hardware(lanMAC)))
	defer inside.stop()
	var table strings.Builder
	var tallies []tally
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
			counts[open] = w.leaked()
			if !open && counts[open] > 0 {
				t.Errorf("%s: %s: %v\n%s", c.class, c.what, w.counts, strings.Join(w.shown[:min(10, len(w.shown))], "\n"))
			}
			if open && counts[open] == 0 {
				t.Errorf("%s: %s: nothing leaks when it is open: the test is blind", c.class, c.what)
			}
		}
		fmt.Fprintf(&table, "| %s | %s | topology, rules (the unit) | %d | %d |\n", c.class, c.what, counts[false], counts[true])
		tallies = append(tallies, tally{c.class, counts[false], counts[true]})
	}
	record(t, table.String(), tallies...)
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
