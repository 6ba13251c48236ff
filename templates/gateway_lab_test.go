//go:build lab

package templates_test

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLabGateway is a gateway as guests behind it know it: what works, what is refused, and how fast.
func TestLabGateway(t *testing.T) {
	l := newLab(t)
	l.internet.servers(t)
	l.boot(true)
	l.vpn.start("jeos-gateway.service")
	l.dns = l.vpn.service("jeos-dns.service")
	l.dns.said("started", 0)
	unreachable := func(when string) {
		t.Helper()
		for _, address := range []string{target4 + ":7777", "[" + target6 + "]:7777"} {
			if got := l.ask("udp", address, "hello"); got == "hello" || strings.Contains(got, "timeout") {
				t.Errorf("%s, %s says %q: it should be refused at once", when, address, got)
			}
		}
	}
	unreachable("without a tunnel")
	if got := l.ask("udp", "10.66.0.2:53", query("example.org")); len(got) > 3 && got[3]&15 == 0 {
		t.Errorf("without a tunnel the resolver answers %q", got)
	}
	l.tunnel()
	l.works()

	for _, address := range []string{"10.66.0.2:53", publicDNS + ":53", "10.64.0.2:53", "[fd66::2]:53", "[" + publicDNS6 + "]:53"} {
		if got := l.ask("udp", address, query("example.org")); !strings.Contains(got, "\xcb\x00\x71\x50") {
			t.Errorf("the resolver %s answers %q", address, got)
		}
	}
	for resolver, count := range l.internet.queries {
		inTunnel := resolver == "10.8.0.1" || resolver == "fd08::1"
		if n := count.Load(); !inTunnel && n > 0 {
			t.Errorf("the resolver %s has seen %d queries", resolver, n)
		}
	}
	if got := l.ask("tcp", publicDNS+":443", "hello"); got != "hello" {
		t.Errorf("port 443 says %q", got)
	}
	if got := l.ask("tcp", publicDNS+":853", "hello"); !strings.Contains(got, "refused") {
		t.Errorf("port 853 says %q", got)
	}
	if large := strings.Repeat("jeos", 300); l.ask("udp", target4+":7777", large) != large {
		t.Error("packets of 1200 bytes do not pass")
	}
	bulk(t, l)
	if got := l.web.run("/usr/local/lib/jeos/wait-gateway", "5"); got != "10.66.0.2 answers\n" {
		t.Errorf("wait-gateway says %q", got)
	}
	own := l.vpn.run("sh", "-euc", "exec 2>&1; ping -c 1 -W 2 "+target4+"; ping -c 1 -W 2 "+target6+"")
	if strings.Count(own, " 0% packet loss") != 2 {
		t.Errorf("the gateway itself has no way out: %s", own)
	}

	l.client.stop(syscall.SIGTERM)
	unreachable("after the tunnel")
	l.client = nil
	l.reset()
	l.web.run("ip", "neigh", "flush", "dev", "lan") // as if some time had passed
	if out, err := l.web.try("/usr/local/lib/jeos/wait-gateway", "2"); err == nil || out != "10.66.0.2 does not answer\n" {
		t.Errorf("without a gateway wait-gateway says %q, %v", out, err)
	}
}

// TestLabCable has a tunnel go through a router with a wired way out.
func TestLabCable(t *testing.T) {
	l := newLabBy(t, "wan")
	l.internet.servers(t)
	l.boot(true)
	l.vpn.start("jeos-gateway.service")
	l.dns = l.vpn.service("jeos-dns.service")
	l.tunnel()
	l.works()
}

// bulk sends a megabyte to the target and back, in segments as large as they can be (L34).
func bulk(t *testing.T, l *lab) {
	t.Helper()
	script := `import socket, sys
s = socket.create_connection((sys.argv[1], 7777), 5)
s.settimeout(5)
data = b"jeos" * 16384
for _ in range(16):
    s.sendall(data)
    got = 0
    while got < len(data):
        part = s.recv(65536)
        assert part
        got += len(part)
`
	for _, target := range []string{target4, target6} {
		if out, err := l.web.try("python3", "-c", script, target); err != nil {
			t.Errorf("a megabyte to %s and back: %v\n%s", target, err, out)
		}
	}
	record(t, "", tally{"L34", 0, unopened})
}

