package escape

import (
	"errors"
	"strings"
)

// dnsmasqValue is the length in bytes that is left to a value in a line of dnsmasq's configuration, which holds 1024.
const dnsmasqValue = 900

// dnsmasqPlain are the characters, apart from letters and digits of ASCII, that stay without quotes. Options that take
// addresses give a meaning to some of them, and don't know them when quoted.
const dnsmasqPlain = "-_.:/@%+~"

// Dnsmasq returns s as the value, or one part of a value between commas, of a line option=value in dnsmasq's
// configuration (dnsmasq(8), "CONFIG FILE"). Names, addresses and paths of plain characters stay as they are; all else is
// put in double quotes, which take the special meaning from commas, colons, dots and #. Empty values, control characters
// and values of more than 900 bytes are refused.
func Dnsmasq(s string) (string, error) {
	if err := value(s); err != nil {
		return "", err
	}
	out := s
	if strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		out = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	if len(out) > dnsmasqValue {
		return "", errors.New("it must be shorter: a line of dnsmasq's configuration holds 1024 bytes")
	}
	return out, nil
}

func plain(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return true
	}
	return strings.ContainsRune(dnsmasqPlain, r)
}
