package roles

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
)

// evaluation is one stage for one guest.
type evaluation struct {
	def        *Definition
	in         Input
	diags      hcl.Diagnostics
	incomplete bool // an unknown value was met
	vague      bool // what was given has unknown values, so that no unknown value is a surprise
	variables  map[string]cty.Value
	locals     map[string]cty.Value // those made so far
	refused    map[string]bool      // what has been said of formats that cannot hold a value
}

func (d *Definition) evaluate(in Input, s stage) *evaluation {
	e := &evaluation{def: d, in: in, locals: map[string]cty.Value{}, refused: map[string]bool{}}
	e.variables = map[string]cty.Value{
		"site":  cty.StringVal(in.Site),
		"guest": cty.StringVal(in.Guest),
		"system": cty.ObjectVal(map[string]cty.Value{
			"release": text(in.Release),
			"arch":    text(in.Arch),
		}),
	}
	e.variables["arg"] = e.readBlock(s)
	if s >= atExport {
		e.variables["nic"] = e.cards()
		e.variables["pinned"] = e.pinned()
	}
	if s >= atExpand {
		e.variables["clients"] = e.clients()
	}
	return e
}

// value evaluates an expression of the role. It is cty.DynamicVal when something went wrong, which is reported, or is
// unknown. It carries marks.
func (e *evaluation) value(expr hclsyntax.Expression) cty.Value {
	return e.valueWith(expr, e.variables)
}

func (e *evaluation) valueWith(expr hclsyntax.Expression, variables map[string]cty.Value) cty.Value {
	ctx := &hcl.EvalContext{Functions: e.def.functions, Variables: map[string]cty.Value{}}
	local := map[string]cty.Value{}
	for _, traversal := range expr.Variables() {
		ref := referenceOf(traversal)
		if ref.root == "local" {
			local[ref.name] = e.local(ref.name)
		} else {
			ctx.Variables[ref.root] = variables[ref.root]
		}
	}
	ctx.Variables["local"] = cty.ObjectVal(local)
	value, diags := expr.Value(ctx)
	e.report(diags, expr, ctx)
	if diags.HasErrors() {
		e.incomplete = true
		return cty.DynamicVal
	}
	if text := e.def.checkValue(value); text != "" {
		e.add(expr.Range(), "Value too large", "%s", text)
		return cty.DynamicVal
	}
	return value
}

// known is value for those that need it at once. Not ok means that it is unknown, or that something went wrong.
func (e *evaluation) known(expr hclsyntax.Expression) (value cty.Value, ok bool) {
	value = e.value(expr)
	if !value.IsWhollyKnown() {
		e.missing(expr)
		return cty.DynamicVal, false
	}
	return value, true
}

// missing notes that the value of an expression is unknown, and reports it when nothing explains it.
func (e *evaluation) missing(expr hclsyntax.Expression) {
	if !e.vague && !e.incomplete && !e.diags.HasErrors() {
		e.add(expr.Range(), "Value not known yet", "This needs something that is not known at this stage, like the addresses of guests"+
			" where network cards are made. Use another value.")
	}
	e.incomplete = true
}

// local returns a local value, which is made when it is needed first.
func (e *evaluation) local(name string) cty.Value {
	if _, ok := e.locals[name]; !ok {
		e.locals[name] = e.value(e.def.locals[name])
	}
	return e.locals[name]
}

// add collects an error in a file of the role; see problem.
func (e *evaluation) add(at hcl.Range, summary, detail string, args ...any) {
	e.diags = append(e.diags, e.noted(words.Problem(at, summary, detail, args...)))
}

// noted says which role block showed a mistake in the role.
func (e *evaluation) noted(d *hcl.Diagnostic) *hcl.Diagnostic {
	d.Detail += fmt.Sprintf("\n\nThis showed in the role of the guest %s at %s:%d.", words.Quote(e.in.Guest), path.Base(e.in.Block.At.Filename),
		e.in.Block.At.Start.Line)
	return d
}

// addInBlock collects an error in a role block, whose source may hold a secret.
func (e *evaluation) addInBlock(d *hcl.Diagnostic, secret bool) {
	if secret {
		d.Extra = words.Hidden{}
	}
	e.diags = append(e.diags, d)
}

// fault reports a value that cannot be used: where it comes from one argument of the role block, there, else in the role.
func (e *evaluation) fault(value cty.Value, at hcl.Range, summary, detail string, args ...any) {
	from := origins(value)
	if len(from) == 0 {
		e.add(at, summary, detail, args...)
		return
	}
	e.blame(from, at, summary, detail, args...)
}

