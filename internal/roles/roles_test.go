package roles_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"jeos/internal/diag"
	"jeos/internal/roles"
)

var update = flag.Bool("update", false, "rewrite the golden parts of testdata")

// language is a small one, with limits that keep the fuzzer from exhausting the parser.
func language() roles.Language {
	return roles.Language{
		Functions: map[string]function.Function{
			"concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc, "flatten": stdlib.FlattenFunc, "join": stdlib.JoinFunc,
			"jsonencode": stdlib.JSONEncodeFunc, "length": stdlib.LengthFunc, "strlen": stdlib.StrlenFunc, "upper": stdlib.UpperFunc,
			"try": tryfunc.TryFunc, "can": tryfunc.CanFunc, "sensitive": function.New(&function.Spec{
				Params: []function.Parameter{{Name: "text", Type: cty.String, AllowMarked: true}},
				Type:   function.StaticReturnType(cty.String),
				Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0].Mark(mark{}), nil },
			}),
			"reveal": function.New(&function.Spec{ // fails and says with what
				Params: []function.Parameter{{Name: "text", Type: cty.String}},
				Type:   function.StaticReturnType(cty.String),
				Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
					return cty.NilVal, errors.New(args[0].AsString())
				},
			}),
		},
		Guard: func(tokens hclsyntax.Tokens) hcl.Diagnostics {
			loops := 0
			for i, token := range tokens {
				if token.Type == hclsyntax.TokenIdent && string(token.Bytes) == "for" {
					loops++
				}
				if i > 5000 || loops > 10 || token.Type == hclsyntax.TokenNumberLit && len(token.Bytes) > 5 {
					return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Too much", Detail: "Write less.", Subject: &token.Range}}
				}
			}
			return nil
		},
		CheckValue: func(v cty.Value) string {
			if v, _ := v.Unmark(); v.Type() == cty.String && v.IsKnown() && !v.IsNull() && len(v.AsString()) > 10_000 {
				return "This text is too long. Write less."
			}
			return ""
		},
	}
}

// mark is what the caller of the engine marks sensitive values with. No test may ever show the secret.
type mark struct{}

const secret = "hunter2-hunter2"

// site is what the role blocks of the tests can refer to.
func site(s stage) *hcl.EvalContext {
	texts := func(all ...string) cty.Value {
		var out []cty.Value
		for _, s := range all {
			out = append(out, cty.StringVal(s))
		}
		return cty.ListVal(out)
	}
	network := func(name string, cidrs ...string) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(name), "bridge": cty.StringVal("j0"), "cidrs": texts(cidrs...),
			"mode": cty.StringVal("isolated")})
	}
	guest := func(name string) cty.Value {
		addresses, nic := texts("10.64.0.2"), cty.EmptyObjectVal
		if s == identity {
			addresses, nic = cty.UnknownVal(cty.List(cty.String)), cty.DynamicVal
		}
		return cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(name), "addresses": addresses, "nic": nic})
	}
	password := cty.StringVal(secret).Mark(mark{})
	return &hcl.EvalContext{
		Functions: map[string]function.Function{"pci": function.New(&function.Spec{
			Params: []function.Parameter{{Name: "id", Type: cty.String}},
			Type:   function.StaticReturnType(cty.Object(map[string]cty.Type{"id": cty.String, "address": cty.String})),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				return cty.ObjectVal(map[string]cty.Value{"id": args[0], "address": cty.NullVal(cty.String)}), nil
			},
		})},
		Variables: map[string]cty.Value{
			"network": cty.ObjectVal(map[string]cty.Value{
				"uplink": network("uplink", "10.64.0.0/24", "fd64::/64"),
				"inside": network("inside", "10.66.0.0/24"),
			}),
			"guest": cty.ObjectVal(map[string]cty.Value{"vpn": guest("vpn"), "wifi": guest("wifi")}),
			"var": cty.ObjectVal(map[string]cty.Value{
				"password":  password,
				"passwords": cty.ListVal([]cty.Value{cty.StringVal(secret), cty.StringVal("x" + secret)}).Mark(mark{}),
				"unknown":   cty.DynamicVal,
			}),
			"profile": cty.ObjectVal(map[string]cty.Value{
				"remotes": cty.TupleVal([]cty.Value{
					cty.ObjectVal(map[string]cty.Value{"host": cty.StringVal("vpn.example.net"), "port": cty.NumberIntVal(1194), "proto": cty.StringVal("udp")}),
					cty.ObjectVal(map[string]cty.Value{"host": cty.StringVal("198.51.100.77"), "port": cty.NumberIntVal(443), "proto": cty.StringVal("tcp")}),
				}),
				"settings": cty.StringVal("<key>\n" + secret + "\n</key>\n").Mark(mark{}), "needs_credentials": cty.False,
				"username": cty.NullVal(cty.String), "password": cty.NullVal(cty.String),
			}),
		},
	}
}

