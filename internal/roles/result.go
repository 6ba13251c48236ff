package roles

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
)

// wanted returns the blocks of a kind whose condition holds. No two of them have the same label.
func (e *evaluation) wanted(kind string) (out []*part) {
	seen := map[string]*part{}
	for _, p := range e.def.role.parts[kind] {
		if !e.holds(p) {
			continue
		}
		if first := seen[p.label]; first != nil && p.label != "" {
			e.add(p.labelAt, "Duplicate name", "The %s %s is there already, from %s. See to it that their conditions never hold together.",
				kind, words.Quote(p.label), place(first.at))
			continue
		}
		seen[p.label] = p
		out = append(out, p)
	}
	return out
}

// holds evaluates the condition of a block. It may be sensitive, as nothing but the presence of the block shows it.
func (e *evaluation) holds(p *part) bool {
	expr := p.args["when"]
	if expr == nil {
		return true
	}
	value, ok := e.known(expr)
	if !ok {
		return false
	}
	bare, _ := value.UnmarkDeep()
	if bare.IsNull() || bare.Type() != cty.Bool {
		e.wrongType(expr, bare, "true or false")
		return false
	}
	return bare.True()
}

// visible is known for what is shown in plans and kept on the host, so that it cannot be sensitive.
func (e *evaluation) visible(expr hclsyntax.Expression) (value cty.Value, ok bool) {
	value, ok = e.known(expr)
	if ok && isSensitive(value) {
		e.add(expr.Range(), "Sensitive value in a wrong place", "This value is sensitive, but it is shown in plans and kept on the host."+
			" Only the content of files, and what is exported, can be.")
		return cty.DynamicVal, false
	}
	return value, ok
}

// flag returns a boolean; nil when it is not written, null, unknown or wrong.
func (e *evaluation) flag(p *part, name string) *bool {
	expr := p.args[name]
	if expr == nil {
		return nil
	}
	value, ok := e.visible(expr)
	bare, _ := value.UnmarkDeep()
	switch {
	case !ok || bare.IsNull():
		return nil
	case bare.Type() != cty.Bool:
		e.wrongType(expr, bare, "true or false")
		return nil
	}
	result := bare.True()
	return &result
}

// wrongType reports a value of a type that the role cannot use there.
func (e *evaluation) wrongType(expr hclsyntax.Expression, value cty.Value, want string) {
	what := words.Describe(value.Type())
	if value.IsNull() {
		what = "null"
	}
	e.add(expr.Range(), "Wrong type", "Here stands %s, but this must be %s. Change the expression.", what, want)
}

// word is a string of a result.
type word struct {
	text string
	at   hcl.Range // of the argument that it comes from, or of the role block
}

// line returns a string of one line that passes the check. It is "" when it is not written, null, unknown or wrong.
func (e *evaluation) line(p *part, name string, c words.Check) string {
	expr := p.args[name]
	if expr == nil {
		return ""
	}
	value, ok := e.visible(expr)
	if !ok || value.IsNull() {
		return ""
	}
	w, _ := e.word(value, expr, c)
	return w.text
}

// word reads one value. Not ok means that it is wrong, which is reported.
func (e *evaluation) word(value cty.Value, expr hclsyntax.Expression, c words.Check) (word, bool) {
	bare, _ := value.UnmarkDeep()
	if !bare.IsKnown() {
		e.missing(expr)
		return word{}, false
	}
	if bare.IsNull() || bare.Type() != cty.String {
		e.wrongType(expr, bare, "a string")
		return word{}, false
	}
	problem := words.CheckLine(bare.AsString())
	if problem == "" && c != nil {
		problem = c(bare.AsString())
	}
	if problem != "" {
		e.fault(value, expr.Range(), "Invalid value of a role", "%s", problem)
		return word{}, false
	}
	return word{bare.AsString(), e.placeOf(value)}, true
}

// words reads a list of strings.
func (e *evaluation) words(p *part, name string, c words.Check) (out []word) {
	expr := p.args[name]
	if expr == nil {
		return nil
	}
	for _, element := range e.elements(expr, "a list of strings") {
		if w, ok := e.word(element, expr, c); ok {
			out = append(out, w)
		}
	}
	return out
}

// elements returns those of a list, with all its marks; a set is sorted.
func (e *evaluation) elements(expr hclsyntax.Expression, want string) []cty.Value {
	value, ok := e.visible(expr)
	if !ok {
		return nil
	}
	value, _ = spread(value, nil).Unmark()
	if t := value.Type(); value.IsNull() || !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		e.wrongType(expr, value, want)
		return nil
	}
	return value.AsValueSlice()
}

// attributes returns those of an object, with all its marks.
func (e *evaluation) attributes(value cty.Value, expr hclsyntax.Expression, want string, names ...string) map[string]cty.Value {
	value, _ = spread(value, nil).Unmark()
	if t := value.Type(); value.IsNull() || !t.IsObjectType() && !t.IsMapType() {
		e.wrongType(expr, value, want)
		return nil
	}
	all := value.AsValueMap()
	for _, name := range names {
		if _, ok := all[name]; !ok {
			e.wrongType(expr, value, want)
			return nil
		}
	}
	return all
}

// placeOf returns where a value comes from: its argument, or the role block.
func (e *evaluation) placeOf(value cty.Value) hcl.Range {
	if from := origins(value); len(from) == 1 {
		return from[0].at
	}
	return e.in.Block.At
}

// texts drops the places.
func texts(all []word) (out []string) {
	for _, w := range all {
		out = append(out, w.text)
	}
	return out
}
