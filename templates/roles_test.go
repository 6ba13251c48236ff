package templates_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/roles"
	"jeos/templates"
)

var update = flag.Bool("update", false, "rewrite testdata")

// TestGolden shows what every role makes of the sample site, so that a change of a template shows what it changes.
func TestGolden(t *testing.T) {
	for name, g := range map[string]guest{"openvpn_client": vpnGuest(), "wifi_router": wifiGuest(t), "workload": workloadGuest()} {
		t.Run(name, func(t *testing.T) {
			r := render(t, g)
			var archive txtar.Archive
			for _, f := range r.Files {
				archive.Files = append(archive.Files, txtar.File{Name: fmt.Sprintf("%s %04o %s", f.Path, f.Mode, f.Owner), Data: f.Content})
			}
			r.Files = nil
			rest, err := json.MarshalIndent(r.Expansion, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			archive.Comment = append(rest, '\n')
			got := txtar.Format(&archive)
			path := filepath.Join("testdata", name+".txtar")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// TestFacts holds what is said about the roles to what they give: nothing here may change by accident.
func TestFacts(t *testing.T) {
	type facts struct {
		Confined bool
		NICs     []roles.NIC
		Devices  []roles.Device
		Hosts    []roles.Host
		Forwards []roles.Forward
		Tunnels  []roles.Tunnel
		Outside  []string
	}
	no := false
	wired := variants(t)["wired"]
	for _, c := range []struct {
		name  string
		guest guest
		want  facts
	}{
		{"openvpn_client", vpnGuest(), facts{
			Confined: true,
			NICs: []roles.NIC{
				{Name: "uplink", Network: "uplink", Via: "wifi", DefaultRoute: &no},
				{Name: "lan", Network: "inside", Gateway: true},
			},
			Hosts:    []roles.Host{{Name: "vpn.example.net"}},
			Forwards: []roles.Forward{{From: "lan", To: "tun0"}},
			Tunnels: []roles.Tunnel{{Name: "tun0", Over: "uplink", Endpoints: []roles.Endpoint{
				{Addr: netip.MustParseAddr("198.51.100.10"), Proto: "udp", Port: 1194},
				{Addr: netip.MustParseAddr("198.51.100.11"), Proto: "tcp", Port: 443},
				{Addr: netip.MustParseAddr("2001:db8::10"), Proto: "udp", Port: 1194},
			}}},
		}},
		{"wifi_router", wifiGuest(t), facts{
			NICs:     []roles.NIC{{Name: "lan", Network: "uplink", Gateway: true}},
			Devices:  []roles.Device{{Name: "card", ID: "8086:2723"}},
			Forwards: []roles.Forward{{From: "lan", To: "wlan0", TunnelsAlone: true}},
			Outside:  []string{"wlan0"},
		}},
		{"wifi_router with a cable", wired, facts{
			NICs: []roles.NIC{
				{Name: "lan", Network: "uplink", Gateway: true},
				{Name: "wan", Network: "nat", DHCP: &no},
			},
			Forwards: []roles.Forward{{From: "lan", To: "wan", TunnelsAlone: true}},
		}},
		{"workload", workloadGuest(), facts{
			Confined: true,
			NICs:     []roles.NIC{{Name: "lan", Network: "inside", Via: "vpn"}},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := render(t, c.guest)
			got := facts{load(t, c.guest.role).Confined, r.identity.NICs, r.identity.Devices, r.identity.Hosts, r.Forwards, r.Tunnels, r.Outside}
			ignore := []cmp.Option{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}),
				cmpopts.IgnoreFields(roles.NIC{}, "At"), cmpopts.IgnoreFields(roles.Device{}, "At"), cmpopts.IgnoreFields(roles.Host{}, "At")}
			if d := cmp.Diff(c.want, got, ignore...); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// TestShellScripts has the shells read every script.
func TestShellScripts(t *testing.T) {
	scripts := 0
	for name, g := range variants(t) {
		for _, f := range render(t, g).Files {
			first, _, _ := strings.Cut(string(f.Content), "\n")
			shell, ok := strings.CutPrefix(first, "#!/bin/")
			if !ok {
				continue
			}
			scripts++
			cmd := exec.Command(shell, "-n")
			cmd.Stdin = strings.NewReader(string(f.Content))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v\n%s", name, f.Path, err, out)
			}
			if f.Mode != 0o755 {
				t.Errorf("%s: %s has mode %o", name, f.Path, f.Mode)
			}
		}
	}
	if scripts < 15 {
		t.Errorf("only %d scripts were read", scripts)
	}
}

// TestSecrets finds every secret in files that nobody but root can read, and nowhere else.
func TestSecrets(t *testing.T) {
	for name, g := range variants(t) {
		r := render(t, g)
		secrets := []string{"correct horse"}
		if g.role == "wifi_router" {
			secrets = nil
			for _, n := range networksOf(t, g) {
				secrets = append(secrets, n.psk)
			}
		}
		for _, f := range r.Files {
			holds := slices.ContainsFunc(secrets, func(s string) bool {
				quoted, _ := json.Marshal(s)
				return strings.Contains(string(f.Content), s) || strings.Contains(string(f.Content), strings.Trim(string(quoted), `"`))
			})
			if (holds || f.Sensitive) && (f.Mode != 0o600 || f.Owner != "root:root" || !f.Sensitive) {
				t.Errorf("%s: %s holds a secret: mode %o, owner %s, sensitive %v", name, f.Path, f.Mode, f.Owner, f.Sensitive)
			}
		}
		for _, text := range append(slices.Clone(r.Apply), r.Guard) {
			if slices.ContainsFunc(secrets, func(s string) bool { return strings.Contains(text, s) }) {
				t.Errorf("%s: a secret stands in a command", name)
			}
		}
	}
}

// TestNoFileTurnsForwardingOn: only a unit does, once the rules are there; and nothing flushes what others have made.
func TestNoFileTurnsForwardingOn(t *testing.T) {
	for name, g := range variants(t) {
		r := render(t, g)
		for _, f := range r.Files {
			text := string(f.Content)
			if strings.HasPrefix(f.Path, "/etc/") && (strings.Contains(text, "ip_forward") || strings.Contains(text, "/forwarding")) {
				t.Errorf("%s: %s sets forwarding", name, f.Path)
			}
			if strings.Contains(text, "flush ruleset") {
				t.Errorf("%s: %s flushes rules", name, f.Path)
			}
			if strings.Contains(text, "vpn.example.net") {
				t.Errorf("%s: %s holds a name that would have to be resolved", name, f.Path)
			}
		}
	}
}

// TestMistakes are role blocks that must be refused, each for its reason, and never with a secret in the message.
func TestMistakes(t *testing.T) {
	vpn := func(change func(*guest)) guest {
		g := vpnGuest()
		change(&g)
		return g
	}
	block := func(old, text string) guest {
		return vpn(func(g *guest) {
			if !strings.Contains(g.block, old) {
				t.Fatalf("no %q to change", old)
			}
			g.block = strings.Replace(g.block, old, text, 1)
		})
	}
	wifi := func(release, text string) guest {
		g := wifiGuest(t)
		g.block, g.release = text, release
		return g
	}
	const home, keyed = `wifi "Home" { psk = sensitive("correct horse") }`, `wifi "Home" {
		psk   = sensitive("correct horse")
		bssid = ["00:11:22:AA:BB:CC"]
	}`
	for _, c := range []struct {
		name  string
		guest guest
		want  string
	}{
		{"one network for both sides", block("lan      = inside", "lan = uplink"), "need a network of their own"},
		{"no resolver", block(`["10.8.0.1", "fd08::1"]`, "[]"), "need a resolver"},
		{"a resolver by name", block(`["10.8.0.1", "fd08::1"]`, `["dns.example.net"]`), "must be IP addresses"},
		{"a resolver with options", block(`["10.8.0.1", "fd08::1"]`, `["10.8.0.1@uplink"]`), "must be IP addresses"},
		{"a resolver that is the gateway itself", block(`"10.8.0.1"`, `"127.0.0.1"`), "no address of a host beyond the tunnel"},
		{"a resolver that is no host", block(`"10.8.0.1"`, `"0.0.0.0"`), "no address of a host beyond the tunnel"},
		{"a resolver that is a group", block(`"10.8.0.1"`, `"239.1.2.3"`), "no address of a host beyond the tunnel"},
		{"a resolver on one link", block(`"fd08::1"`, `"fe80::1"`), "no address of a host beyond the tunnel"},
		{"a resolver in another spelling", block(`"fd08::1"`, `"::FFFF:127.0.0.1"`), "no address of a host beyond the tunnel"},
		{"a resolver that is the loopback of IPv6", block(`"fd08::1"`, `"0::1"`), "no address of a host beyond the tunnel"},
		{"a resolver on the uplink", block(`"10.8.0.1"`, `"10.64.0.2"`), "an address of inside or uplink"},
		{"a resolver on the inside network", block(`"fd08::1"`, `"fd66::0:2"`), "an address of inside or uplink"},
		{"IPv6 resolvers alone", vpn(func(g *guest) {
			g.block = strings.NewReplacer(`"10.8.0.1", `, "", "ipv6     = true", "").Replace(g.block)
		}), "All of them are IPv6"},
		{"no password", block(`password = sensitive("correct horse")`, ""), "asks for a user name and a password"},
		{"credentials nobody asks for", vpn(func(g *guest) {
			g.values = map[string]cty.Value{"profile": profile("", false, remote{"198.51.100.11", "tcp", 443})}
		}), "asks for no user name"},
		{"a password with a line break", block(`sensitive("correct horse")`, `sensitive("correct\nhorse")`), "password"},
		{"no server", vpn(func(g *guest) {
			g.values = map[string]cty.Value{"profile": profile("", true)}
		}), "names no server"},

		{"no way out", wifi("noble", "lan = uplink\n"), "either wifi"},
		{"two ways out", wifi("noble", "lan = uplink\nwan = nat\n"+home), "either wifi"},
		{"an isolated way out", wifi("noble", "lan = uplink\nwan = inside\n"), "leads nowhere"},
		{"no country", wifi("noble", "lan = uplink\n"+home), "needs its country"},
		{"a country in small letters", wifi("noble", "lan = uplink\ncountry = \"de\"\n"+home), "two capital letters"},
		{"another manager", wifi("noble", "lan = uplink\ncountry = \"DE\"\nmanager = \"iwd\"\n"+home), "The managers are"},
		{"wicd on noble", wifi("noble", "lan = uplink\ncountry = \"DE\"\nmanager = \"wicd\"\n"+keyed), "The release noble has no wicd. Ubuntu precise to bionic"},
		{"netplan on xenial", wifi("xenial", "lan = uplink\ncountry = \"DE\"\n"+home), "The release xenial has no netplan"},
		{"wicd without addresses of radios", wifi("bionic", "lan = uplink\ncountry = \"DE\"\nmanager = \"wicd\"\n"+home), "Give every wifi block its bssid"},
		{"a radio twice with wicd", wifi("bionic", "lan = uplink\ncountry = \"DE\"\nmanager = \"wicd\"\n"+strings.Replace(keyed, `CC"`, `CC", "00:11:22:aa:bb:cc"`, 1)), "a bssid stands here twice"},
		{"a radio of two networks with wicd", wifi("bionic", "lan = uplink\ncountry = \"DE\"\nmanager = \"wicd\"\n"+keyed+"\n"+strings.NewReplacer("Home", "Other", "AA", "aa").Replace(keyed)), "a bssid stands here twice"},
		{"a key with WPA3", wifi("noble", "lan = uplink\ncountry = \"DE\"\n"+strings.NewReplacer("correct horse", strings.Repeat("0123456789abcdef", 4), "bssid", "security = \"wpa3\"\nbssid").Replace(keyed)), "Give WPA3 the passphrase"},
		{"WPA3 with wicd", wifi("bionic", "lan = uplink\ncountry = \"DE\"\nmanager = \"wicd\"\n"+strings.Replace(keyed, "bssid", "security = \"wpa3\"\nbssid", 1)), "wicd knows no WPA3"},
		{"WPA3 on jammy", wifi("jammy", "lan = uplink\ncountry = \"DE\"\n"+strings.Replace(keyed, "bssid", "security = \"wpa3\"\nbssid", 1)), "The netplan of jammy knows no WPA3"},
		{"hidden on bionic", wifi("bionic", "lan = uplink\ncountry = \"DE\"\n"+strings.Replace(keyed, "bssid", "hidden = true\nbssid", 1)), "no hidden networks"},
		{"hidden on buster", wifi("buster", "lan = uplink\ncountry = \"DE\"\n"+strings.Replace(keyed, "bssid", "hidden = true\nbssid", 1)), "netplan of buster knows no hidden networks"},
		{"two radios with netplan", wifi("noble", "lan = uplink\ncountry = \"DE\"\n"+strings.Replace(keyed, `CC"`, `CC", "00:11:22:AA:BB:CD"`, 1)), "one radio or to none"},
		{"a network twice", wifi("noble", "lan = uplink\ncountry = \"DE\"\n"+home+"\n"+home), "name the same network"},
		{"a short passphrase", wifi("noble", "lan = uplink\ncountry = \"DE\"\n"+strings.Replace(home, "correct horse", "correct", 1)), "8 to 63"},
		{"a passphrase with an umlaut", wifi("noble", "lan = uplink\ncountry = \"DE\"\n"+strings.Replace(home, "correct horse", "correct hörse", 1)), "8 to 63"},
		{"a long name", wifi("noble", "lan = uplink\ncountry = \"DE\"\n"+strings.Replace(home, "Home", strings.Repeat("ü", 17), 1)), "1 to 32 bytes"},
		{"a name with a line break", wifi("noble", "lan = uplink\ncountry = \"DE\"\n"+strings.Replace(home, "Home", "a\\nb", 1)), "label"},
		{"a number as a passphrase with wicd", wifi("bionic", "lan = uplink\ncountry = \"DE\"\nmanager = \"wicd\"\n"+strings.Replace(keyed, "correct horse", "12345678", 1)), "the settings of wicd"},
		{"a wrong address of a radio", wifi("noble", "lan = uplink\ncountry = \"DE\"\n"+strings.Replace(keyed, "00:11", "0:11", 1)), "looks like 00:11"},
		{"a wrong mac", wifi("noble", "lan = uplink\ncountry = \"DE\"\nmac = \"x\"\n"+home), "A MAC address looks like"},
		{"a card and a cable", wifi("noble", "lan = uplink\nwan = nat\ncard = pci(\"8086:2723\")\n"), "takes no wifi card"},

		{"no patience", func() guest { g := workloadGuest(); g.block += "wait = 0\n"; return g }(), "1 to 600"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := tryRender(t, c.guest)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want something with %q", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), "correct") || strings.Contains(err.Error(), "12345678")) {
				t.Errorf("the message shows a secret: %v", err)
			}
		})
	}
}

// TestHostileNamesInNetplan: netplan's file is JSON, which is YAML as well, and holds names and keys exactly.
func TestHostileNamesInNetplan(t *testing.T) {
	g := variants(t)["hostile"]
	var file struct {
		Network struct {
			Wifis map[string]struct {
				Points map[string]struct {
					Password, BSSID string
					Hidden          bool
					Auth            struct {
						Management string `json:"key-management"`
						Password   string
					}
				} `json:"access-points"`
			}
		}
	}
	if err := json.Unmarshal([]byte(render(t, g).content(t, "/etc/netplan/60-jeos.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	got := map[string]network{}
	for ssid, point := range file.Network.Wifis["wlan0"].Points {
		n := network{psk: point.Password, security: "wpa2", hidden: point.Hidden}
		if point.Auth.Management == "sae" {
			n.psk, n.security = point.Auth.Password, "wpa3"
		}
		if point.BSSID != "" {
			n.bssid = []string{strings.ToLower(point.BSSID)}
		}
		got[ssid] = n
	}
	if d := cmp.Diff(networksOf(t, g), got, cmp.AllowUnexported(network{})); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// TestFolders: every folder is a role, and every template is of use to one.
func TestFolders(t *testing.T) {
	folders, err := fs.ReadDir(templates.Roles, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		source, err := fs.ReadFile(templates.Roles, folder.Name()+"/role.hcl")
		if err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(string(hclwrite.Format(source)), string(source)); d != "" {
			t.Errorf("%s/role.hcl: -formatted +as it is:\n%s", folder.Name(), d)
		}
		files, err := fs.Glob(templates.Roles, folder.Name()+"/*.tmpl")
		if err != nil || len(files) == 0 {
			t.Errorf("%s has no templates: %v", folder.Name(), err)
		}
		for _, f := range files {
			if !strings.Contains(string(source), `"`+filepath.Base(f)+`"`) {
				t.Errorf("no file is made of %s", f)
			}
		}
	}
}

// TestWarnings has roles made of what they can do little with.
func TestWarnings(t *testing.T) {
	unreachable := variants(t)["vpn with IPv6 only"]
	unreachable.pinned = map[string][]netip.Addr{"vpn.example.net": addresses("198.51.100.10")}
	unknown := func(change func(block string) string) guest {
		g := wifiGuest(t)
		g.release, g.block = "", change(g.block)
		return g
	}
	psk := func(more string) func(string) string {
		return func(block string) string { return strings.Replace(block, "psk ", more+"\npsk ", 1) }
	}
	for name, c := range map[string]struct {
		guest guest
		want  string // "" for none
	}{
		"a release that is not known":   {unknown(func(block string) string { return block }), ""},
		"WPA3 on a release not known":   {unknown(psk(`security = "wpa3"`)), "WPA3 that of noble"},
		"hidden on a release not known": {unknown(psk("hidden = true")), "Hidden networks need the netplan"},
		"a gateway":                     {vpnGuest(), ""},
		"a router":                      {wifiGuest(t), ""},
		"a workload":                    {workloadGuest(), ""},
		"servers out of reach":          {unreachable, "it has IPv6 alone, and they the other"},
		"a router without guest":        {variants(t)["no clients"], "it passes nothing on"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(render(t, c.guest).warnings, "\n")
			if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("the role warns %q, want %q", got, c.want)
			}
		})
	}
}
