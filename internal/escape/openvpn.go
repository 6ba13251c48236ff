package escape

import (
	"errors"
	"strings"
)

// openVPNLine is the length in bytes that OpenVPN allows for an argument, quotes and escapes included: a line holds 255
// bytes, of which some are left to the directive.
const openVPNLine = 200

// OpenVPN returns s as one argument of a directive in a configuration file of OpenVPN: in double quotes, with a backslash
// before double quotes and backslashes (openvpn(8), "--config"). OpenVPN reads lines of at most 255 bytes, so that
// arguments that take more than 200 are refused. So is an empty one, which most directives take for a name.
func OpenVPN(s string) (string, error) {
	if err := value(s); err != nil {
		return "", err
	}
	quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	if len(quoted) > openVPNLine {
		return "", errors.New("it must be shorter: a line of OpenVPN's configuration holds 255 bytes")
	}
	return quoted, nil
}
