package roles

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
)

// hidden is the Extra of a diagnostic whose source lines may hold a secret.
type hidden struct{}

// HideSource tells whoever renders the diagnostic to leave the source lines out.
func (hidden) HideSource() bool { return true }

// problem makes an error at a place. The summary is fixed text; the detail ends in what to do.
func problem(at hcl.Range, summary, detail string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(detail, args...), Subject: &at}
}

// place names a line of a role: "wifi_router/role.hcl:12".
func place(at hcl.Range) string {
	dir, file := path.Split(at.Filename)
	return path.Join(path.Base(dir), file) + ":" + strconv.Itoa(at.Start.Line)
}

// quote shows text inside a sentence: quoted, escaped and not longer than a line.
func quote(s string) string {
	const most = 64
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strconv.Quote(s)
}

// orList joins words as a sentence does: "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// nearest returns the candidate that a mistyped name most likely stands for, or "".
func nearest(given string, candidates []string) string {
	best, least := "", 3
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if d := levenshtein.Distance(given, c, nil); d < least && 2*d < max(len(given), len(c)) {
			best, least = c, d
		}
	}
	return best
}

// suggest returns " Did you mean …?", or else the other text.
func suggest(given string, candidates []string, otherwise string) string {
	if best := nearest(given, candidates); best != "" {
		return fmt.Sprintf(" Did you mean %q?", best)
	}
	return otherwise
}

// sorted orders diagnostics by file and offset; those without a place come first.
func sorted(diags hcl.Diagnostics) hcl.Diagnostics {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		var x, y hcl.Range
		if a.Subject != nil {
			x = *a.Subject
		}
		if b.Subject != nil {
			y = *b.Subject
		}
		return cmp.Or(cmp.Compare(x.Filename, y.Filename), cmp.Compare(x.Start.Byte, y.Start.Byte))
	})
	return diags
}
