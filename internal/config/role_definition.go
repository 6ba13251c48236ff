package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"jeos/internal/roles"
	"jeos/internal/words"
)

// RoleDefinition is a role that a guest of the site can have.
type RoleDefinition struct {
	*roles.Definition
	Source string // folder of the site's own role, as the files write it; empty: jeos brings it
}

// LoadRoles returns the roles that guests of the site in opt.Dir can have, sorted by name: those of opt.Roles, and those
// that the site declares. A folder without a site has none of its own. The roles are nil when the diagnostics hold an error.
func LoadRoles(opt Options) ([]RoleDefinition, map[string]*hcl.File, hcl.Diagnostics) {
	l := newLoader(opt)
	var own []*block
	if paths, err := Files(opt.Dir); err != nil || len(paths) > 0 {
		parts, ok := l.readSite()
		if !ok || !l.declare(parts) {
			return nil, l.files, l.finish()
		}
		l.loadVariables(parts["variable"])
		own = parts["role"]
	}
	var definitions []RoleDefinition
	for _, name := range l.builtIn() {
		if d := l.loadBuiltIn(name); d != nil {
			definitions = append(definitions, RoleDefinition{Definition: d})
		}
	}
	for _, b := range own {
		if d, source := l.loadOwn(b); d != nil {
			definitions = append(definitions, RoleDefinition{d, source})
		}
	}
	slices.SortStableFunc(definitions, func(a, b RoleDefinition) int { return strings.Compare(a.Name, b.Name) })
	if diags := l.finish(); diags.HasErrors() {
		return nil, l.files, diags
	}
	return definitions, l.files, l.diags
}

// builtIn returns the names of the roles that jeos brings, sorted.
func (l *loader) builtIn() []string {
	if l.opt.Roles == nil {
		return nil
	}
	paths, _ := fs.Glob(l.opt.Roles, "*/role.hcl") // the pattern is a good one
	names := make([]string, len(paths))
	for i, p := range paths {
		names[i] = path.Dir(p)
	}
	slices.Sort(names)
	return names
}

// loadDefinitions reads the site's own roles and those that guests have, and then the shape of the role blocks.
func (l *loader) loadDefinitions() {
	for _, name := range sortedKeys(l.blocks["role"]) {
		if d, _ := l.loadOwn(l.blocks["role"][name]); d != nil {
			l.roles[name] = d
		}
	}
	for _, name := range sortedKeys(l.blocks["guest"]) {
		guest := l.blocks["guest"][name]
		if b := l.section(guest, scopeSite).only("role"); b != nil {
			l.readRoleBlock(b.block)
		}
	}
}

// readRoleBlock finds the role that a block of a guest names, and checks the shape of the block.
func (l *loader) readRoleBlock(b *block) {
	builtIn := l.builtIn()
	switch {
	case l.roles[b.name] != nil:
	case slices.Contains(builtIn, b.name):
		if d := l.loadBuiltIn(b.name); d != nil {
			l.roles[b.name] = d
		}
	case l.blocks["role"][b.name] != nil: // what is wrong with it has been reported
	default:
		known := slices.Concat(sortedKeys(l.blocks["role"]), builtIn)
		slices.Sort(known)
		known = slices.Compact(known)
		others := ""
		if len(known) > 0 {
			others = " There are " + words.And(words.Quoted(known)) + "."
		}
		l.add(b.label, "Unknown role", "There is no role %s.%s Name another one, or declare one of your own: role %q { source = … }",
			words.Quote(b.name), words.DidYouMean(b.name, known, others), b.name)
	}
	d := l.roles[b.name]
	if d == nil {
		b.faulty = true
		return
	}
	var diags hcl.Diagnostics
	b.schema = roleSchema(d)
	b.args, b.parts, diags = b.schema.read(b.body)
	b.faulty = diags.HasErrors()
	if takesSecrets(d) {
		for _, diag := range diags { // the mistyped name of a secret may stand before one
			diag.Extra = words.Hidden{}
		}
	}
	l.diags = append(l.diags, diags...)
}

func takesSecrets(d *roles.Definition) bool {
	secret := func(a roles.Argument) bool { return a.Secret }
	return slices.ContainsFunc(d.Arguments, secret) ||
		slices.ContainsFunc(d.Blocks, func(b roles.NestedBlock) bool { return slices.ContainsFunc(b.Arguments, secret) })
}

// roleSchema translates what may stand in a role block.
func roleSchema(d *roles.Definition) schema {
	s := argumentSchema(d.Arguments)
	s.blocks = map[string]schema{}
	for _, nested := range d.Blocks {
		inner := argumentSchema(nested.Arguments)
		inner.label = nested.Label
		s.blocks[nested.Type] = inner
	}
	return s
}

func argumentSchema(args []roles.Argument) (s schema) {
	for _, a := range args {
		if a.Required {
			s.required = append(s.required, a.Name)
		} else {
			s.optional = append(s.optional, a.Name)
		}
	}
	return s
}

// loadBuiltIn reads a role that jeos brings; nil when it has a mistake.
func (l *loader) loadBuiltIn(name string) *roles.Definition {
	folder, err := fs.Sub(l.opt.Roles, name)
	if err != nil {
		panic("config: the name of a folder is no path: " + name)
	}
	return l.readDefinition(folder, name, path.Join("templates", name))
}

// loadOwn reads a role that the site declares, and returns where it is as the files write it; nil when something is wrong.
func (l *loader) loadOwn(b *block) (*roles.Definition, string) {
	if slices.Contains(l.builtIn(), b.name) {
		l.add(b.label, "Duplicate name", "jeos brings a role %s. Rename this one.", words.Quote(b.name))
		return nil, ""
	}
	s := l.section(b, scopeJeos)
	source := s.text("source", "role source", "", checkLocal("the folder of a role"))
	if source == "" {
		return nil, ""
	}
	folder, display := s.path(source), s.path(source)
	if inside, err := filepath.Rel(l.dir, folder); err == nil && filepath.IsLocal(inside) {
		display = filepath.Join(l.opt.Dir, inside)
	}
	info, err := os.Stat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("there is no folder %s", words.Quote(source))
	case err != nil:
		err = fileError(source, err)
	case !info.IsDir():
		err = fmt.Errorf("%s is not a folder", words.Quote(source))
	}
	if err != nil {
		s.add(s.at("source"), "Invalid role source", "The role cannot be read: %s. Write the path of the folder that its role.hcl is in; relative"+
			" ones start at the folder of the site.", err)
		return nil, ""
	}
	return s.readDefinition(os.DirFS(folder), b.name, display), source
}

func (l *loader) readDefinition(folder fs.FS, name, display string) *roles.Definition {
	d, files, diags := roles.Load(folder, name, display, roles.Language{
		Functions:  l.pureFunctions(),
		Guard:      guardTokens,
		CheckValue: checkValue,
	})
	for file, content := range files {
		l.files[file] = content
	}
	l.diags = append(l.diags, diags...)
	return d
}
