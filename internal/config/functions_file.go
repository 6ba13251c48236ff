package config

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"jeos/internal/words"
)

// fileFunctions read files. Relative paths start at the site's folder.
func (l *loader) fileFunctions() map[string]function.Function {
	return map[string]function.Function{
		"file": pathFunction(cty.String, func(p string) (cty.Value, error) {
			src, err := readText(l.path(p), p, maxFile)
			if err == nil && words.CheckNormal(string(src)) != "" {
				return cty.DynamicVal, fmt.Errorf("%s is not in Unicode's normal form C (NFC), so that HCL would change it; save it in that form,"+
					" or have a file block take it as it is, by source", words.Quote(p))
			}
			return cty.StringVal(string(src)), err
		}),
		"filebase64": pathFunction(cty.String, func(p string) (cty.Value, error) {
			src, err := readFile(l.path(p), p, maxFile)
			return cty.StringVal(base64.StdEncoding.EncodeToString(src)), err
		}),
		"fileexists": pathFunction(cty.Bool, func(p string) (cty.Value, error) {
			info, err := os.Stat(l.path(p))
			return cty.BoolVal(err == nil && info.Mode().IsRegular()), nil
		}),
		"basename": pathFunction(cty.String, func(p string) (cty.Value, error) { return cty.StringVal(path.Base(p)), nil }),
		"dirname":  pathFunction(cty.String, func(p string) (cty.Value, error) { return cty.StringVal(path.Dir(p)), nil }),
		"fileset":  l.filesetFunction(),
	}
}

func pathFunction(result cty.Type, f func(path string) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(result),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return f(args[0].AsString())
		},
	})
}

// filesetFunction finds the files below a folder whose relative paths match a pattern; ** stands for any folders.
func (l *loader) filesetFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "folder", Type: cty.String}, {Name: "pattern", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Set(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			found, err := findFiles(l.path(args[0].AsString()), args[1].AsString())
			if err != nil || len(found) == 0 {
				return cty.SetValEmpty(cty.String), err
			}
			return cty.SetVal(found), nil
		},
	})
}

func findFiles(root, pattern string) ([]cty.Value, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("%s is no pattern", words.Quote(pattern))
	}
	var found []cty.Value
	visited := 0
	err := filepath.WalkDir(root, func(p string, entry fs.DirEntry, err error) error {
		if visited++; visited > maxValueElements {
			return fmt.Errorf("%s holds more than 100,000 files", words.Quote(root))
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		relative, err := filepath.Rel(root, p)
		if err == nil && words.CheckNormal(relative) != "" {
			return fmt.Errorf("the name of %s is not in Unicode's normal form C (NFC), so that HCL would change it; rename the file", words.Quote(relative))
		}
		if err == nil && matchPath(strings.Split(pattern, "/"), strings.Split(relative, "/")) {
			found = append(found, cty.StringVal(relative))
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, fileError(root, err)
	}
	return found, err
}

// matchPath matches names with patterns one by one. The pattern ** matches any number of names.
func matchPath(patterns, names []string) bool {
	if len(patterns) == 0 {
		return len(names) == 0
	}
	if patterns[0] == "**" {
		rest := slices.IndexFunc(patterns, func(p string) bool { return p != "**" })
		if rest < 0 {
			return true
		}
		for i := range names {
			if matchPath(patterns[rest:], names[i:]) {
				return true
			}
		}
		return false
	}
	if len(names) == 0 {
		return false
	}
	ok, err := path.Match(patterns[0], names[0])
	return err == nil && ok && matchPath(patterns[1:], names[1:])
}

// templateFunction renders a file as a template. Templates can call all functions but this one, so that they cannot
// include each other for ever.
func (l *loader) templateFunction(functions map[string]function.Function) function.Function {
	inner := map[string]function.Function{}
	for name, f := range functions {
		inner[name] = f
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "variables", Type: cty.DynamicPseudoType, AllowMarked: true}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return l.renderTemplate(args[0].AsString(), args[1], inner)
		},
	})
}

func (l *loader) renderTemplate(file string, variables cty.Value, functions map[string]function.Function) (cty.Value, error) {
	src, err := readText(l.path(file), file, maxFile)
	if err != nil {
		return cty.DynamicVal, err
	}
	variables, marks := variables.Unmark()
	if t := variables.Type(); !t.IsObjectType() && !t.IsMapType() {
		return cty.DynamicVal, function.NewArgErrorf(1, "an object or a map is required")
	}
	diags := guardTokens(lexTemplate(src, file))
	var expr hclsyntax.Expression
	if !diags.HasErrors() {
		expr, diags = hclsyntax.ParseTemplate(src, file, hcl.InitialPos)
	}
	if diags.HasErrors() {
		return cty.DynamicVal, templateError(diags)
	}
	ctx := &hcl.EvalContext{Functions: functions, Variables: variables.AsValueMap()}
	for _, traversal := range expr.Variables() {
		if _, ok := ctx.Variables[traversal.RootName()]; !ok {
			return cty.DynamicVal, fmt.Errorf("%s uses %s, but the call passes %s", at(traversal.SourceRange()),
				words.Quote(traversal.RootName()), cmp.Or(words.And(words.Quoted(sortedKeys(ctx.Variables))), "nothing"))
		}
	}
	value, diags := expr.Value(ctx)
	if diags.HasErrors() {
		return cty.DynamicVal, templateError(diags)
	}
	return stringOf(value.WithMarks(marks))
}

func lexTemplate(src []byte, file string) hclsyntax.Tokens {
	tokens, _ := hclsyntax.LexTemplate(src, file, hcl.InitialPos)
	return tokens
}

// templateError makes one error of the first diagnostic: errors of functions have no source lines of their own.
func templateError(diags hcl.Diagnostics) error {
	d := diags[0]
	return fmt.Errorf("%s: %s; %s", at(*d.Subject), d.Summary, strings.TrimSuffix(d.Detail, "."))
}

func at(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }
