//go:build lab && all

package main_test

import (
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"jeos/internal/wire"
)

// forge has a guest send frames that no kernel would, as a program with all rights can: past the rules of its own kernel.
func (w *wifiVPN) forge(guest, nic string) {
	w.t.Helper()
	from, err := net.ParseMAC(w.macs[guest+"."+nic])
	if err != nil {
		w.t.Fatal(err)
	}
	own := w.address(guest, nic)
	other := netip.MustParseAddr(own)
	for range 50 { // nobody's
		other = other.Next()
	}
	linkLocal := netip.AddrFrom16([16]byte{0xfe, 0x80, 8: from[0] ^ 2, from[1], from[2], 0xff, 0xfe, from[3], from[4], from[5]}).String()
	mark := func(kind string) string { return "jeos-probe_" + guest + "_" + kind + "_" }
	everybody := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	frames := map[string][]byte{
		"rawarp":       append(wire.Ethernet(everybody, from, 0x806, wire.ARPRequest(from, other.String(), own)), mark("rawarp")...),
		"rawrouter":    append(wire.Ethernet([]byte{0x33, 0x33, 0, 0, 0, 1}, from, 0x86dd, wire.RouterAdvertisement(linkLocal, "2001:db8:bad::")), mark("rawrouter")...),
		"rawoffer":     wire.Ethernet(everybody, from, 0x800, wire.UDP(own, "255.255.255.255", 67, 68, mark("rawoffer"))),
		"rawdiscover":  wire.Ethernet(everybody, from, 0x800, wire.UDP("0.0.0.0", "255.255.255.255", 68, 67, mark("rawdiscover"))),
		"rawmulticast": wire.Ethernet([]byte{0x01, 0, 0x5e, 0, 0, 0xfb}, from, 0x800, wire.UDP(own, "224.0.0.251", 5353, 5353, mark("rawmulticast"))),
		"rawtype":      wire.Ethernet(everybody, from, 0x88b5, []byte(mark("rawtype"))),
		"rawvlan":      wire.Ethernet(everybody, from, 0x8100, append([]byte{0, 10, 8, 0}, wire.UDP(own, target4.String(), 4000, echoPort, mark("rawvlan"))...)),
		"rawhost":      wire.Ethernet(w.bridge(guest, nic), from, 0x800, wire.UDP(own, target4.String(), 4000, echoPort, mark("rawhost"))),
		"rawsource":    wire.Ethernet(everybody, from, 0x800, wire.UDP(spoofed4.String(), target4.String(), 4000, echoPort, mark("rawsource"))),
	}
	send := "python3 - " + nic
	for kind := range forgeries {
		send += " " + hex.EncodeToString(frames[kind])
	}
	w.in(guest, send+` <<'END'
import socket, sys
card = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
card.bind((sys.argv[1], 0))
for frame in sys.argv[2:] * 3:
    card.send(bytes.fromhex(frame))
END`)
}

// bridge returns the hardware address of the host's own end of a network.
func (w *wifiVPN) bridge(guest, nic string) net.HardwareAddr {
	w.t.Helper()
	link, err := net.InterfaceByName(w.port(guest, nic))
	if err != nil {
		w.t.Fatal(err)
	}
	master, err := os.Readlink("/sys/class/net/" + link.Name + "/master")
	if err != nil {
		w.t.Fatal(err)
	}
	bridge, err := net.InterfaceByName(filepath.Base(master))
	if err != nil {
		w.t.Fatal(err)
	}
	return bridge.HardwareAddr
}

// address returns the IPv4 address of a network card.
func (w *wifiVPN) address(guest, nic string) string {
	w.t.Helper()
	return strings.TrimSpace(w.in(guest, "ip -4 -o address show dev "+nic+" | sed -n 's/.* inet \\([0-9.]*\\).*/\\1/p'"))
}

