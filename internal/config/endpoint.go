package config

import (
	"fmt"
	"net/netip"
	"regexp"

	"jeos/internal/words"
)

var hostRE = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`) // RFC 1123

// checkHost accepts names of hosts.
func checkHost(s string) string {
	if !hostRE.MatchString(s) || len(s) > 253 {
		return words.Quote(s) + ` is no name of a host. Write one like "vpn.example.net", or an address.`
	}
	return ""
}

// CheckEndpoint returns why a tunnel cannot go to an address, in a clause that begins with the address, or "". It takes
// public and private addresses of one host, written without a zone.
func CheckEndpoint(addr netip.Addr) string {
	why := ""
	switch {
	case !addr.IsValid():
		return "is missing"
	case addr.Zone() != "":
		why = "has a zone"
	case addr.Is4In6():
		why = "is an IPv4 address written as IPv6"
	case addr.IsUnspecified() || addr.Is4() && addr.As4()[0] == 0:
		why = "is no address of a host"
	case addr.IsLoopback():
		why = "leads back to whoever uses it"
	case addr.IsMulticast():
		why = "is that of a group"
	case addr.IsLinkLocalUnicast():
		why = "is valid on one link alone"
	case addr.Is4() && addr.As4()[0] >= 240:
		why = "is reserved"
	default:
		return ""
	}
	return fmt.Sprintf("%s %s", addr, why)
}