type stage int

const (
	identity stage = iota
	later
)

// readBlock reads a role block the way that a caller does: shape and references are right, or the test is wrong.
func readBlock(t *testing.T, src []byte, d *roles.Definition, s stage) roles.Body {
	t.Helper()
	file, diags := hclsyntax.ParseConfig(src, "site.jeos.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return readBody(t, file.Body.(*hclsyntax.Body).Blocks[0], d.Arguments, d.Blocks, site(s), s)
}

func readBody(t *testing.T, block *hclsyntax.Block, args []roles.Argument, nested []roles.NestedBlock, ctx *hcl.EvalContext, s stage) roles.Body {
	t.Helper()
	body := roles.Body{At: block.DefRange(), Arguments: map[string]roles.Value{}, Blocks: map[string][]roles.Body{}}
	if len(block.Labels) > 0 {
		body.Label, body.LabelAt = block.Labels[0], block.LabelRanges[0]
	}
	for _, a := range args {
		attr := block.Body.Attributes[a.Name]
		if attr == nil {
			continue
		}
		value, diags := attr.Expr.Value(ctx)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		if s == identity && !a.Early {
			value = cty.DynamicVal
		}
		body.Arguments[a.Name] = roles.Value{Value: value, At: attr.Expr.Range()}
	}
	for _, b := range nested {
		for _, inner := range block.Body.Blocks {
			if inner.Type == b.Type {
				body.Blocks[b.Type] = append(body.Blocks[b.Type], readBody(t, inner, b.Arguments, nil, ctx, s))
			}
		}
	}
	return body
}

// stages evaluates them for the guest g. Its nics have made-up addresses, and db and web are clients on every nic that is
// a gateway.
func stages(t *testing.T, d *roles.Definition, block func(stage) roles.Body) (string, hcl.Diagnostics) {
	t.Helper()
	in := roles.Input{Site: "home", Guest: "g", Release: "noble", Arch: "x86_64", Block: block(identity)}
	id, diags := d.Identity(in)
	var b strings.Builder
	in.Block = block(later)
	in.Pinned = map[string][]netip.Addr{"vpn.example.net": {netip.MustParseAddr("198.51.100.10"), netip.MustParseAddr("2001:db8::1")}}
	if id != nil {
		showIdentity(&b, id)
		in.NICs = map[string]roles.Card{}
		for i, n := range id.NICs {
			card := roles.Card{MAC: fmt.Sprintf("52:54:00:00:00:%02x", i), Addresses: []netip.Prefix{
				netip.MustParsePrefix(fmt.Sprintf("10.64.%d.10/24", i)), netip.MustParsePrefix(fmt.Sprintf("fd64:0:0:%d::a/64", i)),
			}}
			if n.Via != "" {
				card.Gateway = &roles.Gateway{Guest: n.Via, MAC: "52:54:00:ff:00:00", Addresses: []netip.Addr{netip.MustParseAddr("10.64.0.1")}}
			}
			in.NICs[n.Name] = card
			if n.Gateway {
				in.Clients = append(in.Clients,
					roles.Client{Guest: "web", Interface: n.Name, MAC: "52:54:00:aa:00:02", Addresses: []netip.Addr{netip.MustParseAddr("10.66.0.3")}},
					roles.Client{Guest: "db", Interface: n.Name, MAC: "52:54:00:aa:00:01", Addresses: []netip.Addr{netip.MustParseAddr("10.66.0.2")},
						Export: cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("the db")})})
			}
		}
	}
	export, more := d.Export(in)
	diags = append(diags, more...)
	if export.IsWhollyKnown() {
		fmt.Fprintf(&b, "export %s\n", showValue(t, export))
	}
	x, more := d.Expand(in)
	diags = append(diags, more...)
	if x != nil {
		showExpansion(&b, x)
	}
	return b.String(), unique(diags)
}

// unique drops what several stages have reported alike.
func unique(diags hcl.Diagnostics) (out hcl.Diagnostics) {
	seen := map[string]bool{}
	for _, d := range diags {
		if key := d.Error(); !seen[key] {
			seen[key] = true
			out = append(out, d)
		}
	}
	return out
}

