package plan

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// comparison is the result of comparing the attributes of one object.
type comparison struct {
	changes []AttrChange // the definition differs, or a device is in the running guest that must not be
	pending []AttrChange // the definition is right and the running one is not yet
	created []string     // names of OnCreate attributes that differ
	detach  []string     // attributes of the running guest whose devices must be detached
	update  []string     // attributes of the running guest whose devices must be changed
}

// effect returns the greatest effect of the changes.
func (c *comparison) effect() Effect {
	e := Live
	for _, ch := range c.changes {
		e = max(e, ch.Effect)
	}
	return e
}

// compare compares attribute by attribute: what the files want, what the last apply left, and what is there now, in the
// definition and in the running object.
func compare(kind Kind, want []Attr, have *Object) comparison {
	var c comparison
	wanted := make(map[string]Attr, len(want))
	names := map[string]bool{}
	for _, a := range want {
		wanted[a.Name] = a
		names[a.Name] = true
	}
	for _, m := range []map[string]string{have.Attrs, have.Live} {
		for name := range m {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		w, isWanted := wanted[name]
		rule := RuleFor(kind, name)
		a, defined := have.Attrs[name]
		if a != w.Value || defined != isWanted {
			if rule.Effect == OnCreate {
				c.created = append(c.created, name)
				continue
			}
			ch := difference(rule, name, a, w, have.Applied)
			if rule.Security && ch.Cause == ByFiles && have.changedLive(name) && have.Live[name] != w.Value {
				ch.From, ch.Cause, ch.Security = have.Live[name], ByBoth, true
			}
			_, unplugs := have.Detach[name]
			unplugs = unplugs && !fixed(name)
			if _, runs := have.Live[name]; ch.To == "" && ch.Cause == ByHand && (unplugs || !runs) {
				ch.Effect = Live
			}
			c.changes = append(c.changes, ch)
			if ch.Effect == Live && have.Detach[name] != "" {
				c.detach = append(c.detach, name)
			}
			if have.Devices[name] != "" && have.Live[name] != w.Value {
				c.update = append(c.update, name)
			}
			continue
		}
		c.compareLive(rule, name, w, have)
	}
	return c
}

// compareLive looks at an attribute whose definition is as wanted: the running object may still differ.
func (c *comparison) compareLive(rule Rule, name string, w Attr, have *Object) {
	live, isLive := have.Live[name]
	if have.Devices[name] != "" && live != w.Value { // the last apply changed it, or was to do so
		c.changes = append(c.changes, difference(rule, name, live, w, have.Applied))
		c.update = append(c.update, name)
		return
	}
	if have.Live == nil || rule.Effect != Restart {
		return
	}
	applied, wasApplied := have.LiveApplied[name]
	if live == w.Value || !isLive && !wasApplied && w.Value == "" {
		return
	}
	ch := difference(rule, name, live, w, have.LiveApplied)
	byHand := live != applied
	switch {
	case byHand && ch.To == "" && have.Detach[name] != "" && !fixed(name): // plugged in by hand
		ch.Effect, ch.Cause = Live, ByHand
		ch.Security = rule.Security
		c.changes = append(c.changes, ch)
		c.detach = append(c.detach, name)
	case byHand && rule.Security: // moved or unplugged by hand
		ch.Cause = ByHand
		ch.Security = live != ""
		c.changes = append(c.changes, ch)
	default:
		c.pending = append(c.pending, ch)
	}
}

// changedLive reports whether somebody has given an attribute of the running object alone another value since the last apply.
func (o *Object) changedLive(name string) bool {
	applied, recorded := o.LiveApplied[name]
	live := o.Live[name]
	return recorded && live != "" && live != applied && live != o.Attrs[name]
}

// fixed reports whether a device cannot be taken from a running guest: QEMU has no unplug for shared folders.
func fixed(name string) bool { return strings.HasPrefix(name, "share.") }

// difference describes one attribute that is not as wanted.
func difference(rule Rule, name, have string, w Attr, applied map[string]string) AttrChange {
	ch := AttrChange{Name: name, From: have, To: w.Value, Effect: rule.Effect, Secret: w.Secret, Cause: cause(name, have, w.Value, applied)}
	ch.Security = rule.Security && ch.Cause != ByFiles && have != ""
	return ch
}

func cause(name, have, want string, applied map[string]string) Cause {
	last, recorded := applied[name]
	switch {
	case applied == nil: // nothing is ever recorded of such an object
		return ByFiles
	case !recorded && have == "", recorded && last == have:
		return ByFiles
	case !recorded, last == want:
		return ByHand
	}
	return ByBoth
}

// allAttrs lists every attribute of a new object.
func allAttrs(want []Attr) []AttrChange {
	out := make([]AttrChange, len(want))
	for i, a := range want {
		out[i] = AttrChange{Name: a.Name, To: a.Value, Secret: a.Secret, Cause: ByFiles}
	}
	return sortChanges(out)
}

// goneAttrs lists the attributes of an object that goes away, but for those of its first boot.
func goneAttrs(kind Kind, have map[string]string) []AttrChange {
	var out []AttrChange
	for name, value := range have {
		if RuleFor(kind, name).Effect == OnCreate {
			continue
		}
		out = append(out, AttrChange{Name: name, From: value, Cause: ByFiles})
	}
	return sortChanges(out)
}

func sortChanges(list []AttrChange) []AttrChange {
	slices.SortFunc(list, func(a, b AttrChange) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
