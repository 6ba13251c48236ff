//go:build lab

package main_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What the lab changes in examples/wifi-vpn: variables, where the images come from, and a network card that plays the air.
const (
	labVariables = `
image      = "IMAGE"
memory     = "288MiB"
wifi_psk   = "only known in the lab"
card       = ""
radio_mac  = "02:00:00:00:00:00"
vpn_config = "lab.ovpn"
`
	labImages = `
image "wifi" {
  source   = var.image
  provides = ["nftables", "iproute2", "netplan.io", "wpasupplicant", "iw", "wireless-regdb"]
}

image "vpn" {
  source   = var.image
  provides = ["nftables", "iproute2", "openvpn", "dnsmasq-base"]
}

image "workload" {
  source   = var.image
  provides = ["iproute2"]
}

network "air" {
  cidrs = ["10.70.0.0/24"]
}
`
	airNIC = `
  nic "air" {
    network = network.air
    mac     = "52:54:00:61:69:72"
  }
`
	airMAC = "52:54:00:61:69:72" // the image's access point is behind the card with this address
)

// wifiVPN is the site of examples/wifi-vpn on the lab, with an internet and eyes on it.
type wifiVPN struct {
	*labSite
	net  *internet
	eyes *capture
	macs map[string]string // of network cards, as "vpn.uplink"

	rows    [][]string        // of the table of what was seen
	tallies map[string]*tally // by class of leaks
}

// event is something that is done under traffic: the classes of leaks that it is about, as "L2 L9", what it is, and which
// guards are away meanwhile.
type event struct{ classes, what, removed string }

// tally counts frames of a class: those that came where the guards that were left should not have let them come, and those
// that were seen with all guards on the way taken away.
type tally struct{ frames, without int }

// Guests that probe, and the places that are looked at.
var probing = []string{"web", "mail", "vpn"}

const (
	fromWeb = "from web" // what the workload sends
	fromVPN = "from vpn" // what the vpn guest sends by its uplink, whatever becomes of it
	toWifi  = "to wifi"  // what the host lets through of that
	fromAir = "from air" // what the wifi guest sends to the outside
	toVPN   = "to vpn"   // what comes to the vpn guest from the inside that no kernel would send
	toMail  = "to mail"  // what comes to a workload from elsewhere than the vpn guest
)

