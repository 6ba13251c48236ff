package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"

	"jeos/internal/roles"
	"jeos/internal/words"
)

// exportRoles completes what the roles of all guests depend on, when addresses are assigned.
func (l *loader) exportRoles() {
	for _, inst := range l.instances {
		use := inst.role
		if use == nil {
			continue
		}
		use.input.Block = l.roleBody(use.block, use.definition.Arguments, use.definition.Blocks, inst.scope)
		use.input.NICs = map[string]roles.Card{}
		for _, n := range inst.nics[:len(use.identity.NICs)] {
			use.input.NICs[n.Name] = n.card()
		}
		if slices.ContainsFunc(inst.nics, (*nic).stranded) {
			continue // which has been reported, and the role would stumble over it
		}
		var diags hcl.Diagnostics
		use.export, diags = use.definition.Export(use.input)
		l.diags = append(l.diags, diags...)
	}
}

// stranded reports whether a nic lacks its gateway or an address.
func (n *nic) stranded() bool { return n.Via != "" && n.gateway == nil || len(n.missing()) > 0 }

// card is what a role gets to know of a nic of its guest.
func (n *nic) card() roles.Card {
	c := roles.Card{MAC: n.MAC, Addresses: n.Addresses}
	if n.gateway != nil {
		c.Gateway = &roles.Gateway{Guest: n.gateway.inst.name, MAC: n.gateway.nic.MAC, Addresses: n.gateway.nic.plain()}
	}
	return c
}

// roleClients is what a role gets to know of the guests behind its guest.
func (l *loader) roleClients(gateway *instance) []roles.Client {
	var clients []roles.Client
	for _, h := range l.clients(gateway) {
		c := roles.Client{Guest: h.inst.name, Interface: h.nic.gateway.nic.Name, MAC: h.nic.MAC, Addresses: h.nic.plain()}
		if h.inst.role != nil {
			c.Export = h.inst.role.export
		}
		clients = append(clients, c)
	}
	return clients
}

// expandRole puts what the role makes of a guest into the guest.
func (s *section) expandRole(g *Guest, inst *instance) {
	use := inst.role
	if slices.ContainsFunc(inst.nics, (*nic).stranded) {
		s.incomplete = true
		return
	}
	use.input.Clients = s.roleClients(inst)
	e, diags := use.definition.Expand(use.input)
	s.diags = append(s.diags, diags...)
	if e == nil {
		s.incomplete = true
		return
	}
	r := &Role{
		Name:     use.definition.Name,
		Confined: use.definition.Confined,
		Enable:   e.Enable,
		Disable:  e.Disable,
		Apply:    e.Apply,
		Guard:    e.Guard,
		Outside:  e.Outside,
		Origin:   origin(use.block.at),
	}
	for _, f := range e.Files {
		r.Files = append(r.Files, File{f.Path, f.Content, f.Sensitive, f.Mode, f.Owner, r.Origin})
	}
	for _, p := range e.Probes {
		r.Probes = append(r.Probes, Probe(p))
	}
	for _, f := range e.Forwards {
		r.Forwards = append(r.Forwards, Forward(f))
	}
	for _, t := range e.Tunnels {
		tunnel := Tunnel{Name: t.Name, Over: t.Over}
		for _, to := range t.Endpoints {
			if problem := CheckEndpoint(to.Addr); problem != "" {
				s.add(use.block.at, "Invalid endpoint", "The tunnel %s of this role cannot go to where it should: %s. Name another server.",
					words.Quote(t.Name), problem)
			}
			tunnel.Endpoints = append(tunnel.Endpoints, Endpoint(to))
		}
		r.Tunnels = append(r.Tunnels, tunnel)
	}
	use.tunnels = r.Tunnels
	g.Role = r
	for _, d := range use.identity.Devices {
		g.Devices = append(g.Devices, Device{d.Name, d.ID, d.Address, d.Managed, origin(d.At)})
	}
	for _, p := range e.Packages {
		if !slices.Contains(g.Packages, p) {
			g.Packages = append(g.Packages, p)
		}
	}
	s.checkRoleFiles(g)
}

// checkRoleFiles finds files that both the role and the guest would write, and files that are too many.
func (s *section) checkRoleFiles(g *Guest) {
	total := int64(0)
	for _, f := range g.Role.Files {
		total += int64(len(f.Content))
		for _, b := range s.block.parts["file"] {
			if b.name == f.Path {
				s.add(b.label, "Duplicate file", "The role %s of this guest writes %s itself. Remove this block, or choose another path.",
					words.Quote(g.Role.Name), words.Quote(f.Path))
			}
		}
	}
	for _, f := range g.Files {
		total += int64(len(f.Content))
	}
	if total > maxFiles {
		s.add(s.block.parts["role"][0].at, "Too many bytes in files", "The files of guest %s and of its role have more than %s together,"+
			" which is more than a boot can take. Fetch large files instead, or put them into an image.", words.Quote(g.Name), FormatSize(maxFiles))
	}
}
