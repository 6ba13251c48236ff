package roles

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
)

// stage is when an expression is evaluated. What is known in one is known in those after it.
type stage int

const (
	atValidation stage = iota
	atIdentity
	atExport
	atExpand
)

// roots says from which stage on values can be referred to.
var roots = map[string]stage{
	"arg": atValidation, "system": atValidation,
	"local": atIdentity, "site": atIdentity, "guest": atIdentity,
	"nic": atExport, "pinned": atExport,
	"clients": atExpand,
}

// unknownYet says why a value cannot be used before its stage.
var unknownYet = map[string]string{
	"local":   "a validation is about the arguments alone",
	"site":    "a validation is about the arguments alone",
	"guest":   "a validation is about the arguments alone",
	"nic":     "addresses are assigned when the network cards of all guests are known",
	"pinned":  "it has the addresses of the names that resolve gives",
	"clients": "the clients of a guest are known at the very end",
}

// rootsAt returns the names that references of a stage can start with.
func rootsAt(s stage) (names []string) {
	for _, name := range sortedKeys(roots) {
		if roots[name] <= s {
			names = append(names, name)
		}
	}
	return names
}

// check finds the mistakes in expressions that show without any values. Every stage can rely on it: what expressions
// refer to exists, and local values have no cycles.
func (r *reader) check() {
	for _, name := range sortedKeys(r.def.locals) {
		r.checkExpression(r.def.locals[name], atExpand)
	}
	r.findCycles()
	if r.diags.HasErrors() {
		return
	}
	for _, name := range sortedKeys(r.def.templates) {
		r.checkExpression(r.def.templates[name], atExpand)
	}
	for _, name := range sortedKeys(r.role.args) {
		switch name {
		case "summary", "confined":
		case "resolve":
			r.checkExpression(r.role.args[name], atIdentity)
		case "export":
			r.checkExpression(r.role.args[name], atExport)
		default:
			r.checkExpression(r.role.args[name], atExpand)
		}
	}
	for _, kind := range sortedKeys(r.role.parts) {
		for _, p := range r.role.parts[kind] {
			switch kind {
			case "argument", "block", "locals":
			case "nic", "device":
				r.checkArguments(p, atIdentity)
			default:
				r.checkArguments(p, atExpand)
			}
		}
	}
	r.checkValidations(r.def.Arguments, r.argumentNames())
	for _, b := range r.def.Blocks {
		r.checkValidations(b.Arguments, b.names())
	}
	if !r.diags.HasErrors() {
		r.findEarly()
	}
}

// checkValidations checks those of arguments, which can refer to arguments with these names.
func (r *reader) checkValidations(arguments []Argument, names []string) {
	for _, a := range arguments {
		for _, v := range a.validations {
			for _, name := range sortedKeys(v.args) {
				r.checkNames(v.args[name], atValidation, names)
			}
		}
	}
}

func (r *reader) checkArguments(p *part, s stage) {
	for _, name := range sortedKeys(p.args) {
		r.checkExpression(p.args[name], s)
	}
}

func (r *reader) checkExpression(expr hclsyntax.Expression, s stage) {
	r.checkNames(expr, s, r.argumentNames())
}

// checkNames reports references to what does not exist or is not known yet, and unknown functions.
func (r *reader) checkNames(expr hclsyntax.Expression, s stage, arguments []string) {
	for _, traversal := range expr.Variables() {
		r.checkReference(referenceOf(traversal), s, arguments)
	}
	hclsyntax.VisitAll(expr, func(node hclsyntax.Node) hcl.Diagnostics {
		if call, ok := node.(*hclsyntax.FunctionCallExpr); ok {
			if _, known := r.def.functions[call.Name]; !known {
				r.add(call.NameRange, "Unknown function", "There is no function %s for roles.%s", words.Quote(call.Name),
					words.DidYouMean(call.Name, sortedKeys(r.def.functions), " Use another one."))
			}
		}
		return nil
	})
}

// reference is one mention of a value in an expression.
type reference struct {
	root, name string // the name is empty for the whole
	at         hcl.Range
}

func referenceOf(traversal hcl.Traversal) reference {
	ref := reference{root: traversal.RootName(), at: traversal.SourceRange()}
	if len(traversal) > 1 {
		switch step := traversal[1].(type) {
		case hcl.TraverseAttr:
			ref.name = step.Name
		case hcl.TraverseIndex:
			if step.Key.Type() == cty.String {
				ref.name = step.Key.AsString()
			}
		}
	}
	return ref
}