// newWifiVPN lays the example out and plans it, with the internet there but not attached.
func newWifiVPN(t *testing.T) *wifiVPN {
	t.Helper()
	t.Cleanup(func() {
		if slices.Contains(names(t, "pool-list", "--name"), "jeos") {
			removePool(t, "jeos")
		}
	})
	w := &wifiVPN{labSite: newLabSite(t, "wifi-vpn", nil), net: newInternet(t, "wv-internet"), tallies: map[string]*tally{}}
	if err := os.CopyFS(w.dir, os.DirFS("examples/wifi-vpn")); err != nil {
		t.Fatal(err)
	}
	w.write("images.jeos.hcl", labImages)
	w.write("lab.auto.jeosvars", strings.ReplaceAll(labVariables, "IMAGE", os.Getenv("JEOS_WIFI_VPN_IMAGE")))
	w.write("lab.ovpn", w.net.startVPN())
	w.replace("site.jeos.hcl", "  image  = image.wifi\n", "  image  = image.wifi\n"+airNIC, 1)
	w.replace("site.jeos.hcl", "  memory = var.memory\n", "  memory = var.memory\n  ready_timeout = \"1h\"\n", 4)
	w.run(0, "fmt")

	plan, changes := w.plan()
	w.checkFirstPlan(changes)
	after := map[string]map[string]string{}
	for _, c := range plan.Changes {
		after[c.Address] = c.Change.After
	}
	w.macs = map[string]string{}
	for _, card := range []string{"wifi.lan", "vpn.uplink", "vpn.lan", "web.lan", "mail.lan"} {
		guest, nic, _ := strings.Cut(card, ".")
		fields := strings.Fields(after["guest."+guest]["nic."+nic])
		if len(fields) < 2 {
			t.Fatalf("the plan shows no %s: %q", card, after["guest."+guest])
		}
		w.macs[card] = fields[1]
	}
	w.eyes = newCapture(t,
		place{fromWeb, w.macs["web.lan"], false, func(packet) bool { return true }},
		place{fromVPN, w.macs["vpn.uplink"], false, onUplink},
		place{toWifi, w.macs["wifi.lan"], true, onUplink},
		place{fromAir, airMAC, false, onAir},
		place{toVPN, w.macs["vpn.lan"], true, func(p packet) bool { return !slices.Contains(forged, p.class()) }},
		place{toMail, w.macs["mail.lan"], true, func(p packet) bool { return p.source == w.macs["vpn.lan"] }},
	)
	ctx, cancel := context.WithCancel(context.Background())
	attached := make(chan struct{})
	go func() {
		defer close(attached)
		if err := w.net.attach(ctx, after["network.air"]["bridge"]); err != nil {
			t.Errorf("the internet cannot be reached: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-attached
	})
	return w
}

func (w *wifiVPN) checkFirstPlan(changes []string) {
	w.t.Helper()
	want := []string{"create network.air", "create network.uplink", "create network.inside", "create volume.mail.data"}
	for _, g := range []string{"wifi", "vpn", "web", "mail"} {
		want = append(want, "create guest."+g, "create volume."+g+".root")
	}
	for _, c := range want {
		if !slices.Contains(changes, c) {
			w.t.Errorf("the first plan has no %q: %q", c, changes)
		}
	}
}

// domain is the name of a guest on the host.
func (w *wifiVPN) domain(guest string) string { return w.name + "-" + guest }

// in runs commands as root in a guest.
func (w *wifiVPN) in(guest, command string) string {
	w.t.Helper()
	return agent(w.t, w.domain(guest), command)
}

// TestLabWifiVPN is the example's set-up on real guests: a wifi association, an OpenVPN tunnel through it, and workloads
// behind that, from nothing.
func TestLabWifiVPN(t *testing.T) {
	t.Parallel()
	w := newWifiVPN(t)
	w.firstApply()
	w.mustReach()
	w.largePackets()
	w.matrix(shortMatrix, tunnelEnds[0])
	w.crashes()
	w.rewired()
	w.report()
}

// firstApply makes everything in one apply. Meanwhile the guests that are there already probe.
func (w *wifiVPN) firstApply() {
	// Until its first boot has brought them, the host's filter stands for the guest's rules.
	var networks []string
	w.quiet(event{"L2 L3", "first apply", guestRules.name}, func() {
		networks = w.networksDuring(func() { w.run(0, "apply", "--auto-approve", "--require-probes") })
	})
	sameLines(w.t, "networks that guests were on", networks, []string{"wifi uplink", "wifi air", "vpn uplink", "vpn inside", "web inside", "mail inside"})
	w.mustBeEmpty()
	w.run(0, "status")
	for guest, want := range map[string][]string{"wifi": {"wlan0", "lan", "lo"}, "vpn": {"uplink", "lan", "tun0", "lo"}, "web": {"lan", "lo"}, "mail": {"lan", "lo"}} {
		got := strings.Fields(w.in(guest, "ls /sys/class/net"))
		sameLines(w.t, "interfaces of "+guest, slices.DeleteFunc(got, func(name string) bool { return strings.HasPrefix(name, "hwsim") }), want)
	}
}

// networksDuring does something and returns the networks that guests were on meanwhile, as "vpn uplink". It looks all the time.
func (w *wifiVPN) networksDuring(do func()) (networks []string) {
	seen, stop, stopped := map[string]bool{}, make(chan struct{}), make(chan struct{})
	look := func() {
		for _, guest := range []string{"wifi", "vpn", "web", "mail"} {
			out, err := exec.Command("virsh", "-q", "-c", "qemu:///system", "domiflist", w.domain(guest)).Output()
			if err != nil {
				continue // it is not there yet
			}
			for line := range strings.Lines(string(out)) {
				if fields := strings.Fields(line); len(fields) > 2 {
					seen[guest+" "+strings.TrimPrefix(fields[2], w.name+"-")] = true
				}
			}
		}
	}
	go func() {
		defer close(stopped)
		for {
			look()
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
			}
		}
	}()
	defer func() {
		close(stop)
		<-stopped
		networks = slices.Collect(maps.Keys(seen))
	}()
	do()
	return nil
}

// answered are the probes that a workload gets an answer to when there is a tunnel: to targets of both families by every
// protocol, and by the DNS.
var answered = []string{"udp4", "udp6", "flow4", "flow6", "tcp4", "tcp6", "stream4", "stream6", "icmp4", "icmp6", "dns4", "dns6", "dnstcp4", "resolver"}

// counts returns how many probes of each kind a guest has seen answered.
func (w *wifiVPN) counts(guest string) map[string]int {
	w.t.Helper()
	var kinds map[string]struct{ Sent, Answered int }
	text := w.in(guest, "cat /run/jeos-test/probes.json")
	if err := json.Unmarshal([]byte(text), &kinds); err != nil {
		w.t.Fatalf("probes of %s: %v\n%s", guest, err, text)
	}
	counts := map[string]int{}
	for kind, n := range kinds {
		counts[kind] = n.Answered
	}
	return counts
}

