package templates_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"jeos/internal/roles"
)

// The sample site: wifi (10.64.0.2) — uplink — vpn (10.64.0.3, 10.66.0.2) — inside — web (10.66.0.3).
func vpnGuest() guest {
	return guest{
		role: "openvpn_client",
		block: `
			uplink   = uplink
			via      = wifi
			lan      = inside
			config   = profile
			dns      = ["10.8.0.1", "fd08::1"]
			ipv6     = true
			username = sensitive("joe")
			password = sensitive("correct horse")
		`,
		values: map[string]cty.Value{"profile": profile("cipher AES-256-GCM\n<ca>\nCA\n</ca>\n", true,
			remote{"vpn.example.net", "udp", 1194}, remote{"198.51.100.11", "tcp", 443})},
		cards: map[string]roles.Card{
			"uplink": {MAC: "52:54:00:00:01:03", Addresses: prefixes("10.64.0.3/24", "fd64::3/64"),
				Gateway: &roles.Gateway{Guest: "wifi", MAC: "52:54:00:00:01:02", Addresses: addresses("10.64.0.2", "fd64::2")}},
			"lan": {MAC: "52:54:00:00:02:02", Addresses: prefixes("10.66.0.2/24", "fd66::2/64")},
		},
		pinned: map[string][]netip.Addr{"vpn.example.net": addresses("198.51.100.10", "2001:db8::10")},
		clients: []roles.Client{
			{Guest: "web", Interface: "lan", MAC: "52:54:00:00:02:03", Addresses: addresses("10.66.0.3", "fd66::3")},
		},
	}
}

func wifiGuest(t *testing.T) guest {
	vpn := render(t, vpnGuest())
	return guest{
		role: "wifi_router",
		block: `
			card    = pci("8086:2723")
			lan     = uplink
			country = "DE"
			wifi "Home" {
				psk   = sensitive("correct horse")
			}
		`,
		release: "noble",
		cards:   map[string]roles.Card{"lan": {MAC: "52:54:00:00:01:02", Addresses: prefixes("10.64.0.2/24", "fd64::2/64")}},
		clients: []roles.Client{
			{Guest: "vpn", Interface: "lan", MAC: "52:54:00:00:01:03", Addresses: addresses("10.64.0.3", "fd64::3"), Export: vpn.export},
		},
	}
}

// wiredGuest is the wifi guest with a cable in place of a radio.
func wiredGuest(t *testing.T) guest {
	g := wifiGuest(t)
	g.block = "lan = uplink\nwan = nat\n"
	g.cards["wan"] = roles.Card{MAC: "52:54:00:00:09:02", Addresses: prefixes("192.168.9.2/24")}
	return g
}

func workloadGuest() guest {
	return guest{
		role:  "workload",
		block: "lan = inside\nvia = vpn\n",
		cards: map[string]roles.Card{
			"lan": {MAC: "52:54:00:00:02:03", Addresses: prefixes("10.66.0.3/24", "fd66::3/64"),
				Gateway: &roles.Gateway{Guest: "vpn", MAC: "52:54:00:00:02:02", Addresses: addresses("10.66.0.2", "fd66::2")}},
		},
	}
}

// variants are guests that make the templates take all their branches.
func variants(t *testing.T) map[string]guest {
	only := func(g guest, family func(string) bool) guest {
		cards := map[string]roles.Card{}
		for name, card := range g.cards {
			var kept []string
			for _, p := range card.Addresses {
				if family(p.String()) {
					kept = append(kept, p.String())
				}
			}
			card.Addresses = prefixes(kept...)
			if card.Gateway != nil {
				gateway, kept := *card.Gateway, []string(nil)
				for _, a := range gateway.Addresses {
					if family(a.String()) {
						kept = append(kept, a.String())
					}
				}
				gateway.Addresses = addresses(kept...)
				card.Gateway = &gateway
			}
			cards[name] = card
		}
		g.cards = cards
		return g
	}
	four := func(s string) bool { return !strings.Contains(s, ":") }
	six := func(s string) bool { return strings.Contains(s, ":") }
	alone := wifiGuest(t)
	alone.clients = nil
	noIPv6 := vpnGuest()
	noIPv6.block = strings.ReplaceAll(noIPv6.block, "ipv6     = true", "ipv6     = false")
	hostile := wifiGuest(t)
	hostile.block = hostileWifi
	return map[string]guest{
		"vpn": vpnGuest(), "vpn with IPv4 only": only(noIPv6, four), "vpn with IPv6 only": only(vpnGuest(), six), "vpn without IPv6 in the tunnel": noIPv6,
		"wifi": wifiGuest(t), "wifi with IPv4 only": only(wifiGuest(t), four), "wired": wiredGuest(t), "no clients": alone, "hostile": hostile,
		"workload": workloadGuest(), "workload with IPv6 only": only(workloadGuest(), six),
	}
}

// hostileWifi has names of networks and passphrases that no file must take for something else. The first one is as long as one
// can be: 63 characters.
var hostileWifi = `
	lan     = uplink
	country = "DE"
	mac     = "02:AA:BB:00:00:00"
	wifi "he said \"hi\" # ; \\" {
		psk    = sensitive("~!@#$%^&*()_+{}|:\"<>?` + "`" + `-=[]\\;',./ abc \"quoted\" 'single' #$ =;|&!")
		bssid  = ["00:11:22:aa:bb:cc"]
		hidden = true
	}
	wifi "[section]" { psk = sensitive("key: value # [x] {y} & *z") }
	wifi "- !!null ~ 🦜" { psk = sensitive("%%%%{}$${}  two  ") }
	wifi "yes" {
		psk      = sensitive("00000000")
		security = "wpa3"
	}
	wifi "1e3" { psk = sensitive("` + strings.Repeat("0123456789abcdef", 4) + `") }
`

// network is a wifi network that a router's block declares.
type network struct {
	psk, security string
	bssid         []string
	hidden        bool
}

// networksOf returns the networks that the block of a wifi router declares, by name.
func networksOf(t *testing.T, g guest) map[string]network {
	t.Helper()
	networks := map[string]network{}
	for _, b := range g.input(t, load(t, g.role)).Block.Blocks["wifi"] {
		psk, _ := b.Arguments["psk"].Value.Unmark()
		n := network{psk: psk.AsString(), security: "wpa2"}
		if a, ok := b.Arguments["security"]; ok {
			n.security = a.Value.AsString()
		}
		if a, ok := b.Arguments["hidden"]; ok {
			n.hidden = a.Value.True()
		}
		if a, ok := b.Arguments["bssid"]; ok {
			for _, v := range a.Value.AsValueSlice() {
				n.bssid = append(n.bssid, v.AsString())
			}
		}
		networks[b.Label] = n
	}
	return networks
}
