package builders

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jeos/internal/config"
)

func TestNetworkConfig(t *testing.T) {
	const mac = "52:54:00:12:34:56"
	for name, c := range map[string]struct {
		nic  config.NIC
		want map[string]any // beside match, set-name and dhcp6
	}{
		"isolated": {
			config.NIC{Network: "inside", Addresses: prefixes("10.64.0.2/24")},
			map[string]any{"dhcp4": false, "accept-ra": false, "addresses": []any{"10.64.0.2/24"}, "link-local": []any{}},
		},
		"isolated, both families": {
			config.NIC{Network: "inside", Addresses: prefixes("10.64.0.2/24", "fd64::2/64")},
			map[string]any{"dhcp4": false, "accept-ra": false, "addresses": []any{"10.64.0.2/24", "fd64::2/64"}},
		},
		"isolated, no address": { // something must tell the boot that the card is up
			config.NIC{Network: "inside"},
			map[string]any{"dhcp4": false, "accept-ra": false},
		},
		"nat": {
			config.NIC{
				Network: "world", Addresses: prefixes("10.65.0.2/24", "fd65::2/64"), DefaultRoute: true,
				Gateways: addrs("10.65.0.1", "fd65::1"), DNS: addrs("10.65.0.1", "fd65::1"), MTU: 1400,
			},
			map[string]any{
				"dhcp4": false, "accept-ra": false, "addresses": []any{"10.65.0.2/24", "fd65::2/64"}, "mtu": 1400,
				"routes": []any{
					map[string]any{"to": "0.0.0.0/0", "via": "10.65.0.1"}, map[string]any{"to": "::/0", "via": "fd65::1"},
				},
				"nameservers": map[string]any{"addresses": []any{"10.65.0.1", "fd65::1"}},
			},
		},
		"dhcp": {
			config.NIC{Network: "lan", DHCP: true, DefaultRoute: true},
			map[string]any{"dhcp4": true, "accept-ra": true},
		},
		"dhcp beside the default route": {
			config.NIC{Network: "lan", DHCP: true},
			map[string]any{
				"dhcp4": true, "accept-ra": false, "optional": true, "dhcp4-overrides": map[string]any{"use-routes": false},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.nic.Name, c.nic.MAC = "card", mac
			c.want["match"] = map[string]any{"macaddress": mac}
			c.want["set-name"], c.want["dhcp6"] = "card", false
			got := decode(t, networkConfig(sampleSite(), &config.Guest{NICs: []config.NIC{c.nic}}))
			want := map[string]any{"version": 2, "ethernets": map[string]any{"card": c.want}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNetworkConfigWithoutCards(t *testing.T) {
	want := "\"ethernets\": {}\n\"version\": 2\n"
	if diff := cmp.Diff(want, string(networkConfig(sampleSite(), &config.Guest{}))); diff != "" {
		t.Error(diff)
	}
}

func TestInterfaceName(t *testing.T) {
	seen := map[string]string{}
	for _, nic := range []string{"lan", "exactly-15-long", "one-more-than-15", "one-more-than-15b", "lo", "all", "default"} {
		name := interfaceName(nic)
		if len(name) > 15 || name == "lo" || name == "all" || name == "default" || seen[name] != "" {
			t.Errorf("%s is called %s", nic, name)
		}
		seen[name] = nic
	}
	if got := interfaceName("exactly-15-long"); got != "exactly-15-long" {
		t.Errorf("a name that fits became %s", got)
	}
	if got := interfaceName(strings.Repeat("x", 32)); len(got) != 15 {
		t.Errorf("a long name became %s", got)
	}
}
