//go:build lab

package main_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// guard is a layer that keeps packets in, and how it is taken away and put back.
type guard struct {
	name            string
	remove, restore func(*wifiVPN)
}

// The guards that a test can remove. Each one alone has to hold.
var (
	guestRules = guard{"guest rules",
		func(w *wifiVPN) { w.in("vpn", "nft flush ruleset") },
		func(w *wifiVPN) { w.in("vpn", "nft -f /etc/jeos/gateway.nft") },
	}
	// With the way around that a DHCP client or a person might make.
	guestRoutes = guard{"guest routes",
		func(w *wifiVPN) { w.in("vpn", guestRoutesRemoved) },
		func(w *wifiVPN) {
			w.in("vpn", "ip -4 route del default dev uplink; ip -6 route del default dev uplink; /usr/local/lib/jeos/gateway open")
		},
	}
	hostFilter = guard{"host filter",
		func(w *wifiVPN) { w.unfilter("vpn", "uplink") },
		func(w *wifiVPN) { w.run(0, "apply", "--auto-approve") },
	}
	// The next hop's own rules, on the other guest.
	routerRules = guard{"router rules",
		func(w *wifiVPN) { w.in("wifi", routerRulesRemoved) },
		func(w *wifiVPN) { w.in("wifi", "nft -f /etc/jeos/router.nft") },
	}
)

const guestRoutesRemoved = `
for f in -4 -6; do
	for p in 1001 1002 1003 1004 1005 1009; do
		while ip $f rule del priority $p 2>/dev/null; do :; done
	done
	set -- $(ip $f route show dev uplink | sed -n 's/.* via \([^ ]*\).*/\1/p')
	ip $f route replace default via $1 dev uplink
done
ip -4 rule; ip -4 route; ip -6 route`

const routerRulesRemoved = `
nft -f - <<'END'
flush ruleset
table inet open {
	chain postrouting {
		type nat hook postrouting priority 100;
		oifname "wlan0" masquerade
	}
}
END`

// unfilter updates a network card by a definition without its filter, which makes libvirt drop the filter.
func (w *wifiVPN) unfilter(guest, nic string) {
	w.t.Helper()
	device := w.device(guest, nic)
	begin, end := strings.Index(device, "<filterref"), strings.Index(device, "</filterref>")+len("</filterref>")
	if end < begin || end < len("</filterref>") {
		end = begin + strings.Index(device[begin:], "/>") + 2
	}
	if begin < 0 {
		w.t.Fatalf("%s of %s has no filter:\n%s", nic, guest, device)
	}
	w.update(guest, device[:begin]+device[end:])
}

// device returns the live definition of a network card.
func (w *wifiVPN) device(guest, nic string) string {
	w.t.Helper()
	mac := w.macs[guest+"."+nic]
	for part := range strings.SplitSeq(virsh(w.t, "dumpxml", w.domain(guest)), "<interface ") {
		if body, _, found := strings.Cut(part, "</interface>"); found && strings.Contains(body, mac) {
			return "<interface " + body + "</interface>"
		}
	}
	w.t.Fatalf("%s has no %s", guest, nic)
	return ""
}

func (w *wifiVPN) update(guest, device string) {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), "device.xml")
	if err := os.WriteFile(file, []byte(device), 0o600); err != nil {
		w.t.Fatal(err)
	}
	virsh(w.t, "update-device", w.domain(guest), file, "--live")
}

// combination is a set of guards that are removed, the last place on the way where leaks of all classes must be seen then,
// if there is one, and the classes that the guards beyond it leave open.
type combination struct {
	removed []guard
	last    string
	open    []string
}

// Every guard of the vpn guest alone and in pairs, and all of them, once with the next hop's rules and once without. Neither
// the host's filter nor the next hop tell the client's packets to the server from those of others, which only the guest can.
var shortMatrix = []combination{
	{},
	{removed: []guard{guestRules}},
	{removed: []guard{guestRoutes}},
	{removed: []guard{hostFilter}},
	{removed: []guard{guestRules, guestRoutes}, last: fromVPN, open: []string{leakServer}},
	{removed: []guard{guestRules, hostFilter}},
	{removed: []guard{guestRoutes, hostFilter}},
	{removed: []guard{guestRules, guestRoutes, hostFilter}, last: toWifi, open: []string{leakServer}},
	{removed: []guard{guestRules, guestRoutes, hostFilter, routerRules}, last: fromAir},
}

