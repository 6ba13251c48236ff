package config

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"jeos/internal/words"
)

// maxProblems is how many diagnostics one Load returns: more help nobody.
const maxProblems = 100

// add collects an error; see [words.Problem].
func (l *loader) add(at hcl.Range, summary, detail string, args ...any) {
	l.diags = append(l.diags, words.Problem(at, summary, detail, args...))
}

// warn collects a warning; see [words.Problem].
func (l *loader) warn(at hcl.Range, summary, detail string, args ...any) {
	d := words.Problem(at, summary, detail, args...)
	d.Severity = hcl.DiagWarning
	l.diags = append(l.diags, d)
}

// notice collects a notice, unless it is there: what an argument names may be read several times.
func (l *loader) notice(n Notice) {
	if !slices.Contains(l.site.Notices, n) {
		l.site.Notices = append(l.site.Notices, n)
	}
}

// addHidden is add for an error whose source line may hold a secret.
func (l *loader) addHidden(at hcl.Range, summary, detail string, args ...any) {
	d := words.Problem(at, summary, detail, args...)
	d.Extra = words.Hidden{}
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
			d.Extra = words.Hidden{}
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

// secretRE finds what may be a secret in HCL and JSON: texts that sensitive is called with or that a password is set to, and
// URLs that may have a password in them; for http the user may be one, too.
var secretRE = regexp.MustCompile(`\bsensitive\([^)\n]*"|(?i:pass|pasw|psk|secret)\w*"?\s*[=:]\s*"(?:[^$"]|\$[^{])|` +
	`(https?:\\?/\\?/[^"\n]*|:\\?/\\?/[^/?#\s"@]*:[^"\n]*)@`)

// concealSecrets hides the source of diagnostics whose lines hold what may be a secret.
func concealSecrets(diags hcl.Diagnostics, files map[string]*hcl.File) {
	searches := map[string]*lineSearch{}
	for name, file := range files {
		searches[name] = &lineSearch{src: file.Bytes, re: secretRE, end: -1}
	}
	for _, d := range diags {
		if d.Subject != nil && searches[d.Subject.Filename] != nil && searches[d.Subject.Filename].match(d) {
			d.Extra = words.Hidden{}
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

var suggestionRE = regexp.MustCompile(`^([^"]*"([^"]*)"[^"]*?)( Did you mean "[^"]*"\?)?$`)

// suggest replaces the guess at the end of one of HCL's messages about an unknown name.
func suggest(d *hcl.Diagnostic, names []string) {
	if m := suggestionRE.FindStringSubmatch(d.Detail); m != nil {
		d.Detail = m[1] + words.DidYouMean(m[2], names, " Remove it.")
	}
}

// tidy sorts diagnostics by place and removes what was said before (the instances of a for_each tend to say the same)
// and everything after the first maxProblems. Errors go before warnings when there is not room for both.
func tidy(diags hcl.Diagnostics) hcl.Diagnostics {
	slices.SortStableFunc(diags, words.ComparePlaces)
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
