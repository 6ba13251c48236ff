package templates_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// wicdSettings are sections of a file of wicd's settings, as wicd's reader gives them: values are strings, whole numbers,
// booleans or nil.
type wicdSettings map[string]map[string]any

var (
	wicdSection = regexp.MustCompile(`^\[([^]]+)\]`)
	wicdOption  = regexp.MustCompile(`^([^:=\s][^:=]*)\s*([:=])\s*(.*)$`)
)

// readWicd reads settings as wicd does: it drops lines with neither "[" nor "=", and what is left goes through the
// RawConfigParser of Python 2; then values that look like something else become that.
func readWicd(t *testing.T, text string) wicdSettings {
	t.Helper()
	settings := wicdSettings{}
	var section map[string]any
	option := ""
	for _, line := range strings.Split(text, "\n") {
		if !strings.ContainsAny(line, "[=") || line[0] == '#' || line[0] == ';' {
			continue
		}
		if word := strings.Fields(line)[0]; strings.EqualFold(word, "rem") && line[0] != ' ' {
			continue
		}
		switch header, pair := wicdSection.FindStringSubmatch(line), wicdOption.FindStringSubmatch(line); {
		case unicode.IsSpace(rune(line[0])) && section != nil && option != "":
			section[option] = fmt.Sprint(section[option], "\n", strings.TrimSpace(line))
		case header != nil:
			section, option = map[string]any{}, ""
			if settings[header[1]] != nil {
				t.Fatalf("section %s comes twice", header[1])
			}
			settings[header[1]] = section
		case section == nil:
			t.Fatalf("a line without a section: %q", line)
		case pair != nil:
			option = strings.ToLower(strings.TrimRightFunc(pair[1], unicode.IsSpace))
			value := pair[3]
			if i := strings.IndexByte(value, ';'); i > 0 && unicode.IsSpace(rune(value[i-1])) {
				value = value[:i]
			}
			value = strings.TrimSpace(value)
			if value == `""` {
				value = ""
			}
			section[option] = value
		default:
			t.Fatalf("a line that is nothing: %q", line)
		}
	}
	for _, section := range settings {
		for option, value := range section {
			section[option] = wicdValue(value.(string))
		}
	}
	return settings
}

func wicdValue(text string) any {
	if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil && (text == "0" || !strings.HasPrefix(text, "0")) {
		return n
	}
	switch text {
	case "None", "":
		return nil
	case "True":
		return true
	case "False":
		return false
	}
	if inner, ok := strings.CutPrefix(text, "`'`"); ok && strings.HasSuffix(inner, "`'`") && len(inner) >= 3 {
		return inner[:len(inner)-3]
	}
	return text
}

func wicdGuest(t *testing.T, networks string) guest {
	g := wifiGuest(t)
	g.release = "bionic"
	g.block = "lan = uplink\ncountry = \"DE\"\nmanager = \"wicd\"\n" + networks
	return g
}

// TestWicd holds wicd's files to the keys by which it connects without a person: a section for each radio, under its
// address in capital letters, and hands off the card towards the clients.
func TestWicd(t *testing.T) {
	r := render(t, wicdGuest(t, `
		wifi "Home" {
			psk   = sensitive("correct horse")
			bssid = ["00:11:22:aa:bb:cc", "00:11:22:AA:BB:CD"]
		}
		wifi "Attic" {
			psk    = sensitive("`+strings.Repeat("0123456789ABCDEF", 4)+`")
			bssid  = ["00:11:22:AA:BB:CE"]
			hidden = true
		}`))
	manager := readWicd(t, r.content(t, "/etc/wicd/manager-settings.conf"))["Settings"]
	for key, want := range map[string]any{"wireless_interface": "wlan0", "wired_interface": nil, "wpa_driver": "nl80211", "auto_reconnect": true,
		"prefer_wired": false, "wired_connect_mode": int64(1)} {
		if got := manager[key]; got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	radios := readWicd(t, r.content(t, "/etc/wicd/wireless-settings.conf"))
	if len(radios) != 3 {
		t.Errorf("%d sections, want one for each of 3 radios", len(radios))
	}
	for bssid, want := range map[string]map[string]any{
		"00:11:22:AA:BB:CC": {"essid": "Home", "enctype": "wpa-psk", "apsk": "correct horse", "hidden": false},
		"00:11:22:AA:BB:CD": {"essid": "Home", "enctype": "wpa-psk", "apsk": "correct horse", "hidden": false},
		"00:11:22:AA:BB:CE": {"essid": "Attic", "enctype": "wpa-psk-hex", "apsk": strings.Repeat("0123456789ABCDEF", 4), "hidden": true},
	} {
		want["bssid"], want["automatic"], want["never"] = bssid, true, int64(0)
		want["use_settings_globally"], want["encryption"], want["ip"], want["beforescript"] = int64(0), true, nil, nil
		for key, value := range want {
			if got := radios[bssid][key]; got != value {
				t.Errorf("%s of %s is %v, want %v", key, bssid, got, value)
			}
		}
	}
	for _, path := range []string{"/etc/wicd/manager-settings.conf", "/etc/wicd/wireless-settings.conf"} {
		for _, f := range r.Files {
			if f.Path == path && (f.Mode != 0o600 || f.Owner != "root:root") {
				t.Errorf("%s has mode %o and owner %s", path, f.Mode, f.Owner)
			}
		}
	}
	if r.has("/etc/netplan/60-jeos.yaml") {
		t.Error("netplan has the radio as well")
	}
}

// TestWicdHostile: names and passphrases come back from wicd's reader exactly, or are refused.
func TestWicdHostile(t *testing.T) {
	kept := 0
	for _, text := range []string{
		"plain name", "[section]", "[00:11:22:AA:BB:CE]", "a = b", "a: b", "# comment", "; comment", "x ; y", "x;y", "x # y", "rem x y z", `"quoted"`, `""`,
		"None", "True", "False", "12345678", "012345678", "+12345678", "-1234567", "1e100000", " leading", "trailing ", "`'`marked`'`", "`'`x", "it's $HOME `id`",
		"%(apsk)s 1234", "back\\slash\\n", "tab\tinside", "line\nbreak", "carriage\rreturn", "ünïcödé 12", "emoji 🦜 12", "~!@#$%^&*()_+{}|:\"<>?`-=[]\\;',./ abc \"quoted\"",
	} {
		for _, c := range []struct{ name, ssid, psk string }{{"ssid", text, "correct horse"}, {"psk", "Home", text}} {
			quoted := func(s string) string {
				return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(strconv.QuoteToGraphic(s))
			}
			g := wicdGuest(t, fmt.Sprintf("wifi %s {\n psk = sensitive(%s)\n bssid = [\"00:11:22:AA:BB:CC\"]\n}\n", quoted(c.ssid), quoted(c.psk)))
			r, err := tryRender(t, g)
			if err != nil {
				continue
			}
			kept++
			radios := readWicd(t, r.content(t, "/etc/wicd/wireless-settings.conf"))
			radio := radios["00:11:22:AA:BB:CC"]
			if len(radios) != 1 || radio["essid"] != c.ssid || radio["apsk"] != c.psk || radio["predisconnectscript"] != nil {
				t.Errorf("%s %q: wicd reads %q", c.name, text, radios)
			}
		}
	}
	if kept < 25 {
		t.Errorf("only %d of them are kept: a name with a quote in it is not that rare", kept)
	}
}
