package config_test

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"jeos/internal/config"
)

// model is a small random site: three networks and guests on them, some with addresses of their own.
type model struct {
	networks string
	guests   map[string]string // by name, as HCL
}

func (m model) source() string {
	var b strings.Builder
	b.WriteString("jeos {\n  site = \"s\"\n}\nimage \"i\" {\n  source = \"i\"\n}\n" + m.networks)
	for _, guest := range m.guests {
		b.WriteString(guest) // in the order of a map: the order of blocks must not matter
	}
	return b.String()
}

var networkNames = []string{"n0", "n1", "n2"}

func drawModel(t *rapid.T) model {
	m := model{guests: map[string]string{}}
	for i, name := range networkNames {
		bits := rapid.IntRange(24, 27).Draw(t, "bits")
		mode := rapid.SampledFrom([]string{"isolated", "nat"}).Draw(t, "mode")
		dhcp := mode == "nat" && rapid.Bool().Draw(t, "dhcp")
		m.networks += fmt.Sprintf("network %q {\n  mode = %q\n  dhcp = %t\n  cidrs = [\"10.0.%d.0/%d\", \"fd00:%d::/64\"]\n}\n",
			name, mode, dhcp, i, bits, i)
	}
	for range rapid.IntRange(0, 7).Draw(t, "guests") {
		name := rapid.StringMatching(`g[a-z0-9]{1,2}`).Draw(t, "name")
		m.guests[name] = drawGuest(t, name)
	}
	return m
}

// drawGuest draws a guest that is right by itself. An address of its own lies where few others do, and may still be the
// one of another guest.
func drawGuest(t *rapid.T, name string) string {
	nics := ""
	for i, network := range networkNames {
		if !rapid.Bool().Draw(t, "nic") {
			continue
		}
		nics += fmt.Sprintf("  nic \"c%d\" {\n    network = network.%s\n    default_route = false\n", i, network)
		if rapid.IntRange(0, 4).Draw(t, "explicit") == 0 {
			nics += fmt.Sprintf("    addresses = [\"10.0.%d.%d\"]\n", i, rapid.IntRange(2, 14).Draw(t, "host"))
		}
		nics += "  }\n"
	}
	return fmt.Sprintf("guest %q {\n  image = image.i\n%s}\n", name, nics)
}

func load(t *rapid.T, dir string, m model) *config.Site {
	if err := os.WriteFile(filepath.Join(dir, "main.jeos.hcl"), []byte(m.source()), 0o644); err != nil {
		t.Fatal(err)
	}
	site, _, diags := config.Load(testOptions(dir))
	for _, d := range diags {
		if d.Summary != "Duplicate address" && d.Summary != "Duplicate MAC address" {
			t.Fatalf("%s: %s\n%s", d.Summary, d.Detail, m.source())
		}
	}
	return site
}

// addressesOf returns the addresses by guest and nic, after checking what always holds for them.
func addressesOf(t *rapid.T, site *config.Site) map[string]string {
	networks := map[string]config.Network{}
	for _, n := range site.Networks {
		networks[n.Name] = n
	}
	got, owners := map[string]string{}, map[netip.Addr]string{}
	for _, g := range site.Guests {
		for _, nic := range g.NICs {
			id, n := g.Name+"/"+nic.Name, networks[nic.Network]
			if len(nic.Addresses) != len(n.CIDRs) {
				t.Fatalf("%s has the addresses %v on %v", id, nic.Addresses, n.CIDRs)
			}
			for i, p := range nic.Addresses {
				if p.Masked() != n.CIDRs[i] || p.Addr() == n.CIDRs[i].Addr() {
					t.Fatalf("%s has %s, which is no host of %s", id, p, n.CIDRs[i])
				}
				if other, ok := owners[p.Addr()]; ok {
					t.Fatalf("%s and %s both have %s", id, other, p)
				}
				for _, host := range n.Host {
					if p.Addr() == host {
						t.Fatalf("%s has the host's address %s", id, p)
					}
				}
				if n.DHCP && p.Addr().Is4() && !p.Addr().Less(n.DHCPRange[0]) && !n.DHCPRange[1].Less(p.Addr()) {
					t.Fatalf("%s has %s of the DHCP range %v", id, p, n.DHCPRange)
				}
				owners[p.Addr()] = id
			}
			got[id] = fmt.Sprint(nic.Addresses)
		}
	}
	return got
}

// TestAddressesStay is the promise of the lock file: guests that come and go move no other, unless somebody writes down
// an address that another guest has been given.
func TestAddressesStay(t *testing.T) {
	dir := writeFiles(t, map[string]string{"i": ""})
	rapid.Check(t, func(t *rapid.T) {
		os.Remove(filepath.Join(dir, config.LockFile))
		m := drawModel(t)
		site := load(t, dir, m)
		if site == nil {
			return // two guests want the same address
		}
		before := addressesOf(t, site)
		if _, err := writeLock(dir, site.Lock); err != nil {
			t.Fatal(err)
		}
		again := load(t, dir, m)
		if d := cmp.Diff(before, addressesOf(t, again)); d != "" {
			t.Fatalf("addresses moved without a change:\n%s", d)
		}
		if d := cmp.Diff(site.Lock.Bytes(), again.Lock.Bytes()); d != "" {
			t.Fatalf("the lock changed without a change:\n%s", d)
		}

		for _, name := range slices.Sorted(maps.Keys(m.guests)) {
			if rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
				delete(m.guests, name)
			}
		}
		kept := maps.Clone(m.guests)
		for range rapid.IntRange(0, 4).Draw(t, "add") {
			name := rapid.StringMatching(`[fgh][a-z0-9]{1,2}`).Draw(t, "new name")
			if _, ok := m.guests[name]; !ok {
				m.guests[name] = strings.ReplaceAll(drawGuest(t, name), "addresses =", "mac = null #")
			}
		}
		site = load(t, dir, m)
		if site == nil {
			return // two derived MACs are the same
		}
		for id, addresses := range addressesOf(t, site) {
			if _, ok := kept[strings.Split(id, "/")[0]]; ok && before[id] != addresses {
				t.Fatalf("%s moved from %s to %s", id, before[id], addresses)
			}
		}
	})
}
