package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// instance is one guest: a guest block, or one of those that its for_each makes. It is the guest's identity, which other
// guests may refer to: name, MACs and addresses.
type instance struct {
	block *block
	name  string
	each  bool
	key   string
	scope *scope
	nics  []*nic
}

// nic is a NIC while addresses are being assigned.
type nic struct {
	NIC
	*section
	network  *Network
	explicit []explicitAddress
	route    *bool // default_route as written
}

type explicitAddress struct {
	addr netip.Addr
	at   hcl.Range
}

// loadInstances expands for_each and reads the nic blocks of a guest. A guest whose identity has a mistake has no
// instances.
func (l *loader) loadInstances(b *block) {
	var instances []*instance
	ok := l.intact(func() {
		instances = l.expand(b)
		names := l.checkNames(b.parts["nic"], nameRE, nameRule)
		for _, inst := range instances {
			for _, part := range b.parts["nic"] {
				if names[part.name] == part {
					inst.nics = append(inst.nics, l.loadNIC(inst, part))
				}
			}
			l.chooseDefaultRoute(inst)
		}
	})
	if ok {
		l.instances = append(l.instances, instances...)
	} else {
		l.broken[b.name] = true
	}
}

// expand returns the guests that a block stands for, sorted by key, without nics.
func (l *loader) expand(b *block) []*instance {
	attr := b.args["for_each"]
	if attr == nil {
		return []*instance{{block: b, name: b.name, scope: guestScope(cty.NilVal)}}
	}
	s := l.section(b, scopeSite)
	value, ok := s.value("for_each")
	if !ok {
		return nil
	}
	t := value.Type()
	if !t.IsObjectType() && !t.IsMapType() && !(t.IsSetType() && t.ElementType() == cty.String) &&
		!(t.IsSetType() && value.LengthInt() == 0) {
		remedy := "a map, an object or a set of strings."
		if t.IsTupleType() || t.IsListType() {
			remedy += " Wrap the list: for_each = toset([…])."
		}
		s.wrongType("for_each", "for_each", remedy, value)
		return nil
	}
	var out []*instance
	for it := value.ElementIterator(); it.Next(); {
		key, element := it.Element()
		if t.IsSetType() {
			key = element
		}
		inst := &instance{block: b, name: b.name + "-" + key.AsString(), each: true, key: key.AsString()}
		if !nameRE.MatchString(inst.name) || !nameRE.MatchString("a"+inst.key) {
			l.add(s.at("for_each"), "Invalid name", "The key %s makes the guest name %s. %s Or shorten the key.",
				quote(inst.key), quote(inst.name), nameRule)
			continue
		}
		inst.scope = guestScope(cty.ObjectVal(map[string]cty.Value{"key": key, "value": element}))
		out = append(out, inst)
	}
	return out
}

func guestScope(each cty.Value) *scope {
	return &scope{roots: scopeSite.roots, each: each, needs: map[string]bool{}}
}

var macRE = regexp.MustCompile(`^([0-9a-f]{2}:){5}[0-9a-f]{2}$`)

func checkMAC(s string) string {
	mac := strings.ToLower(s)
	switch {
	case !macRE.MatchString(mac):
		return quote(s) + ` is no MAC address. Write six pairs of hex digits, like "52:54:00:12:34:56", or leave mac out.`
	case strings.IndexByte("13579bdf", mac[1]) >= 0:
		return quote(s) + ` is a multicast address: its first byte is odd. Use one that begins with 52:54:00, or leave mac out.`
	case mac == "00:00:00:00:00:00":
		return quote(s) + ` cannot be the address of a nic. Use one that begins with 52:54:00, or leave mac out.`
	}
	return ""
}

// loadNIC reads a nic block.
func (l *loader) loadNIC(inst *instance, b *block) *nic {
	s := l.section(b, inst.scope)
	n := &nic{section: s}
	n.NIC = NIC{
		Name:   b.name,
		MAC:    strings.ToLower(s.text("mac", "MAC address", DeriveMAC(l.site.Name, inst.name, b.name), checkMAC)),
		Origin: origin(b.at),
	}
	if s.has("default_route") {
		route := s.flag("default_route", false)
		n.route = &route
	}
	n.network = s.networkReference()
	if n.network == nil {
		return n
	}
	n.Network = n.network.Name
	for _, e := range s.elements("addresses", "address", false, nil) {
		s.addAddress(n, e)
	}
	s.loadDHCP(n)
	if n.network.Mode == Isolated && n.route != nil && *n.route {
		s.add(s.at("default_route"), "Invalid default route", "The network %s is isolated: there is no way out of it. Remove"+
			" default_route, or use a network of another mode.", quote(n.Network))
	}
	return n
}

// networkReference reads the network argument; nil when there is none or it is wrong.
func (s *section) networkReference() *Network {
	value, ok := s.value("network")
	if !ok {
		return nil
	}
	if name, ok := referenceName(value, "bridge", "cidrs", "name"); ok && s.networks[name] != nil {
		return s.networks[name]
	}
	s.wrongReference("network", "network", value)
	return nil
}

