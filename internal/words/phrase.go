package words

import (
	"slices"
	"strconv"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/zclconf/go-cty/cty"
)

// Quote shows text of a user inside a sentence: quoted, escaped and not longer than a line.
func Quote(s string) string {
	const most = 64
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strconv.Quote(s)
}

// Quoted quotes every word.
func Quoted(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = Quote(s)
	}
	return out
}

// And joins words as a sentence does: "a, b and c".
func And(all []string) string { return join(all, " and ") }

// Or joins words as a sentence does: "a, b or c".
func Or(all []string) string { return join(all, " or ") }

func join(all []string, last string) string {
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	n := len(all) - 1
	return strings.Join(all[:n], ", ") + last + all[n]
}

// DidYouMean returns ` Did you mean "x"?` for the candidate that is nearest to a mistyped name, or the other text when none is
// near.
func DidYouMean(given string, candidates []string, otherwise string) string {
	best := Nearest(given, candidates)
	if best == "" {
		return otherwise
	}
	return " Did you mean " + strconv.Quote(best) + "?"
}

// Nearest returns the candidate that a mistyped name most likely stands for, or "". Of several it is the first by name.
func Nearest(given string, candidates []string) string {
	best, least := "", 3
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if d := distance(given, c); d < least && 2*d < max(len(given), len(c)) {
			best, least = c, d
		}
	}
	return best
}

// distance is Levenshtein's, but two neighbours that changed places are one mistake.
func distance(a, b string) int {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	if len(a) == len(b) && i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:] {
		return 1
	}
	return levenshtein.Distance(a, b, nil)
}

// Describe names a type in a sentence: "a string".
func Describe(t cty.Type) string {
	switch {
	case t == cty.String:
		return "a string"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "a boolean"
	case t.IsTupleType() || t.IsListType() || t.IsSetType():
		return "a list"
	case t.IsObjectType() || t.IsMapType():
		return "an object"
	}
	return "a value of another kind"
}
