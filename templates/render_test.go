package templates_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"jeos/internal/roles"
	"jeos/templates"
)

// sensitive is the mark of values that nobody may see.
type sensitive struct{}

// A guest of the tests is a role block and what the engine needs beside it.
type guest struct {
	role    string
	block   string // what stands between the braces of the role block
	release string
	arch    string
	cards   map[string]roles.Card
	pinned  map[string][]netip.Addr
	clients []roles.Client
	values  map[string]cty.Value // what the block may refer to, beside the usual
}

// load reads a role as jeos does.
func load(t *testing.T, name string) *roles.Definition {
	t.Helper()
	folder, err := fs.Sub(templates.Roles, name)
	if err != nil {
		t.Fatal(err)
	}
	d, _, diags := roles.Load(folder, name, "templates/"+name, roles.Language{Functions: functions()})
	if diags.HasErrors() {
		t.Fatal(diags.Errs())
	}
	return d
}

// input makes the engine's input of a guest.
func (g guest) input(t *testing.T, d *roles.Definition) roles.Input {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(g.block), "site.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	ctx := &hcl.EvalContext{Functions: functions(), Variables: map[string]cty.Value{
		"uplink":  networkValue("uplink", "isolated"),
		"inside":  networkValue("inside", "isolated"),
		"nat":     networkValue("nat", "nat"),
		"bridged": networkValue("bridged", "bridge"),
		"wifi":    guestValue("wifi"),
		"vpn":     guestValue("vpn"),
	}}
	for name, value := range g.values {
		ctx.Variables[name] = value
	}
	return roles.Input{
		Site: "home", Guest: "g", Release: g.release, Arch: "x86_64",
		Block: body(t, file.Body.(*hclsyntax.Body), d.Blocks, ctx),
		NICs:  g.cards, Pinned: g.pinned, Clients: g.clients,
	}
}

func body(t *testing.T, b *hclsyntax.Body, nested []roles.NestedBlock, ctx *hcl.EvalContext) roles.Body {
	t.Helper()
	out := roles.Body{Arguments: map[string]roles.Value{}, Blocks: map[string][]roles.Body{}}
	for name, attr := range b.Attributes {
		value, diags := attr.Expr.Value(ctx)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		out.Arguments[name] = roles.Value{Value: value, At: attr.Expr.Range()}
	}
	for _, block := range b.Blocks {
		inner := body(t, block.Body, nil, ctx)
		if len(block.Labels) > 0 {
			inner.Label, inner.LabelAt = block.Labels[0], block.LabelRanges[0]
		}
		out.Blocks[block.Type] = append(out.Blocks[block.Type], inner)
	}
	return out
}

// rendered is what a role makes of a guest.
type rendered struct {
	*roles.Expansion
	identity *roles.Identity
	export   cty.Value
	warnings []string
}

// content returns a file of the role.
func (r *rendered) content(t *testing.T, path string) string {
	t.Helper()
	for _, f := range r.Files {
		if f.Path == path {
			return string(f.Content)
		}
	}
	t.Fatalf("the role writes no %s", path)
	return ""
}

func (r *rendered) has(path string) bool {
	for _, f := range r.Files {
		if f.Path == path {
			return true
		}
	}
	return false
}

// tryRender goes through all stages of a role. The error holds all diagnostics.
func tryRender(t *testing.T, g guest) (*rendered, error) {
	t.Helper()
	d := load(t, g.role)
	in := g.input(t, d)
	id, diags := d.Identity(in)
	if diags.HasErrors() {
		return nil, texts(diags)
	}
	export, diags := d.Export(in)
	if diags.HasErrors() {
		return nil, texts(diags)
	}
	x, diags := d.Expand(in)
	if diags.HasErrors() {
		return nil, texts(diags)
	}
	r := &rendered{Expansion: x, identity: id, export: export}
	for _, w := range diags {
		r.warnings = append(r.warnings, w.Detail)
	}
	return r, nil
}

