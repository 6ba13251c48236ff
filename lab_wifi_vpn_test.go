//go:build lab

package main_test

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"slices"
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

// The places that are looked at.
const (
	fromWeb = "from web" // what the workload sends
	fromVPN = "from vpn" // what the vpn guest sends by its uplink, whatever becomes of it
	toWifi  = "to wifi"  // what the host lets through of that
	fromAir = "from air" // what the wifi guest sends to the outside
	toVPN   = "to vpn"   // what comes to the vpn guest from the inside that no kernel would send
	toHost  = "to host"  // what comes to the host's own ends of the networks that no kernel would send
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
	ofKernels := func(p packet) bool { return p.class() != leakHost && !slices.Contains(forged, p.class()) }
	w.eyes = newCapture(t,
		place{name: fromWeb, mac: w.macs["web.lan"], allow: func(packet) bool { return true }},
		place{name: fromVPN, mac: w.macs["vpn.uplink"], allow: onUplink},
		place{name: toWifi, mac: w.macs["wifi.lan"], in: true, allow: onUplink},
		place{name: fromAir, mac: airMAC, allow: onAir},
		place{name: toVPN, mac: w.macs["vpn.lan"], in: true, allow: ofKernels},
		place{name: toHost, bridge: after["network.inside"]["bridge"], allow: ofKernels},
		place{name: toHost, bridge: after["network.uplink"]["bridge"], allow: ofKernels},
		place{name: toMail, mac: w.macs["mail.lan"], in: true, allow: func(p packet) bool { return p.source == w.macs["vpn.lan"] }},
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
