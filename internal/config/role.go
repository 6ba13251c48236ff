package config

import (
	"net/netip"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/roles"
	"jeos/internal/words"
)

// roleUse is the role of one guest.
type roleUse struct {
	definition *roles.Definition
	block      *block
	input      roles.Input
	identity   *roles.Identity
	export     cty.Value // unknown when it could not be made
	tunnels    []Tunnel
}

// HostRequest is the name of a host whose addresses are to be found in DNS.
type HostRequest struct {
	Host   string
	Guest  string          // whose role names it
	Locked *LockedEndpoint // the entry of the lock file, if there is one
	Place  hcl.Range       // where the name comes from
}

// roleEdges returns the edges of what decides about the nics that a role gives to a guest.
func (l *loader) roleEdges(guest *block) []edge {
	var edges []edge
	follow := func(b *block, args []roles.Argument) {
		for _, a := range args {
			if attr := b.args[a.Name]; attr != nil && a.Early {
				edges = append(edges, l.earlyEdges(attr.Expr)...)
			}
		}
	}
	for _, name := range []string{"image", "arch"} {
		if attr := guest.args[name]; attr != nil {
			edges = append(edges, l.earlyEdges(attr.Expr)...)
		}
	}
	b := guest.parts["role"][0]
	d := l.roles[b.name]
	if d == nil {
		return edges
	}
	follow(b, d.Arguments)
	for _, nested := range d.Blocks {
		for _, part := range b.parts[nested.Type] {
			follow(part, nested.Arguments)
		}
	}
	return edges
}

// identifyRole finds the identities that the role gives to the guests of a block.
func (l *loader) identifyRole(guest *block) {
	b := guest.parts["role"][0]
	ok := l.intact(func() {
		if l.incomplete = b.faulty; b.faulty {
			return
		}
		for _, inst := range l.expanded[guest.name] {
			l.identify(inst, b)
		}
	})
	if !ok {
		l.broken[guest.name] = true
	}
}

func (l *loader) identify(inst *instance, b *block) {
	sc := earlyScope(inst.scope)
	guest := l.section(inst.block, sc)
	use := &roleUse{definition: l.roles[b.name], block: b, export: cty.DynamicVal}
	use.input = roles.Input{
		Site:    l.site.Name,
		Guest:   inst.name,
		Release: guest.releaseOf("image"),
		Arch:    guest.text("arch", "arch", "x86_64", oneOf(architectures...)),
		Block:   l.roleBody(b, use.definition.Arguments, use.definition.Blocks, sc),
		Pinned:  map[string][]netip.Addr{},
	}
	identity, diags := use.definition.Identity(use.input)
	l.diags = append(l.diags, diags...)
	if identity == nil {
		if l.locking && !l.diags.HasErrors() {
			l.add(b.at, "Unknown value", "Which hosts the %s of guest %s needs depends on a fact of an image, and those are not known before"+
				" they are locked. Write the value out.", b, words.Quote(inst.name))
		}
		l.incomplete = true
		return
	}
	use.identity, inst.role = identity, use
	l.pin(inst)
}

// pin takes the addresses of the hosts that a role names from the lock file.
func (l *loader) pin(inst *instance) {
	for _, h := range inst.role.identity.Hosts {
		if problem := checkHost(h.Name); problem != "" {
			l.add(h.At, "Invalid host name", "%s", problem)
			continue
		}
		r := HostRequest{Host: h.Name, Guest: inst.name, Place: h.At}
		locked, found := l.lock.Endpoint(h.Name)
		if found {
			r.Locked = &locked
			inst.role.input.Pinned[h.Name] = locked.Addresses
			l.site.Lock.SetEndpoint(locked)
		}
		l.hosts = append(l.hosts, r)
		if !found && !l.locking && !l.lockBroken {
			l.unpinned = append(l.unpinned, r)
		}
	}
}

// reportUnpinned reports the hosts whose addresses the lock file does not say.
func (l *loader) reportUnpinned() {
	for _, r := range l.unpinned {
		l.add(r.Place, "Host is not locked", "The role of guest %s goes to %s, and the lock file does not say at which addresses that is. Run"+
			` "jeos lock".`, words.Quote(r.Guest), words.Quote(r.Host))
	}
}

// roleBody reads a role block, or a block in one. In an early scope only what is needed for identities is read.
func (l *loader) roleBody(b *block, args []roles.Argument, nested []roles.NestedBlock, sc *scope) roles.Body {
	s := l.section(b, sc)
	body := roles.Body{At: b.at, Label: b.name, LabelAt: b.label, Arguments: map[string]roles.Value{}, Blocks: map[string][]roles.Body{}}
	for _, a := range args {
		if !s.has(a.Name) {
			continue
		}
		value := cty.DynamicVal
		if a.Early || !sc.early {
			value = s.roleArgument(a)
			s.incomplete = s.incomplete || !value.IsKnown() || a.Type != roles.Guest && !value.IsWhollyKnown()
		}
		body.Arguments[a.Name] = roles.Value{Value: value, At: s.at(a.Name)}
	}
	for _, n := range nested {
		for _, part := range b.parts[n.Type] {
			body.Blocks[n.Type] = append(body.Blocks[n.Type], l.roleBody(part, n.Arguments, nil, sc))
		}
	}
	return body
}

// roleArgument returns the value of an argument that is written; it is cty.DynamicVal when something is wrong with it.
func (s *section) roleArgument(a roles.Argument) cty.Value {
	if a.Secret {
		defer s.concealFrom(len(s.diags))
	}
	value := s.evaluate(s.block.args[a.Name].Expr, s.scope)
	switch unnamed := value.HasMarkDeep(unnamedMark{}); {
	case value.IsNull():
		return value
	case unnamed && a.Type == roles.Network:
		s.wrongReference(a.Name, "network", value)
		return cty.DynamicVal
	case unnamed && a.Type != roles.Guest:
		s.add(s.at(a.Name), "Value is not known yet", "The nics of guests depend on the argument %q of the role %s, and this value depends on"+
			" addresses or nics of guests. Write it out.", a.Name, words.Quote(s.block.name))
		return cty.DynamicVal
	}
	switch a.Type {
	case roles.Network:
		if n := s.networkReference(a.Name); n != nil {
			return networkArgument(n)
		}
		return cty.DynamicVal
	case roles.Guest:
		return s.guestReference(a.Name)
	case roles.PCI:
		return s.deviceReference(a.Name)
	case roles.OpenVPN:
		return s.profile(a.Name)
	}
	return value
}

// networkArgument is what a role gets to know of a network.
func networkArgument(n *Network) cty.Value {
	attributes := networkValue(n).AsValueMap()
	attributes["mode"] = cty.StringVal(string(n.Mode))
	return cty.ObjectVal(attributes)
}

// addRoleNICs gives a guest the nics of its role.
func (l *loader) addRoleNICs(inst *instance) {
	if inst.role == nil {
		return
	}
	for _, r := range inst.role.identity.NICs {
		b := &block{kind: "nic", name: r.Name, at: r.At, label: r.At}
		n := &nic{section: l.section(b, inst.scope), network: l.networks[r.Network]}
		n.NIC = NIC{
			Name:    r.Name,
			Network: r.Network,
			MAC:     DeriveMAC(l.site.Name, inst.name, r.Name),
			Via:     r.Via,
			Gateway: r.Gateway,
			Origin:  origin(r.At),
		}
		n.route = r.DefaultRoute
		if n.network == nil {
			l.incomplete = true // a role makes no networks up
			return
		}
		n.DHCP = n.network.Mode == Bridged
		if r.DHCP != nil {
			n.DHCP = *r.DHCP
		}
		n.checkDHCP(n)
		inst.nics = append(inst.nics, n)
	}
}

// clashes reports a nic block of a name that the role of the guest has given already.
func (l *loader) clashes(inst *instance, b *block) bool {
	given := func(n *nic) bool { return n.Name == b.name && inst.role != nil }
	i := slices.IndexFunc(inst.nics, given)
	if i < 0 {
		return false
	}
	l.add(b.label, "Duplicate name", "The role %s gives the guest %s a nic %s already, at %s. Rename this one.",
		words.Quote(inst.role.definition.Name), words.Quote(inst.name), words.Quote(b.name), inst.nics[i].Origin)
	return true
}