func showIdentity(b *strings.Builder, id *roles.Identity) {
	for _, n := range id.NICs {
		fmt.Fprintf(b, "nic %s network=%s via=%s gateway=%v", n.Name, n.Network, n.Via, n.Gateway)
		if n.DHCP != nil {
			fmt.Fprintf(b, " dhcp=%v", *n.DHCP)
		}
		fmt.Fprintf(b, " from line %d\n", n.At.Start.Line)
	}
	for _, d := range id.Devices {
		fmt.Fprintf(b, "device %s id=%s address=%s managed=%v from line %d\n", d.Name, d.ID, d.Address, d.Managed, d.At.Start.Line)
	}
	for _, h := range id.Hosts {
		fmt.Fprintf(b, "host %s from line %d\n", h.Name, h.At.Start.Line)
	}
}

func showValue(t *testing.T, v cty.Value) string {
	t.Helper()
	v, _ = v.UnmarkDeep()
	text, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), secret, "SECRET")
}

func showExpansion(b *strings.Builder, x *roles.Expansion) {
	for _, list := range []struct {
		name string
		all  []string
	}{{"packages", x.Packages}, {"enable", x.Enable}, {"disable", x.Disable}, {"apply", x.Apply}, {"outside", x.Outside}} {
		if len(list.all) > 0 {
			fmt.Fprintf(b, "%s %q\n", list.name, list.all)
		}
	}
	if x.Guard != "" {
		fmt.Fprintf(b, "guard %s\n", x.Guard)
	}
	for _, f := range x.Files {
		fmt.Fprintf(b, "file %s %04o %s sensitive=%v\n", f.Path, f.Mode, f.Owner, f.Sensitive)
		for line := range strings.Lines(strings.ReplaceAll(string(f.Content), secret, "SECRET")) {
			fmt.Fprintf(b, "  | %s\n", strings.TrimSuffix(line, "\n"))
		}
	}
	for _, p := range x.Probes {
		fmt.Fprintf(b, "probe %s %s\n", p.Name, p.Command)
	}
	for _, f := range x.Forwards {
		fmt.Fprintf(b, "forward %s to %s tunnels alone=%v\n", f.From, f.To, f.TunnelsAlone)
	}
	for _, tunnel := range x.Tunnels {
		fmt.Fprintf(b, "tunnel %s over %s to %v\n", tunnel.Name, tunnel.Over, tunnel.Endpoints)
	}
}

// golden calls show for every archive that matches and compares the result with the file "want" in it.
func golden(t *testing.T, pattern string, show func(t *testing.T, files map[string][]byte) string) {
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no archives in %s: %v", pattern, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string][]byte{}
			want := -1
			for i, f := range archive.Files {
				if f.Name == "want" {
					want = i
				} else {
					files[f.Name] = f.Data
				}
			}
			if want < 0 {
				archive.Files, want = append(archive.Files, txtar.File{Name: "want"}), len(archive.Files)
			}
			got := show(t, files)
			if strings.Contains(got, secret) {
				t.Errorf("a secret is shown:\n%s", got)
			}
			if *update {
				archive.Files[want].Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(archive.Files[want].Data), got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// folder holds the files of a role.
func folder(files map[string][]byte) fs.FS {
	fsys := fstest.MapFS{}
	for name, content := range files {
		if name != "site.jeos.hcl" {
			fsys[name] = &fstest.MapFile{Data: content}
		}
	}
	return fsys
}

func render(t *testing.T, files map[string]*hcl.File, diags hcl.Diagnostics) string {
	t.Helper()
	var b bytes.Buffer
	if err := diag.Text(&b, files, diags, diag.Options{Width: 100}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestLoad compares what is said about mistakes in the files of roles.
func TestLoad(t *testing.T) {
	golden(t, "testdata/load/*.txtar", func(t *testing.T, files map[string][]byte) string {
		d, shown, diags := roles.Load(folder(files), "x", "roles/x", language())
		if (d == nil) != diags.HasErrors() {
			t.Errorf("definition %v, diagnostics %v", d, diags)
		}
		return render(t, shown, diags)
	})
}

// TestStages compares what roles give, and what is said about mistakes in role blocks and about those that show late.
func TestStages(t *testing.T) {
	golden(t, "testdata/stages/*.txtar", func(t *testing.T, files map[string][]byte) string {
		d, shown, diags := roles.Load(folder(files), "x", "roles/x", language())
		if diags.HasErrors() {
			t.Fatal(render(t, shown, diags))
		}
		shown["site.jeos.hcl"] = &hcl.File{Bytes: files["site.jeos.hcl"]}
		text, diags := stages(t, d, func(s stage) roles.Body { return readBlock(t, files["site.jeos.hcl"], d, s) })
		return text + render(t, shown, diags)
	})
}
