package words

import (
	"cmp"
	"fmt"

	"github.com/hashicorp/hcl/v2"
)

// Hidden is the Extra of a diagnostic whose source lines may hold a secret.
type Hidden struct{}

// HideSource tells whoever renders the diagnostic to leave the source lines out.
func (Hidden) HideSource() bool { return true }

// Problem makes an error at a place. The summary is fixed text; the detail is whole sentences, the last of which says what to
// do. Without arguments it is taken as it is, else as a format of package fmt.
func Problem(at hcl.Range, summary, detail string, args ...any) *hcl.Diagnostic {
	if len(args) > 0 {
		detail = fmt.Sprintf(detail, args...)
	}
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: &at}
}

// ComparePlaces orders diagnostics by file and offset; those without a place come first.
func ComparePlaces(a, b *hcl.Diagnostic) int {
	var x, y hcl.Range
	if a.Subject != nil {
		x = *a.Subject
	}
	if b.Subject != nil {
		y = *b.Subject
	}
	return cmp.Or(cmp.Compare(x.Filename, y.Filename), cmp.Compare(x.Start.Byte, y.Start.Byte))
}
