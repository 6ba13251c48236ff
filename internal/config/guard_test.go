package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"jeos/internal/config"
)

// TestBombs feeds input that exhausts a stack, a disk or a lifetime when nothing stops it. Each must end in an ordinary
// diagnostic.
func TestBombs(t *testing.T) {
	n := strings.Repeat
	local := func(expr string) string { return "locals {\n  x = " + expr + "\n}\n" }
	for _, test := range []struct {
		name, file, src string
		want            string // of the summary
	}{
		{"parentheses", "", local(n("(", 100_000)), "Nesting too deep"},
		{"brackets", "", local(n("[", 100_000) + n("]", 100_000)), "Nesting too deep"},
		{"templates", "", local(n(`"${`, 50_000)), "Nesting too deep"},
		{"heredoc templates", "", "locals {\n  x = <<E\n" + n("%{ if true }", 50_000) + "\nE\n}\n", "Expression too long"},
		{"nested blocks", "", n("a {\n", 200_000), "Nesting too deep"},
		{"flat blocks", "", n("a {}\n", 200_000), "Unsupported block type"},
		{"sum", "", local("1" + n("+1", 200_000)), "Expression too long"},
		{"nots", "", local(n("!", 500_000) + "true"), "Expression too long"},
		{"conditions", "", local(n("true ? 1 : ", 90_000) + "1"), "Expression too long"},
		{"indices", "", local("local.y" + n("[local.y]", 90_000)), "Expression too long"},
		{"exponent", "", local(`"${1e10000000}"`), "Invalid number"},
		{"digits", "", local(n("9", 1_000_000)), "Invalid number"},
		{"number in text", "", local(`tonumber("1e10000000")`), "Error in function call"},
		{"number in JSON", "", local(`jsondecode("1e10000000")`), "Error in function call"},
		{"width", "", local(`format("%999999999d", 1)`), "Invalid function argument"},
		{"indent", "", local(`indent(999999999, "\n")`), "Invalid function argument"},
		{"loops", "", local("[for a in range(9) : [for b in range(9) : [for c in range(9) : a]]]"), "Loops nested too deep"},
		{"JSON loops", "x.jeos.hcl.json", `{"locals": {"x": "${{for a in [1] : a => [ for b in [1] : {for c in [1] : c => 1}]}}"}}`,
			"Loops nested too deep"},
		{"join", "", local(`join("` + n("x", 10_000) + `", [for i in range(1024) : ""])`), "Error in function call"},
		{"replace", "", local(`replace("` + n("x", 10_000) + `", "x", "` + n("y", 1000) + `")`), "Error in function call"},
		{"replace by pattern", "", local(`replace("` + n("x", 10_000) + `", "/x/", "` + n("y", 1000) + `")`), "Error in function call"},
		{"negative indent", "", local(`indent(-1, "a\nb")`), "Invalid function argument"},
		{"panic", "", local(`pow(-1, 0.5)`), "Error in function call"},
		{"JSON properties", "x.jeos.hcl.json", "{" + n(`"a":1,`, 100_000) + `"b":1}`, "Extraneous JSON object property"},
		{"JSON type", "x.jeos.hcl.json", `{"variable": {"x": {"type": "` + n("(", 200_000) + `"}}}`, "Type too long"},
		{"product", "", local("setproduct(range(1000), range(1000), range(1000))"), "Error in function call"},
		{"doubling", "", "locals {\n  x0 = \"0123456789abcdef\"\n" + doubling(40) + "}\n", "Value too large"},
		{"squaring", "", "locals {\n  x0 = 1e30\n" + squaring(40) + "}\n", "Value too large"},
		{"NUL", "", "locals {\n  x = \"\x00\"\n}\n", "Unreadable file"},
		{"invalid UTF-8", "", "locals {\n  x = \"\xff\"\n}\n", "Unreadable file"},
		{"large file", "", n("# comment\n", 200_000), "Unreadable file"},
		{"JSON arrays", "x.jeos.hcl.json", n("[", 500_000), "Nesting too deep"},
		{"JSON objects", "x.jeos.hcl.json", n(`{"a":`, 100_000), "Nesting too deep"},
		{"JSON template", "x.jeos.hcl.json", `{"locals": {"x": "${` + n("(", 100_000) + `"}}`, "Nesting too deep"},
		{"JSON number", "x.jeos.hcl.json", `{"locals": {"x": 1e10000000}}`, "Invalid number"},
		{"variable file", "x.auto.jeosvars", "x = " + n("(", 100_000), "Nesting too deep"},
		{"lock file", ".jeos.lock.hcl", n("(", 100_000), "Nesting too deep"},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]string{"main.jeos.hcl": "jeos {\n  site = \"s\"\n}\n"}
			if test.file == "" {
				test.file = "x.jeos.hcl"
			}
			files[test.file] = test.src
			dir := writeFiles(t, files)
			site, parsed, diags := config.Load(testOptions(dir))
			if site != nil {
				t.Fatal("the bomb loads")
			}
			checkDiagnostics(t, parsed, diags)
			if got := diags[0].Summary; got != test.want {
				t.Errorf("got %q, want %q: %.300s", got, test.want, diags[0].Detail)
			}
			if strings.Contains(diags[0].Detail, "goroutine") {
				t.Errorf("a stack is shown: %.300s", diags[0].Detail)
			}
		})
	}
}

