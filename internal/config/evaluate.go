package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
)

// sensitiveMark is the mark of sensitive values.
type sensitiveMark struct{}

func isSensitive(v cty.Value) bool { return v.HasMarkDeep(sensitiveMark{}) }

// sensitiveHelp says where sensitive values may stand.
const sensitiveHelp = "Sensitive values may stand in the content of a file, in run, in password and hashed_password of a" +
	" user, in cloud_config, in mirror and proxy of apt, in arguments of roles that take secrets, and in outputs with" +
	" sensitive = true. Use a value that is not sensitive, or nonsensitive(…) if it is none in truth."

// scope says what an expression may refer to.
type scope struct {
	roots []string
	each  cty.Value       // object with key and value; cty.NilVal outside of for_each
	needs map[string]bool // collects the names of the guests that are referred to; nil: nobody asks
	early bool            // of guests nothing but the names is known
}

var (
	scopeVariables = &scope{roots: []string{"var"}}
	scopeJeos      = &scope{roots: []string{"var", "path"}}
	scopeSite      = &scope{roots: []string{"var", "local", "image", "network", "guest", "path"}}
)

// earlyScope is a scope in which of guests nothing but the names is known.
func earlyScope(sc *scope) *scope { return &scope{roots: sc.roots, each: sc.each, early: true} }

func (sc *scope) allows(kind string) bool {
	return slices.Contains(sc.roots, kind) || kind == "each" && sc.each != cty.NilVal
}

// evaluate returns the value of an expression. It is cty.DynamicVal when something went wrong here, which is reported,
// or in what the expression refers to, which has been. The value may carry marks, and be unknown in parts.
func (l *loader) evaluate(expr hcl.Expression, sc *scope) cty.Value {
	refs := references(expr)
	bad := false
	for _, ref := range refs {
		if diag := l.checkReference(ref, sc); diag != nil {
			l.diags = append(l.diags, diag)
			bad = true
		}
	}
	if bad {
		return cty.DynamicVal
	}
	l.noteNeeds(refs, sc)
	ctx := l.context(refs, sc)
	if diag := sensitiveKey(expr, ctx); diag != nil {
		l.diags = append(l.diags, diag)
		return cty.DynamicVal
	}
	l.marked = false
	value, diags := expr.Value(ctx)
	l.report(diags, expr, ctx)
	if diags.HasErrors() {
		return cty.DynamicVal
	}
	if text := checkValue(value); text != "" {
		l.add(expr.Range(), "Value too large", "%s", text)
		return cty.DynamicVal
	}
	return value
}

// sensitiveKey finds a key of an object in JSON that is sensitive, which HCL cannot evaluate.
func sensitiveKey(expr hcl.Expression, ctx *hcl.EvalContext) *hcl.Diagnostic {
	if !hcljson.IsJSONExpression(expr) {
		return nil
	}
	inner, _ := hcl.ExprList(expr)
	pairs, _ := hcl.ExprMap(expr)
	for _, pair := range pairs {
		if key, _ := pair.Key.Value(ctx); isSensitive(key) {
			return words.Problem(pair.Key.Range(), "Sensitive value in a wrong place",
				"A key of an object cannot be sensitive in JSON. Use one that is not, or write this block in a file of HCL's native syntax.")
		}
		inner = append(inner, pair.Value)
	}
	for _, expr := range inner {
		if diag := sensitiveKey(expr, ctx); diag != nil {
			return diag
		}
	}
	return nil
}

// report collects diagnostics of HCL about an expression. It changes those that show parts of values, which may be
// sensitive, and one that depends on the order of a map.
func (l *loader) report(diags hcl.Diagnostics, expr hcl.Expression, ctx *hcl.EvalContext) {
	secret := len(diags) > 0 && (l.marked || usesSensitive(expr, ctx))
	for _, diag := range diags {
		if secret && diag.EvalContext != nil {
			diag.EvalContext = ctx // without variables of loops, which have lost their marks
		}
		call, isCall := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](diag)
		switch {
		case secret && isCall && call.FunctionCallError() != nil: // its arguments may have lost theirs, too
			diag.Detail = fmt.Sprintf("The call of %s failed. The reason is not shown, because a value here is sensitive. Look at its arguments.",
				call.CalledFunctionName())
			diag.Extra = words.Hidden{}
		case diag.Summary == "Call to unknown function":
			suggest(diag, sortedKeys(l.functions))
		case diag.Summary == "Unsupported attribute" && strings.Contains(diag.Detail, `"sha256"`):
			diag.Detail += " Images that are files have one; baked ones do not. Use another attribute."
		case diag.Summary == "Duplicate object key":
			diag.Detail = "Two items produced the same key. Make the keys different, or group the items with an ellipsis (...)" +
				" behind the value."
		case diag.Summary == "Inconsistent conditional result types":
			diag.Detail = "The results for true and for false are of different types. Make them alike."
		}
	}
	l.diags = append(l.diags, diags...)
}

// usesSensitive reports whether anything that an expression refers to is sensitive.
func usesSensitive(expr hcl.Expression, ctx *hcl.EvalContext) bool {
	return slices.ContainsFunc(expr.Variables(), func(t hcl.Traversal) bool {
		value, diags := t.TraverseAbs(ctx)
		if diags.HasErrors() {
			value = ctx.Variables[t.RootName()]
		}
		return isSensitive(value)
	})
}

// unnamedMark is the mark of what is not known of guests in an early scope.
type unnamedMark struct{}

// context makes the smallest context that an expression with these references can be evaluated in.
func (l *loader) context(refs []reference, sc *scope) *hcl.EvalContext {
	wanted := map[string]map[string]cty.Value{}
	for _, ref := range refs {
		if wanted[ref.kind] == nil {
			wanted[ref.kind] = map[string]cty.Value{}
		}
		values := l.values[ref.kind]
		if ref.kind == "guest" && sc.early {
			values = l.early
		}
		for name, value := range values {
			if ref.name == "" {
				wanted[ref.kind][name] = value
			}
		}
		if value, ok := values[ref.name]; ok {
			wanted[ref.kind][ref.name] = value
		}
	}
	ctx := &hcl.EvalContext{Functions: l.functions, Variables: map[string]cty.Value{}}
	for kind, values := range wanted {
		ctx.Variables[kind] = cty.ObjectVal(values)
	}
	if sc.each != cty.NilVal {
		ctx.Variables["each"] = sc.each
	}
	return ctx
}

// noteNeeds records which guests are referred to. A name with for_each stands for all its guests unless a constant key
// follows it.
func (l *loader) noteNeeds(refs []reference, sc *scope) {
	if sc.needs == nil {
		return
	}
	for _, ref := range refs {
		if ref.kind != "guest" {
			continue
		}
		for _, inst := range l.instances {
			if ref.name == "" || inst.block.name == ref.name && (ref.key == "" || !inst.each || inst.key == ref.key) {
				sc.needs[inst.name] = true
			}
		}
	}
}

// intact runs f and reports whether it met neither an error nor an unknown value.
func (l *loader) intact(f func()) bool {
	problems, incomplete := len(l.diags), l.incomplete
	l.incomplete = false
	f()
	ok := !l.incomplete && !l.diags[problems:].HasErrors()
	l.incomplete = l.incomplete || incomplete
	return ok
}