// referenceName returns the name in a value that has the shape of a reference: an object with exactly these attributes,
// or a map, which is what HCL makes of a choice between objects with different ones.
func referenceName(value cty.Value, attributes ...string) (string, bool) {
	if t := value.Type(); !t.IsObjectType() && !t.IsMapType() {
		return "", false
	}
	values := value.AsValueMap()
	for _, a := range attributes {
		if _, ok := values[a]; !ok {
			return "", false
		}
	}
	name, ok := values["name"]
	if !ok || len(values) != len(attributes) || name.IsNull() || name.Type() != cty.String {
		return "", false
	}
	return name.AsString(), true
}

// wrongReference reports a value where a reference to a block belongs.
func (s *section) wrongReference(arg, kind string, value cty.Value) {
	example := kind + ".NAME"
	if names := sortedKeys(s.blocks[kind]); len(names) > 0 {
		example = kind + "." + names[0]
	}
	if value.Type() == cty.String {
		if _, ok := s.blocks[kind][value.AsString()]; ok {
			example = kind + "." + value.AsString()
		}
		s.add(s.at(arg), "Invalid "+kind+" reference", "Here stands a string, but this must be a reference. Write it without"+
			" quotes: %s = %s", arg, example)
		return
	}
	s.add(s.at(arg), "Invalid "+kind+" reference", "This value is no %s. Write a reference: %s = %s", kind, arg, example)
}

// addAddress checks one address that the files give a nic.
func (s *section) addAddress(n *nic, e element) {
	addr, err := netip.ParseAddr(e.Value)
	if err != nil || addr.Zone() != "" || addr.Is4In6() {
		s.add(e.at, "Invalid address", `%s is no address. Write one like "10.64.0.10", without a length: the network has it.`,
			quote(e.Value))
		return
	}
	for _, other := range n.explicit {
		if other.addr.Is4() == addr.Is4() {
			s.add(e.at, "Invalid address", "A nic has at most one address a family, and %s is there already. Remove one, or add"+
				" a nic.", other.addr)
			return
		}
	}
	if problem := n.network.unusable(addr); problem != "" {
		s.add(e.at, "Invalid address", "%s Network %s is declared at %s.", problem, quote(n.Network), n.network.Origin)
		return
	}
	n.explicit = append(n.explicit, explicitAddress{addr, e.at})
}

// loadDHCP decides whether the nic gets its addresses from a DHCP server.
func (s *section) loadDHCP(n *nic) {
	bridged := n.network.Mode == Bridged
	n.DHCP = s.flag("dhcp", bridged && !s.has("addresses"))
	switch {
	case n.DHCP && s.has("addresses"):
		s.add(s.at("dhcp"), "Invalid value of dhcp", "A nic has addresses or gets them by DHCP, not both. Remove one of the two"+
			" arguments.")
	case n.DHCP && !bridged && !n.network.DHCP:
		s.add(s.at("dhcp"), "Invalid value of dhcp", "Nobody answers DHCP on the network %s at %s. Remove dhcp, or set dhcp ="+
			` true there, which needs mode "nat".`, quote(n.Network), n.network.Origin)
	case !n.DHCP && bridged && !s.has("addresses"):
		s.add(s.block.at, "Missing addresses", "jeos does not know which addresses are free on a bridge of the host. Give the nic"+
			" addresses, or let it use DHCP.")
	}
}

// chooseDefaultRoute finds the nic that leads out of the guest.
func (l *loader) chooseDefaultRoute(inst *instance) {
	var wanted, possible []*nic
	for _, n := range inst.nics {
		switch {
		case n.network == nil || n.network.Mode == Isolated:
		case n.route == nil:
			possible = append(possible, n)
		case *n.route:
			wanted = append(wanted, n)
		}
	}
	if len(wanted) == 0 {
		wanted = possible
	}
	if len(wanted) > 1 {
		l.add(wanted[1].block.at, "Several default routes", "The nics %s of guest %s could all be the way out. Set default_route ="+
			" true in exactly one of them.", list(quoted([]string{wanted[0].Name, wanted[1].Name})), quote(inst.name))
		return
	}
	for _, n := range wanted {
		n.DefaultRoute = true
	}
}

// guestValue returns what guest.<name> is worth: an object, or with for_each one by key.
func (l *loader) guestValue(b *block) cty.Value {
	if !l.addressed || l.broken[b.name] {
		return cty.DynamicVal
	}
	byKey := map[string]cty.Value{}
	for _, inst := range l.instances {
		switch {
		case inst.block != b:
		case !inst.each:
			return inst.value()
		default:
			byKey[inst.key] = inst.value()
		}
	}
	return cty.ObjectVal(byKey)
}

func (inst *instance) value() cty.Value {
	nics := map[string]cty.Value{}
	var all []netip.Prefix
	for _, n := range inst.nics {
		nics[n.Name] = cty.ObjectVal(map[string]cty.Value{
			"mac":       cty.StringVal(n.MAC),
			"addresses": addressList(n.Addresses),
		})
		all = append(all, n.Addresses...)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"name":      cty.StringVal(inst.name),
		"addresses": addressList(all),
		"nic":       cty.ObjectVal(nics),
	})
}

// addressList returns addresses without lengths.
func addressList(prefixes []netip.Prefix) cty.Value {
	if len(prefixes) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	var values []cty.Value
	for _, p := range prefixes {
		values = append(values, cty.StringVal(p.Addr().String()))
	}
	return cty.ListVal(values)
}

// where says whose nic this is, and where it is declared.
func (n *nic) where(inst *instance) string {
	return fmt.Sprintf("nic %s of guest %s at %s", quote(n.Name), quote(inst.name), n.Origin)
}
