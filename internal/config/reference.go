package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
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
		ref := reference{kind: traversal.RootName(), at: traversal.SourceRange()}
		if len(traversal) > 1 {
			ref.name = stepName(traversal[1])
		}
		if len(traversal) > 2 && ref.name != "" {
			if index, ok := traversal[2].(hcl.TraverseIndex); ok {
				ref.key = stepName(index)
			}
		}
		refs = append(refs, ref)
	}
	return refs
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
	what := ref.kind + " " + quote(ref.name)
	remedy := orElse(didYouMean(ref.name, names), " Declare it, or name another one.")
	switch ref.kind {
	case "var":
		what = "variable " + quote(ref.name)
	case "local":
		what = "local value " + quote(ref.name)
	case "each", "path":
		what = ref.String()
		remedy = orElse(didYouMean(ref.name, names), " Write "+ref.kind+"."+strings.Join(names, " or "+ref.kind+".")+".")
	}
	return problem(ref.at, "Unknown reference", "There is no %s.%s", what, remedy)
}

// misplaced words a reference to something that cannot be referred to in its place.
func (l *loader) misplaced(ref reference, sc *scope) *hcl.Diagnostic {
	known := []string{"var", "local", "image", "network", "guest", "path"}
	switch {
	case len(sc.roots) == 0:
		return problem(ref.at, "Unknown reference", "Nothing can be referred to here. Write the value itself.")
	case ref.kind == "each":
		return problem(ref.at, "Unknown reference",
			"each.key and each.value exist only inside a guest that has for_each. Give the guest a for_each, or use another value.")
	case scopeSite.allows(ref.kind):
		return problem(ref.at, "Unknown reference",
			"%s cannot be used here; only %s can. Use one of these, or write the value itself.",
			ref.kind+" values", list(sc.roots))
	case ref.name == "" && didYouMean(ref.kind, known) == "":
		return problem(ref.at, "Unknown reference",
			"%s is no value. Write text in quotes: %q. References start with %s.",
			quote(ref.kind), ref.kind, list(sc.roots))
	}
	hint := didYouMean(ref.kind, known)
	if hint == "" {
		hint = " Write one that does."
	}
	return problem(ref.at, "Unknown reference", "%s refers to nothing: references start with %s.%s",
		quote(ref.String()), list(sc.roots), hint)
}
