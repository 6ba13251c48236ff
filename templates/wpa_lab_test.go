//go:build lab

package templates_test

import (
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
)

// readWPA reads the networks in a wpa_supplicant.conf(5) by their names, and as "" what is said of all, in the way of
// wpa_supplicant: a string begins and ends with the first and the last double quote of the line; P"…" has escapes of printf;
// without quotes it is hexadecimal. A key without quotes is one of 64 digits.
func readWPA(t *testing.T, text string) map[string]map[string]string {
	t.Helper()
	networks := map[string]map[string]string{"": {}}
	ssid := ""
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		switch key {
		case "ssid":
			ssid = readWPAString(t, value)
			networks[ssid] = map[string]string{}
		case "psk":
			if strings.HasPrefix(value, `"`) {
				value = readWPAString(t, value)
			}
			networks[ssid]["psk"] = value
		default:
			networks[ssid][key] = value
		}
	}
	return networks
}

func readWPAString(t *testing.T, value string) string {
	t.Helper()
	last := strings.LastIndexByte(value, '"')
	switch {
	case strings.HasPrefix(value, `"`) && last > 0:
		return value[1:last]
	case strings.HasPrefix(value, `P"`) && last > 1:
		text, err := strconv.Unquote(value[1 : last+1])
		if err != nil {
			t.Fatalf("%s: %v", value, err)
		}
		return text
	}
	raw, err := hex.DecodeString(value)
	if err != nil {
		t.Fatalf("%q is no string of wpa_supplicant: %v", value, err)
	}
	return string(raw)
}