func (r *reader) checkReference(ref reference, s stage, arguments []string) {
	since, known := roots[ref.root]
	switch {
	case !known:
		r.add(ref.at, "Unknown reference", "%s refers to nothing: references start with %s here.%s", words.Quote(ref.root),
			words.Or(rootsAt(s)), words.DidYouMean(ref.root, rootsAt(s), " Write text in quotes."))
		return
	case since > s:
		r.add(ref.at, "Value not known yet", "The value %s cannot be used here: %s. Use another one.", ref.root, unknownYet[ref.root])
		return
	case ref.root == "local" && r.def.locals[ref.name] != nil:
		r.checkLocal(ref, s)
		return
	}
	var names []string
	switch ref.root {
	case "arg":
		names = arguments
	case "local":
		names = sortedKeys(r.def.locals)
	case "system":
		names = []string{"arch", "release"}
	case "nic":
		for _, p := range r.role.parts["nic"] {
			names = append(names, p.label)
		}
	default:
		return
	}
	if ref.name == "" && (ref.root == "arg" || ref.root == "local") {
		r.add(ref.at, "Unknown reference", "The whole of %s cannot be used. Name one value: %s.NAME.", ref.root, ref.root)
	} else if ref.name != "" && !slices.Contains(names, ref.name) {
		r.add(ref.at, "Unknown reference", "There is no %s.%s.%s", ref.root, ref.name,
			words.DidYouMean(ref.name, names, " Declare it, or name another one."))
	}
}

// checkLocal reports a local value that is made of something that is not known yet.
func (r *reader) checkLocal(ref reference, s stage) {
	if s == atExpand {
		return
	}
	for _, root := range sortedKeys(r.needsOf(ref.name).roots) {
		if roots[root] > s {
			r.add(ref.at, "Value not known yet", "The value local.%s cannot be used here, since it is made of %s: %s. Use another one.",
				ref.name, root, unknownYet[root])
		}
	}
}

// argumentNames returns what can follow "arg." outside of validations.
func (r *reader) argumentNames() (names []string) {
	for _, a := range r.def.Arguments {
		names = append(names, a.Name)
	}
	for _, b := range r.def.Blocks {
		names = append(names, b.Type)
	}
	return names
}

// names returns what can follow "arg." in validations of the block.
func (b *NestedBlock) names() (names []string) {
	if b.Label != "" {
		names = append(names, b.Label)
	}
	for _, a := range b.Arguments {
		names = append(names, a.Name)
	}
	return names
}

// needs is what a value depends on, through local values, too.
type needs struct {
	roots map[string]bool
	args  map[string]bool
}

// add joins what an expression needs. Local values have no cycles.
func (n *needs) add(r *reader, expr hclsyntax.Expression) {
	for _, traversal := range expr.Variables() {
		switch ref := referenceOf(traversal); ref.root {
		case "local":
			of := r.needsOf(ref.name)
			maps.Copy(n.roots, of.roots)
			maps.Copy(n.args, of.args)
		case "arg":
			n.args[ref.name] = true
		default:
			n.roots[ref.root] = true
		}
	}
}

func (r *reader) needsOf(local string) *needs {
	if r.needs[local] == nil {
		n := &needs{roots: map[string]bool{}, args: map[string]bool{}}
		n.add(r, r.def.locals[local])
		r.needs[local] = n
	}
	return r.needs[local]
}

// findEarly finds the arguments that Identity needs.
func (r *reader) findEarly() {
	n := &needs{roots: map[string]bool{}, args: map[string]bool{}}
	if expr := r.role.args["resolve"]; expr != nil {
		n.add(r, expr)
	}
	for _, p := range slices.Concat(r.role.parts["nic"], r.role.parts["device"]) {
		for _, expr := range p.args {
			n.add(r, expr)
		}
	}
	for i := range r.def.Arguments {
		r.def.Arguments[i].Early = n.args[r.def.Arguments[i].Name]
	}
	for _, b := range r.def.Blocks {
		for i := range b.Arguments {
			b.Arguments[i].Early = n.args[b.Type]
		}
	}
}

// findCycles reports local values that need each other.
func (r *reader) findCycles() {
	done := map[string]bool{}
	var path []string
	var visit func(name string)
	visit = func(name string) {
		path = append(path, name)
		for _, traversal := range r.def.locals[name].Variables() {
			ref := referenceOf(traversal)
			if ref.root != "local" || r.def.locals[ref.name] == nil || done[ref.name] {
				continue
			}
			if i := slices.Index(path, ref.name); i >= 0 {
				cycle := append(slices.Clone(path[i:]), ref.name)
				r.add(ref.at, "Cycle", "These values need each other:\n\n    local.%s\n\nBreak it by writing one of the values out.",
					strings.Join(cycle, " → local."))
				continue
			}
			visit(ref.name)
		}
		path = path[:len(path)-1]
		done[name] = true
	}
	for _, name := range sortedKeys(r.def.locals) {
		if !done[name] {
			visit(name)
		}
	}
}
