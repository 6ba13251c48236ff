package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/term"

	"jeos/internal/diag"
	"jeos/plan"
)

// report shows the error of a command on standard error, in the form of a diagnostic.
func (p *program) report(err error) {
	var (
		inv   *invalid
		wrong *misuse
		known *failure
	)
	switch {
	case err == nil:
	case errors.Is(err, errInterrupted):
		p.diagnose(nil, problem("Interrupted", "The command was ended before it was done."))
	case isSilent(err):
	case errors.As(err, &inv):
		p.diagnose(inv.files, inv.diags)
	case errors.As(err, &wrong):
		p.diagnose(nil, problem("Wrong command line", wrong.text+"\n\nFor help, run:\n\n    "+wrong.command+" --help"))
	case errors.As(err, &known):
		p.diagnose(nil, problem(known.title, sentence(err)))
	default:
		p.diagnose(nil, problem("Command failed", sentence(err)))
	}
}

func problem(summary, detail string) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: detail}}
}

var plainWord = regexp.MustCompile(`^[a-z]+(\s|$)`)

// sentence words an error as a sentence: it begins with a capital letter, unless with a name, and ends in a full stop.
// What has several lines, such as the last ones of a console, keeps its end.
func sentence(err error) string {
	text := strings.TrimSpace(err.Error())
	if plainWord.MatchString(text) {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	if strings.Contains(text, "\n") || strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}

// diagnose shows diagnostics on standard error.
func (p *program) diagnose(files map[string]*hcl.File, diags hcl.Diagnostics) {
	opt := p.diagOptions()
	opt.Color, opt.Width = p.errColor(), p.width()
	diag.Text(p.err, files, diags, opt) // p.err never fails
}

func (p *program) diagOptions() diag.Options {
	dir, err := os.Getwd()
	if err != nil {
		dir = "" // names stay as they are
	}
	return diag.Options{Dir: dir}
}

// width returns the columns of the terminal that standard error is, or 0.
func (p *program) width() int {
	f, ok := p.sys.Err.(*os.File)
	if !ok || !p.sys.ErrTerminal {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// refused turns the reasons why a plan must not be applied into diagnostics that point into the files.
func (p *program) refused(s *site, refusal *plan.Refusal) error {
	var diags hcl.Diagnostics
	for _, r := range refusal.Problems {
		d := problem(r.Summary, r.Detail)[0]
		if !strings.Contains(r.Detail, r.Addr.String()) {
			d.Detail = "This is about " + r.Addr.String() + ". " + r.Detail
		}
		d.Subject = p.originRange(s, r.Origin)
		diags = append(diags, d)
	}
	return &invalid{s.files, diags}
}

// originRange finds the line that an origin, "main.jeos.hcl:12", names. It returns nil when there is none.
func (p *program) originRange(s *site, origin string) *hcl.Range {
	name, number, ok := strings.Cut(origin, ":")
	line, err := strconv.Atoi(number)
	if !ok || err != nil || line < 1 {
		return nil
	}
	path := filepath.Join(p.global.Dir, name)
	r := &hcl.Range{Filename: path, Start: hcl.Pos{Line: line, Column: 1}, End: hcl.Pos{Line: line, Column: 1}}
	file := s.files[path]
	if file == nil {
		return r
	}
	offset, text := lineAt(file.Bytes, line)
	r.Start.Byte = offset
	r.End.Byte = offset + len(text)
	r.End.Column = 1 + utf8.RuneCount(text)
	return r
}

// lineAt returns a line, counted from 1, without its end, and the offset at which it begins.
func lineAt(src []byte, number int) (int, []byte) {
	offset := 0
	for ; number > 1; number-- {
		i := bytes.IndexByte(src[offset:], '\n')
		if i < 0 {
			return len(src), nil
		}
		offset += i + 1
	}
	text, _, _ := bytes.Cut(src[offset:], []byte("\n"))
	return offset, bytes.TrimRight(text, "\r {")
}