// TestLabGatewayWithoutIPv6 is a tunnel without IPv6: it is refused at once, and what the server gives is not taken.
func TestLabGatewayWithoutIPv6(t *testing.T) {
	l := newLab(t)
	g := l.vpnGuest()
	g.block = strings.ReplaceAll(g.block, "ipv6     = true", "ipv6     = false")
	l.files.vpn = render(t, g)
	l.internet.servers(t)
	l.boot(true)
	l.vpn.start("jeos-gateway.service")
	l.tunnel()
	l.web.until(5*time.Second, "the tunnel carries IPv4", func() bool { return l.reaches(target4) })
	if got := l.ask("udp", "["+target6+"]:7777", "hello"); got == "hello" || strings.Contains(got, "timeout") {
		t.Errorf("IPv6 says %q: it should be refused at once", got)
	}
	if got := l.vpn.run("ip", "-6", "address", "show", "dev", "tun0", "scope", "global"); got != "" {
		t.Errorf("the tunnel has taken an address: %s", got)
	}
}

// TestLabGuard has somebody on the gateway take guards away, which the guard must notice.
func TestLabGuard(t *testing.T) {
	l := newLab(t)
	l.boot(true)
	check := func() string {
		out, err := l.vpn.try("/usr/local/lib/jeos/gateway", "check")
		if (err == nil) != (out == "closed\n") {
			t.Errorf("the guard says %q and ends with %v", out, err)
		}
		return strings.TrimSpace(out)
	}
	const foreign = "open: rules or routes are not those of jeos-gateway.service"
	if got := check(); got != "open: rules of nft are missing" {
		t.Errorf("before anything was done the guard says %q", got)
	}
	for _, c := range []struct{ name, do, want string }{
		{"nothing is done", ":", "closed"},
		{"the unit runs again", "/usr/sbin/nft -f /etc/jeos/gateway.nft && /usr/local/lib/jeos/gateway open", "closed"},
		{"a network card comes and goes", "ip link add new type veth peer name newer; ip link set new up; ip link del new", "closed"},
		{"a rule is put first", "nft insert rule inet jeos forward accept", foreign},
		{"a rule is gone", "nft flush chain ip jeos prerouting", foreign},
		{"a policy is another", "nft add chain inet jeos output '{ policy accept; }'", "open: rules of nft are missing"},
		{"a table is gone", "nft delete table ip6 jeos", foreign},
		{"all is gone", "nft flush ruleset", "open: rules of nft are missing"},
		{"a routing rule is gone", "ip rule del priority 1009", foreign},
		{"a routing rule is put first", "ip -6 rule add priority 5 lookup main", foreign},
		{"the last route is gone", "ip route flush table 100", foreign},
	} {
		l.vpn.sh("ip -6 rule del priority 5 2>/dev/null || :")
		l.vpn.start("jeos-gateway.service")
		if got := check(); got != "closed" {
			t.Fatalf("after its start the guard says %q", got)
		}
		l.vpn.sh(c.do)
		if got := check(); got != c.want {
			t.Errorf("%s: the guard says %q, want %q", c.name, got, c.want)
		}
	}
	l.vpn.sh("ip -6 rule del priority 5 2>/dev/null || :")
	l.vpn.start("jeos-gateway.service")
	if _, err := l.vpn.oneshot("jeos-gateway.service", "ExecStopPost"); err != nil {
		t.Fatal(err)
	}
	if got := check(); got != "closed, but nothing is forwarded: jeos-gateway.service has stopped" {
		t.Errorf("after the stop the guard says %q", got)
	}
	if got := l.vpn.run("sysctl", "-n", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"); got != "0\n0\n" {
		t.Errorf("after the stop forwarding is %q", got)
	}
	if !strings.Contains(l.vpn.run("nft", "list", "ruleset"), "policy drop") {
		t.Error("the stop has taken the rules away")
	}
}
