//go:build lab && all

package main_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLabWifiVPNGuards removes every set of guards under every way in which a tunnel can end.
func TestLabWifiVPNGuards(t *testing.T) {
	w := newWifiVPN(t)
	w.run(0, "apply", "--auto-approve", "--require-probes")
	w.mustReach()
	guards := []guard{guestRules, guestRoutes, hostFilter, routerRules}
	w.matrix(everySet(guards...), tunnelEnds...)
	w.matrix(slices.DeleteFunc(everySet(guards...), func(c combination) bool { return len(c.removed) > 1 && len(c.removed) < len(guards) }), slowEnds...)
	w.workloadForges()
	w.gatewayForges()
	w.moved()
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
		w.quiet(event{"L9", "reboot of " + guest, ""}, func() {
			w.in(guest, "(sleep 1; systemctl reboot) >/dev/null 2>&1 &")
			time.Sleep(bootBegins)
			w.awaitReady()
		})
		w.mustReach()
		w.quiet(event{"L9", "end of " + guest, ""}, func() {
			virsh(w.t, "destroy", w.domain(guest))
			time.Sleep(settle)
			w.run(0, "apply", "--auto-approve", "--require-probes")
		})
		w.mustReach()
	}
	w.unguarded()
	w.failover()
	w.unprovisioned()
	w.coldStart()
	w.report()
}

// bootBegins is how long a guest that restarts may still have the report of before in its mailbox.
const bootBegins = 10 * time.Second

// reset resets a guest as a button does, under traffic.
func (w *wifiVPN) reset(guest string) {
	w.quiet(event{"L9", "reset of " + guest, ""}, func() {
		virsh(w.t, "reset", w.domain(guest))
		time.Sleep(bootBegins)
		w.awaitReady()
	})
	w.mustReach()
}

// coldStart ends all guests at once and starts them as a host does that boots without jeos: in no order, and here in the
// worst one: what needs a network on the workloads waits for their gateway.
func (w *wifiVPN) coldStart() {
	w.quiet(event{"L9", "cold start", ""}, func() {
		for _, g := range []string{"wifi", "vpn", "web", "mail"} {
			virsh(w.t, "destroy", w.domain(g))
		}
		start := func(guests ...string) {
			for _, g := range guests {
				virsh(w.t, "start", w.domain(g))
			}
		}
		start("web", "mail")
		waiting := map[string]bool{} // for a minute at most
		eventually(w.t, "the workloads wait for their gateway", func() bool {
			for _, g := range []string{"web", "mail"} {
				state := w.in(g, "systemctl show -P ActiveState jeos-wait-gateway.service network-online.target | xargs")
				waiting[g] = waiting[g] || state == "activating inactive"
			}
			return waiting["web"] && waiting["mail"]
		})
		start("vpn", "wifi")
		w.awaitReady()
	})
	w.mustReach()
	w.mustBeEmpty()
}

// unguarded boots the vpn guest without its rules, as if they had been forgotten: it forwards nothing, also without a filter on
// the host. With forwarding on this is seen. In the end it goes back to a snapshot from the time without rules.
func (w *wifiVPN) unguarded() {
	w.t.Helper()
	// Its role brings the unit back at every boot, so a condition that never holds has to keep it from its work.
	const forget = "/etc/systemd/system/jeos-gateway.service.d/forget.conf"
	const guestGuards = "guest rules, guest routes"
	noRules := func() {
		if rules := w.in("vpn", "nft list ruleset"); rules != "" {
			w.t.Errorf("the vpn guest has rules, so that nothing is proved:\n%s", rules)
		}
	}
	remember := func() { // until it has begun to boot it leaks, which is not counted
		w.in("vpn", "rm "+forget+"; sync")
		virsh(w.t, "reset", w.domain("vpn"))
		time.Sleep(time.Second)
	}
	w.in("vpn", "mkdir -p $(dirname "+forget+"); printf '[Unit]\\nConditionPathExists=/nowhere\\n' >"+forget+"; sync")
	w.quiet(event{"L2 L9", "boot without rules", guestGuards}, func() {
		virsh(w.t, "reset", w.domain("vpn"))
		time.Sleep(bootBegins)
		w.in("vpn", "systemctl is-system-running --wait")
	}, leakServer)
	noRules()
	virsh(w.t, "snapshot-create-as", w.domain("vpn"), "before")
	hostFilter.remove(w)
	w.quiet(event{"L2 L9 L32", "boot without rules", guestGuards + ", host filter"}, func() { time.Sleep(settle) }, leakServer, leakOther)
	w.leaky(event{"L2 L9 L32", "boot without rules", guestGuards + ", host filter, forwarding off"}, leakClasses, onTheWay[:2], func() {
		w.in("vpn", "sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1\n"+guestRoutesRemoved)
	}, leakServer)
	remember()
	w.quiet(event{"L9", "boot with rules again", hostFilter.name}, func() {
		time.Sleep(bootBegins)
		w.awaitReady()
	})
	w.run(0, "apply", "--auto-approve")
	w.mustReach()

	w.quiet(event{"L32", "back to a snapshot from before the rules", guestGuards}, func() {
		virsh(w.t, "snapshot-revert", w.domain("vpn"), "before")
		noRules()
	}, leakServer)
	remember()
	virsh(w.t, "snapshot-delete", w.domain("vpn"), "before")
	time.Sleep(bootBegins)
	w.awaitReady()
	w.mustBeEmpty()
	w.mustReach()
}

// unprovisioned boots a vpn guest that has nothing but its image: the seed is gone before cloud-init has read it. It forwards
// nothing, also without a filter on the host. With addresses, forwarding and a route it would let everything pass.
func (w *wifiVPN) unprovisioned() {
	w.t.Helper()
	domain := w.domain("vpn")
	uplink, lan, next := w.address("vpn", "uplink"), w.address("vpn", "lan"), w.address("wifi", "lan")
	var root, seed string
	for line := range strings.Lines(virsh(w.t, "domblklist", domain, "--details")) {
		switch fields := strings.Fields(line); {
		case strings.Contains(line, ".seed-"):
			seed = fields[2]
		case len(fields) == 4 && fields[1] == "disk":
			root = fields[3]
		}
	}
	var image struct {
		Backing string `json:"full-backing-filename"`
		Format  string `json:"backing-filename-format"`
	}
	if err := json.Unmarshal([]byte(command(w.t, "qemu-img", "info", "-U", "--output", "json", root)), &image); err != nil || image.Backing == "" || seed == "" {
		w.t.Fatalf("the root disk %q is a layer over %+v, the seed %q: %v", root, image, seed, err)
	}
	const never = "never provisioned"
	w.quiet(event{"L3", never, "guest rules, guest routes"}, func() {
		virsh(w.t, "destroy", domain)
		command(w.t, "qemu-img", "create", "-q", "-f", "qcow2", "-F", image.Format, "-b", image.Backing, root)
		virsh(w.t, "detach-disk", domain, seed, "--config")
		virsh(w.t, "start", domain)
		w.in("vpn", "systemctl is-system-running --wait")
	})
	if left := w.in("vpn", "ls /etc/jeos 2>/dev/null; nft list ruleset"); left != "" {
		w.t.Errorf("the vpn guest has what its role brings, so that nothing is proved:\n%s", left)
	}
	hostFilter.remove(w)
	w.quiet(event{"L3", never, "guest rules, guest routes, host filter"}, func() { time.Sleep(settle) }, leakServer, leakOther)
	w.leaky(event{"L3", never, "guest rules, guest routes, host filter, forwarding off"}, []string{leakIPv4, leakDNS}, onTheWay[:2], func() {
		w.in("vpn", fmt.Sprintf(`
hostname vpn # by which the probes are told apart
card() { grep -il "$1" /sys/class/net/*/address | cut -d/ -f5; }
ip address add %s/24 dev "$(card %s)"
ip address add %s/24 dev "$(card %s)"
ip link set "$(card %[2]s)" up
ip link set "$(card %[4]s)" up
ip route replace default via %s
sysctl -qw net.ipv4.ip_forward=1`, uplink, w.macs["vpn.uplink"], lan, w.macs["vpn.lan"], next))
		time.Sleep(settle)
	}, leakServer)
	w.run(0, "apply", "--auto-approve", "--replace", "guest.vpn", "--require-probes")
	w.mustBeEmpty()
	w.mustReach()
}

// failover takes the address away by which the server is reached: the client goes on by the other one, and by no third.
func (w *wifiVPN) failover() {
	w.quiet(event{"L6", "the server's address gone", ""}, func() {
		for _, a := range []string{server4.String(), server6.String()} {
			w.net.command("ip", "addr", "del", a, "dev", "lo")
			w.in("vpn", "systemctl restart jeos-openvpn")
			w.mustReach()
			w.net.command("ip", "addr", "add", a, "dev", "lo")
		}
	})
}
