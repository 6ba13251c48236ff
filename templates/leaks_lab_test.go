//go:build lab

package templates_test

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"jeos/internal/wire"
)

// The two guards of the gateway guest that keep packets in, each without the help of the other.
type guards int

const (
	rules  guards = 1 << iota // of nft
	routes                    // policy routing
	none   guards = 0
	both          = rules | routes
)

// leak is a class of leaks.
type leak struct {
	class, what string
	closedBy    guards
	byItself    string // why nothing leaks even without the guards, if so
}

// leaks are the classes that are provoked with every set of guards. Those by which a frame is tagged are counted all the
// time; the others while the event of that name lasts.
var leaks = []leak{
	{"L1", "client ends (TERM), default route falls back", both, ""},
	{"L1b", "routes of the tunnel flushed, interface down", both, ""},
	{"L4", "client killed again and again (KILL)", both, ""},
	{"L5", "soft restarts (USR1, HUP), silent server, pushed ping-exit", both, ""},
	{"L6", "packets to a server that is not pinned, with the tunnel's mark too", both, ""},
	{"L7", "rules loaded 30 times under load, or flushed", both, ""},
	{"L8", "flows of UDP that were established through the tunnel", both, ""},
	{"L10", "IPv6, with an advertised router", both, ""},
	{"L13", "DNS to any resolver", both, ""},
	{"L14", "DNS over TLS, HTTPS and QUIC to any resolver", both, ""},
	{"L15", "query, while there is no tunnel, to a forwarder that is not bound to it", both, ""},
	{"L17", "the gateway's own packets", both, ""},
	{"bound", "the gateway's own packets, bound to the uplink", rules, ""},
	{"L18", "packets without the mark to the server's address and port", both, ""},
	{"L19", "other protocols (4, 41, 47, 50, 51, 132, 253)", both, ""},
	{"L20", "multicast, broadcast, unknown ethertypes, VLAN", both, "no kernel routes them"},
	{"L21", "spoofed sources", both, ""},
	{"L22", "packets to the tunnel's and inside addresses by the uplink, ARP for them", both, ""},
	{"L23", "hop limit 1 and too large: errors with inside addresses", both, ""},
	{"L25", "a route past the tunnel that the server pushes, to a client that takes it", both, ""},
	{"plain", "UDP, TCP and ping to the internet, the router, the server", both, ""},
}

// untagged are the classes that are events.
var untagged = []string{"L1", "L1b", "L4", "L5", "L7", "L22"}

// counts are frames by class.
type counts map[string]int

// TestLabLeaks provokes every class of leaks with all guards, with one of the two removed, and without any. What a guard
// is said to close must be closed by it alone, and nothing else may be; without guards everything must leak, or the test
// is blind.
func TestLabLeaks(t *testing.T) {
	results := map[guards]counts{}
	for _, g := range []guards{both, routes, rules, none} {
		name := map[guards]string{both: "all guards", routes: "without rules", rules: "without routes", none: "without both"}[g]
		t.Run(name, func(t *testing.T) { results[g] = provoke(t, g) })
	}
	if t.Failed() {
		return
	}
	var table strings.Builder
	var tallies []tally
	table.WriteString("With every set of the gateway's two guards, in frames that left it by the uplink and were not allowed:\n\n")
	table.WriteString("| class | what | closed by | frames | without rules | without routes | without both |\n|---|---|---|---|---|---|---|\n")
	for _, leak := range leaks {
		for g, counts := range results {
			frames := counts[leak.class]
			switch closed := g&leak.closedBy != 0 || leak.byItself != ""; {
			case closed && frames > 0:
				t.Errorf("%s (%s): %d frames with the guards %v", leak.class, leak.what, frames, g)
			case !closed && frames == 0:
				t.Errorf("%s (%s): nothing leaks with the guards %v: the test is blind, or there is a guard more", leak.class, leak.what, g)
			}
		}
		by := leak.closedBy.String()
		if leak.byItself != "" {
			by += "; " + leak.byItself
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %d | %d | %d | %d |\n", leak.class, leak.what, by,
			results[both][leak.class], results[routes][leak.class], results[rules][leak.class], results[none][leak.class])
		c := tally{leak.class, 0, results[none][leak.class]}
		for g, counts := range results {
			if g&leak.closedBy != 0 {
				c.frames += counts[leak.class]
			}
		}
		if leak.byItself != "" {
			c.without = unopened
		}
		tallies = append(tallies, c)
	}
	record(t, table.String(), tallies...)
}

func (g guards) String() string {
	return map[guards]string{none: "none", rules: "rules", routes: "routes", both: "rules, routes"}[g]
}

// provocation is one run through all events.
type provocation struct {
	*lab
	t      *testing.T
	guards guards
	counts counts
	tagged []string

	servers []*service
}

