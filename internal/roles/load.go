package roles

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
)

const (
	fileName = "role.hcl"
	maxFile  = 1 << 20 // bytes
)

// reader carries the state of one Load.
type reader struct {
	fsys    fs.FS
	display string
	lang    Language
	role    *part
	def     *Definition
	files   map[string]*hcl.File
	diags   hcl.Diagnostics
	needs   map[string]*needs // of local values
}

// Load reads the role in the root folder of fsys. Its ranges name files as display joined with their path, and the map
// holds those files by that name. The definition is nil when the diagnostics hold an error.
func Load(fsys fs.FS, name, display string, lang Language) (*Definition, map[string]*hcl.File, hcl.Diagnostics) {
	if lang.Guard == nil {
		lang.Guard = func(hclsyntax.Tokens) hcl.Diagnostics { return nil }
	}
	if lang.CheckValue == nil {
		lang.CheckValue = func(cty.Value) string { return "" }
	}
	r := &reader{
		fsys:    fsys,
		display: display,
		lang:    lang,
		files:   map[string]*hcl.File{},
		needs:   map[string]*needs{},
		def: &Definition{
			Name:       name,
			locals:     map[string]hclsyntax.Expression{},
			templates:  map[string]hclsyntax.Expression{},
			functions:  withEscaping(lang.Functions),
			checkValue: lang.CheckValue,
		},
	}
	if r.parse() {
		r.declare()
		r.check()
	}
	if r.diags.HasErrors() {
		return nil, r.files, sorted(r.diags)
	}
	return r.def, r.files, sorted(r.diags)
}

// add collects an error; see problem.
func (r *reader) add(at hcl.Range, summary, detail string, args ...any) {
	r.diags = append(r.diags, words.Problem(at, summary, detail, args...))
}

// parse reads role.hcl and checks its shape. It returns false when there is no use in going on.
func (r *reader) parse() bool {
	src, at, err := r.text(fileName)
	if err != nil {
		r.add(at, "Unreadable role", "The role %s cannot be used: %s. Repair it, or name another folder.", words.Quote(r.def.Name), err)
		return false
	}
	tokens, _ := hclsyntax.LexConfig(src, at.Filename, hcl.InitialPos) // the parser reports its diagnostics again
	if diags := r.lang.Guard(tokens); diags.HasErrors() {
		r.diags = append(r.diags, diags...)
		return false
	}
	file, diags := hclsyntax.ParseConfig(src, at.Filename, hcl.InitialPos)
	r.diags = append(r.diags, diags...)
	if diags.HasErrors() {
		return false
	}
	r.files[at.Filename] = file
	root := &part{kind: "file", at: at}
	r.diags = append(r.diags, fileShape.read(file.Body.(*hclsyntax.Body), root)...)
	switch blocks := root.parts["role"]; {
	case len(blocks) == 0 && !r.diags.HasErrors():
		r.add(at, "Missing role block", "The file of a role holds one block: role { … }. Write it.")
	case len(blocks) > 1:
		r.add(blocks[1].at, "Duplicate role block", "The file of a role holds one role block. Remove the others, or make folders for them.")
	case len(blocks) == 1:
		r.role = blocks[0]
	}
	return r.role != nil && !r.diags.HasErrors()
}

// text reads a file of the role and adds it to the files that diagnostics may show.
func (r *reader) text(name string) ([]byte, hcl.Range, error) {
	at := hcl.Range{Filename: path.Join(r.display, name), Start: hcl.InitialPos, End: hcl.InitialPos}
	info, err := fs.Stat(r.fsys, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, at, fmt.Errorf("there is no %s in its folder", name)
	case err != nil:
		return nil, at, fmt.Errorf("%s cannot be read", name)
	case !info.Mode().IsRegular():
		return nil, at, fmt.Errorf("%s is not a file", name)
	case info.Size() > maxFile:
		return nil, at, fmt.Errorf("%s is larger than 1 MiB", name)
	}
	src, err := fs.ReadFile(r.fsys, name)
	switch {
	case err != nil:
		return nil, at, fmt.Errorf("%s cannot be read", name)
	case !utf8.Valid(src) || slices.Contains(src, 0):
		return nil, at, fmt.Errorf("%s is not UTF-8 text", name)
	}
	r.files[at.Filename] = &hcl.File{Bytes: src}
	return src, at, nil
}

