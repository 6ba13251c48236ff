package diag

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mitchellh/go-wordwrap"
)

// SGR sequences of ECMA-48.
const (
	red       = "\x1b[31m"
	yellow    = "\x1b[33m"
	bold      = "\x1b[1m"
	underline = "\x1b[4m"
	reset     = "\x1b[0m"
)

// Text writes diagnostics for people, each followed by an empty line. The files are looked up by the names in the
// ranges; a file that is not among them is named without its source. The error is that of w.
func Text(w io.Writer, files map[string]*hcl.File, diags hcl.Diagnostics, opt Options) error {
	var b bytes.Buffer
	for _, d := range diags {
		p := printer{&b, opt}
		p.heading(d)
		p.place(files, d)
		p.detail(d.Detail)
	}
	_, err := w.Write(b.Bytes())
	return err
}

type printer struct {
	*bytes.Buffer
	opt Options
}

// paint wraps text in colour.
func (p printer) paint(color, text string) string {
	if !p.opt.Color || text == "" {
		return text
	}
	return color + text + reset
}

func (p printer) heading(d *hcl.Diagnostic) {
	word, color := "Error: ", red
	if d.Severity == hcl.DiagWarning {
		word, color = "Warning: ", yellow
	}
	fmt.Fprintf(p, "%s%s\n\n", p.paint(bold+color, word), p.paint(bold, escape(d.Summary)))
}

// place says where, and shows the source.
func (p printer) place(files map[string]*hcl.File, d *hcl.Diagnostic) {
	if d.Subject == nil {
		return
	}
	name := escape(fileName(d.Subject.Filename, p.opt))
	file := files[d.Subject.Filename]
	if file == nil {
		if *d.Subject != (hcl.Range{Filename: d.Subject.Filename, Start: hcl.InitialPos, End: hcl.InitialPos}) {
			name = fmt.Sprintf("%s:%d", name, d.Subject.Start.Line)
		}
		fmt.Fprintf(p, "  on %s\n\n", name) // without a line when it is about the whole file
		return
	}
	fmt.Fprintf(p, "  on %s:%d", name, d.Subject.Start.Line)
	if block := blockOf(file, d); block != "" {
		fmt.Fprintf(p, ", in %s", escape(block))
	}
	if hidesSource(d) {
		p.WriteString("\n  (the source may hold a secret and is not shown)\n\n")
		return
	}
	p.WriteString(":\n")
	for _, line := range sourceLines(file.Bytes, d) {
		p.source(line)
	}
	for i, v := range values(d) {
		word := "where"
		if i > 0 {
			word = "     "
		}
		fmt.Fprintf(p, "  %s %s is %s\n", word, v.Traversal, v.text)
	}
	p.WriteByte('\n')
}

// source writes a line and below it its underline.
func (p printer) source(line sourceLine) {
	if line.number == 0 {
		fmt.Fprintf(p, "  %5s\n", "…")
		return
	}
	prefix := fmt.Sprintf("  %4d: ", line.number)
	before, subject, after := line.split()
	most := maxWidth
	if p.opt.Width > 0 {
		most = max(20, p.opt.Width-len(prefix))
	}
	before, subject, after = fit(before, subject, after, most)
	left, middle, right := join(before), join(subject), join(after)
	fmt.Fprintf(p, "%s%s%s%s\n", prefix, left, p.paint(bold+underline, middle), strings.TrimRight(right, " "))
	if line.underlined {
		marks := strings.Repeat("^", max(1, columns(middle)))
		fmt.Fprintf(p, "%s%s\n", strings.Repeat(" ", len(prefix)+columns(left)), p.paint(bold, marks))
	}
}

// detail writes sentences, wrapped; lines that begin with a blank are left as they are, to be copied.
func (p printer) detail(text string) {
	if text == "" {
		return
	}
	for _, line := range strings.Split(text, "\n") {
		line = escape(line)
		if p.opt.Width > 0 && !strings.HasPrefix(line, " ") {
			line = wordwrap.WrapString(line, uint(p.opt.Width))
		}
		p.WriteString(line + "\n")
	}
	p.WriteByte('\n')
}
