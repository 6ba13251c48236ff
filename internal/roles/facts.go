package roles

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// cards makes the value of nic. Cards that the guest does not have are null.
func (e *evaluation) cards() cty.Value {
	values := map[string]cty.Value{}
	for _, p := range e.def.role.parts["nic"] {
		card, ok := e.in.NICs[p.label]
		switch {
		case e.in.NICs == nil:
			e.vague = true
			values[p.label] = cty.DynamicVal
		case !ok:
			values[p.label] = cty.NullVal(cty.DynamicPseudoType)
		default:
			values[p.label] = cardValue(p.label, card)
		}
	}
	return cty.ObjectVal(values)
}

func cardValue(name string, card Card) cty.Value {
	var addresses []netip.Addr
	var prefixes []string
	networks := map[bool]string{}
	for _, prefix := range card.Addresses {
		addresses = append(addresses, prefix.Addr())
		prefixes = append(prefixes, prefix.String())
		networks[prefix.Addr().Is4()] = prefix.Masked().String()
	}
	value := addressValues(addresses)
	value["interface"] = cty.StringVal(name)
	value["mac"] = cty.StringVal(card.MAC)
	value["prefixes"] = list(prefixes)
	value["cidr4"], value["cidr6"] = text(networks[true]), text(networks[false])
	value["gateway"] = cty.NullVal(cty.DynamicPseudoType)
	if gw := card.Gateway; gw != nil {
		gateway := addressValues(gw.Addresses)
		gateway["guest"], gateway["mac"] = cty.StringVal(gw.Guest), cty.StringVal(gw.MAC)
		value["gateway"] = cty.ObjectVal(gateway)
	}
	return cty.ObjectVal(value)
}

// addressValues makes the attributes addresses, ipv4 and ipv6.
func addressValues(addresses []netip.Addr) map[string]cty.Value {
	var all []string
	first := map[bool]string{}
	for _, addr := range addresses {
		all = append(all, addr.String())
		if first[addr.Is4()] == "" {
			first[addr.Is4()] = addr.String()
		}
	}
	return map[string]cty.Value{"addresses": list(all), "ipv4": text(first[true]), "ipv6": text(first[false])}
}

// pinned makes the value of pinned: the addresses of every host that the role asks for.
func (e *evaluation) pinned() cty.Value {
	values := map[string]cty.Value{}
	for _, host := range e.hosts() {
		if addr, err := netip.ParseAddr(host.Name); err == nil {
			values[host.Name] = list([]string{addr.String()})
			continue
		}
		var addresses []string
		for _, addr := range e.in.Pinned[host.Name] {
			addresses = append(addresses, addr.String())
		}
		values[host.Name] = list(addresses)
		if len(addresses) == 0 {
			e.vague = true
			values[host.Name] = cty.UnknownVal(cty.List(cty.String))
		}
	}
	if len(values) == 0 {
		return cty.MapValEmpty(cty.List(cty.String))
	}
	return cty.MapVal(values)
}

// clients makes the value of clients.
func (e *evaluation) clients() cty.Value {
	values := []cty.Value{}
	for _, c := range slices.SortedFunc(slices.Values(e.in.Clients), func(a, b Client) int {
		return strings.Compare(a.Guest+" "+a.Interface+" "+a.MAC, b.Guest+" "+b.Interface+" "+b.MAC)
	}) {
		value := addressValues(c.Addresses)
		value["guest"], value["interface"], value["mac"] = cty.StringVal(c.Guest), cty.StringVal(c.Interface), cty.StringVal(c.MAC)
		value["export"] = c.Export
		if c.Export == cty.NilVal {
			value["export"] = cty.NullVal(cty.DynamicPseudoType)
		}
		e.vague = e.vague || !value["export"].IsWhollyKnown()
		values = append(values, cty.ObjectVal(value))
	}
	return cty.TupleVal(values)
}

// text makes a string, or null of an empty one.
func text(s string) cty.Value {
	if s == "" {
		return cty.NullVal(cty.String)
	}
	return cty.StringVal(s)
}

func list(texts []string) cty.Value {
	if len(texts) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	var values []cty.Value
	for _, s := range texts {
		values = append(values, cty.StringVal(s))
	}
	return cty.ListVal(values)
}
