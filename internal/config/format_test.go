package config_test

import (
	"strings"
	"testing"

	"jeos/internal/config"
)

func TestFormat(t *testing.T) {
	for _, test := range []struct{ name, file, src, want string }{
		{"aligned", "a.jeos.hcl", "a {\nb=1\n  long=2\n}\n", "a {\n  b    = 1\n  long = 2\n}\n"},
		{"done", "a.jeos.hcl", "a = 1\n", "a = 1\n"},
		{"JSON", "a.jeos.hcl.json", "{\"a\":1}", "{\"a\":1}"},
		{"broken", "a.jeos.hcl", "a {\n", ""},
		{"bomb", "a.jeos.hcl", "a = " + strings.Repeat("(", 100_000) + "\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, diags := config.Format([]byte(test.src), test.file)
			if string(got) != test.want || diags.HasErrors() != (test.want == "") {
				t.Errorf("got %q, %v", got, diags)
			}
		})
	}
}
