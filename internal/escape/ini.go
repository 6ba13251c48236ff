package escape

import (
	"errors"
	"strings"
)

// INI returns s as the value of a line key=value, as systemd's files (systemd.syntax(7)) and keyfiles in the manner of
// GLib take it. There is no quoting that both know, so the text is s itself, and what one of them would change is
// refused: an empty value, blanks at the ends, and the characters \ " ' ; % $, with which some settings escape, quote,
// separate or insert. Blanks within s are kept; settings that take a list read them as its separators.
func INI(s string) (string, error) {
	if err := value(s); err != nil {
		return "", err
	}
	if padded(s) {
		return "", errors.New("it must not begin or end with a blank")
	}
	if strings.ContainsAny(s, `\"';%$`) {
		return "", errors.New(`it must not hold any of the characters \ " ' ; % $`)
	}
	return s, nil
}

// Keyfile returns s as the value of a line key=value of a keyfile in the manner of GLib, where the key takes one string:
// the format of NetworkManager's connections (nm-settings-keyfile(5)). Backslashes and blanks at the ends are written by
// the escapes of the Desktop Entry Specification, "Possible value types". What NetworkManager would read in another way
// as an SSID is refused: numbers that end with a semicolon, a list of bytes to it, and a semicolon after a backslash.
func Keyfile(s string) (string, error) {
	if err := text(s); err != nil {
		return "", err
	}
	if strings.HasSuffix(strings.TrimRight(s, " "), ";") && strings.Trim(s, "0123456789; ") == "" {
		return "", errors.New("it must not be a list of numbers, each followed by a semicolon")
	}
	if strings.Contains(s, `\;`) {
		return "", errors.New("it must not hold a semicolon after a backslash")
	}
	rest := strings.TrimLeft(s, " ")
	body := strings.TrimRight(rest, " ")
	lead := strings.Repeat(`\s`, len(s)-len(rest))
	trail := strings.Repeat(`\s`, len(rest)-len(body))
	return lead + strings.ReplaceAll(body, `\`, `\\`) + trail, nil
}
