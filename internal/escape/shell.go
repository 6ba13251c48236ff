package escape

import (
	"errors"
	"strings"
)

// Shell returns s as one word of a POSIX shell, always in single quotes, within which no character but the quote itself
// is special (POSIX.1-2017, Shell Command Language, 2.2.2). Line breaks are kept as they are. NUL is refused: no word
// can hold it.
func Shell(s string) (string, error) {
	if strings.ContainsRune(s, 0) {
		return "", errors.New("it must not hold the character NUL")
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'", nil
}
