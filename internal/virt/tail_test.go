package virt

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClean(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"plain":             {"a b\nc", "a b\nc"},
		"colours":           {"[\x1b[0;32m  OK  \x1b[0m] up", "[  OK  ] up"},
		"title":             {"\x1b]0;pwned\aok\x1b]2;x\x1b\\!", "ok!"},
		"clipboard":         {"\x1b]52;c;cm0gLXJm\x1b\\x", "x"},
		"two bytes":         {"\x1bcreset\x1b(Bx", "resetx"},
		"cut at the end":    {"x\x1b[0;3", "x"},
		"lines end in CRLF": {"a\r\nb\r\n", "a\nb\n"},
		"overwritten":       {"10%\r20%\r30%\n", "30%\n"},
		"controls":          {"a\x00\x07\bb\x7f\u009b1mc", "ab1mc"},
		"tab":               {"a\tb", "a b"},
		"not UTF-8":         {"a\xffb", "a\ufffdb"},
		"bidi":              {"a\u202eb\u2066c", "abc"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, clean(tt.in)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b[31mb\x1b]0;x\a\r\n\x9b")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range clean(s) {
			if r != '\n' && printable(r) != r {
				t.Errorf("clean(%q) = %q holds %U", s, clean(s), r)
			}
		}
	})
}

func TestTail(t *testing.T) {
	tests := map[string]struct {
		writes []string
		want   []string
	}{
		"nothing":         {nil, nil},
		"less than kept":  {[]string{"ab\n", "c"}, []string{"ab", "c"}},
		"more than kept":  {[]string{"abcdefgh\n", "ij\nk"}, []string{"fgh", "ij", "k"}},
		"one huge write":  {[]string{strings.Repeat("x", 100) + "\nlast"}, []string{"xxx", "last"}},
		"blank lines":     {[]string{"a\n\n  \nb"}, []string{"a", "b"}},
		"more than asked": {[]string{"a\nb\nc\nd"}, []string{"b", "c", "d"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			kept := newTail(8)
			for _, w := range tt.writes {
				kept.Write([]byte(w))
			}
			if diff := cmp.Diff(tt.want, kept.lines(3)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
