package escape_test

import (
	"testing"
)

// FuzzRoundTrip checks for each format that a reader of it gives back every value that is not refused, and that it
// finds nothing after it. The readers are in readers_test.go.
func FuzzRoundTrip(f *testing.F) {
	for _, seed := range []string{
		"", "lan0", "a b", " a ", "it's", `say "x"`, `a\`, `\`, `\\;`, "a;b", "a ;b", ";", "# a", "a#b", "12;34;", "1234567890", "\u20070", "None", "$HOME", "$$", "${x}", "%i", "%%", "*", "lan*",
		"a\nb", "a\r\nb", "\t", "\x00", "\x7f", "\u0085", "\ufeffx", "\xff", "Café", "日本", "`'`x`'`", "'", "''", `"`, `""`, "a,b", "10.8.0.1@tun0", "fd64::1", "/etc/x", "-rf",
		"passphrase", `pass"phrase`, `password"`, "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, format := range formats() {
			text, err := format.write(s)
			if err != nil {
				if text != "" {
					t.Errorf("%s refuses %q and writes %q", format.name, s, text)
				}
				continue
			}
			if got, ok := format.read(text); !ok || got != s {
				t.Errorf("%s writes %q as %q, which is read as %q, %v", format.name, s, text, got, ok)
			}
		}
	})
}
