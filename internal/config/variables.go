package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"jeos/internal/words"
)

// variable is a declared variable.
type variable struct {
	*section
	typ       cty.Type // cty.DynamicPseudoType for any
	literal   bool     // text from flags and environment is taken as it is, not as an expression
	defaults  *typeexpr.Defaults
	def       cty.Value // cty.NilVal when it has none
	sensitive bool
	nullable  bool
	value     cty.Value // cty.NilVal until it is set
	failed    bool      // a problem with it has been reported
}

const (
	variablePrefix = "JEOS_VAR_"
	maxType        = 10_000 // bytes; in JSON a type is a string, which HCL parses as an expression without any limit
)

// loadVariables makes the values of all variables: default, environment, *.auto.jeosvars, flags; the last one wins.
func (l *loader) loadVariables(blocks []*block) {
	byName := l.checkNames(blocks, identifierRE, identifierRule)
	for _, b := range blocks {
		if first := byName[b.name]; first != b {
			first.faulty = true // perhaps the other one says that it is sensitive
		}
	}
	for _, name := range sortedKeys(byName) {
		l.variables[name] = l.declareVariable(byName[name])
	}
	for _, name := range sortedKeys(l.variables) {
		if text, ok := l.opt.Env(variablePrefix + name); ok {
			l.setVariableText(l.variables[name], text, variablePrefix+name)
		}
	}
	auto, err := filesWith(l.opt.Dir, ".auto.jeosvars", ".auto.jeosvars.json")
	if err == nil {
		for _, path := range auto {
			l.readVariableFile(path, filepath.Base(path))
		}
	}
	for _, source := range l.opt.Vars {
		switch v, ok := l.variables[source.Name]; {
		case source.File != "":
			l.readVariableFile(source.File, source.File)
		case !ok:
			l.diags = append(l.diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Unknown variable",
				Detail: fmt.Sprintf("--var sets %s, but no file declares it.%s", words.Quote(source.Name),
					words.DidYouMean(source.Name, sortedKeys(l.variables), " Declare it, or leave the flag out.")),
			})
		default:
			l.setVariableText(v, source.Value, "--var "+source.Name)
		}
	}
	for _, name := range sortedKeys(l.variables) {
		l.values["var"][name] = l.variables[name].finish()
	}
	for _, name := range sortedKeys(l.variables) {
		for _, b := range l.variables[name].block.parts["validation"] {
			l.validateVariable(l.variables[name], b)
		}
	}
}

func (l *loader) declareVariable(b *block) *variable {
	v := &variable{section: l.section(b, &scope{}), typ: cty.DynamicPseudoType, literal: true}
	before := len(l.diags)
	v.sensitive = v.flag("sensitive", false)
	v.nullable = v.flag("nullable", true)
	v.text("description", "description", "")
	v.sensitive = v.sensitive || b.faulty || l.diags[before:].HasErrors() // who knows what the block was to say
	if attr, ok := b.args["type"]; ok {
		if at := attr.Expr.Range(); at.End.Byte-at.Start.Byte > maxType {
			l.add(at, "Type too long", "A type has at most 10,000 bytes here. Write a shorter one, or any.")
			v.failed = true
			return v
		}
		typ, defaults, diags := typeexpr.TypeConstraintWithDefaults(attr.Expr)
		l.diags = append(l.diags, diags...)
		if diags.HasErrors() {
			v.failed = true
			return v
		}
		v.typ, v.defaults = typ, defaults
		v.literal = typ == cty.String
	}
	if attr, ok := b.args["default"]; ok {
		value, diags := attr.Expr.Value(nil)
		for _, diag := range diags {
			if v.sensitive {
				diag.Extra = words.Hidden{}
			}
		}
		l.diags = append(l.diags, diags...)
		v.failed = v.failed || diags.HasErrors()
		v.set(value, attr.Expr.Range(), "The default")
		v.def, v.value = v.value, cty.NilVal
	}
	return v
}

// setVariableText sets a variable from the text of a flag or of the environment.
func (l *loader) setVariableText(v *variable, text, source string) {
	at := hcl.Range{Filename: "the value of " + source, Start: hcl.InitialPos, End: hcl.InitialPos}
	if !utf8.ValidString(text) {
		v.fail(at, "Invalid value of a variable", "The value is not UTF-8 text. Give it another one.")
		return
	}
	if problem := words.CheckNormal(text); problem != "" {
		v.fail(at, "Invalid value of a variable", "%s", problem)
		return
	}
	if v.literal {
		v.set(cty.StringVal(text), at, "The value")
		return
	}
	tokens, _ := hclsyntax.LexExpression([]byte(text), at.Filename, hcl.InitialPos)
	diags := guardTokens(tokens)
	value := cty.DynamicVal
	if !diags.HasErrors() {
		var expr hcl.Expression
		expr, diags = hclsyntax.ParseExpression([]byte(text), at.Filename, hcl.InitialPos)
		if !diags.HasErrors() {
			value, diags = expr.Value(nil)
		}
	}
	if diags.HasErrors() {
		v.fail(at, "Invalid value of a variable", "The variable %s has the type %s, so its value must be an HCL expression"+
			" of that type. Mind the quotes that the shell takes away.", words.Quote(v.block.name), typeexpr.TypeString(v.typ))
		return
	}
	v.set(value, at, "The value")
}

