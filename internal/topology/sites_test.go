package topology_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"jeos/internal/config"
)

// endpoint is where all tunnels of these tests go.
var endpoint = config.Endpoint{Addr: netip.MustParseAddr("198.51.100.10"), Proto: "udp", Port: 1194}

// parseSite reads a site from lines; every origin is "site:LINE".
//
//	network NAME MODE [bridge=BRIDGE] [cidr=CIDR] [host]
//	guest NAME WORD…
//	bake NAME CARD@NETWORK
//
// Words of a guest are those of its role: role, confined, out:INTERFACE, fwd:FROM>TO with a final "!" for tunnels alone, and
// tun:NAME/OVER with a final "!" for no endpoint; and its own: CARD@NETWORK with a final "*" where it is the gateway,
// CARD@NETWORK=GUEST where it goes through one, and dev:NAME.
func parseSite(t testing.TB, text string) *config.Site {
	site := &config.Site{Name: "home"}
	for i, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		at := fmt.Sprintf("site:%d", i+1)
		switch {
		case len(words) == 0:
		case words[0] == "network":
			site.Networks = append(site.Networks, parseNetwork(t, words[1:], at))
		case words[0] == "guest":
			g := config.Guest{Name: words[1], Origin: at}
			for _, word := range words[2:] {
				parseWord(t, &g, word, at)
			}
			site.Guests = append(site.Guests, g)
		case words[0] == "bake":
			var g config.Guest
			parseWord(t, &g, words[2], at)
			site.Images = append(site.Images, config.Image{Name: words[1], Bake: &config.Bake{NIC: g.NICs[0]}, Origin: at})
		default:
			t.Fatalf("line %d: %q", i+1, line)
		}
	}
	return site
}

func parseNetwork(t testing.TB, words []string, at string) config.Network {
	n := config.Network{Name: words[0], Mode: config.Mode(words[1]), Bridge: "j" + words[0], Origin: at}
	for _, word := range words[2:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "bridge":
			n.Bridge = value
		case "cidr":
			n.CIDRs = append(n.CIDRs, netip.MustParsePrefix(value))
		case "host":
			n.Host = []netip.Addr{netip.MustParseAddr("10.0.0.1")}
		default:
			t.Fatalf("network %s: %q", n.Name, word)
		}
	}
	return n
}

func parseWord(t testing.TB, g *config.Guest, word, at string) {
	role := func() *config.Role {
		if g.Role == nil {
			g.Role = &config.Role{Name: "test", Origin: at}
		}
		return g.Role
	}
	kind, rest, _ := strings.Cut(word, ":")
	name, marked := strings.CutSuffix(rest, "!")
	switch kind {
	case "role":
		role()
	case "confined":
		role().Confined = true
	case "out":
		role().Outside = append(role().Outside, name)
	case "fwd":
		from, to, _ := strings.Cut(name, ">")
		role().Forwards = append(role().Forwards, config.Forward{From: from, To: to, TunnelsAlone: marked})
	case "tun":
		tunnel, over, _ := strings.Cut(name, "/")
		made := config.Tunnel{Name: tunnel, Over: over}
		if !marked {
			made.Endpoints = []config.Endpoint{endpoint}
		}
		role().Tunnels = append(role().Tunnels, made)
	case "dev":
		g.Devices = append(g.Devices, config.Device{Name: name, ID: "8086:2723", Origin: at})
	default:
		card, network, ok := strings.Cut(word, "@")
		if !ok {
			t.Fatalf("guest %s: %q", g.Name, word)
		}
		nic := config.NIC{Name: card, Origin: at}
		network, nic.Via, _ = strings.Cut(network, "=")
		nic.Network, nic.Gateway = strings.CutSuffix(network, "*")
		g.NICs = append(g.NICs, nic)
	}
}
