package words_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
)

func TestQuote(t *testing.T) {
	for given, want := range map[string]string{
		"":                        `""`,
		"a\"b\n":                  `"a\"b\n"`,
		"\u202eabc":               `"\u202eabc"`,
		strings.Repeat("ä", 64):   `"` + strings.Repeat("ä", 64) + `"`,
		strings.Repeat("ä", 65):   `"` + strings.Repeat("ä", 64) + `…"`,
		"\xff" + "not UTF-8 text": `"\xffnot UTF-8 text"`,
	} {
		if got := words.Quote(given); got != want {
			t.Errorf("%q: got %s, want %s", given, got, want)
		}
	}
}

func TestJoin(t *testing.T) {
	for _, test := range []struct {
		all     []string
		and, or string
	}{
		{nil, "", ""},
		{[]string{"a"}, "a", "a"},
		{[]string{"a", "b"}, "a and b", "a or b"},
		{[]string{"a", "b", "c"}, "a, b and c", "a, b or c"},
	} {
		if and, or := words.And(test.all), words.Or(test.all); and != test.and || or != test.or {
			t.Errorf("%q: got %q and %q", test.all, and, or)
		}
	}
	if d := cmp.Diff([]string{`"a"`, `"b"`}, words.Quoted([]string{"a", "b"})); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestDidYouMean(t *testing.T) {
	for name, test := range map[string]struct {
		given      string
		candidates []string
		want       string
	}{
		"one letter":        {"memry", []string{"cpus", "memory"}, "memory"},
		"swapped":           {"lna", []string{"lan", "via"}, "lan"},
		"two letters":       {"hostnme_", []string{"hostname"}, "hostname"},
		"nearest":           {"worl", []string{"work", "world", "works"}, "work"},
		"first by name":     {"bat", []string{"cat", "bad"}, "bad"},
		"too far":           {"role", []string{"file", "nic"}, ""},
		"too short for two": {"ab", []string{"cd"}, ""},
		"nothing to choose": {"a", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			shown := " Remove it."
			if test.want != "" {
				shown = ` Did you mean "` + test.want + `"?`
			}
			if got := words.Nearest(test.given, test.candidates); got != test.want {
				t.Errorf("nearest is %q, want %q", got, test.want)
			}
			if got := words.DidYouMean(test.given, test.candidates, " Remove it."); got != shown {
				t.Errorf("got %q, want %q", got, shown)
			}
		})
	}
}

func TestDescribe(t *testing.T) {
	for want, types := range map[string][]cty.Type{
		"a string":                {cty.String},
		"a number":                {cty.Number},
		"a boolean":               {cty.Bool},
		"a list":                  {cty.EmptyTuple, cty.List(cty.String), cty.Set(cty.String)},
		"an object":               {cty.EmptyObject, cty.Map(cty.String)},
		"a value of another kind": {cty.DynamicPseudoType},
	} {
		for _, typ := range types {
			if got := words.Describe(typ); got != want {
				t.Errorf("%#v: got %q, want %q", typ, got, want)
			}
		}
	}
}

func TestChecks(t *testing.T) {
	for name, test := range map[string]struct {
		check     words.Check
		good, bad []string
	}{
		"line": {words.CheckLine, []string{"", "ä b", "\u200d"},
			[]string{"a\nb", "a\tb", "\x00", "\x1b[31m", "\x7f", "\u0085", "\u2028", "\u2029"}},
		"package": {words.CheckPackage, []string{"nginx", "g++", "libc6:amd64", "openvpn=2.6.3-1+deb12u2", "wine:i386=1:2~rc1"},
			[]string{"", "a", "-x", "nginx-", "Nginx", "a b", "a;b", "a=", "a:", "../x", "nginx\n"}},
		"mode": {words.CheckMode, []string{"0644", "644", "4755", "04755"}, []string{"", "64", "0648", "0o644", "u+x", "07777777"}},
		"owner": {words.CheckOwner, []string{"root:root", "_apt:www-data"},
			[]string{"", "root", "root:", ":root", "0:0", "Root:root", "a:b:c", strings.Repeat("a", 33) + ":root"}},
		"PCI identity": {words.CheckPCIIdentity, []string{"8086:2723"}, []string{"", "8086", "8086:272", "8086:272G", "8086:ABCD", " 8086:2723"}},
		"PCI address": {words.CheckPCIAddress, []string{"0000:03:00.0", "0001:ff:1f.7"},
			[]string{"", "03:00.0", "0000:03:20.0", "0000:03:00.8", "0000:03:00", "0000:0G:00.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range test.good {
				if problem := test.check(s); problem != "" {
					t.Errorf("%q is refused: %s", s, problem)
				}
			}
			for _, s := range test.bad {
				problem := test.check(s)
				if problem == "" {
					t.Errorf("%q is accepted", s)
				}
				if strings.ContainsFunc(problem, func(r rune) bool { return r < ' ' || r == 0x7f }) {
					t.Errorf("what is said of %q holds a control character: %q", s, problem)
				}
			}
		})
	}
}

func TestProblem(t *testing.T) {
	at := hcl.Range{Filename: "main.jeos.hcl", Start: hcl.Pos{Line: 3, Column: 1, Byte: 20}}
	if d := words.Problem(at, "Invalid thing", "This is 100% wrong."); d.Detail != "This is 100% wrong." || *d.Subject != at || d.Severity != hcl.DiagError {
		t.Errorf("got %v", d)
	}
	if d := words.Problem(at, "Invalid thing", "%s is wrong.", "100%"); d.Detail != "100% is wrong." {
		t.Errorf("got %v", d)
	}
	if !(words.Hidden{}).HideSource() {
		t.Error("the source is shown")
	}
}

func TestComparePlaces(t *testing.T) {
	place := func(file string, offset int) *hcl.Diagnostic {
		return words.Problem(hcl.Range{Filename: file, Start: hcl.Pos{Byte: offset}}, "", "")
	}
	nowhere := &hcl.Diagnostic{}
	want := []*hcl.Diagnostic{nowhere, place("a", 1), place("a", 20), place("b", 0)}
	got := []*hcl.Diagnostic{want[3], want[2], want[0], want[1]}
	slices.SortFunc(got, words.ComparePlaces)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
