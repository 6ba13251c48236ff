package openvpn

import (
	"regexp"
	"strings"
	"unicode"
)

// maxLine is the length in bytes of a line that OpenVPN reads (OPTION_LINE_SIZE in its options.h, less one for the end).
const maxLine = 254

// blanks are what separates words: the C library's isspace.
const blanks = " \t\n\v\f\r"

// directiveName is what names of directives look like. Keys, which have digits or capitals all over, do not.
var directiveName = regexp.MustCompile(`^[a-z]{2,}[0-9]{0,3}(?:-[a-z0-9]{1,12})*$`)

func isBlank(c byte) bool     { return strings.IndexByte(blanks, c) >= 0 }
func isControl(r rune) bool   { return unicode.IsControl(r) }
func isComment(c byte) bool   { return c == '#' || c == ';' }
func escapable(c byte) bool   { return c == '\\' || c == '"' || isBlank(c) }
func startsQuote(c byte) bool { return c == '"' || c == '\'' }

// split splits a line into words as OpenVPN does: blanks separate them; a word that begins with a quote goes to the next
// one of its kind; a backslash, but in single quotes, takes the meaning from a blank, a double quote or a backslash; a word
// that begins with # or ; begins a comment. There are no words in an empty line. reason says, as of Problem, why a line is
// none that OpenVPN reads.
func split(line string) (words []string, reason string) {
	rest := line
	for {
		rest = strings.TrimLeft(rest, blanks)
		if rest == "" || isComment(rest[0]) {
			break
		}
		var word string
		if word, rest, reason = nextWord(rest); reason != "" {
			return nil, reason
		}
		words = append(words, word)
	}
	if len(words) > 0 && len(line) > maxLine {
		return nil, "The line has more than 255 bytes, which OpenVPN does not read. Make it shorter."
	}
	return words, ""
}

// nextWord takes the first word off a text that begins with one.
func nextWord(text string) (word, rest, reason string) {
	var b strings.Builder
	quote := byte(0)
	i := 0
	if startsQuote(text[0]) {
		quote, i = text[0], 1
	}
	for ; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && quote != '\'':
			if i++; i == len(text) || !escapable(text[i]) {
				return "", "", `There is a backslash in front of something else than a blank, a double quote or another backslash. Write \\ for a backslash.`
			}
			b.WriteByte(text[i])
		case quote != 0 && c == quote:
			return b.String(), text[i+1:], ""
		case quote == 0 && isBlank(c):
			return b.String(), text[i:], ""
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", "", "A quotation has no end. Close it on the same line."
	}
	return b.String(), "", ""
}

// quoted writes one word for a configuration: the opposite of split.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