// ending is a way in which the tunnel ends, the classes of leaks that it could bring, and how the tunnel comes back.
type ending struct {
	classes, what string
	end, restore  func(*wifiVPN)
}

// inVPN runs commands in the vpn guest.
func inVPN(commands string) func(*wifiVPN) {
	return func(w *wifiVPN) { w.in("vpn", commands) }
}

const killAgain = "for i in 1 2 3 4 5 6 7 8 9 10; do systemctl kill -s KILL jeos-openvpn; sleep 0.3; done"

// tunnelEnds are tried with every set of guards.
var tunnelEnds = []ending{
	{"L1", "client stopped", inVPN("systemctl stop jeos-openvpn"), inVPN("systemctl start jeos-openvpn")},
	{"L4", "client killed again and again", inVPN(killAgain), inVPN("")},
	{"L1", "interface gone", inVPN("ip link del tun0; sleep 1"), inVPN("systemctl restart jeos-openvpn")},
	{"L5", "client restarts softly", inVPN("systemctl kill -s USR1 jeos-openvpn; sleep 2; systemctl kill -s HUP jeos-openvpn"), inVPN("")},
	{"L1", "routes gone", inVPN("ip -4 route flush dev tun0; ip -6 route flush dev tun0"), inVPN("systemctl restart jeos-openvpn")},
}

// slowEnds take longer, and are tried with each guard alone taken away, and with all of them.
var slowEnds = []ending{
	{"L5", "server silent", func(w *wifiVPN) { w.net.silence(true); time.Sleep(7 * time.Second) }, func(w *wifiVPN) { w.net.silence(false) }},
	{"L33", "clock is wrong",
		inVPN("date +%s >/run/now; date -s @978307200; systemctl restart jeos-openvpn; sleep 6"),
		inVPN("date -s @$(($(cat /run/now) + 10)); systemctl restart jeos-openvpn")},
}

// matrix ends the tunnel under traffic, in some ways, with each combination of guards removed.
func (w *wifiVPN) matrix(list []combination, endings ...ending) {
	for _, c := range list {
		var names []string
		for _, g := range c.removed {
			names = append(names, g.name)
			g.remove(w)
		}
		var at []string
		if c.last != "" {
			at = onTheWay[:slices.Index(onTheWay, c.last)+1]
		}
		for _, e := range endings {
			end := func() {
				e.end(w)
				time.Sleep(settle)
			}
			classes := e.classes
			if slices.Contains(names, guestRules.name) {
				classes += " L7" // the rules are flushed
			}
			w.leaky(event{classes, e.what, strings.Join(names, ", ")}, leakClasses, at, end, c.open...)
			e.restore(w)
		}
		for _, g := range c.removed { // rules before routes, which are made behind rules alone
			g.restore(w)
		}
		w.mustReach()
	}
	w.mustBeEmpty()
}

// crashes ends and disturbs the client in every way, under traffic.
func (w *wifiVPN) crashes() {
	for _, c := range []struct{ classes, what, command string }{
		{"L4", "client killed again and again", killAgain},
		{"L5", "client restarts softly", "systemctl kill -s USR1 jeos-openvpn; sleep 2; systemctl kill -s HUP jeos-openvpn; sleep 2"},
		{"L1", "routes of the tunnel gone", "ip -4 route flush dev tun0; ip -6 route flush dev tun0; ip route flush table 100; sleep 2; systemctl restart jeos-gateway"},
		{"L1", "tunnel's interface gone", "ip link del tun0; sleep 2; systemctl restart jeos-openvpn"},
		{"L7", "rules loaded again and again", "for i in 1 2 3 4 5 6 7 8 9 10; do nft -f /etc/jeos/gateway.nft; done"},
		{"L2 L7", "gateway unit stopped", "systemctl stop jeos-gateway; sleep 2; systemctl start jeos-gateway jeos-openvpn"},
		{"L15", "resolver stopped", "systemctl stop jeos-dns; sleep 2; systemctl start jeos-dns"},
	} {
		w.quiet(event{c.classes, c.what, ""}, func() { w.in("vpn", c.command) })
		w.mustReach()
	}
	for _, e := range slowEnds {
		w.quiet(event{e.classes, e.what, ""}, func() {
			e.end(w)
			time.Sleep(settle)
			e.restore(w)
		})
		w.mustReach()
	}
}