func provoke(t *testing.T, g guards) counts {
	l := newLab(t)
	p := &provocation{lab: l, t: t, guards: g, counts: counts{}}
	for _, leak := range leaks {
		if !slices.Contains(untagged, leak.class) {
			p.tagged = append(p.tagged, leak.class)
		}
	}
	p.servers = l.internet.servers(t)
	l.boot(true)
	l.vpn.start("jeos-gateway.service")
	l.dns = l.vpn.service("jeos-dns.service")
	l.tunnel()
	l.works()
	l.uplink.take()

	p.removeGuards()
	inside := startInside(t, l.web, "lan", insideProbes(hardware(webMAC), hardware(lanMAC)))
	own := startOwn(t, l.vpn)
	flows := p.startFlows()
	advertised := every(t, 200*time.Millisecond, p.advertise)
	p.connected()
	p.disconnected()
	p.restarts()
	for _, prober := range []*prober{inside, own, flows, advertised} {
		prober.stop()
	}
	p.pushedRoute()
	if g == both {
		if out, err := l.vpn.try("/usr/local/lib/jeos/gateway", "check"); err != nil || out != "closed\n" {
			t.Errorf("in the end the guard says %q, %v", out, err)
		}
	}
	return p.counts
}

// removeGuards leaves the gateway as it would be without jeos's guards: no rules; or the routes of an ordinary router with
// an ordinary VPN, where packets go into the tunnel while there is one and to the default route of the uplink otherwise.
func (p *provocation) removeGuards() {
	if p.guards&rules == 0 {
		p.vpn.sh("nft flush ruleset")
	}
	if p.guards&routes == 0 {
		p.vpn.sh(`
			for f in -4 -6; do
				for priority in 1001 1002 1003 1004 1005 1009; do
					while ip $f rule del priority $priority 2>/dev/null; do :; done
				done
				ip $f rule add priority 1000 fwmark 0x6a656f73 lookup main
				ip $f rule add priority 1001 lookup main suppress_prefixlength 0
				ip $f rule add priority 1002 lookup 100
				ip $f route del prohibit default metric 4294967295 table 100
			done
			ip route add default via 10.64.0.2 dev uplink
			ip -6 route add default via fd64::2 dev uplink`)
	}
	if p.guards == none {
		p.vpn.sh("for i in all uplink; do sysctl -q -w net.ipv4.conf.$i.arp_ignore=0 net.ipv6.conf.$i.accept_ra=2 net.ipv4.conf.$i.rp_filter=0; done")
	}
}

// during counts what an event lets out: all of it for the class of the event, and what is tagged for the classes of the
// tags.
func (p *provocation) during(class string, event func()) {
	p.t.Helper()
	p.count("")
	event()
	p.count(class)
}

func (p *provocation) count(class string) {
	p.t.Helper()
	but := []string{"chatter", "bound"} // as window.leaked does; the other is for no event, since rules alone hold it
	w := p.uplink.take()
	for _, tag := range p.tagged {
		p.counts[tag] += w.counts[tag]
	}
	if class != "" {
		p.counts[class] += w.total(but...)
	} else if p.guards == both && w.total("chatter") > 0 {
		p.t.Logf("between the events: %v\n%s", w.counts, strings.Join(w.shown, "\n"))
	}
	if p.guards != none && w.total(but...) > 0 {
		p.t.Logf("%s: %v\n%s", class, w.counts, strings.Join(w.shown[:min(8, len(w.shown))], "\n"))
	}
}

// startFlows keeps two flows of UDP going, which are established while there is a tunnel.
func (p *provocation) startFlows() *prober {
	var flows []*flow
	for _, target := range []string{target4, target6} {
		flows = append(flows, p.flow(target))
	}
	return every(p.t, 50*time.Millisecond, func() {
		for _, f := range flows {
			f.send(tagged("L8"))
		}
	})
}

// advertise is what a router beyond the uplink says about itself.
func (p *provocation) advertise() {
	router := linkLocal(wifiMAC).String()
	p.inject(wire.Ethernet(hardware("33:33:00:00:00:01"), hardware(wifiMAC), 0x86dd, wire.RouterAdvertisement(router, "2001:db8:bad::")))
}

