//go:build lab && all

package main_test

import (
	"strings"
	"testing"
	"time"
)

// TestLabWifiVPNGuards removes every set of guards under every way in which a tunnel can end.
func TestLabWifiVPNGuards(t *testing.T) {
	w := newWifiVPN(t)
	w.run(0, "apply", "--auto-approve", "--require-probes")
	w.mustReach()
	w.matrix(everySet(guestRules, guestRoutes, hostFilter, routerRules), tunnelEnds...)
	w.ports()
	w.report()
}

// everySet returns all sets of some guards but the empty one.
func everySet(guards ...guard) []combination {
	var list []combination
	for set := 1; set < 1<<len(guards); set++ {
		var c combination
		gone := map[string]bool{}
		for i, g := range guards {
			if set&(1<<i) != 0 {
				c.removed = append(c.removed, g)
				gone[g.name] = true
			}
		}
		if gone[guestRules.name] && gone[guestRoutes.name] {
			c.last, c.open = fromVPN, []string{leakServer}
			if gone[hostFilter.name] {
				c.last = toWifi
				if gone[routerRules.name] {
					c.last = fromAir
				}
			}
		}
		list = append(list, c)
	}
	return list
}

// ports has one workload call the other one, with what keeps them apart removed in turn: the isolated ports of the bridge,
// and the filters on their cards.
func (w *wifiVPN) ports() {
	w.t.Helper()
	call := func() {
		w.in("web", "ip neigh flush dev lan; ping -c 3 -W 1 "+w.address("mail")+"; true")
	}
	isolated := func(how string) {
		for _, g := range []string{"web", "mail"} {
			command(w.t, "bridge", "link", "set", "dev", w.port(g, "lan"), "isolated", how)
		}
	}
	w.quiet("a workload calls the other", "", call)
	isolated("off")
	w.quiet("a workload calls the other", "isolated ports", call)
	isolated("on")
	for _, g := range []string{"web", "mail"} {
		w.unfilter(g, "lan")
	}
	w.quiet("a workload calls the other", "host filters", call)
	isolated("off")
	w.watch("a workload calls the other", "isolated ports, host filters", call)
	if frames, _ := w.eyes.leaked(toMail); frames == 0 {
		w.t.Error("nothing of one workload came to the other with all guards removed, so it would not be noticed")
	}
	isolated("on")
	w.run(0, "apply", "--auto-approve")
	w.mustBeEmpty()
}

// address returns the IPv4 address of a workload.
func (w *wifiVPN) address(guest string) string {
	w.t.Helper()
	return w.in(guest, "ip -4 -o address show dev lan | sed -n 's/.* inet \\([0-9.]*\\).*/\\1/p'")
}

// port returns the host's end of a network card.
func (w *wifiVPN) port(guest, nic string) string {
	w.t.Helper()
	_, rest, _ := strings.Cut(w.device(guest, nic), "<target dev='")
	port, _, found := strings.Cut(rest, "'")
	if !found {
		w.t.Fatalf("%s of %s has no end on the host", nic, guest)
	}
	return port
}

// TestLabWifiVPNBoots restarts each gateway in every way, and everything at once, under traffic.
func TestLabWifiVPNBoots(t *testing.T) {
	w := newWifiVPN(t)
	w.run(0, "apply", "--auto-approve", "--require-probes")
	w.mustReach()
	for _, guest := range []string{"vpn", "wifi"} {
		w.reset(guest)
		w.quiet("reboot of "+guest, "", func() {
			w.in(guest, "(sleep 1; systemctl reboot) >/dev/null 2>&1 &")
			time.Sleep(bootBegins)
			w.awaitReady()
		})
		w.mustReach()
		w.quiet("end of "+guest, "", func() {
			virsh(w.t, "destroy", w.domain(guest))
			time.Sleep(settle)
			w.run(0, "apply", "--auto-approve", "--require-probes")
		})
		w.mustReach()
	}
	w.unguarded()
	w.failover()
	w.coldStart()
	w.report()
}

// bootBegins is how long a guest that restarts may still have the report of before in its mailbox.
const bootBegins = 10 * time.Second

// reset resets a guest as a button does, under traffic.
func (w *wifiVPN) reset(guest string) {
	w.quiet("reset of "+guest, "", func() {
		virsh(w.t, "reset", w.domain(guest))
		time.Sleep(bootBegins)
		w.awaitReady()
	})
	w.mustReach()
}

// coldStart ends all guests at once and starts them as a host does that boots without jeos: in no order, and here in the
// worst one, so that the workloads are up long before their gateways.
func (w *wifiVPN) coldStart() {
	w.quiet("cold start", "", func() {
		for _, g := range []string{"wifi", "vpn", "web", "mail"} {
			virsh(w.t, "destroy", w.domain(g))
		}
		for _, g := range []string{"web", "mail", "vpn", "wifi"} {
			virsh(w.t, "start", w.domain(g))
		}
		w.awaitReady()
	})
	w.mustReach()
	w.mustBeEmpty()
}

// unguarded boots the vpn guest without its rules, as if they had been forgotten: it forwards nothing. With forwarding on and
// no filter on the host this is seen.
func (w *wifiVPN) unguarded() {
	w.t.Helper()
	// Its role brings the unit back at every boot, so a condition that never holds has to keep it from its work.
	const forget = "/etc/systemd/system/jeos-gateway.service.d/forget.conf"
	w.in("vpn", "mkdir -p $(dirname "+forget+"); printf '[Unit]\\nConditionPathExists=/nowhere\\n' >"+forget+"; sync")
	w.quiet("boot without rules", "guest rules, guest routes", func() {
		virsh(w.t, "reset", w.domain("vpn"))
		time.Sleep(bootBegins)
		w.in("vpn", "systemctl is-system-running --wait")
	}, leakServer)
	if rules := w.in("vpn", "nft list ruleset"); rules != "" {
		w.t.Errorf("the vpn guest has rules, so that nothing is proved:\n%s", rules)
	}
	hostFilter.remove(w)
	w.watch("boot without rules", "guest rules, guest routes, host filter", func() {
		w.in("vpn", "sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1\n"+guestRoutesRemoved)
	})
	if frames, _ := w.eyes.leaked(toWifi); frames == 0 {
		w.t.Error("nothing leaked without any guard, so it would not be noticed")
	}
	w.in("vpn", "rm "+forget+"; sync")
	virsh(w.t, "reset", w.domain("vpn")) // until here it leaks, which is not counted
	time.Sleep(time.Second)
	w.quiet("boot with rules again", "host filter", func() {
		time.Sleep(bootBegins)
		w.awaitReady()
	})
	w.run(0, "apply", "--auto-approve")
	w.mustReach()
}

// failover takes the address away by which the server is reached: the client goes on by the other one, and by no third.
func (w *wifiVPN) failover() {
	w.quiet("the server's address gone", "", func() {
		for _, a := range []string{server4.String(), server6.String()} {
			w.net.command("ip", "addr", "del", a, "dev", "lo")
			w.in("vpn", "systemctl restart jeos-openvpn")
			w.mustReach()
			w.net.command("ip", "addr", "add", a, "dev", "lo")
		}
	})
}