func render(t *testing.T, g guest) *rendered {
	t.Helper()
	r, err := tryRender(t, g)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func texts(diags hcl.Diagnostics) error {
	var all []error
	for _, d := range diags {
		all = append(all, errors.New(d.Summary+": "+d.Detail))
	}
	return errors.Join(all...)
}

func networkValue(name, mode string) cty.Value {
	cidrs := cty.ListValEmpty(cty.String)
	if third, ok := map[string]string{"uplink": "64", "inside": "66"}[name]; ok { // as the cards of the guests have them
		cidrs = cty.ListVal([]cty.Value{cty.StringVal("10." + third + ".0.0/24"), cty.StringVal("fd" + third + "::/64")})
	}
	return cty.ObjectVal(map[string]cty.Value{
		"name": cty.StringVal(name), "bridge": cty.StringVal("j0123456789"), "mode": cty.StringVal(mode),
		"cidrs": cidrs,
	})
}

func guestValue(name string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(name), "addresses": cty.ListValEmpty(cty.String), "nic": cty.EmptyObjectVal})
}

// remote is a server of a provider's configuration.
type remote struct {
	host, proto string
	port        int64
}

// profile is a provider's configuration as the engine gets it.
func profile(settings string, credentials bool, remotes ...remote) cty.Value {
	var all []cty.Value
	for _, r := range remotes {
		all = append(all, cty.ObjectVal(map[string]cty.Value{
			"host": cty.StringVal(r.host), "proto": cty.StringVal(r.proto), "port": cty.NumberIntVal(r.port),
		}))
	}
	none := cty.NullVal(cty.String).Mark(sensitive{})
	return cty.ObjectVal(map[string]cty.Value{
		"remotes": cty.TupleVal(all), "settings": cty.StringVal(settings).Mark(sensitive{}),
		"needs_credentials": cty.BoolVal(credentials), "username": none, "password": none,
	})
}

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, s := range texts {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func addresses(texts ...string) (out []netip.Addr) {
	for _, s := range texts {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// functions are those of a site's files that roles here use. The standard library of cty has most of them.
func functions() map[string]function.Function {
	return map[string]function.Function{
		"coalesce": stdlib.CoalesceFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc,
		"flatten": stdlib.FlattenFunc, "floor": stdlib.FloorFunc, "jsonencode": stdlib.JSONEncodeFunc, "length": stdlib.LengthFunc,
		"lower": stdlib.LowerFunc, "merge": stdlib.MergeFunc, "parseint": stdlib.ParseIntFunc, "regex": stdlib.RegexFunc,
		"trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc, "upper": stdlib.UpperFunc,
		"try": tryfunc.TryFunc, "can": tryfunc.CanFunc,
		"alltrue": truth(func(a, b bool) bool { return a && b }, true),
		"anytrue": truth(func(a, b bool) bool { return a || b }, false),
		"cidrhost": ofTexts(cty.String, func(prefix, _ cty.Value) (cty.Value, error) {
			p, err := netip.ParsePrefix(prefix.AsString())
			return cty.StringVal(p.Addr().String()), err
		}),
		"cidrcontains": ofTexts(cty.Bool, func(prefix, addr cty.Value) (cty.Value, error) {
			p, err := netip.ParsePrefix(prefix.AsString())
			if err != nil {
				return cty.False, err
			}
			a, err := netip.ParseAddr(addr.AsString())
			return cty.BoolVal(p.Contains(a)), err
		}),
		"strcontains": ofTexts(cty.Bool, func(s, part cty.Value) (cty.Value, error) {
			return cty.BoolVal(strings.Contains(s.AsString(), part.AsString())), nil
		}),
		"sensitive": function.New(&function.Spec{
			Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType}},
			Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
			Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0].Mark(sensitive{}), nil },
		}),
		"pci": function.New(&function.Spec{
			Params: []function.Parameter{{Name: "id", Type: cty.String}},
			Type:   function.StaticReturnType(cty.Object(map[string]cty.Type{"id": cty.String, "address": cty.String})),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				return cty.ObjectVal(map[string]cty.Value{"id": args[0], "address": cty.NullVal(cty.String)}), nil
			},
		}),
	}
}

func ofTexts(result cty.Type, f func(a, b cty.Value) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "a", Type: cty.String}, {Name: "b", Type: cty.String}},
		Type:   function.StaticReturnType(result),
		Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f(args[0], args[1]) },
	})
}

func truth(join func(a, b bool) bool, start bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			result := start
			for _, v := range args[0].AsValueSlice() {
				if v.IsNull() || v.Type() != cty.Bool {
					return cty.NilVal, fmt.Errorf("not a boolean")
				}
				result = join(result, v.True())
			}
			return cty.BoolVal(result), nil
		},
	})
}
