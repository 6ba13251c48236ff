package builders

import (
	"slices"
	"testing"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"

	"jeos/internal/config"
	"jeos/plan"
)

// TestObserveGuards reads the filter and port of a card that runs, after somebody's hand or none.
func TestObserveGuards(t *testing.T) {
	card := func(edit func(e *etree.Element)) func(*testing.T, *plan.Inventory) {
		return func(t *testing.T, inv *plan.Inventory) {
			d := &inv.Domains[0]
			d.LiveXML = changed(t, d.LiveXML, func(root *etree.Element) { edit(root.FindElement("devices/interface")) })
		}
	}
	tests := map[string]struct {
		hand         func(*testing.T, *plan.Inventory)
		filter, port string
	}{
		"nothing":        {func(*testing.T, *plan.Inventory) {}, "filter.vpn.inside", "open"},
		"filter removed": {card(func(e *etree.Element) { removeChildren(e, "filterref") }), "none", "open"},
		"foreign filter": {card(func(e *etree.Element) { e.SelectElement("filterref").CreateAttr("filter", "x") }),
			"libvirt-filter x (home-vpn.inside is at work)", "open"},
		"parameters": {card(func(e *etree.Element) {
			p := e.SelectElement("filterref").CreateElement("parameter")
			p.CreateAttr("name", "IP")
			p.CreateAttr("value", "10.0.0.1")
		}), "filter.vpn.inside with IP=10.0.0.1", "open"},
		"no binding":    {func(_ *testing.T, inv *plan.Inventory) { inv.Bindings = nil }, "filter.vpn.inside (not at work)", "open"},
		"other binding": {func(_ *testing.T, inv *plan.Inventory) { inv.Bindings[0].Filter = "x" }, "filter.vpn.inside (x is at work)", "open"},
		"port isolated": {card(func(e *etree.Element) { e.SelectElement("port").CreateAttr("isolated", "yes") }), "filter.vpn.inside", "isolated"},
		"port removed":  {card(func(e *etree.Element) { removeChildren(e, "port") }), "filter.vpn.inside", "isolated"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inv := applied(build(t, guardedSite(), guardedHost()))
			tt.hand(t, inv)
			o := observe(t, inv, "guest.vpn")
			if o.Live["filter.inside"] != tt.filter || o.Live["port.inside"] != tt.port {
				t.Errorf("filter %q, port %q, want %q, %q", o.Live["filter.inside"], o.Live["port.inside"], tt.filter, tt.port)
			}
			if o.Attrs["filter.inside"] != "filter.vpn.inside" || o.Attrs["port.inside"] != "open" {
				t.Errorf("the definition has %q, %q", o.Attrs["filter.inside"], o.Attrs["port.inside"])
			}
		})
	}
}

// TestUpdateCard changes a card as it runs.
func TestUpdateCard(t *testing.T) {
	const inside = `<mac address="52:54:00:00:00:11"/><source network="home-lan" portid="1" bridge="j0"/><target dev="vnet0"/><link state="down"/>`
	const out = `<mac address="52:54:00:00:00:01"/><source network="home-lan"/><target dev="vnet1"/>`
	tests := map[string]struct{ guest, device, want string }{
		"gateway's": {"vpn", `<interface>` + inside + `</interface>`,
			`<interface>` + inside + `<filterref filter="home-vpn.inside"/><port isolated="no"/></interface>`},
		"gateway's, as it should be": {"vpn", `<interface>` + inside + `<port isolated="no"/><filterref filter="home-vpn.inside"/></interface>`,
			`<interface>` + inside + `<port isolated="no"/><filterref filter="home-vpn.inside"/></interface>`},
		"client's": {"web", `<interface>` + out + `<port isolated="no"/><filterref filter="x"><parameter name="a" value="b"/></filterref></interface>`,
			`<interface>` + out + `<filterref filter="home-web.lan"/><port isolated="yes"/></interface>`},
		"nobody's": {"web", `<interface>` + inside + `</interface>`, ""},
		"a disk":   {"web", `<disk/>`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := resource(t, build(t, guardedSite(), guardedHost()), "guest."+tt.guest)
			got, err := r.Update(tt.device)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if _, err := resource(t, build(t, guardedSite(), guardedHost()), "guest.web").Update("<interface"); err == nil {
		t.Error("no error for nonsense")
	}
}

// TestNoRestartKeepsGuards takes cards of guests that run on out of the files, or into another network: until the restart
// they keep their filters and ports.
func TestNoRestartKeepsGuards(t *testing.T) {
	tests := map[string]struct {
		edit func(*config.Site)
		gone []string // filters, after the restart
	}{
		"removed": {func(s *config.Site) { s.Guests[0].NICs = s.Guests[0].NICs[:1] }, []string{"home-vpn.uplink"}},
		"moved": {func(s *config.Site) {
			n := &s.Guests[1].NICs[0]
			n.Network, n.Via, n.Filter = "out", "", nil
		}, []string{"home-web.lan"}},
		"gateway's, moved": {func(s *config.Site) {
			s.Networks[1].IsolatedPorts = true
			n := s.Guests[0].NICs
			n[0].Network, n[1].Network = "out", "lan"
			n[1].Gateway = true
		}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			site := guardedSite()
			inv := applied(build(t, site, guardedHost()))
			inv.Devices = testDevices()
			tt.edit(site)
			removed := func() (gone []string) {
				p, err := Plan(site, inv, plan.Options{NoRestart: true})
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range p.Steps {
					switch s.Verb {
					case plan.UpdateDevice:
						t.Errorf("step %v of %s", s, s.Host)
					case plan.UndefineFilter:
						gone = append(gone, s.Host)
					case plan.DefineGuest:
						d := slices.IndexFunc(inv.Domains, func(d plan.HostDomain) bool { return d.UUID == s.UUID })
						inv.Domains[d].XML = s.XML
					}
				}
				return gone
			}
			for range 2 {
				if gone := removed(); len(gone) > 0 {
					t.Errorf("filters removed before the restart: %v", gone)
				}
			}
			inv.Bindings = nil
			for i := range inv.Domains {
				inv.Domains[i].LiveXML = plugIn(inv, inv.Domains[i].XML)
			}
			if diff := cmp.Diff(tt.gone, removed()); diff != "" {
				t.Errorf("filters removed after the restart (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNeeds checks that a gateway comes before those behind it, also where it refers to one of them.
func TestNeeds(t *testing.T) {
	list := build(t, guardedSite(), guardedHost())
	addrs := func(list []plan.Addr) (out []string) {
		for _, a := range list {
			out = append(out, a.String())
		}
		return out
	}
	vpn, web := resource(t, list, "guest.vpn"), resource(t, list, "guest.web")
	if diff := cmp.Diff([]string{"network.lan", "network.out", "filter.vpn.inside", "filter.vpn.uplink"}, addrs(vpn.Needs)); diff != "" {
		t.Errorf("the gateway needs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"network.lan", "filter.web.lan", "guest.vpn"}, addrs(web.Needs)); diff != "" {
		t.Errorf("the client needs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"guest.vpn"}, addrs(web.Via)); diff != "" || vpn.Via != nil {
		t.Errorf("the gateway goes through %v, the client through (-want +got):\n%s", vpn.Via, diff)
	}
}

// TestPortsOfNetworks isolates the guests of a network, and has somebody join them by hand.
func TestPortsOfNetworks(t *testing.T) {
	site := guardedSite()
	inv := applied(build(t, site, guardedHost()))
	for i := range inv.Networks {
		inv.Networks[i].XML = changed(t, inv.Networks[i].XML, func(root *etree.Element) { removeChildren(root, "port") })
	}
	inv.Devices = testDevices()
	p, err := Plan(site, inv, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !p.Security() || p.Changes[0].Addr != networkAddr("lan") || p.Changes[0].Attrs[0].From != "open" || p.Changes[0].Attrs[0].To != "isolated" {
		t.Errorf("changes %+v", p.Changes)
	}
	for _, s := range p.Steps {
		if s.Verb == plan.DefineNetwork {
			inv.Networks[0].XML = s.XML
		}
	}
	if o := observe(t, inv, "network.lan"); o.Attrs[attrPorts] != portIsolated {
		t.Errorf("after the edit ports are %q", o.Attrs[attrPorts])
	}
	site.Networks[0].IsolatedPorts = false
	edited, err := resource(t, build(t, site, guardedHost()), "network.lan").Edit(inv.Networks[0].XML)
	if err != nil {
		t.Fatal(err)
	}
	inv.Networks[0].XML = edited
	if ports, ok := observe(t, inv, "network.lan").Attrs[attrPorts]; ok {
		t.Errorf("without isolation ports are %q", ports)
	}
}