// connected is the time while the tunnel works.
func (p *provocation) connected() {
	p.t.Helper()
	time.Sleep(600 * time.Millisecond)
	p.during("L22", func() {
		from := hardware(wifiMAC)
		to := hardware(uplinkMAC)
		for range 3 {
			for _, address := range []string{"10.8.0.2", "10.66.0.2", "10.66.0.3"} {
				p.inject(wire.Ethernet(to, from, 0x800, wire.TCP("10.64.0.2", address, 80, 4100, wire.SYN|wire.ACK, "")))
				p.inject(wire.Ethernet(to, from, 0x800, wire.UDP("10.64.0.2", address, 80, 4100, "")))
				p.inject(wire.Ethernet(to, from, 0x800, wire.Ping("10.64.0.2", address, "")))
				p.inject(wire.Ethernet(hardware("ff:ff:ff:ff:ff:ff"), from, 0x806, wire.ARPRequest(from, "10.64.0.2", address)))
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

// disconnected is the time after the client has ended.
func (p *provocation) disconnected() {
	p.t.Helper()
	p.during("L1", func() {
		p.client.stop(syscall.SIGTERM)
		time.Sleep(time.Second)
	})
	p.count("")
	for range 3 {
		p.ask("udp", "10.66.0.2:53", query("jeos:L15;.example.org"))
	}
	if w := p.uplink.take(); w.counts["L15"] > 0 {
		p.t.Errorf("L15: the forwarder asks past the tunnel: %s", strings.Join(w.shown, "\n"))
	}
	p.dns.stop(syscall.SIGTERM)
	p.vpn.sh("sed s/@tun0// /etc/jeos/dnsmasq.conf >/run/dnsmasq.conf && cat /run/dnsmasq.conf >/etc/jeos/dnsmasq.conf")
	p.dns = p.vpn.service("jeos-dns.service")
	p.dns.said("started", 0)
	for range 3 {
		p.ask("udp", "10.66.0.2:53", query("jeos:L15;.example.org"))
	}
	p.count("")
	p.during("L7", func() {
		if p.guards&rules == 0 {
			p.vpn.sh("nft flush ruleset")
			time.Sleep(500 * time.Millisecond)
			return
		}
		for range 30 {
			p.vpn.run(strings.Fields(p.vpn.unit("jeos-gateway.service")["ExecStart"][0])...)
		}
	})
}

// restarts is the time of a client that comes and goes.
func (p *provocation) restarts() {
	p.t.Helper()
	p.during("L4", func() {
		for range 5 {
			p.client = p.vpn.service("jeos-openvpn.service", quick...)
			time.Sleep(300 * time.Millisecond)
			p.client.stop(syscall.SIGKILL)
		}
		p.tunnel()
		time.Sleep(200 * time.Millisecond)
		p.client.stop(syscall.SIGKILL)
		time.Sleep(300 * time.Millisecond)
	})
	p.tunnel()
	p.during("L5", func() {
		for _, signal := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGHUP} {
			before := p.client.count(completed)
			p.client.signal(signal)
			p.client.said(completed, before)
		}
		before := p.client.count(completed)
		restarts := p.client.count("process restarting")
		for _, s := range p.servers {
			s.signal(syscall.SIGSTOP)
		}
		p.client.said("process restarting", restarts)
		for _, s := range p.servers {
			s.signal(syscall.SIGCONT)
		}
		p.client.said(completed, before)
	})
	if p.guards == both {
		p.works()
	}
	p.during("L1b", func() {
		p.vpn.sh("ip route flush dev tun0; ip -6 route flush dev tun0; ip link set tun0 down; ip route flush table 100 type unicast || :")
		time.Sleep(500 * time.Millisecond)
	})
	p.client.stop(syscall.SIGTERM)
}

// pushedRoute has a client without route-nopull take what the hostile server pushes.
func (p *provocation) pushedRoute() {
	p.t.Helper()
	p.vpn.sh("grep -v route-nopull /etc/openvpn/client/jeos.conf >/run/jeos-openvpn/pull && cat /run/jeos-openvpn/pull >/etc/openvpn/client/jeos.conf")
	p.tunnel()
	all := slices.DeleteFunc(insideProbes(hardware(webMAC), hardware(lanMAC)), func(p probe) bool { return p.tag != "L25" })
	p.count("")
	inside := startInside(p.t, p.web, "lan", all)
	time.Sleep(400 * time.Millisecond)
	inside.stop()
	p.count("")
	p.client.stop(syscall.SIGTERM)
}

// TestLabOracle makes sure that the capture sees every probe: sent by the uplink itself, none is taken for something else.
func TestLabOracle(t *testing.T) {
	l := newLab(t)
	l.boot(false)
	l.uplink.take()
	probes := insideProbes(hardware(uplinkMAC), hardware(wifiMAC))
	want, tags := map[string]int{}, map[string]bool{"L8": true, "L15": true, "L17": true, "L18": true, "bound": true}
	fd := 0
	l.vpn.inside(func() (err error) {
		fd, err = openPacketSocket("uplink")
		return err
	})
	defer unix.Close(fd)
	for _, p := range probes {
		want[p.tag]++
		tags[p.tag] = true
		if _, err := unix.Write(fd, p.frame); err != nil {
			t.Fatal(err)
		}
	}
	got := l.uplink.take().counts
	for tag, n := range want {
		if got[tag] != n {
			t.Errorf("%d of %d probes of %s are seen", got[tag], n, tag)
		}
	}
	for _, leak := range leaks {
		if !slices.Contains(untagged, leak.class) && !tags[leak.class] {
			t.Errorf("there is no probe of %s", leak.class)
		}
	}
}
