package config_test

import (
	"fmt"
	"strings"
	"testing"

	"jeos/internal/config"
)

// TestContents checks that texts arrive byte for byte, written out and by source.
func TestContents(t *testing.T) {
	for name, content := range map[string]string{
		"quotes": `a "b" 'c' \ $HOME`, "template": "$${x} %%{ if }", "jinja": "## template: jinja\n{{ v1 }}", "NEL": "a\u0085b",
		"line separator": "a\u2028b\u2029", "emoji": "🙂", "CRLF": "a\r\nb\r\n", "leading newlines": "\n\n a\n", "tab": "\ta",
		"MAC": "52:54:00:12:34:56", "yes": "yes", "octal": "012", "equals": "=", "no newline": "a", "empty": "", "mark": "\ufeffa",
	} {
		t.Run(name, func(t *testing.T) {
			quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(content)
			site := loadOne(t, fmt.Sprintf("file \"/x\" {\n content = \"%s\"\n }\n run = [\"x%s\"]", quoted, quoted))
			want := strings.NewReplacer("$${", "${", "%%{", "%{").Replace(content)
			if got := string(site.Guests[0].Files[0].Content); got != want {
				t.Errorf("content is %q, want %q", got, want)
			}
			if got := site.Guests[0].Run[0].Value; got != "x"+want {
				t.Errorf("run is %q, want %q", got, "x"+want)
			}
		})
	}
}

// TestFileLimits checks both sides of every limit on the bytes of files.
func TestFileLimits(t *testing.T) {
	head := "jeos {\n  site = \"s\"\n}\nimage \"i\" {\n  source = \"i\"\n}\nguest \"g\" {\n  image = image.i\n"
	source := func(path, file string) string { return fmt.Sprintf("  file %q {\n    source = %q\n  }\n", path, file) }
	for _, test := range []struct{ name, body, want string }{
		{"binary", source("/a", "binary"), ""},
		{"largest", source("/a", "largest"), ""},
		{"too large", source("/a", "larger"), "larger than 512KiB"},
		{"together", source("/a", "largest") + source("/b", "largest"), ""},
		{"together too large", source("/a", "largest") + source("/b", "largest") + source("/c", "binary"), "more than 1MiB together"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{
				"main.jeos.hcl": head + test.body + "}\n",
				"i":             "",
				"binary":        "\x00\xff",
				"largest":       strings.Repeat("x", 512<<10),
				"larger":        strings.Repeat("x", 512<<10+1),
			})
			site, files, diags := config.Load(testOptions(dir))
			shown := strings.Join(strings.Fields(render(t, dir, files, diags)), " ")
			if (site != nil) != (test.want == "") || !strings.Contains(shown, test.want) {
				t.Errorf("got %s", shown)
			}
		})
	}
}
