package builders

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
)

func TestEncodeYAML(t *testing.T) {
	got := string(encodeYAML(map[string]any{
		"b": []any{nil, true, 1, int64(-2), 1e21, 0.5, "x", []any{}, map[string]any{}},
		"a": map[string]any{"yes": "é\U0001f600\u2028\r\n"},
	}))
	want := `"a":
  "yes": "\xE9\U0001F600\L\r\n"
"b":
- null
- true
- 1
- -2
- 1000000000000000000000.0
- 0.5
- "x"
- []
- {}
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzEncodeYAML(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		encoded := encodeYAML(map[string]any{s: []any{s, map[string]any{"k": s}}})
		if i := bytes.IndexFunc(encoded, func(r rune) bool { return r > '~' || r < ' ' && r != '\n' }); i >= 0 {
			t.Errorf("%q is not plain ASCII at %d", encoded, i)
		}
		var got map[string]any
		if err := yaml.Load(encoded, &got); err != nil {
			t.Fatalf("%v in %q", err, encoded)
		}
		want := map[string]any{s: []any{s, map[string]any{"k": s}}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
