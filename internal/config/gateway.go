package config

import (
	"cmp"
	"slices"

	"jeos/internal/words"
)

// viaReference reads the via argument of a nic: the name of a guest, or "".
func (s *section) viaReference() string {
	if !s.has("via") {
		return ""
	}
	early := s.loader.section(s.block, earlyScope(s.scope))
	value := early.guestReference("via")
	if !value.IsKnown() || value.IsNull() {
		return ""
	}
	return value.GetAttr("name").AsString()
}

// connect finds the gateway of each nic that has one, and what the host lets through between them.
func (a *assignment) connect() {
	a.each(func(h holder) {
		if h.nic.Via != "" {
			h.inst.scope.needs[h.nic.Via] = true
		}
		a.lead(h)
	})
	a.each(func(h holder) { h.nic.Filter = a.filter(h) })
}

// lead finds the gateways of a nic that its addresses can reach: the host, or the guest that its via names.
func (l *loader) lead(h holder) {
	h.nic.Gateways = h.nic.network.Host
	if h.nic.Via != "" {
		l.join(h, l.instance(h.nic.Via))
	}
	h.nic.Gateways = h.nic.reach(h.nic.Gateways)
}

// instance returns the guest of that name; nil is one whose identity has a mistake.
func (l *loader) instance(name string) *instance {
	i := slices.IndexFunc(l.instances, func(inst *instance) bool { return inst.name == name })
	if i < 0 {
		return nil
	}
	return l.instances[i]
}

// join finds the gateway of a nic in the guest that its via names, which is nil when that has a mistake.
func (l *loader) join(h holder, via *instance) {
	var here, gateways []*nic
	if via != nil {
		for _, n := range via.nics {
			if n.network == h.nic.network {
				here = append(here, n)
			}
		}
		gateways = slices.DeleteFunc(slices.Clone(here), func(n *nic) bool { return !n.Gateway })
	}
	const summary = "Invalid gateway"
	at := h.nic.at("via")
	switch {
	case via == nil:
	case via == h.inst:
		l.add(at, summary, "The guest %s cannot be the gateway of itself. Name another one.", words.Quote(via.name))
	case len(here) == 0:
		l.add(at, summary, "The guest %s at %s has no nic on the network %s, so that it cannot be the gateway there. Name another guest, or"+
			" use a network that it is on.", words.Quote(via.name), origin(via.block.at), words.Quote(h.nic.Network))
	case len(gateways) == 0:
		l.add(at, summary, "The guest %s is on the network %s with its %s, but it is no gateway there: only a role makes a guest one. Name a"+
			" guest whose role is a gateway of that network.", words.Quote(via.name), words.Quote(h.nic.Network), here[0].where(via))
	case len(gateways) > 1:
		l.add(at, summary, "The guest %s is a gateway on the network %s twice, with its nics %s. Use two networks.",
			words.Quote(via.name), words.Quote(h.nic.Network), words.And(words.Quoted([]string{gateways[0].Name, gateways[1].Name})))
	case len(h.nic.reach(gateways[0].plain())) == 0:
		l.add(at, summary, "The %s and its gateway, %s, have no addresses of one range. Give the network %s cidrs.",
			h.nic.where(h.inst), gateways[0].where(via), words.Quote(h.nic.Network))
	default:
		h.nic.gateway = &holder{via, gateways[0]}
		h.nic.Gateways = gateways[0].plain()
	}
}

// filter returns what the host lets through on a nic, less what depends on its guest's role.
func (l *loader) filter(h holder) *Filter {
	if h.nic.gateway == nil && !h.nic.Gateway {
		return nil
	}
	f := &Filter{Router: h.nic.Gateway}
	if h.nic.gateway != nil {
		f.Peers = append(f.Peers, h.nic.gateway.nic.MAC)
	}
	for _, c := range l.clients(h.inst) {
		if c.nic.gateway.nic == h.nic {
			f.Peers = append(f.Peers, c.nic.MAC)
		}
	}
	slices.Sort(f.Peers)
	f.Peers = slices.Compact(f.Peers)
	return f
}

// clients returns the nics whose gateway is the guest, by guest and in the order of its nics. Bakes come last.
func (l *loader) clients(gateway *instance) []holder {
	var clients []holder
	for _, inst := range slices.Concat(l.instances, l.bakers) {
		for _, n := range inst.nics {
			if n.gateway != nil && n.gateway.inst == gateway {
				clients = append(clients, holder{inst, n})
			}
		}
	}
	return clients
}

// gatewaysOn returns the guests that are gateways of the network, by name.
func (l *loader) gatewaysOn(network *Network) (gateways []*instance) {
	for _, inst := range l.instances {
		if slices.ContainsFunc(inst.nics, func(n *nic) bool { return n.network == network && n.Gateway }) {
			gateways = append(gateways, inst)
		}
	}
	return gateways
}

// describe fills in what depends on the rest of the network and on the role of the guest. Over a nic below a tunnel packets
// go to the endpoints and nowhere else: unless the role says so, no default route leads there, and no resolver is there.
func (n *nic) describe(inst *instance) {
	if inst.role != nil && n.gateway != nil {
		for _, t := range inst.role.tunnels {
			if t.Over == n.Name {
				if n.Filter.Endpoints == nil {
					n.Filter.Endpoints = []Endpoint{} // without any, nothing goes anywhere
				}
				n.Filter.Endpoints = append(n.Filter.Endpoints, t.Endpoints...)
				n.DefaultRoute = n.DefaultRoute && n.route != nil
			}
		}
		slices.SortFunc(n.Filter.Endpoints, compareEndpoints)
		n.Filter.Endpoints = slices.Compact(n.Filter.Endpoints)
	}
	if n.Filter == nil && n.network.IsolatedPorts {
		n.Filter = &Filter{} // it has nobody to talk to, and could pass for one who has
	}
	if !n.DefaultRoute {
		n.Gateways = nil
	}
	n.NIC.DNS, n.NIC.MTU = n.network.DNS, n.network.MTU
	if n.Via != "" {
		n.NIC.DNS = n.Gateways
	}
}

func compareEndpoints(a, b Endpoint) int {
	return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port))
}
