package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
)

// reference is one mention of a value in an expression.
type reference struct {
	kind string // "var", "local", "image", "network", "guest", "each", "path", or something unknown
	name string // "" for all of the kind
	key  string // what follows the name when it is a constant index: guest.web["a"]
	at   hcl.Range
}

func (r reference) String() string {
	if r.name == "" {
		return r.kind
	}
	return r.kind + "." + r.name
}

// references returns the mentions in an expression, in its order.
func references(expr hcl.Expression) []reference {
	var refs []reference
	for _, traversal := range expr.Variables() {
		refs = append(refs, referenceOf(traversal))
	}
	return refs
}

func referenceOf(traversal hcl.Traversal) reference {
	ref := reference{kind: traversal.RootName(), at: traversal.SourceRange()}
	if len(traversal) > 1 {
		ref.name = stepName(traversal[1])
	}
	if len(traversal) > 2 && ref.name != "" {
		if index, ok := traversal[2].(hcl.TraverseIndex); ok {
			ref.key = stepName(index)
		}
	}
	return ref
}

// stepName returns the attribute or constant string index of a step, or "".
func stepName(step hcl.Traverser) string {
	switch step := step.(type) {
	case hcl.TraverseAttr:
		return step.Name
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String && step.Key.IsKnown() && !step.Key.IsNull() {
			return step.Key.AsString()
		}
	}
	return ""
}

// checkReference returns what is wrong with a reference in a scope, or nil.
func (l *loader) checkReference(ref reference, sc *scope) *hcl.Diagnostic {
	if !sc.allows(ref.kind) {
		return l.misplaced(ref, sc)
	}
	if ref.name == "" {
		return nil
	}
	var names []string
	switch ref.kind {
	case "each":
		names = []string{"key", "value"}
	case "path":
		names = []string{"site"}
	case "var":
		names = sortedKeys(l.variables)
	case "local":
		names = sortedKeys(l.locals)
	default:
		names = sortedKeys(l.blocks[ref.kind])
	}
	for _, name := range names {
		if name == ref.name {
			return nil
		}
	}
	what := ref.kind + " " + words.Quote(ref.name)
	remedy := words.DidYouMean(ref.name, names, " Declare it, or name another one.")
	switch ref.kind {
	case "var":
		what = "variable " + words.Quote(ref.name)
	case "local":
		what = "local value " + words.Quote(ref.name)
	case "each", "path":
		what = ref.String()
		remedy = words.DidYouMean(ref.name, names, " Write "+ref.kind+"."+strings.Join(names, " or "+ref.kind+".")+".")
	}
	return words.Problem(ref.at, "Unknown reference", "There is no %s.%s", what, remedy)
}

// misplaced words a reference to something that cannot be referred to in its place.
func (l *loader) misplaced(ref reference, sc *scope) *hcl.Diagnostic {
	known := []string{"var", "local", "image", "network", "guest", "path"}
	switch {
	case len(sc.roots) == 0:
		return words.Problem(ref.at, "Unknown reference", "Nothing can be referred to here. Write the value itself.")
	case ref.kind == "each":
		return words.Problem(ref.at, "Unknown reference",
			"each.key and each.value exist only inside a guest that has for_each. Give the guest a for_each, or use another value.")
	case scopeSite.allows(ref.kind):
		return words.Problem(ref.at, "Unknown reference",
			"%s cannot be used here; only %s can. Use one of these, or write the value itself.",
			ref.kind+" values", words.And(sc.roots))
	case ref.name == "" && words.Nearest(ref.kind, known) == "":
		return words.Problem(ref.at, "Unknown reference",
			"%s is no value. Write text in quotes: %q. References start with %s.",
			words.Quote(ref.kind), ref.kind, words.And(sc.roots))
	}
	return words.Problem(ref.at, "Unknown reference", "%s refers to nothing: references start with %s.%s",
		words.Quote(ref.String()), words.And(sc.roots),
		words.DidYouMean(ref.kind, known, " Write one that does."))
}

// networkReference reads an argument that refers to a network; nil when there is none or it is wrong.
func (s *section) networkReference(arg string) *Network {
	value, ok := s.value(arg)
	if !ok {
		return nil
	}
	if name, ok := referenceName(value, "bridge", "cidrs", "name"); ok && s.networks[name] != nil {
		return s.networks[name]
	}
	s.wrongReference(arg, "network", value)
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
	if !ok || len(values) != len(attributes) || name.Type() != cty.String || name.IsNull() || !name.IsKnown() {
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

// guestReference reads an argument that refers to a guest. The value is an object with name, addresses and nic, and has
// no marks. It is null when the argument is, and cty.DynamicVal when it is wrong. In an early scope all but the name is
// unknown.
func (s *section) guestReference(arg string) cty.Value {
	attr := s.block.args[arg]
	value := s.evaluate(attr.Expr, s.scope)
	if isSensitive(value) {
		s.refuseSensitive(arg)
		return cty.DynamicVal
	}
	value, _ = value.UnmarkDeep()
	switch {
	case !value.IsKnown():
		s.incomplete = true
		return cty.DynamicVal
	case value.IsNull():
		return value
	}
	if name, ok := referenceName(value, "addresses", "name", "nic"); ok && value.Type().IsObjectType() && s.isGuest(name) {
		return value
	}
	s.wrongReference(arg, "guest", value)
	return cty.DynamicVal
}

// isGuest reports whether a guest has that name, as far as guests have been named yet. Those that a value refers to have.
func (l *loader) isGuest(name string) bool {
	for _, instances := range l.expanded {
		if slices.ContainsFunc(instances, func(inst *instance) bool { return inst.name == name }) {
			return true
		}
	}
	return false
}