// workloadForges has one workload call the other one and forge frames, with what keeps it from that removed in turn: the
// isolated ports of the bridge, and the filters on the cards of both. To the gateway no isolated port is in its way.
func (w *wifiVPN) workloadForges() {
	w.t.Helper()
	settings := func() string { return w.in("mail", "ip -4 route; ip -6 route; ip -o address show dev lan") }
	before := settings()
	act := func() {
		w.in("web", "ip neigh flush dev lan; ping -c 3 -W 1 "+w.address("mail", "lan")+"; true")
		w.forge("web", "lan")
	}
	isolated := func(how string) {
		for _, g := range []string{"web", "mail"} {
			command(w.t, "bridge", "link", "set", "dev", w.port(g, "lan"), "isolated", how)
		}
	}
	const what, ports, filters = "a workload calls the other, and forges frames", "isolated ports", "filters of the workloads"
	w.quiet(event{"L12 L26", what, ""}, act)
	isolated("off")
	w.quiet(event{"L12 L26", what, ports}, act)
	isolated("on")
	for _, g := range []string{"web", "mail"} {
		w.unfilter(g, "lan")
	}
	w.leaky(event{"L12 L29", what, filters}, forged, []string{toHost, toVPN}, act)
	w.tally(leakHost).without += w.mustSee(toHost, leakHost)
	isolated("off")
	w.leaky(event{"L12 L29", what, ports + ", " + filters}, forged, []string{toHost, toVPN, toMail}, act)
	w.tally(leakHost).without += w.mustSee(toHost, leakHost)
	w.mustSee(toMail, leakOther) // the call
	isolated("on")
	w.run(0, "apply", "--auto-approve")
	w.mustBeEmpty()
	w.quiet(event{"L12 L26 L29", what, ""}, act)
	w.mustReach()
	if after := settings(); after != before {
		w.t.Errorf("a workload has taken routes or addresses that another one forged:\n%s\nbefore:\n%s", after, before)
	}
}

// mustSee returns how many frames of a class were seen at a place, and checks that there were some.
func (w *wifiVPN) mustSee(place, class string) (frames int) {
	w.t.Helper()
	seen := w.eyes.classes(place)
	for _, s := range seen {
		if c, count, _ := strings.Cut(s, ":"); c == class {
			frames, _ = strconv.Atoi(count)
		}
	}
	if frames == 0 {
		w.t.Errorf("no frame of class %s %s, so it would not be noticed: %q", class, place, seen)
	}
	return frames
}

// gatewayForges has the vpn guest forge frames on its uplink, where its own rules do not see them: what is left is the
// filter. A client of DHCP asks with such a frame.
func (w *wifiVPN) gatewayForges() {
	w.t.Helper()
	act := func() { w.forge("vpn", "uplink") }
	const what = "the gateway forges frames"
	w.leaky(event{"L12 L20 L21 L24", what, ""}, forged, []string{fromVPN}, act)
	hostFilter.remove(w)
	w.leaky(event{"L12 L20 L21 L24", what, hostFilter.name}, forged, []string{fromVPN, toHost, toWifi}, act)
	w.tally(leakHost).without += w.mustSee(toHost, leakHost)
	hostFilter.restore(w)
	w.leaky(event{"L12 L20 L21 L24 L29", what, ""}, forged, []string{fromVPN}, act)
	w.mustReach()
}

// moved plugs a workload into the uplink, without a filter, and gives it addresses there: the filter of the wifi guest's card
// takes frames of the vpn guest alone, and its rules forward nothing else. The next apply puts all back.
func (w *wifiVPN) moved() {
	w.t.Helper()
	before := w.bindings()
	w.unfilter("web", "lan")
	inside := w.device("web", "lan")
	w.update("web", strings.Replace(inside, "network='"+w.name+"-inside'", "network='"+w.name+"-uplink'", 1))
	const what = "a workload is on the uplink, with addresses of it"
	probe := func() { time.Sleep(settle) }
	next6 := strings.TrimSpace(w.in("wifi", "ip -6 -o address show dev lan scope global | sed -n 's/.* inet6 \\([0-9a-f:]*\\).*/\\1/p'"))
	w.in("web", `ip address flush dev lan scope global
ip address add 10.64.0.77/24 dev lan
ip address add fd64:6a65:6f73:1::77/64 dev lan nodad
ip -4 route replace default via `+w.address("wifi", "lan")+` dev lan
ip -6 route replace default via `+next6+` dev lan`)
	provoked := []string{leakIPv4, leakIPv6, leakDNS}
	w.quiet(event{"L28", what, "filter of the workload"}, probe)
	routerRules.remove(w)
	w.quiet(event{"L28", what, "filter of the workload, router rules"}, probe)
	routerRules.restore(w)
	w.unfilter("wifi", "lan")
	w.leaky(event{"L28", what, "filters of the workload and of the wifi guest"}, provoked, []string{toWifi}, probe)
	routerRules.remove(w)
	w.leaky(event{"L28", what, "filters of the workload and of the wifi guest, router rules"}, provoked, []string{toWifi, fromAir}, probe)
	routerRules.restore(w)
	w.run(0, "apply", "--auto-approve", "--require-probes")
	w.mustBeEmpty()
	sameLines(w.t, "filters at work", w.bindings(), before)
	w.mustReach()
}
