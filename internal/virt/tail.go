package virt

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// tail is a writer that keeps the last bytes it got. It never fails and never blocks, as go-libvirt needs it.
type tail struct {
	mu   sync.Mutex
	max  int
	kept []byte
}

func newTail(max int) *tail { return &tail{max: max} }

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if extra := len(t.kept) - t.max; extra > 0 {
		t.kept = slices.Delete(t.kept, 0, extra)
	}
	return len(p), nil
}

// bytes returns a copy of what is kept.
func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.kept)
}

// lines returns the last n lines that are not blank, safe to show.
func (t *tail) lines(n int) []string {
	var lines []string
	for line := range strings.SplitSeq(clean(string(t.bytes())), "\n") {
		if line = strings.TrimRight(line, " "); line != "" {
			lines = append(lines, line)
		}
	}
	return lines[max(0, len(lines)-n):]
}

// escape matches the control sequences of ECMA-48 and the two-byte escapes of terminals, cut ones at the end included.
var escape = regexp.MustCompile("\x1b(?:\\[[0-?]*[ -/]*(?:[@-~]|$)|[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\|$)|[ -/]*(?:[0-~]|$))")

// clean makes text of guests and daemons safe for a terminal: no escape sequences, no control characters but newlines,
// valid UTF-8. Of a line that was overwritten by carriage returns the last state stays.
func clean(s string) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	s = escape.ReplaceAllString(s, "")
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		line = strings.TrimRight(line, "\r")
		if at := strings.LastIndexByte(line, '\r'); at >= 0 {
			line = line[at+1:]
		}
		lines[i] = strings.Map(printable, line)
	}
	return strings.Join(lines, "\n")
}

// oneLine is clean for text that must not break a line.
func oneLine(s string) string { return strings.ReplaceAll(strings.TrimSpace(clean(s)), "\n", " ") }

// printable drops what is no character to look at, and what changes the order of those beside it.
func printable(r rune) rune {
	switch {
	case r == '\t':
		return ' '
	case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
		return -1
	}
	return r
}
