package escape

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

// wicdMark stands around values whose blanks at the ends count. wicd writes and takes it off itself.
const wicdMark = "`'`"

// wicdNumber is what Python's int takes for a whole number: digits of any script, underscores since Python 3.
var wicdNumber = regexp.MustCompile(`^[+-]?[\s\p{Z}]*[\p{Nd}_]+$`)

// Wicd returns s as the value of a line key = value in wicd's settings, such that wicd reads back the string s. Its reader
// (wicd/configmanager.py on top of Python's RawConfigParser) turns the words None, False and True and whole numbers into
// other things, cuts a comment off that begins with a blank and a semicolon, and takes two double quotes for nothing:
// such values are refused, for there is no way to quote them. Blanks at the ends are kept by wicd's own marks.
func Wicd(s string) (string, error) {
	if err := value(s); err != nil {
		return "", err
	}
	if slices.Contains([]string{"None", "False", "True", `""`}, s) {
		return "", errors.New(`it must not be None, True, False or two double quotes, which wicd takes for something else`)
	}
	if wicdNumber.MatchString(strings.TrimSpace(s)) {
		return "", errors.New("it must not be a number, which wicd does not keep as it is written")
	}
	if strings.HasPrefix(s, ";") || strings.Contains(s, " ;") {
		return "", errors.New("it must not hold a semicolon after a blank or at the beginning, which wicd takes for a comment")
	}
	if strings.TrimSpace(s) != s || strings.HasPrefix(s, wicdMark) {
		return wicdMark + s + wicdMark, nil
	}
	return s, nil
}
