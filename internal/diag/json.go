package diag

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/hashicorp/hcl/v2"
)

// The field names are those of terraform validate -json:
// https://developer.hashicorp.com/terraform/cli/commands/validate#json-output-format
type report struct {
	FormatVersion string       `json:"format_version"`
	Valid         bool         `json:"valid"`
	ErrorCount    int          `json:"error_count"`
	WarningCount  int          `json:"warning_count"`
	Diagnostics   []diagnostic `json:"diagnostics"`
}

type diagnostic struct {
	Severity string    `json:"severity"` // "error" or "warning"
	Summary  string    `json:"summary"`
	Detail   string    `json:"detail"`
	Range    *position `json:"range,omitempty"`
	Snippet  *snippet  `json:"snippet,omitempty"`
}

type position struct {
	Filename string `json:"filename"`
	Start    point  `json:"start"`
	End      point  `json:"end"`
}

type point struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

type snippet struct {
	Context        *string   `json:"context"`
	Code           string    `json:"code"`
	StartLine      int       `json:"start_line"`
	HighlightStart int       `json:"highlight_start_offset"`
	HighlightEnd   int       `json:"highlight_end_offset"`
	Values         []valueOf `json:"values"`
}

// JSON writes diagnostics as one object and a newline, in the format of terraform validate -json. Lists are never null.
// The error is that of w.
func JSON(w io.Writer, files map[string]*hcl.File, diags hcl.Diagnostics, opt Options) error {
	r := report{FormatVersion: "1.0", Valid: !diags.HasErrors(), Diagnostics: []diagnostic{}}
	r.ErrorCount, r.WarningCount = counts(diags)
	for _, d := range diags {
		r.Diagnostics = append(r.Diagnostics, forJSON(files, d, opt))
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		panic(err) // the types are all plain
	}
	_, err := w.Write(b.Bytes())
	return err
}

func forJSON(files map[string]*hcl.File, d *hcl.Diagnostic, opt Options) diagnostic {
	out := diagnostic{Severity: "error", Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hcl.DiagWarning {
		out.Severity = "warning"
	}
	if d.Subject == nil {
		return out
	}
	out.Range = &position{
		Filename: fileName(d.Subject.Filename, opt),
		Start:    point(d.Subject.Start),
		End:      point(d.Subject.End),
	}
	file := files[d.Subject.Filename]
	if file == nil || hidesSource(d) {
		return out
	}
	lines := sourceLines(file.Bytes, d)
	if len(lines) == 0 {
		return out
	}
	out.Snippet = &snippet{StartLine: lines[0].number, Values: []valueOf{}}
	out.Snippet.Values = append(out.Snippet.Values, values(d)...)
	if block := blockOf(file, d); block != "" {
		out.Snippet.Context = &block
	}
	var code []byte
	for _, line := range lines {
		if line.number == 0 {
			break
		}
		line = line.excerpt(maxWidth)
		if line.number == d.Subject.Start.Line {
			out.Snippet.HighlightStart = len(code) + line.start
		}
		if line.number <= d.Subject.End.Line {
			out.Snippet.HighlightEnd = len(code) + line.end
		}
		code = append(append(code, line.text...), '\n')
	}
	out.Snippet.Code = string(bytes.TrimSuffix(code, []byte("\n")))
	return out
}