// largePackets sends as much in one packet as a network card takes, which is more than the tunnel does.
func (w *wifiVPN) largePackets() {
	w.t.Helper()
	for _, command := range []string{"ping -c 5 -i 0.5 -W 5 -M dont -s 1472 " + target4.String(), "ping -c 5 -i 0.5 -W 5 -s 1452 " + target6.String()} {
		mustHold(w.t, w.in("web", command+" | grep -o '^1[0-9]* bytes from' | sort -u; true"), " bytes from")
	}
	mustHold(w.t, w.in("web", "ping -c 1 -W 5 -M do -s 1472 "+target4.String()+" 2>&1; true"), "Frag needed")
}

// mustReach waits until the workloads reach everything through the tunnel, and checks that nothing came to the targets
// another way.
func (w *wifiVPN) mustReach() {
	w.t.Helper()
	w.net.forget()
	for _, guest := range []string{"web", "mail"} {
		before := w.counts(guest)
		var missing []string
		eventually(w.t, guest+" reaches all targets", func() bool {
			now := w.counts(guest)
			missing = slices.DeleteFunc(slices.Clone(answered), func(kind string) bool { return now[kind] > before[kind] })
			return len(missing) == 0
		})
	}
	w.mustHideTargets()
}

func (w *wifiVPN) mustHideTargets() {
	w.t.Helper()
	if strangers := w.net.strangers(); len(strangers) > 0 {
		w.t.Errorf("came to the targets around the tunnel: %q", strangers)
	}
}

// settle is how long probes of every kind go on after something has happened: several rounds.
const settle = 3 * time.Second

// quiet does something under traffic, and checks that nothing leaked at any place meanwhile, but for classes of leaks that
// the guards which are left do not close.
func (w *wifiVPN) quiet(e event, do func(), open ...string) {
	w.t.Helper()
	w.leaky(e, nil, nil, do, open...)
}

// onTheWay are the places that a packet passes from the vpn guest to the outside.
var onTheWay = []string{fromVPN, toWifi, fromAir}

// leaky does something with guards taken away, and checks that leaks of some classes were all noticed at some places, and
// none at all others but for classes that the guards which are left do not close.
func (w *wifiVPN) leaky(e event, provoked, at []string, do func(), open ...string) {
	w.t.Helper()
	w.watch(e, do)
	for _, p := range at {
		seen := w.eyes.classes(p)
		for _, class := range provoked {
			if !slices.ContainsFunc(seen, func(s string) bool { return strings.HasPrefix(s, class+":") }) {
				w.t.Errorf("%v: no leak of class %s %s, so it would not be noticed: %q", e, class, p, seen)
			}
		}
	}
	if len(at) > 0 {
		w.noteSeen(e, at[len(at)-1])
	}
	for _, p := range append(slices.Clone(onTheWay), toVPN, toMail) {
		if slices.Contains(at, p) {
			continue
		}
		may := open
		if p == fromVPN && strings.Contains(e.removed, guestRules.name) {
			may = append(slices.Clone(open), leakOther) // what its kernel tells of itself; the host stops that
		}
		leaks := slices.DeleteFunc(w.eyes.classes(p), func(leak string) bool {
			class, _, _ := strings.Cut(leak, ":")
			return slices.Contains(may, class)
		})
		if len(leaks) > 0 {
			_, kinds := w.eyes.leaked(p)
			w.t.Errorf("%v: leaked %s: %s\n%s", e, p, leaks, strings.Join(kinds, "\n"))
		}
		w.noteLeaks(e, leaks)
	}
	if !slices.Contains(at, fromAir) {
		w.mustHideTargets()
	}
}

// noteLeaks counts frames that the guards should have stopped, by class, as "L1:12"; each counts for the classes of the event,
// too. No leak is a result as well.
func (w *wifiVPN) noteLeaks(e event, leaks []string) {
	for _, class := range append(strings.Fields(e.classes), leakClasses...) {
		w.tally(class)
	}
	for _, leak := range leaks {
		class, count, _ := strings.Cut(leak, ":")
		n, _ := strconv.Atoi(count)
		for _, c := range append(strings.Fields(e.classes), class) {
			w.tally(c).frames += n
		}
	}
}

// noteSeen counts frames that were seen at a place, with no guard left on the way to it.
func (w *wifiVPN) noteSeen(e event, place string) {
	frames, _ := w.eyes.leaked(place)
	for _, class := range strings.Fields(e.classes) {
		w.tally(class).without += frames
	}
	for _, leak := range w.eyes.classes(place) {
		class, count, _ := strings.Cut(leak, ":")
		n, _ := strconv.Atoi(count)
		if !slices.Contains(strings.Fields(e.classes), class) {
			w.tally(class).without += n
		}
	}
}