// template reads and parses a template once. A mistake is reported at the place that names it, or in it.
func (r *reader) template(name string, from hcl.Range) {
	if r.def.templates[name] != nil {
		return
	}
	if !fs.ValidPath(name) {
		r.add(from, "Invalid template", "%s is no path inside the folder of the role. Write one like \"x.conf.tmpl\".", words.Quote(name))
		return
	}
	src, at, err := r.text(name)
	if err != nil {
		r.add(from, "Invalid template", "The template cannot be used: %s. Correct it.", err)
		return
	}
	tokens, _ := hclsyntax.LexTemplate(src, at.Filename, hcl.InitialPos)
	diags := r.lang.Guard(tokens)
	var expr hclsyntax.Expression
	if !diags.HasErrors() {
		expr, diags = hclsyntax.ParseTemplate(src, at.Filename, hcl.InitialPos)
	}
	r.diags = append(r.diags, diags...)
	if diags.HasErrors() {
		return
	}
	r.def.templates[name] = expr
}

// constant evaluates an expression that refers to nothing. Not ok means that it is not written, or wrong.
func (r *reader) constant(p *part, name string) (value cty.Value, ok bool) {
	expr := p.args[name]
	if expr == nil {
		return cty.NilVal, false
	}
	value, diags := expr.Value(nil)
	if diags.HasErrors() {
		r.add(expr.Range(), "Invalid value of "+name, "This must be a plain value: nothing can be referred to or called here. Write the value itself.")
		return cty.NilVal, false
	}
	return value, true
}

// line returns a constant string of one line that is not empty. It is "" when it is not written, or wrong.
func (r *reader) line(p *part, name string) string {
	value, ok := r.constant(p, name)
	if !ok {
		return ""
	}
	if value.IsNull() || value.Type() != cty.String || value.AsString() == "" || words.CheckLine(value.AsString()) != "" {
		r.add(p.args[name].Range(), "Invalid value of "+name, "This must be a string of one line that is not empty. Write one in quotes.")
		return ""
	}
	return value.AsString()
}

func (r *reader) flag(p *part, name string) bool {
	value, ok := r.constant(p, name)
	if !ok {
		return false
	}
	if value.IsNull() || value.Type() != cty.Bool {
		r.add(p.args[name].Range(), "Invalid value of "+name, "This must be true or false, without quotes.")
		return false
	}
	return value.True()
}

func (r *reader) count(p *part, name string) int {
	value, ok := r.constant(p, name)
	if !ok {
		return 0
	}
	if !value.IsNull() && value.Type() == cty.Number {
		if n, _ := value.AsBigFloat().Int64(); n >= 0 && n <= 1000 && cty.NumberIntVal(n).RawEquals(value) {
			return int(n)
		}
	}
	r.add(p.args[name].Range(), "Invalid value of "+name, "This must be a whole number from 0 to 1000. Write one.")
	return 0
}

var identifierRE = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// checkIdentifier reports a bad name, and one that was there before.
func (r *reader) checkIdentifier(name, what string, at hcl.Range, seen map[string]hcl.Range) {
	if !identifierRE.MatchString(name) {
		r.add(at, "Invalid name", "%s is no name for %s. Names have at most 32 characters: small letters, digits and underscores,"+
			" starting with a letter. Rename it.", words.Quote(name), what)
	}
	if first, ok := seen[name]; ok {
		r.add(at, "Duplicate name", "%s is a name already, at %s. Rename one of them.", words.Quote(name), place(first))
		return
	}
	seen[name] = at
}

// checkText is [words.CheckLine] for texts of several lines.
func checkText(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' || r == 0x7f }) {
		return "This text holds a control character. Remove it; lines end in a newline alone."
	}
	return ""
}
