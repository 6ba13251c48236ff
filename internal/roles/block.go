package roles

import (
	"strings"

	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
)

// readBlock checks the role block and makes the value of arg.
func (e *evaluation) readBlock(s stage) cty.Value {
	values := e.readBody(e.def.Arguments, e.in.Block, e.def.argumentBlock(), s)
	for _, b := range e.def.Blocks {
		bodies := e.in.Block.Blocks[b.Type]
		e.checkNumber(b, bodies)
		var blocks []cty.Value
		for _, body := range bodies {
			inner := e.readBody(b.Arguments, body, "block "+b.Type+" of the role "+words.Quote(e.def.Name), s)
			if b.Label != "" {
				inner[b.Label] = e.label(b, body)
			}
			e.validate(b.Arguments, body, inner)
			blocks = append(blocks, cty.ObjectVal(inner))
		}
		values[b.Type] = cty.TupleVal(blocks)
	}
	e.validate(e.def.Arguments, e.in.Block, values)
	return cty.ObjectVal(values)
}

// argumentBlock names the role block in a sentence.
func (d *Definition) argumentBlock() string { return "role " + words.Quote(d.Name) }

func (e *evaluation) checkNumber(b NestedBlock, bodies []Body) {
	what := b.Type
	if b.Description != "" {
		what += " (" + b.Description + ")"
	}
	switch {
	case len(bodies) < b.Min && b.Min == 1:
		e.addInBlock(words.Problem(e.in.Block.At, "Missing block", "The role %s needs a block %s. Add it.", words.Quote(e.def.Name), what), false)
	case len(bodies) < b.Min:
		e.addInBlock(words.Problem(e.in.Block.At, "Missing block", "The role %s needs %d blocks %s. Add them.",
			words.Quote(e.def.Name), b.Min, what), false)
	case b.Max > 0 && len(bodies) > b.Max:
		e.addInBlock(words.Problem(bodies[b.Max].At, "Too many blocks", "The role %s takes at most %d of the blocks %s. Remove this one.",
			words.Quote(e.def.Name), b.Max, what), false)
	}
}

func (e *evaluation) label(b NestedBlock, body Body) cty.Value {
	if text := words.CheckLine(body.Label); text != "" {
		e.addInBlock(words.Problem(body.LabelAt, "Invalid label", "%s", text), false)
		return e.unknown()
	}
	return cty.StringVal(body.Label).Mark(origin{argument: b.Label, at: body.LabelAt})
}

// unknown is the value of what has a mistake.
func (e *evaluation) unknown() cty.Value {
	e.vague = true
	return cty.DynamicVal
}

// readBody returns the values of arguments by name, checked and marked with where they come from.
func (e *evaluation) readBody(arguments []Argument, body Body, of string, s stage) map[string]cty.Value {
	values := map[string]cty.Value{}
	for _, a := range arguments {
		given, written := body.Arguments[a.Name]
		switch {
		case !written && a.Required: // which the caller has reported
			values[a.Name] = e.unknown()
		case !written:
			values[a.Name] = a.Default
		case !given.Value.IsKnown() || a.Type.plain() && !given.Value.IsWhollyKnown():
			values[a.Name] = cty.DynamicVal
			e.vague = e.vague || a.Early || s > atIdentity
		default:
			values[a.Name] = e.argument(a, given, of)
		}
	}
	return values
}

// argument checks a value that is known.
func (e *evaluation) argument(a Argument, given Value, of string) cty.Value {
	v := given.Value
	switch {
	case v.IsNull() && a.Required:
		e.addInBlock(words.Problem(given.At, "Missing required argument", "The argument %s of the %s cannot be null. Give it a value.",
			words.Quote(a.Name), of), a.Secret)
		return e.unknown()
	case v.IsNull():
		return a.Default
	case a.Type.plain() && !a.Secret && isSensitive(v):
		e.addInBlock(words.Problem(given.At, "Sensitive value in a wrong place", "The value of %s is sensitive, but this argument of the %s is shown in"+
			" plans and kept on the host. Use a value that is not sensitive, or nonsensitive(…) if it is none in truth.", words.Quote(a.Name), of), true)
		return e.unknown()
	case a.Type.plain():
		checked, text := a.Type.check(v)
		if text != "" {
			e.addInBlock(words.Problem(given.At, "Invalid value of a role", "This does not fit the argument %s of the %s. %s",
				words.Quote(a.Name), of, text), a.Secret)
			return e.unknown()
		}
		v = checked
	}
	return spread(v, cty.NewValueMarks(origin{argument: a.Name, secret: a.Secret, at: given.At}))
}

// validate applies the validations of arguments. What is unknown satisfies them.
func (e *evaluation) validate(arguments []Argument, body Body, values map[string]cty.Value) {
	variables := map[string]cty.Value{"arg": cty.ObjectVal(values), "system": e.variables["system"]}
	for _, a := range arguments {
		for _, p := range a.validations {
			e.validateOne(a, p, body, variables)
		}
	}
}

func (e *evaluation) validateOne(a Argument, p *part, body Body, variables map[string]cty.Value) {
	condition, _ := e.valueWith(p.args["condition"], variables).UnmarkDeep()
	switch {
	case !condition.IsKnown():
		return
	case condition.IsNull() || condition.Type() != cty.Bool:
		e.add(p.args["condition"].Range(), "Invalid condition", "A condition is true or false. Write a comparison.")
		return
	case condition.True():
		return
	}
	e.vague = true
	message := e.valueWith(p.args["error_message"], variables)
	sensitive := isSensitive(message)
	message, _ = message.UnmarkDeep()
	text := "The value does not satisfy the condition of its validation block."
	switch {
	case !message.IsKnown():
		return
	case sensitive:
	case message.IsNull() || message.Type() != cty.String:
		e.add(p.args["error_message"].Range(), "Invalid error message", "An error message is text. Write a string.")
		return
	default:
		text = strings.TrimSpace(message.AsString())
	}
	at := body.At
	if given, ok := body.Arguments[a.Name]; ok {
		at = given.At
	}
	e.addInBlock(words.Problem(at, "Invalid value of a role", "%s\n\nThis was checked by the validation rule of the role %s at %s. Set another value.",
		text, words.Quote(e.def.Name), place(p.at)), a.Secret)
}
