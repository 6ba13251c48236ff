package topology_test

import (
	"net/netip"
	"testing"

	"jeos/internal/config"
	"jeos/internal/topology"
)

// addressed returns a sound site whose cards have addresses, as far as the checks look at them.
func addressed(t *testing.T) *config.Site {
	site := parseSite(t, `
		network inside isolated
		network uplink nat
		guest vpn tun:tun0/uplink fwd:lan>tun0 uplink@uplink lan@inside*
		guest web confined lan@inside=vpn`)
	site.Guests[0].NICs[1].Addresses = []netip.Prefix{netip.MustParsePrefix("10.66.0.1/24"), netip.MustParsePrefix("fd66::1/64")}
	site.Guests[1].NICs[0].Gateways = []netip.Addr{netip.MustParseAddr("10.66.0.1"), netip.MustParseAddr("fd66::1")}
	return site
}

func TestCheckAddresses(t *testing.T) {
	endpointAt := func(addr string, port uint16) func(*config.Site) {
		return func(s *config.Site) {
			s.Guests[0].Role.Tunnels[0].Endpoints[0] = config.Endpoint{Addr: netip.MustParseAddr(addr), Proto: "udp", Port: port}
		}
	}
	tests := map[string]struct {
		change func(*config.Site)
		want   string // the summary of the only problem; empty: there is none
	}{
		"sound":              {func(*config.Site) {}, ""},
		"another gateway":    {func(s *config.Site) { s.Guests[1].NICs[0].Gateways[1] = netip.MustParseAddr("fd66::9") }, "Two gateways"},
		"endpoint of IPv6":   {endpointAt("2001:db8::1", 443), ""},
		"endpoint anywhere":  {endpointAt("0.0.0.0", 1194), "Invalid endpoint"},
		"endpoint in itself": {endpointAt("::1", 1194), "Invalid endpoint"},
		"endpoint of many":   {endpointAt("224.0.0.1", 1194), "Invalid endpoint"},
		"endpoint, any port": {endpointAt("198.51.100.10", 0), "Invalid endpoint"},
		"endpoint, no address": {func(s *config.Site) {
			s.Guests[0].Role.Tunnels[0].Endpoints[0].Addr = netip.Addr{}
		}, "Invalid endpoint"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			site := addressed(t)
			tt.change(site)
			_, problems := topology.Prove(site)
			switch {
			case tt.want == "" && len(problems) > 0:
				t.Errorf("refused: %v", problems)
			case tt.want != "" && (len(problems) != 1 || problems[0].Summary != tt.want):
				t.Errorf("got %v, want %s", problems, tt.want)
			}
		})
	}
}
