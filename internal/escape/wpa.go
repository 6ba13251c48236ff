package escape

import (
	"encoding/hex"
	"errors"
	"strings"
)

// WPASSID returns s as the value of a string field, such as ssid, in a network block of wpa_supplicant.conf(5): in double
// quotes where s is printable ASCII without a double quote, else the bytes in hexadecimal. Any bytes can be written. An
// SSID has 1 to 32 bytes; an empty one would match every network and is refused.
func WPASSID(s string) (string, error) {
	if s == "" || len(s) > 32 {
		return "", errors.New("it must have between 1 and 32 bytes")
	}
	if printable(s) && !strings.Contains(s, `"`) {
		return `"` + s + `"`, nil
	}
	return hex.EncodeToString([]byte(s)), nil
}

// WPAPSK returns s as the value of the field psk in a network block of wpa_supplicant.conf(5): a passphrase of 8 to 63
// printable ASCII characters in double quotes, or a key of 64 hexadecimal digits without. A double quote within a
// passphrase needs no escape: wpa_supplicant takes the last one of the line for the end.
func WPAPSK(s string) (string, error) {
	if _, err := hex.DecodeString(s); err == nil && len(s) == 64 {
		return s, nil
	}
	if len(s) < 8 || len(s) > 63 || !printable(s) {
		return "", errors.New("it must be a passphrase of 8 to 63 printable ASCII characters, or a key of 64 hexadecimal digits")
	}
	return `"` + s + `"`, nil
}
