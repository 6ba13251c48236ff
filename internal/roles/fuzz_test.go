package roles_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/roles"
)

// FuzzRole checks that no role and no text in a role block makes the engine panic, that every diagnostic can be shown
// and shows no secret, and that nothing is both right and wrong. The seeds are the archives of the other tests.
func FuzzRole(f *testing.F) {
	paths, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(paths) == 0 {
		f.Fatal("no seeds")
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		var role, template []byte
		for _, file := range archive.Files {
			switch filepath.Ext(file.Name) {
			case ".tmpl":
				template = file.Data
			case ".hcl":
				if file.Name == "role.hcl" {
					role = file.Data
				}
			}
		}
		f.Add(role, template, "a text", false)
		f.Add(role, template, "'; $(x)\n\"", true)
	}
	f.Fuzz(func(t *testing.T, role, template []byte, text string, unknown bool) {
		if len(role)+len(template) > 8<<10 || strings.Contains(string(role)+string(template)+text, secret) {
			return
		}
		files := map[string][]byte{"role.hcl": role}
		for _, name := range []string{"wpa.tmpl", "clients.tmpl", "a.tmpl", "b.tmpl", "c.tmpl"} {
			files[name] = template
		}
		d, shown, diags := roles.Load(folder(files), "x", "roles/x", language())
		if (d == nil) != diags.HasErrors() {
			t.Fatalf("definition %v, diagnostics %v", d, diags)
		}
		checkShown(t, shown, diags)
		if d == nil {
			return
		}
		shown["site.jeos.hcl"] = &hcl.File{Bytes: []byte("role \"x\" {\n}\n")}
		given := func(s stage) roles.Body {
			body := inventBody(d.Arguments, text, unknown, s)
			for _, b := range d.Blocks {
				for range max(b.Min, 1) % 4 {
					body.Blocks[b.Type] = append(body.Blocks[b.Type], inventBody(b.Arguments, text, unknown, s))
				}
			}
			return body
		}
		result, diags := stages(t, d, given)
		checkShown(t, shown, diags)
		if again, _ := stages(t, d, given); again != result {
			t.Fatalf("once %q, again %q", result, again)
		}
	})
}

// inventBody makes a body with a value for every other argument.
func inventBody(args []roles.Argument, text string, unknown bool, s stage) roles.Body {
	at := hcl.Range{Filename: "site.jeos.hcl", Start: hcl.InitialPos, End: hcl.Pos{Line: 1, Column: 5, Byte: 4}}
	body := roles.Body{At: at, Label: text, LabelAt: at, Arguments: map[string]roles.Value{}, Blocks: map[string][]roles.Body{}}
	world := site(s).Variables
	for i, a := range args {
		if !a.Required && i%2 == 0 {
			continue
		}
		value := map[roles.Type]cty.Value{
			roles.String: cty.StringVal(text), roles.Text: cty.StringVal(text), roles.Bool: cty.BoolVal(len(text)%2 == 0),
			roles.Number:     cty.NumberIntVal(int64(len(text))),
			roles.StringList: cty.TupleVal([]cty.Value{cty.StringVal(text), cty.StringVal("a")}),
			roles.Network:    world["network"].GetAttr("uplink"), roles.Guest: world["guest"].GetAttr("vpn"),
			roles.PCI:     cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal("8086:2723"), "address": cty.NullVal(cty.String)}),
			roles.OpenVPN: world["profile"],
		}[a.Type]
		switch {
		case unknown && i%3 == 0 || s == identity && !a.Early:
			value = cty.DynamicVal
		case a.Secret && a.Type == roles.String:
			value = world["var"].GetAttr("password")
		case a.Secret && a.Type == roles.StringList:
			value = world["var"].GetAttr("passwords")
		}
		body.Arguments[a.Name] = roles.Value{Value: value, At: at}
	}
	return body
}

// checkShown checks what holds for every diagnostic.
func checkShown(t *testing.T, files map[string]*hcl.File, diags hcl.Diagnostics) {
	t.Helper()
	for _, d := range diags {
		if d.Subject == nil || d.Detail == "" || !strings.HasSuffix(d.Subject.Filename, ".hcl") && files[d.Subject.Filename] == nil {
			t.Fatalf("diagnostic without a place or sentence: %#v", d)
		}
	}
	if text := render(t, files, diags[:min(len(diags), 20)]); strings.Contains(text, secret) {
		t.Fatalf("a secret is shown:\n%s", text)
	}
}