func (w *wifiVPN) tally(class string) *tally {
	if w.tallies[class] == nil {
		w.tallies[class] = &tally{}
	}
	return w.tallies[class]
}

// watch does something under traffic and notes what was seen.
func (w *wifiVPN) watch(e event, do func()) {
	w.t.Helper()
	w.eyes.forget()
	w.net.forget()
	begin := time.Now()
	do()
	time.Sleep(settle)
	row := []string{e.classes, e.what, e.removed, fmt.Sprintf("%.0f s", time.Since(begin).Seconds()), fmt.Sprint(w.eyes.crossed(fromWeb)), fmt.Sprint(w.eyes.crossed(toWifi))}
	for _, p := range []string{fromVPN, toWifi, fromAir, toVPN, toMail} {
		frames, kinds := w.eyes.leaked(p)
		row = append(row, strings.TrimSpace(fmt.Sprintf("%d %s", frames, strings.Join(w.eyes.classes(p), " "))))
		if frames > 0 {
			w.t.Logf("%v: %s\n%s", e, p, strings.Join(kinds[:min(len(kinds), 40)], "\n"))
		}
	}
	w.rows = append(w.rows, row)
	w.t.Logf("%q", row)
	if w.eyes.crossed(fromWeb) == 0 {
		w.t.Errorf("%v: nobody probed", e)
	}
}

// report shows what was seen, and adds it to the results where there is a file for them.
func (w *wifiVPN) report() {
	w.t.Helper()
	var table strings.Builder
	for _, row := range slices.Concat([][]string{
		{"class", "event", "taken away", "time", "probes", "came to wifi of the tunnel", "left vpn", "came to wifi", "left by the air", "came to vpn", "came to a workload"},
		slices.Repeat([]string{"---"}, 11),
	}, w.rows) {
		table.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	w.t.Logf("frames:\n%s", table.String())
	file := os.Getenv("JEOS_LEAKS")
	if file == "" {
		return
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	fmt.Fprintf(&table, "\n")
	for _, class := range slices.Sorted(maps.Keys(w.tallies)) {
		fmt.Fprintf(&table, "tally %s guests %d %d\n", class, w.tallies[class].frames, cmp.Or(w.tallies[class].without, -1))
	}
	if _, err := fmt.Fprintf(f, "%s:\n\n%s", w.t.Name(), table.String()); err != nil {
		w.t.Error(err)
	}
}

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

// rewired removes filters and plugs a workload into the uplink, as somebody might by hand. The plan says so, and what the
// next apply can do without a restart puts it right.
func (w *wifiVPN) rewired() {
	w.t.Helper()
	inside := w.device("web", "lan")
	other := strings.Replace(inside, "network='"+w.name+"-inside'", "network='"+w.name+"-uplink'", 1)
	if other == inside {
		w.t.Fatalf("web is not on the inside network:\n%s", inside)
	}
	apply := func() { w.run(0, "apply", "--auto-approve") }
	for _, drift := range []struct {
		class, what, guest, attr string
		make, repair             func()
	}{
		{"L29", "filter of a workload gone", "web", "filter.lan", func() { w.unfilter("web", "lan") }, apply},
		{"L29", "filter of the uplink gone", "vpn", "filter.uplink", func() { w.unfilter("vpn", "uplink") }, apply},
		{"L28", "workload on the uplink", "web", "nic.lan", func() { w.update("web", other) }, func() { w.update("web", inside) }},
	} {
		before := w.bindings()
		w.quiet(event{drift.class, drift.what, ""}, func() {
			drift.make()
			time.Sleep(settle)
		})
		plan, changes := w.plan()
		if len(plan.Changes) != 1 || plan.Changes[0].Address != "guest."+drift.guest || !plan.Changes[0].Security {
			w.t.Errorf("%s: the plan is %q, want drift of security of guest.%s alone", drift.what, changes, drift.guest)
		} else if c := plan.Changes[0].Change; c.Before[drift.attr] == c.After[drift.attr] {
			w.t.Errorf("%s: the plan changes %v to %v", drift.what, c.Before, c.After)
		}
		drift.repair()
		w.mustBeEmpty()
		sameLines(w.t, "filters at work", w.bindings(), before)
	}
	w.mustReach()
}

// bindings returns the filters that are at work.
func (w *wifiVPN) bindings() []string {
	w.t.Helper()
	var list []string
	for _, field := range strings.Fields(virsh(w.t, "nwfilter-binding-list")) {
		if strings.HasPrefix(field, w.name+"-") {
			list = append(list, field)
		}
	}
	return list
}
