package diag

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// sourceLine is one line of a file and the part of it that a diagnostic is about.
type sourceLine struct {
	number     int // counts from 1; 0 stands for lines that are left out
	text       []byte
	start, end int // of the subject, in bytes from the start of the line
	underlined bool
}

// maxLines is how many lines of source one diagnostic shows.
const maxLines = 8

// sourceLines returns the lines of the subject and the context of a diagnostic. The first line of the subject is
// underlined, and with it the others of a subject that is shown whole.
func sourceLines(src []byte, d *hcl.Diagnostic) []sourceLine {
	shown := *d.Subject
	if d.Context != nil && d.Context.Filename == shown.Filename {
		shown = hcl.RangeOver(shown, *d.Context)
	}
	var out []sourceLine
	for number, start := 1, 0; start <= len(src); number++ {
		end := len(src)
		if i := bytes.IndexByte(src[start:], '\n'); i >= 0 {
			end = start + i
		}
		if start <= shown.End.Byte && (end >= shown.Start.Byte) {
			line := sourceLine{number: number, text: bytes.TrimSuffix(src[start:end], []byte("\r"))}
			line.start = min(max(0, d.Subject.Start.Byte-start), len(line.text))
			line.end = min(max(0, d.Subject.End.Byte-start), len(line.text))
			line = line.excerpt(maxLine)
			line.underlined = line.end > line.start || d.Subject.Start.Byte >= start && d.Subject.Start.Byte <= end
			if start < shown.End.Byte || line.underlined {
				out = append(out, line)
			}
		}
		if end >= shown.End.Byte {
			break
		}
		start = end + 1
	}
	if len(out) > maxLines {
		out = append(out[:maxLines-1], sourceLine{})
	}
	for i := 1; i < len(out); i++ { // an underline below every line of a block hides more than it shows
		out[i].underlined = out[i].underlined && !out[i-1].underlined && d.Context != nil
	}
	return out
}

const (
	maxLine  = 4096 // bytes of a line that are looked at
	maxWidth = 240  // columns of a line that are shown when nobody says how many there are
)

// excerpt cuts a line that has more than so many bytes, so that the start of the subject is in the middle.
func (l sourceLine) excerpt(most int) sourceLine {
	if len(l.text) <= most {
		return l
	}
	const mark = "…"
	from := min(max(0, l.start-most/2), len(l.text)-most)
	to := from + most
	for from > 0 && !utf8.RuneStart(l.text[from]) {
		from--
	}
	for to < len(l.text) && !utf8.RuneStart(l.text[to]) {
		to++
	}
	text, shift := l.text[from:to:to], -from
	if to < len(l.text) {
		text = append(text, mark...)
	}
	if from > 0 {
		text, shift = append([]byte(mark), text...), len(mark)-from
	}
	l.text = text
	l.start = min(max(0, l.start+shift), len(text))
	l.end = min(max(0, l.end+shift), len(text))
	return l
}

// split returns the line before, in and after the subject.
func (l sourceLine) split() (before, subject, after []cell) {
	for _, c := range cells(l.text) {
		switch {
		case c.start < l.start:
			before = append(before, c)
		case c.start < l.end:
			subject = append(subject, c)
		default:
			after = append(after, c)
		}
	}
	return before, subject, after
}

var ellipsis = cell{text: "…", width: 1}

// fit cuts a long line so that the start of the subject can be seen.
func fit(before, subject, after []cell, most int) (b, s, a []cell) {
	if widthOf(before)+widthOf(subject)+widthOf(after) <= most {
		return before, subject, after
	}
	if room := most / 2; widthOf(before) > room {
		for widthOf(before) > room-1 {
			before = before[max(1, len(before)-room):]
		}
		before = append([]cell{ellipsis}, before...)
	}
	subject, cut := cutTo(subject, most-widthOf(before)-1)
	if cut {
		return before, append(subject, ellipsis), nil
	}
	after, cut = cutTo(after, most-widthOf(before)-widthOf(subject)-1)
	if cut {
		after = append(after, ellipsis)
	}
	return before, subject, after
}

// cutTo returns the cells that fit into so many columns, in a slice of their own, and whether any did not.
func cutTo(in []cell, most int) (out []cell, cut bool) {
	sum := 0
	for _, c := range in {
		if sum += c.width; sum > most {
			return out, true
		}
		out = append(out, c)
	}
	return out, false
}

func widthOf(in []cell) int {
	sum := 0
	for _, c := range in {
		sum += c.width
	}
	return sum
}

func join(in []cell) string {
	var b strings.Builder
	for _, c := range in {
		b.WriteString(c.text)
	}
	return b.String()
}
