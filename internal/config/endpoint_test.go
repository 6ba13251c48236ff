package config_test

import (
	"net/netip"
	"testing"

	"jeos/internal/config"
)

func TestCheckEndpoint(t *testing.T) {
	for addr, want := range map[string]string{
		"198.51.100.1":        "",
		"10.0.0.1":            "",
		"100.64.0.1":          "",
		"2001:db8::1":         "",
		"fd00::1":             "",
		"127.0.0.53":          "127.0.0.53 leads back to whoever uses it",
		"::1":                 "::1 leads back to whoever uses it",
		"0.0.0.0":             "0.0.0.0 is no address of a host",
		"0.1.2.3":             "0.1.2.3 is no address of a host",
		"::":                  ":: is no address of a host",
		"224.0.0.251":         "224.0.0.251 is that of a group",
		"ff02::1":             "ff02::1 is that of a group",
		"169.254.1.1":         "169.254.1.1 is valid on one link alone",
		"fe80::1":             "fe80::1 is valid on one link alone",
		"fe80::1%eth0":        "fe80::1%eth0 has a zone",
		"255.255.255.255":     "255.255.255.255 is reserved",
		"::ffff:198.51.100.1": "::ffff:198.51.100.1 is an IPv4 address written as IPv6",
	} {
		if got := config.CheckEndpoint(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %q, want %q", addr, got, want)
		}
	}
	if config.CheckEndpoint(netip.Addr{}) == "" {
		t.Error("no address is fine")
	}
}
