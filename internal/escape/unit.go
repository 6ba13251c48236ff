package escape

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Unit returns s as one argument of a command line in a systemd unit, such as ExecStart=: in double quotes, with % and $
// doubled and C escapes for quotes, backslashes and control characters (systemd.service(5), "Command lines"; "Quoting"
// in systemd.syntax(7)). It is not for the first word, the program, nor for command lines whose program has the prefix
// ":", where $ is not special. NUL and what isn't UTF-8 are refused.
func Unit(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errors.New("it must be valid UTF-8")
	}
	if strings.ContainsRune(s, 0) {
		return "", errors.New("it must not hold the character NUL")
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '%' || r == '$':
			b.WriteRune(r)
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case unicode.IsControl(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String(), nil
}