func doubling(steps int) string {
	var b strings.Builder
	for i := range steps {
		fmt.Fprintf(&b, "  x%d = \"${local.x%d}${local.x%d}\"\n", i+1, i, i)
	}
	return b.String()
}

func squaring(steps int) string {
	var b strings.Builder
	for i := range steps {
		fmt.Fprintf(&b, "  x%d = local.x%d * local.x%d\n", i+1, i, i)
	}
	return b.String()
}

// TestSpecialFiles puts things into the folder that are no files.
func TestSpecialFiles(t *testing.T) {
	for name, plant := range map[string]func(path string) error{
		"folder":     func(path string) error { return os.Mkdir(path, 0o755) },
		"named pipe": func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"device":     func(path string) error { return os.Symlink("/dev/zero", path) },
		"no file":    func(path string) error { return os.Symlink("gone", path) },
	} {
		for _, file := range []string{"x.jeos.hcl", ".jeos.lock.hcl", "x.auto.jeosvars"} {
			t.Run(name+" "+file, func(t *testing.T) {
				dir := writeFiles(t, map[string]string{"main.jeos.hcl": "jeos {\n  site = \"s\"\n}\n"})
				if err := plant(filepath.Join(dir, file)); err != nil {
					t.Fatal(err)
				}
				_, _, diags := config.Load(testOptions(dir))
				if !diags.HasErrors() || diags[0].Summary != "Unreadable file" || !strings.Contains(diags[0].Detail, name) {
					t.Errorf("got %v", diags)
				}
			})
		}
	}
}

// TestHarmless loads what looks like trouble and is none.
func TestHarmless(t *testing.T) {
	for name, src := range map[string]string{
		"byte order mark": "\ufeffjeos {\n  site = \"s\"\n}\n",
		"CRLF":            "jeos {\r\n  site = \"s\"\r\n}\r\n",
		"loops in a row": "jeos {\n  site = \"s\"\n}\nlocals {\n  x = [for a in [for b in [1] : b] : [for c in [1] : c]]\n" +
			"  y = { k = \"for\" }\n  z = [[for a in [1] : a], [for a in [1] : [for b in [1] : b]]]\n}\n",
		"long list":   "jeos {\n  site = \"s\"\n}\nlocals {\n  x = [" + strings.Repeat("-1 + 2, ", 20_000) + "]\n}\n",
		"long object": "jeos {\n  site = \"s\"\n}\nlocals {\n  x = {\n" + lines(20_000) + "  }\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{"main.jeos.hcl": src})
			site, files, diags := config.Load(testOptions(dir))
			if site == nil || site.Name != "s" {
				t.Errorf("does not load:\n%s", render(t, dir, files, diags))
			}
		})
	}
}

func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "    k%d = -1 + 2\n", i)
	}
	return b.String()
}

// TestNoSite names what is missing.
func TestNoSite(t *testing.T) {
	empty := t.TempDir()
	for _, dir := range []string{empty, filepath.Join(empty, "gone")} {
		site, _, diags := config.Load(testOptions(dir))
		if site != nil || len(diags) != 1 || diags[0].Summary != "No site" {
			t.Errorf("%s: got %v", dir, diags)
		}
	}
}
