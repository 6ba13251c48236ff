package diag

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/apparentlymart/go-textseg/v15/textseg"
	"golang.org/x/text/width"
)

// cell is what a terminal shows for one user-perceived character.
type cell struct {
	text  string
	width int // columns
	start int // offset of its first byte in the line
}

const tabWidth = 4

// cells splits a line. Tabs become blanks; what would steer the terminal is written as an escape.
func cells(line []byte) []cell {
	var out []cell
	column := 0
	for offset := 0; offset < len(line); {
		n, cluster, err := textseg.ScanGraphemeClusters(line[offset:], true)
		if err != nil || n == 0 {
			n, cluster = 1, line[offset:offset+1]
		}
		c := cell{text: escape(string(cluster)), start: offset}
		if string(cluster) == "\t" {
			c.text = strings.Repeat(" ", tabWidth-column%tabWidth)
		}
		c.width = columns(c.text)
		out = append(out, c)
		column += c.width
		offset += n
	}
	return out
}

// escape makes text harmless for a terminal. Newlines and tabs are escaped, too.
func escape(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case harmful(r) && r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		case harmful(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			b.WriteRune(r)
		}
		s = s[n:]
	}
	return b.String()
}

// harmful reports whether a character can steer the terminal or hide what is written: controls, line separators, and
// format characters but those that join emoji and letters.
func harmful(r rune) bool {
	if r == '\u200c' || r == '\u200d' {
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// columns returns how many columns a terminal takes for escaped text.
func columns(s string) int {
	sum := 0
	for rest := []byte(s); len(rest) > 0; {
		n, cluster, err := textseg.ScanGraphemeClusters(rest, true)
		if err != nil || n == 0 {
			return sum + len(rest)
		}
		sum += clusterColumns(string(cluster))
		rest = rest[n:]
	}
	return sum
}

// clusterColumns returns the columns of one character, which is as wide as its widest part.
func clusterColumns(cluster string) int {
	most := 0
	for _, r := range cluster {
		n := 1
		switch kind := width.LookupRune(r).Kind(); {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
			n = 0
		case kind == width.EastAsianWide, kind == width.EastAsianFullwidth:
			n = 2
		}
		if r == '\ufe0f' { // shows what is before it as an emoji
			n = 2
		}
		most = max(most, n)
	}
	return most
}
