package diag_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/diag"
)

// at returns the range of the first occurrence of part in src.
func at(src, part string) *hcl.Range {
	start := strings.Index(src, part)
	pos := func(offset int) hcl.Pos {
		line := strings.Count(src[:offset], "\n")
		return hcl.Pos{Line: line + 1, Column: offset - strings.LastIndex(src[:offset], "\n"), Byte: offset}
	}
	return &hcl.Range{Filename: "/site/main.hcl", Start: pos(start), End: pos(start + len(part))}
}

func parse(t *testing.T, src string) map[string]*hcl.File {
	t.Helper()
	file, _ := hclsyntax.ParseConfig([]byte(src), "/site/main.hcl", hcl.InitialPos)
	return map[string]*hcl.File{"/site/main.hcl": file}
}

// hider is an Extra as internal/config has one.
type hider struct{}

func (hider) HideSource() bool { return true }

func TestText(t *testing.T) {
	const plain = "guest \"web\" {\n  memory = 1\n}\n"
	for _, test := range []struct {
		name string
		src  string
		diag hcl.Diagnostic
		opt  diag.Options
		want string
	}{
		{
			name: "place and block",
			src:  plain,
			diag: hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Bad", Detail: "Do better.", Subject: at(plain, "1")},
			want: `Error: Bad

  on main.hcl:2, in guest "web":
     2:   memory = 1
                   ^

Do better.

`,
		},
		{
			name: "colour",
			src:  plain,
			diag: hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "Odd", Subject: at(plain, "memory")},
			opt:  diag.Options{Color: true},
			want: "\x1b[1m\x1b[33mWarning: \x1b[0m\x1b[1mOdd\x1b[0m\n\n  on main.hcl:2, in guest \"web\":\n" +
				"     2:   \x1b[1m\x1b[4mmemory\x1b[0m = 1\n          \x1b[1m^^^^^^\x1b[0m\n\n",
		},
		{
			name: "tabs and wide characters",
			src:  "\tü = \"日本🙂é\" + x\t+ y\n",
			diag: hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Bad", Subject: at("\tü = \"日本🙂é\" + x\t+ y\n", "x\t+")},
			want: "Error: Bad\n\n  on main.hcl:1:\n     1:     ü = \"日本🙂é\" + x   + y\n" +
				"                            ^^^^^\n\n",
		},
		{
			name: "control characters",
			src:  "a = \"\x1b[31m\u202e\u009b\"\r\n",
			diag: hcl.Diagnostic{Severity: hcl.DiagError, Summary: "B\x1bd", Detail: "No\x07 \xff good.", Subject: at("a = \"\x1b[31m\u202e\u009b\"\r\n", "a")},
			want: `Error: B\u001bd

  on main.hcl:1:
     1: a = "\u001b[31m\u202e\u009b"
        ^

No\u0007 \xff good.

`,
		},
		{
			name: "several lines",
			src:  "a = [\n  1,\n  2,\n]\n",
			diag: hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Bad", Subject: at("a = [\n  1,\n  2,\n]\n", "[\n  1,\n  2,\n]")},
			want: "Error: Bad\n\n  on main.hcl:1:\n     1: a = [\n            ^\n     2:   1,\n     3:   2,\n     4: ]\n\n",
		},
		{
			name: "many lines",
			src:  "a = [\n" + strings.Repeat("  1,\n", 50) + "]\n",
			diag: hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Bad", Subject: at("a = [\n"+strings.Repeat("  1,\n", 50)+"]\n", "[\n"+strings.Repeat("  1,\n", 50)+"]")},
			want: "Error: Bad\n\n  on main.hcl:1:\n     1: a = [\n            ^\n     2:   1,\n     3:   1,\n     4:   1,\n     5:   1,\n     6:   1,\n     7:   1,\n      …\n\n",
		},
		{
			name: "context",
			src:  "a = (\n  1 + b\n)\n",
			diag: hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Bad", Subject: at("a = (\n  1 + b\n)\n", "b"), Context: at("a = (\n  1 + b\n)\n", "(\n  1 + b\n)")},
			want: "Error: Bad\n\n  on main.hcl:2:\n     1: a = (\n     2:   1 + b\n              ^\n     3: )\n\n",
		},
		{
			name: "end of file",
			src:  "a = [",
			diag: hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Bad", Subject: at("a = [", "")},
			want: "Error: Bad\n\n  on main.hcl:1:\n     1: a = [\n        ^\n\n",
		},
		{
			name: "long line",
			src:  "a = \"" + strings.Repeat("x", 200) + "\" + here + \"" + strings.Repeat("y", 200) + "\"\n",
			diag: hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Bad", Subject: at("a = \""+strings.Repeat("x", 200)+"\" + here + \""+strings.Repeat("y", 200)+"\"\n", "here")},
			opt:  diag.Options{Width: 48},
			want: "Error: Bad\n\n  on main.hcl:1:\n     1: …" + strings.Repeat("x", 15) + "\" + here + \"" + strings.Repeat("y", 11) + "…\n" +
				"                            ^^^^\n\n",
		},
		{
			name: "wrapped, but not what is to be copied",
			src:  plain,
			diag: hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Bad", Detail: "One two three four five six.\n\n    one two three four five six seven\n\nSeven."},
			opt:  diag.Options{Width: 20},
			want: "Error: Bad\n\nOne two three four\nfive six.\n\n    one two three four five six seven\n\nSeven.\n\n",
		},
		{
			name: "hidden",
			src:  plain,
			diag: hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Bad", Subject: at(plain, "1"), Extra: hider{}},
			want: "Error: Bad\n\n  on main.hcl:2, in guest \"web\"\n  (the source may hold a secret and is not shown)\n\n",
		},
		{
			name: "unknown file",
			diag: hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Bad", Subject: &hcl.Range{Filename: "/else/x.hcl", Start: hcl.Pos{Line: 7, Column: 1, Byte: 9}}},
			want: "Error: Bad\n\n  on /else/x.hcl:7\n\n",
		},
		{
			name: "whole file",
			diag: hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Bad", Subject: &hcl.Range{Filename: "/site/x/y.hcl", Start: hcl.InitialPos, End: hcl.InitialPos}},
			want: "Error: Bad\n\n  on x/y.hcl\n\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			test.opt.Dir = "/site"
			if err := diag.Text(&b, parse(t, test.src), hcl.Diagnostics{&test.diag}, test.opt); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.want, b.String()); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// TestValues shows what the variables of an expression are worth, but for those that carry marks.