// readVariableFile sets the variables of a file of NAME = VALUE lines.
func (l *loader) readVariableFile(path, shown string) {
	nowhere := hcl.Range{Filename: path, Start: hcl.InitialPos, End: hcl.InitialPos}
	src, err := readText(path, shown, maxFile)
	if err != nil {
		l.unreadVars = true
		l.add(nowhere, "Unreadable file", "This variable file cannot be used: %s. Repair it, or leave it out.", err)
		return
	}
	// The file is not added to l.files: its lines may hold secrets and are never shown.
	file, diags := parse(src, path)
	var args hcl.Attributes
	if file != nil && !diags.HasErrors() {
		args, diags = file.Body.JustAttributes()
	}
	l.addQuiet(diags)
	l.unreadVars = l.unreadVars || diags.HasErrors()
	for _, name := range sortedKeys(args) {
		v, ok := l.variables[name]
		if !ok {
			l.diags = append(l.diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning,
				Summary:  "Unknown variable",
				Detail: fmt.Sprintf("This file sets %s, but the site does not declare it.%s", words.Quote(name),
					words.DidYouMean(name, sortedKeys(l.variables), " Declare it, or leave it out.")),
				Subject: &args[name].NameRange,
			})
			continue
		}
		value, diags := args[name].Expr.Value(nil)
		l.addQuiet(diags)
		if diags.HasErrors() {
			v.failed = true
			continue
		}
		v.set(value, args[name].Expr.Range(), "The value")
	}
}

// addQuiet collects HCL's diagnostics about a variable file without what they repeat of it.
func (l *loader) addQuiet(diags hcl.Diagnostics) {
	for _, diag := range diags {
		diag.Expression, diag.EvalContext = nil, nil
		if strings.ContainsAny(diag.Summary+diag.Detail, "\"'`") {
			diag.Summary = "Invalid variable file"
			diag.Detail = "Variable files hold lines like NAME = VALUE, and this place is none. What stands there is not shown," +
				" because it may be a secret. Correct it."
		}
	}
	l.diags = append(l.diags, diags...)
}

func (v *variable) fail(at hcl.Range, summary, detail string, args ...any) {
	v.failed = true
	if v.sensitive {
		v.addHidden(at, summary, detail, args...)
		return
	}
	v.add(at, summary, detail, args...)
}

// set converts a value to the type of the variable.
func (v *variable) set(value cty.Value, at hcl.Range, what string) {
	if v.failed {
		return
	}
	if v.defaults != nil && !value.IsNull() {
		value = v.defaults.Apply(value)
	}
	converted, err := convert.Convert(value, v.typ)
	if err != nil {
		v.fail(at, "Invalid value of a variable", "%s of the variable %s does not fit its type %s: %s. Change one of them.",
			what, words.Quote(v.block.name), typeexpr.TypeString(v.typ), conversionError(err, v.sensitive))
		return
	}
	if text := checkValue(converted); text != "" {
		v.fail(at, "Value too large", "%s", text)
		return
	}
	if converted.IsNull() && !v.nullable {
		v.fail(at, "Invalid value of a variable", "%s of the variable %s is null, and the variable says nullable = false."+
			" Give it another value.", what, words.Quote(v.block.name))
		return
	}
	v.value = converted
}

// conversionError words an error of cty, which for values inside of others has a path.
func conversionError(err error, sensitive bool) string {
	if sensitive {
		return "the value is of another kind"
	}
	return strings.TrimSuffix(err.Error(), ".")
}

// finish returns the value to use, and reports a variable that has none.
func (v *variable) finish() cty.Value {
	if v.value == cty.NilVal {
		v.value = v.def
	}
	if v.failed || v.value == cty.NilVal && v.unreadVars {
		return cty.DynamicVal
	}
	if v.value == cty.NilVal {
		name := v.block.name
		v.add(v.block.at, "Missing value of a variable",
			"The variable %s has no default and no value. Set it in one of these ways:\n\n"+
				"    jeos --var '%s=…'\n    export %s%s=…\n    a line %s = … in a file whose name ends in .auto.jeosvars",
			words.Quote(name), name, variablePrefix, name, name)
		return cty.DynamicVal
	}
	if v.sensitive {
		return v.value.Mark(sensitiveMark{})
	}
	return v.value
}

// validateVariable checks one validation block. It may refer to all variables.
func (l *loader) validateVariable(v *variable, b *block) {
	if b.args["condition"] == nil || b.args["error_message"] == nil || v.failed || v.value == cty.NilVal {
		return
	}
	condition, _ := l.evaluate(b.args["condition"].Expr, scopeVariables).UnmarkDeep()
	if !condition.IsKnown() {
		return
	}
	if condition.IsNull() || condition.Type() != cty.Bool {
		l.add(b.args["condition"].Expr.Range(), "Invalid condition", "A condition is true or false. Write a comparison.")
		return
	}
	if condition.True() {
		return
	}
	message := l.evaluate(b.args["error_message"].Expr, scopeVariables)
	text := "The value does not satisfy the condition of its validation block."
	switch {
	case !message.IsKnown():
		return
	case isSensitive(message):
	case message.IsNull() || message.Type() != cty.String:
		l.add(b.args["error_message"].Expr.Range(), "Invalid error message", "An error message is text. Write a string.")
		return
	default:
		text = strings.TrimSpace(message.AsString())
	}
	l.add(v.block.at, "Invalid value of a variable", "%s\n\nThis was checked by the validation rule at %s. Set another value.",
		text, origin(b.at))
}
