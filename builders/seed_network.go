package builders

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"

	"jeos/internal/config"
)

// networkConfig returns the network-config of a guest, version 2
// (https://docs.cloud-init.io/en/latest/reference/network-config-format-v2.html), in words that netplan 0.99 knows as well
// as the newest one. An unknown word would make netplan drop everything.
//
// A guest without network cards gets an empty configuration: without any, cloud-init asks for an address by DHCP.
func networkConfig(site *config.Site, g *config.Guest) []byte {
	ethernets := map[string]any{}
	for _, nic := range g.NICs {
		ethernets[interfaceName(nic.Name)] = ethernet(&nic, networkMode(site, nic.Network))
	}
	return encodeYAML(map[string]any{"version": 2, "ethernets": ethernets})
}

func networkMode(site *config.Site, name string) config.Mode {
	for _, n := range site.Networks {
		if n.Name == name {
			return n.Mode
		}
	}
	panic("no network " + name)
}

func ethernet(nic *config.NIC, mode config.Mode) map[string]any {
	e := map[string]any{
		"match":    map[string]any{"macaddress": nic.MAC},
		"set-name": interfaceName(nic.Name),
		"dhcp4":    nic.DHCP,
		"dhcp6":    false, // where there is DHCPv6, router advertisements say so
		// Router advertisements are the IPv6 side of DHCP. Elsewhere nobody but the files decides on addresses and routes.
		"accept-ra": nic.DHCP && nic.DefaultRoute,
	}
	if len(nic.Addresses) > 0 {
		e["addresses"] = texts(nic.Addresses)
	}
	if mode == config.Isolated && hasIPv4Only(nic.Addresses) {
		e["link-local"] = []any{} // no IPv6 at all
	}
	if nic.DHCP && !nic.DefaultRoute {
		e["dhcp4-overrides"] = map[string]any{"use-routes": false}
		e["optional"] = true // an answer may never come, and the boot must not wait for it
	}
	if routes := defaultRoutes(nic.Gateways); len(routes) > 0 {
		e["routes"] = routes
	}
	if len(nic.DNS) > 0 {
		e["nameservers"] = map[string]any{"addresses": texts(nic.DNS)}
	}
	if nic.MTU != 0 {
		e["mtu"] = nic.MTU
	}
	return e
}

// defaultRoutes spells the default route as a prefix: "default" is newer than netplan 0.99.
func defaultRoutes(gateways []netip.Addr) []any {
	var routes []any
	for _, gateway := range gateways {
		to := "0.0.0.0/0"
		if gateway.Is6() {
			to = "::/0"
		}
		routes = append(routes, map[string]any{"to": to, "via": gateway.String()})
	}
	return routes
}

func hasIPv4Only(prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Addr().Is6() {
			return false
		}
	}
	return len(prefixes) > 0
}

func texts[T interface{ String() string }](values []T) []any {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = v.String()
	}
	return list
}

// interfaceName returns the name that a network card has inside the guest: its own, unless Linux allows no interface of
// that name. Interface names have at most 15 bytes; "lo" is taken, "all" and "default" are folders beside the
// interfaces in /proc/sys/net.
func interfaceName(nic string) string {
	switch {
	case nic == "lo", nic == "all", nic == "default", len(nic) > 15:
		sum := sha256.Sum256([]byte(nic))
		return "nic" + hex.EncodeToString(sum[:6])
	}
	return nic
}
