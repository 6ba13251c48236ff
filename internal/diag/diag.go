// Package diag shows diagnostics: to people with the source and an underline, and to programs as JSON.
//
// Values that carry a mark are never shown, since marks say that a value is sensitive. A diagnostic whose Extra has a
// method HideSource() bool that returns true is shown without its source lines and values.
package diag

import (
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Options say how diagnostics are shown.
type Options struct {
	Dir   string // absolute; file names below it are shown relative to it. Empty: as they are
	Width int    // in columns, for details and long source lines; 0: no limit
	Color bool
}

// hidesSource reports whether the source of a diagnostic must not be shown.
func hidesSource(d *hcl.Diagnostic) bool {
	hider, ok := hcl.DiagnosticExtra[interface{ HideSource() bool }](d)
	return ok && hider.HideSource()
}

// fileName returns the name of a file as it is shown.
func fileName(name string, opt Options) string {
	if opt.Dir == "" || !filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	relative, err := filepath.Rel(opt.Dir, name)
	if err != nil || relative == ".." || strings.HasPrefix(relative, "../") {
		return name
	}
	return relative
}

// blockOf describes the top-level block that a diagnostic is about, like `guest "web"`, or returns "".
func blockOf(file *hcl.File, d *hcl.Diagnostic) string {
	nav, ok := file.Nav.(interface{ ContextString(offset int) string })
	if !ok {
		return ""
	}
	return nav.ContextString(d.Subject.Start.Byte)
}

// counts returns how many errors and warnings there are.
func counts(diags hcl.Diagnostics) (errors, warnings int) {
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			errors++
		} else {
			warnings++
		}
	}
	return errors, warnings
}