func TestValues(t *testing.T) {
	const src = "a = var.n + var.s + var.secret + var.inner + var.list + var.object + var.null + each.key[\"k\"] + var.n + var.gone\n"
	files := parse(t, src)
	attrs, _ := files["/site/main.hcl"].Body.JustAttributes()
	d := &hcl.Diagnostic{
		Severity:   hcl.DiagError,
		Summary:    "Bad",
		Subject:    at(src, "var.n"),
		Expression: attrs["a"].Expr,
		EvalContext: &hcl.EvalContext{Variables: map[string]cty.Value{
			"var": cty.ObjectVal(map[string]cty.Value{
				"n":      cty.NumberIntVal(3),
				"s":      cty.StringVal(strings.Repeat("long\x1b", 20)),
				"secret": cty.StringVal("CANARY").Mark("sensitive"),
				"inner":  cty.ListVal([]cty.Value{cty.StringVal("CANARY").Mark("sensitive")}),
				"list":   cty.ListVal([]cty.Value{cty.StringVal("x")}),
				"object": cty.EmptyObjectVal,
				"null":   cty.NullVal(cty.String),
			}),
			"each": cty.ObjectVal(map[string]cty.Value{"key": cty.MapVal(map[string]cty.Value{"k": cty.True})}),
		}},
	}
	var b bytes.Buffer
	if err := diag.Text(&b, files, hcl.Diagnostics{d}, diag.Options{Dir: "/site"}); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(b.String(), "^^^^^\n")
	want := `  where each.key["k"] is true
        var.list is a list with 1 element
        var.n is 3
        var.null is null
        var.object is an object with no attributes
        var.s is "` + strings.Repeat(`long\x1b`, 12) + `…"

`
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// TestJSON compares the whole output.
func TestJSON(t *testing.T) {
	const src = "guest \"web\" {\n  memory = var.x\n}\n"
	files := parse(t, src)
	body := files["/site/main.hcl"].Body.(*hclsyntax.Body)
	context := &hcl.EvalContext{Variables: map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{"x": cty.Zero})}}
	diags := hcl.Diagnostics{
		{
			Severity: hcl.DiagError, Summary: "Bad", Detail: "Do <better>.", Subject: at(src, "var.x"),
			Expression: body.Blocks[0].Body.Attributes["memory"].Expr, EvalContext: context,
		},
		{Severity: hcl.DiagError, Summary: "Secret", Subject: at(src, "var.x"), Extra: hider{}},
		{Severity: hcl.DiagWarning, Summary: "Odd", Detail: "Nowhere."},
	}
	var b bytes.Buffer
	if err := diag.JSON(&b, files, diags, diag.Options{Dir: "/site"}); err != nil {
		t.Fatal(err)
	}
	const place = `"range": {
        "filename": "main.hcl",
        "start": {
          "line": 2,
          "column": 12,
          "byte": 25
        },
        "end": {
          "line": 2,
          "column": 17,
          "byte": 30
        }
      }`
	want := `{
  "format_version": "1.0",
  "valid": false,
  "error_count": 2,
  "warning_count": 1,
  "diagnostics": [
    {
      "severity": "error",
      "summary": "Bad",
      "detail": "Do <better>.",
      ` + place + `,
      "snippet": {
        "context": "guest \"web\"",
        "code": "  memory = var.x",
        "start_line": 2,
        "highlight_start_offset": 11,
        "highlight_end_offset": 16,
        "values": [
          {
            "traversal": "var.x",
            "statement": "is 0"
          }
        ]
      }
    },
    {
      "severity": "error",
      "summary": "Secret",
      "detail": "",
      ` + place + `
    },
    {
      "severity": "warning",
      "summary": "Odd",
      "detail": "Nowhere."
    }
  ]
}
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	b.Reset()
	if err := diag.JSON(&b, nil, nil, diag.Options{}); err != nil || !strings.Contains(b.String(), `"valid": true`) ||
		!strings.Contains(b.String(), `"diagnostics": []`) {
		t.Errorf("without diagnostics: %s, %v", b.String(), err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestWriteErrors(t *testing.T) {
	diags := hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Bad"}}
	if err := diag.Text(broken{}, nil, diags, diag.Options{}); err == nil {
		t.Error("Text hides the error of its writer")
	}
	if err := diag.JSON(broken{}, nil, diags, diag.Options{}); err == nil {
		t.Error("JSON hides the error of its writer")
	}
}

// TestLongLines shows one place of a line that is as long as a file.
func TestLongLines(t *testing.T) {
	for name, fill := range map[string]string{"ASCII": "x", "wide": "語", "combining": "e\u0301", "blanks": " "} {
		for place, width := range map[string]int{"start": 0, "middle": 0, "end": 100} {
			t.Run(name+" "+place, func(t *testing.T) {
				long := strings.Repeat(fill, 200_000/len(fill))
				src := map[string]string{
					"start":  "NEEDLE" + long,
					"middle": long + "NEEDLE" + long,
					"end":    long + "NEEDLE",
				}[place]
				start := strings.Index(src, "NEEDLE")
				files := map[string]*hcl.File{"a.hcl": {Bytes: []byte(src)}}
				d := hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Bad", Subject: &hcl.Range{
					Filename: "a.hcl", Start: hcl.Pos{Line: 1, Byte: start}, End: hcl.Pos{Line: 1, Byte: start + 6},
				}}}
				var text, asJSON bytes.Buffer
				if err := diag.Text(&text, files, d, diag.Options{Width: width}); err != nil {
					t.Fatal(err)
				}
				if text.Len() > 2500 || !strings.Contains(text.String(), "NEEDLE") || !strings.Contains(text.String(), " ^^^^^^\n") {
					t.Errorf("%d bytes of text: %.3000s", text.Len(), text.String())
				}
				if err := diag.JSON(&asJSON, files, d, diag.Options{}); err != nil {
					t.Fatal(err)
				}
				var report struct {
					Diagnostics []struct {
						Snippet struct {
							Code  string
							Start int `json:"highlight_start_offset"`
							End   int `json:"highlight_end_offset"`
						}
					}
				}
				if err := json.Unmarshal(asJSON.Bytes(), &report); err != nil {
					t.Fatal(err)
				}
				snippet := report.Diagnostics[0].Snippet
				if len(snippet.Code) > 260 || snippet.Code[snippet.Start:snippet.End] != "NEEDLE" {
					t.Errorf("%+v", snippet)
				}
			})
		}
	}
}