// blame reports what is wrong with a value that comes from arguments, of which there is one at least. The place is where
// the role uses it.
func (e *evaluation) blame(from []origin, at hcl.Range, summary, detail string, args ...any) {
	d := words.Problem(e.in.Block.At, summary, detail, args...)
	if len(from) == 1 {
		d.Subject = &from[0].at
	}
	var names []string
	for _, o := range from {
		names = append(names, o.argument)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	source := "the argument " + names[0]
	if len(names) > 1 {
		source = "the arguments " + words.And(names)
	}
	d.Detail += fmt.Sprintf("\n\nThe role %s takes it from %s and uses it at %s.", words.Quote(e.def.Name), source, place(at))
	e.addInBlock(d, slices.ContainsFunc(from, func(o origin) bool { return o.secret }))
}

// report collects diagnostics of HCL about an expression of the role. It changes those that show values, which may be
// sensitive, and those that are about a value of the role block.
func (e *evaluation) report(diags hcl.Diagnostics, expr hclsyntax.Expression, ctx *hcl.EvalContext) {
	shown := &hcl.EvalContext{Variables: map[string]cty.Value{}}
	for name, value := range ctx.Variables {
		shown.Variables[name] = showable(value)
	}
	marks := len(diags) > 0 && callsSensitive(expr)
	for _, d := range diags {
		switch {
		case marks:
			d.EvalContext = nil // what it makes sensitive is not marked in here
		case d.EvalContext != nil:
			d.EvalContext = shown // without variables of loops, which have lost their marks
		}
		call, isCall := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d)
		var refused *refusal
		switch {
		case isCall && errors.As(call.FunctionCallError(), &refused):
			e.refuse(refused, *d.Subject, expr, ctx)
			continue
		case isCall && call.FunctionCallError() != nil && (marks || isSensitive(sources(expr, ctx))): // loops lose marks
			d.Detail = fmt.Sprintf("The call of %s failed. The reason is not shown, because a value here is sensitive. Look at its arguments.",
				call.CalledFunctionName())
			if marks {
				d.Extra = words.Hidden{} // the source may hold the value
			}
		case isCall && call.CalledFunctionName() == "try":
			d.Detail = "None of the arguments of try has a value. Give it one that always has, as the last one."
		case d.Summary == "Duplicate object key":
			d.Detail = "Two items produced the same key. Make the keys different, or group the items with an ellipsis (...)" +
				" behind the value."
		case d.Summary == "Inconsistent conditional result types":
			d.Detail = "The results for true and for false are of different types. Make them alike."
		}
		e.diags = append(e.diags, e.noted(d))
	}
}

// callsSensitive reports whether an expression itself makes a value sensitive.
func callsSensitive(expr hclsyntax.Expression) bool {
	found := false
	hclsyntax.VisitAll(expr, func(node hclsyntax.Node) hcl.Diagnostics {
		call, ok := node.(*hclsyntax.FunctionCallExpr)
		found = found || ok && call.Name == "sensitive"
		return nil
	})
	return found
}

// refuse reports a text that a format cannot hold. A loop may have lost where it comes from; then any argument that the
// expression uses may be the one.
func (e *evaluation) refuse(refused *refusal, at hcl.Range, expr hclsyntax.Expression, ctx *hcl.EvalContext) {
	from := refused.origins
	if len(from) == 0 {
		from = origins(sources(expr, ctx))
	}
	said := refused.format + refused.reason
	for _, o := range from {
		said += o.argument + o.at.String()
	}
	if e.refused[said] {
		return
	}
	e.refused[said] = true
	const summary, detail = "Value cannot be written", "This text cannot be written into %s: %s. Use another one."
	if len(from) == 0 {
		e.add(at, summary, detail, refused.format, refused.reason)
		return
	}
	e.blame(from, at, summary, detail, refused.format, refused.reason)
}

// sources returns the values that the value of an expression is made of, as one.
func sources(expr hclsyntax.Expression, ctx *hcl.EvalContext) cty.Value {
	var values []cty.Value
	for _, traversal := range expr.Variables() {
		ref := referenceOf(traversal)
		value := ctx.Variables[ref.root]
		if ref.root == "arg" || ref.root == "local" {
			value = value.GetAttr(ref.name)
		}
		values = append(values, value)
	}
	return cty.TupleVal(values)
}
