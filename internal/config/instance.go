package config

import (
	"fmt"
	"net/netip"

	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
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

	role *roleUse // nil: none
}

// String is how expressions refer to the guest: guest.web["a"].
func (inst *instance) String() string {
	if inst.each {
		return fmt.Sprintf("guest.%s[%q]", inst.block.name, inst.key)
	}
	return "guest." + inst.name
}

// loadInstances gives the guests that a block stands for their nics: those of the role and those of nic blocks. A guest
// whose identity has a mistake has no instances.
func (l *loader) loadInstances(b *block) {
	instances := l.expanded[b.name]
	ok := l.intact(func() {
		names := l.checkNames(b.parts["nic"], nameRE, nameRule)
		for _, inst := range instances {
			l.addRoleNICs(inst)
			for _, part := range b.parts["nic"] {
				if names[part.name] == part && !l.clashes(inst, part) {
					inst.nics = append(inst.nics, l.loadNIC(inst, part))
				}
			}
			l.chooseDefaultRoute(inst)
		}
	})
	if ok && !l.broken[b.name] {
		l.instances = append(l.instances, instances...)
	} else {
		l.broken[b.name] = true
	}
}

// expand finds the guests that a block stands for, sorted by key, and says what guest.<name> is worth for now.
func (l *loader) expand(b *block) {
	var instances []*instance
	if !l.intact(func() { instances = l.readForEach(b) }) {
		l.broken[b.name] = true
		l.early[b.name] = cty.DynamicVal
		return
	}
	l.expanded[b.name] = instances
	byKey := map[string]cty.Value{}
	for _, inst := range instances {
		byKey[inst.key] = inst.earlyValue()
	}
	l.early[b.name] = cty.ObjectVal(byKey)
	if b.args["for_each"] == nil {
		l.early[b.name] = instances[0].earlyValue()
	}
}

// readForEach returns the guests that a block stands for, sorted by key, without nics.
func (l *loader) readForEach(b *block) []*instance {
	if b.args["for_each"] == nil {
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
				words.Quote(inst.key), words.Quote(inst.name), nameRule)
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

// earlyValue is what a guest is worth while nothing but its name is known.
func (inst *instance) earlyValue() cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"name":      cty.StringVal(inst.name),
		"addresses": cty.UnknownVal(cty.List(cty.String)).Mark(unnamedMark{}),
		"nic":       cty.DynamicVal.Mark(unnamedMark{}),
	})
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
