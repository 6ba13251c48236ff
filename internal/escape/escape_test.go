package escape_test

import (
	"strings"
	"testing"

	"jeos/internal/escape"
)

// format is a function of the package with a reader of what it writes.
type format struct {
	name  string
	write func(string) (string, error)
	read  func(string) (string, bool)
}

// formats lists every exported function of the package.
func formats() []format {
	return []format{
		{"Shell", escape.Shell, readShell},
		{"INI", escape.INI, readINI},
		{"Keyfile", escape.Keyfile, readKeyfile},
		{"Unit", escape.Unit, readUnit},
		{"NFT", escape.NFT, readNFT},
		{"OpenVPN", escape.OpenVPN, readOpenVPN},
		{"WPASSID", escape.WPASSID, readWPA},
		{"WPAPSK", escape.WPAPSK, readPSK},
		{"Dnsmasq", escape.Dnsmasq, readDnsmasq},
		{"Wicd", escape.Wicd, readWicd},
	}
}

// TestWritten shows how values look in each format. An empty want means that the value is refused.
func TestWritten(t *testing.T) {
	hexKey := strings.Repeat("0f", 32)
	for _, group := range []struct {
		name  string
		write func(string) (string, error)
		cases [][2]string
	}{
		{"Shell", escape.Shell, [][2]string{
			{"", `''`}, {"a", `'a'`}, {"it's", `'it'\''s'`}, {"$(reboot) `x` \\ \"", "'$(reboot) `x` \\ \"'"}, {"a\nb", "'a\nb'"},
			{"-rf", `'-rf'`}, {"a\x00b", ""},
		}},
		{"INI", escape.INI, [][2]string{
			{"lan", "lan"}, {"52:54:00:00:00:01", "52:54:00:00:00:01"}, {"a b", "a b"}, {"#a=[b]", "#a=[b]"}, {"Café", "Café"},
			{"", ""}, {" a", ""}, {"a ", ""}, {"a\nb", ""}, {"a\tb", ""}, {`a\`, ""}, {`"a"`, ""}, {"it's", ""}, {"a;b", ""}, {"%i", ""}, {"$x", ""},
			{"a\xff", ""}, {"a\u0085b", ""},
		}},
		{"Keyfile", escape.Keyfile, [][2]string{
			{"", ""}, {"Quick Net", "Quick Net"}, {"  a ", `\s\sa\s`}, {" ", `\s`}, {`a\b`, `a\\b`}, {"a;b", "a;b"}, {`"a"`, `"a"`}, {"12;34", "12;34"},
			{"12;34;", ""}, {" 1; ", ""}, {`a\;b`, ""}, {"a\nb", ""},
		}},
		{"Unit", escape.Unit, [][2]string{
			{"", `""`}, {"a b", `"a b"`}, {`a"b\c`, `"a\"b\\c"`}, {"$HOME 100%", `"$$HOME 100%%"`}, {";", `";"`}, {"it's", `"it's"`},
			{"a\nb\tc", `"a\nb\x09c"`}, {"a\u0085b", `"a\u0085b"`}, {"a\x00b", ""}, {"a\xff", ""},
		}},
		{"NFT", escape.NFT, [][2]string{
			{"lan", `"lan"`}, {"two words", `"two words"`}, {"a*b", `"a*b"`}, {"$x @y ; #z }", `"$x @y ; #z }"`},
			{"", ""}, {"lan*", ""}, {`a"b`, ""}, {`a\`, ""}, {"a\nb", ""},
		}},
		{"OpenVPN", escape.OpenVPN, [][2]string{
			{"a", `"a"`}, {"a b", `"a b"`}, {`C:\x`, `"C:\\x"`}, {`say "x"`, `"say \"x\""`}, {"it's #1; ok", `"it's #1; ok"`},
			{"", ""}, {"a\nup /bin/sh", ""}, {"a\r", ""}, {strings.Repeat("x", 199), ""}, {strings.Repeat(`\`, 100), ""},
		}},
		{"WPASSID", escape.WPASSID, [][2]string{
			{"Home", `"Home"`}, {`a\x41`, `"a\x41"`}, {"a # b", `"a # b"`}, {`a"b`, "612262"}, {"Café", "436166c3a9"}, {"a\nb", "610a62"}, {"\xff", "ff"},
			{"", ""}, {strings.Repeat("x", 33), ""},
		}},
		{"WPAPSK", escape.WPAPSK, [][2]string{
			{"12345678", `"12345678"`}, {`a"b#c\d e"`, `"a"b#c\d e""`}, {hexKey, hexKey}, {hexKey[:63], `"` + hexKey[:63] + `"`},
			{"", ""}, {"1234567", ""}, {strings.Repeat("x", 64), ""}, {"pässword", ""}, {"pass\nword", ""}, {"password\x7f", ""},
		}},
		{"Dnsmasq", escape.Dnsmasq, [][2]string{
			{"lan", "lan"}, {"10.8.0.1@tun0", "10.8.0.1@tun0"}, {"fd64::1", "fd64::1"}, {"/run/dns/upstream.conf", "/run/dns/upstream.conf"},
			{"a,b", `"a,b"`}, {"a b", `"a b"`}, {"#a", `"#a"`}, {`a"b\c`, `"a\"b\\c"`}, {" a ", `" a "`}, {"Café", `"Café"`},
			{"", ""}, {"a\nb", ""}, {strings.Repeat("x", 901), ""},
		}},
		{"Wicd", escape.Wicd, [][2]string{
			{"the passphrase", "the passphrase"}, {" x", "`'` x`'`"}, {"  ", "`'`  `'`"}, {"`'`x`'`", "`'``'`x`'``'`"}, {"a;b", "a;b"}, {"=a: #b", "=a: #b"},
			{"1234567x", "1234567x"}, {"none", "none"}, {"+", "+"},
			{"", ""}, {"None", ""}, {"True", ""}, {"False", ""}, {"0", ""}, {"12345678", ""}, {"01234567", ""}, {"-12", ""}, {" 12 ", ""}, {"١٢٣", ""}, {"1_000", ""},
			{"a ;b", ""}, {";a", ""}, {`""`, ""}, {"a\nb", ""},
		}},
	} {
		for _, c := range group.cases {
			t.Run(group.name+"/"+c[0], func(t *testing.T) {
				got, err := group.write(c[0])
				switch {
				case c[1] == "" && c[0] != "" && err == nil:
					t.Errorf("%q is written as %q, want it refused", c[0], got)
				case c[1] != "" && err != nil:
					t.Errorf("%q is refused: %v", c[0], err)
				case got != c[1]:
					t.Errorf("%q is written as %q, want %q", c[0], got, c[1])
				}
			})
		}
	}
}

// TestEmpty tells the formats that can hold an empty value from those that refuse it.
func TestEmpty(t *testing.T) {
	holds := map[string]bool{"Shell": true, "Keyfile": true, "Unit": true}
	for _, f := range formats() {
		if _, err := f.write(""); (err == nil) != holds[f.name] {
			t.Errorf("%s of an empty value: %v", f.name, err)
		}
	}
}

// TestErrorsAreClauses checks that errors never hold the value, and can stand inside of a sentence.
func TestErrorsAreClauses(t *testing.T) {
	const secret = "5ecreT"
	refused := map[string]bool{}
	for _, s := range []string{secret + "\x00", secret + "\n;", secret + `"*`, secret + "*", secret + " ;", secret + strings.Repeat("é", 500), " " + secret} {
		for _, f := range formats() {
			_, err := f.write(s)
			if err == nil {
				continue
			}
			refused[f.name] = true
			if msg := err.Error(); strings.Contains(msg, secret) || !strings.HasPrefix(msg, "it must ") || strings.HasSuffix(msg, ".") {
				t.Errorf("%s: %q", f.name, msg)
			}
		}
	}
	if len(refused) != len(formats()) {
		t.Errorf("only %v refused anything", refused)
	}
}
