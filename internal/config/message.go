package config

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
)

// maxProblems is how many diagnostics one Load returns: more help nobody.
const maxProblems = 100

// hidden is the Extra of a diagnostic whose source lines may hold a secret. See internal/diag.
type hidden struct{}

// HideSource tells whoever renders the diagnostic to leave the source lines out.
func (hidden) HideSource() bool { return true }

// problem makes an error at a place. The summary is fixed text; the detail ends in what to do.
func problem(at hcl.Range, summary, detail string, args ...any) *hcl.Diagnostic {
	if len(args) > 0 {
		detail = fmt.Sprintf(detail, args...)
	}
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: &at}
}

// add collects an error; see problem.
func (l *loader) add(at hcl.Range, summary, detail string, args ...any) {
	l.diags = append(l.diags, problem(at, summary, detail, args...))
}

// warn collects a warning; see problem.
func (l *loader) warn(at hcl.Range, summary, detail string, args ...any) {
	d := problem(at, summary, detail, args...)
	d.Severity = hcl.DiagWarning
	l.diags = append(l.diags, d)
}

// addHidden is add for an error whose source line may hold a secret.
func (l *loader) addHidden(at hcl.Range, summary, detail string, args ...any) {
	d := problem(at, summary, detail, args...)
	d.Extra = hidden{}
	l.diags = append(l.diags, d)
}

// origin says where something is declared, the way that plans show it: "main.jeos.hcl:12".
func origin(at hcl.Range) string {
	return filepath.Base(at.Filename) + ":" + strconv.Itoa(at.Start.Line)
}

var passwordRE = regexp.MustCompile(`(?i)pass|pasw|psk|secret`)

// concealPasswords hides the source of the diagnostics of a file that are about a password, be it a mistyped one.
func concealPasswords(diags hcl.Diagnostics, src []byte) {
	lines := lineSearch{src: src, re: passwordRE, end: -1}
	for _, d := range diags {
		if d.Subject != nil && (lines.match(d) || strings.Contains(d.Detail, `password"`)) {
			d.Extra = hidden{}
		}
	}
}

// lineSearch searches the source lines of diagnostics. It remembers the last ones, since a file of one line can have very
// many diagnostics.
type lineSearch struct {
	src        []byte
	re         *regexp.Regexp
	start, end int
	found      bool
}

// match reports whether the lines that are shown with a diagnostic, which has a place, hold the expression.
func (s *lineSearch) match(d *hcl.Diagnostic) bool {
	shown := *d.Subject
	if d.Context != nil {
		shown = hcl.RangeOver(shown, *d.Context)
	}
	if shown.Start.Byte < s.start || shown.End.Byte > s.end {
		s.start, s.end = wholeLines(s.src, shown)
		s.found = s.re.Match(s.src[s.start:s.end])
	}
	return s.found
}

// secretRE finds what may be a secret in HCL and JSON: texts that sensitive is called with, and URLs that may have a password
// in them; for http the user may be one, too.
var secretRE = regexp.MustCompile(`\bsensitive\([^)\n]*"|(https?:\\?/\\?/[^"\n]*|:\\?/\\?/[^/?#\s"@]*:[^"\n]*)@`)

// concealSecrets hides the source of diagnostics whose lines hold what may be a secret.
func concealSecrets(diags hcl.Diagnostics, files map[string]*hcl.File) {
	searches := map[string]*lineSearch{}
	for name, file := range files {
		searches[name] = &lineSearch{src: file.Bytes, re: secretRE, end: -1}
	}
	for _, d := range diags {
		if d.Subject != nil && searches[d.Subject.Filename] != nil && searches[d.Subject.Filename].match(d) {
			d.Extra = hidden{}
		}
	}
}

// wholeLines returns where the lines of a range begin and end.
func wholeLines(src []byte, at hcl.Range) (start, end int) {
	start = bytes.LastIndexByte(src[:min(at.Start.Byte, len(src))], '\n') + 1
	end = min(max(at.End.Byte, start), len(src))
	if i := bytes.IndexByte(src[end:], '\n'); i >= 0 {
		return start, end + i
	}
	return start, len(src)
}

// quote shows user text inside a sentence: quoted, escaped and not longer than a line.
func quote(s string) string {
	const most = 64
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strconv.Quote(s)
}

// didYouMean returns " Did you mean …?" for the candidate nearest to given, or "" when none is near.
func didYouMean(given string, candidates []string) string {
	best, least := "", 3
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if d := distance(given, c); d < least && 2*d < max(len(given), len(c)) {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %s?", strconv.Quote(best))
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

var suggestionRE = regexp.MustCompile(`^([^"]*"([^"]*)"[^"]*?)( Did you mean "[^"]*"\?)?$`)

// suggest replaces the guess at the end of one of HCL's messages about an unknown name.
func suggest(d *hcl.Diagnostic, names []string) {
	if m := suggestionRE.FindStringSubmatch(d.Detail); m != nil {
		d.Detail = m[1] + orElse(didYouMean(m[2], names), " Remove it.")
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// comparePlaces orders diagnostics by file and offset; those without a place come first.
func comparePlaces(a, b *hcl.Diagnostic) int {
	var x, y hcl.Range
	if a.Subject != nil {
		x = *a.Subject
	}
	if b.Subject != nil {
		y = *b.Subject
	}
	return cmp.Or(cmp.Compare(x.Filename, y.Filename), cmp.Compare(x.Start.Byte, y.Start.Byte))
}

// list joins words as a sentence does: "a, b and c".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// tidy sorts diagnostics by place and removes what was said before (the instances of a for_each tend to say the same)
// and everything after the first maxProblems. Errors go before warnings when there is not room for both.
func tidy(diags hcl.Diagnostics) hcl.Diagnostics {
	slices.SortStableFunc(diags, comparePlaces)
	type key struct {
		summary, detail string
		at              hcl.Range
	}
	seen := map[key]bool{}
	var out hcl.Diagnostics
	room := map[hcl.DiagnosticSeverity]int{hcl.DiagError: maxProblems}
	room[hcl.DiagWarning] = max(0, maxProblems-countErrors(diags))
	dropped, worst := 0, hcl.DiagWarning
	for _, d := range diags {
		k := key{summary: d.Summary, detail: d.Detail}
		if d.Subject != nil {
			k.at = *d.Subject
		}
		switch {
		case seen[k]:
		case room[d.Severity] == 0:
			dropped++
			worst = min(worst, d.Severity)
		default:
			out = append(out, d)
			room[d.Severity]--
		}
		seen[k] = true
	}
	if dropped > 0 {
		out = append(out, &hcl.Diagnostic{
			Severity: worst,
			Summary:  "Too many problems",
			Detail:   fmt.Sprintf("%d more problems are not shown. Solve these first.", dropped),
		})
	}
	return out
}

func countErrors(diags hcl.Diagnostics) (n int) {
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			n++
		}
	}
	return n
}
