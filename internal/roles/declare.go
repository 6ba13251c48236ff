package roles

import (
	"path"
	"regexp"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
)

// declare reads what does not depend on a guest.
func (r *reader) declare() {
	r.def.role = r.role
	r.def.Summary = r.line(r.role, "summary")
	r.def.Confined = r.flag(r.role, "confined")
	names := map[string]hcl.Range{}
	r.def.Arguments = r.arguments(r.role, names)
	for _, p := range r.role.parts["block"] {
		r.nestedBlock(p, names)
	}
	locals := map[string]hcl.Range{}
	for _, p := range r.role.parts["locals"] {
		for _, name := range sortedKeys(p.args) {
			r.checkIdentifier(name, "a local value", p.nameAt[name], locals)
			r.def.locals[name] = p.args[name]
		}
	}
	for _, kind := range []string{"nic", "outside", "tunnel"} {
		r.checkLabels(kind, interfaceRE, "an interface",
			"Names of interfaces have at most 15 characters: letters, digits, and between them hyphens, dots and underscores. Rename it.")
		for _, p := range r.role.parts[kind] {
			if slices.Contains(takenInterfaces, p.label) {
				r.add(p.labelAt, "Invalid name", "%s is no name for an interface: every Linux has something else of that name. Rename it.", words.Quote(p.label))
			}
		}
	}
	for _, kind := range []string{"device", "probe"} {
		r.checkLabels(kind, nameRE, "a "+kind, "Names here have at most 32 characters: small letters, digits and hyphens, starting with"+
			" a letter and not ending in a hyphen. Rename it.")
	}
	for _, p := range r.role.parts["file"] {
		r.fileBlock(p)
	}
}

var (
	nameRE      = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$`)
	interfaceRE = regexp.MustCompile(`^[a-z]([A-Za-z0-9_.-]{0,13}[A-Za-z0-9])?$`)
)

// takenInterfaces are the loopback and folders beside the interfaces in /proc/sys/net.
var takenInterfaces = []string{"lo", "all", "default"}

func (r *reader) checkLabels(kind string, re *regexp.Regexp, what, rule string) {
	for _, p := range r.role.parts[kind] {
		if !re.MatchString(p.label) {
			r.add(p.labelAt, "Invalid name", "%s is no name for %s. %s", words.Quote(p.label), what, rule)
		}
	}
}

func (r *reader) fileBlock(p *part) {
	if !path.IsAbs(p.label) || path.Clean(p.label) != p.label || p.label == "/" || words.CheckLine(p.label) != "" {
		r.add(p.labelAt, "Invalid path", "%s is no clean absolute path of a file. Write one like \"/etc/motd\".", words.Quote(p.label))
	}
	if (p.args["template"] == nil) == (p.args["content"] == nil) {
		r.add(p.at, "Invalid file", "A file has either template, the name of a file of the role, or content, a string. Write exactly one.")
	}
	if name := r.line(p, "template"); name != "" {
		r.template(name, p.args["template"].Range())
	}
}

// arguments reads argument blocks, in the order of the file.
func (r *reader) arguments(parent *part, names map[string]hcl.Range) (out []Argument) {
	for _, p := range parent.parts["argument"] {
		r.checkIdentifier(p.label, "an argument", p.labelAt, names)
		a := Argument{
			Name:        p.label,
			Type:        r.argumentType(p),
			Description: r.line(p, "description"),
			Required:    p.args["default"] == nil,
			Default:     cty.NullVal(cty.DynamicPseudoType),
			Secret:      r.flag(p, "secret"),
			validations: p.parts["validation"],
		}
		if a.Type != "" && a.Type.plain() {
			a.Default = cty.NullVal(a.Type.cty())
		}
		if value, ok := r.constant(p, "default"); ok && a.Type != "" {
			r.setDefault(&a, value, p.args["default"].Range())
		}
		out = append(out, a)
	}
	return out
}

func (r *reader) setDefault(a *Argument, value cty.Value, at hcl.Range) {
	switch {
	case value.IsNull():
	case !a.Type.plain():
		r.add(at, "Invalid default", "An argument of the type %s can have no default but null. Write null.", a.Type)
	default:
		converted, text := a.Type.check(value)
		if text != "" {
			r.add(at, "Invalid default", "This is no value of the type %s. %s", a.Type, text)
			return
		}
		a.Default = converted
	}
}

// argumentType reads a type as a keyword. It returns "" for a wrong one, which it reports.
func (r *reader) argumentType(p *part) Type {
	expr := p.args["type"]
	word := hcl.ExprAsKeyword(expr)
	if call, diags := hcl.ExprCall(expr); !diags.HasErrors() && len(call.Arguments) == 1 {
		word = call.Name + "(" + hcl.ExprAsKeyword(call.Arguments[0]) + ")"
	}
	var known []string
	for _, t := range allTypes {
		known = append(known, string(t))
	}
	if slices.Contains(known, word) {
		return Type(word)
	}
	what := "This"
	if word != "" {
		what = words.Quote(word)
	}
	r.add(expr.Range(), "Invalid type", "%s is no type.%s", what,
		words.DidYouMean(word, known, " Write "+words.Or(known)+", without quotes."))
	return ""
}

func (r *reader) nestedBlock(p *part, names map[string]hcl.Range) {
	r.checkIdentifier(p.label, "a block", p.labelAt, names)
	b := NestedBlock{
		Type:        p.label,
		Label:       r.line(p, "label"),
		Description: r.line(p, "description"),
		Min:         r.count(p, "min"),
		Max:         r.count(p, "max"),
	}
	inner := map[string]hcl.Range{}
	if b.Label != "" {
		r.checkIdentifier(b.Label, "the label of a block", p.args["label"].Range(), inner)
	}
	if b.Max > 0 && b.Min > b.Max {
		r.add(p.args["min"].Range(), "Invalid value of min", "This is more than max, which is %d. Change one of them.", b.Max)
	}
	b.Arguments = r.arguments(p, inner)
	r.def.Blocks = append(r.def.Blocks, b)
}
