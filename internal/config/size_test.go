package config_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"jeos/internal/config"
)

func TestSizes(t *testing.T) {
	for _, test := range []struct {
		text  string
		bytes int64 // -1: an error
	}{
		{"0B", 0}, {"1B", 1}, {"1023B", 1023}, {"1KiB", 1024}, {"1536B", 1536}, {"512MiB", 512 << 20}, {"20GiB", 20 << 30},
		{"3TiB", 3 << 40}, {"", -1}, {"1", -1}, {"MiB", -1}, {"1mib", -1}, {"1 MiB", -1}, {"1.5GiB", -1}, {"-1GiB", -1},
		{"1GB", -1}, {"8388608TiB", -1}, {"9223372036854775808B", -1}, {"1PiB", -1},
	} {
		got, err := config.ParseSize(test.text)
		if test.bytes < 0 {
			if err == nil || strings.HasSuffix(err.Error(), ".") {
				t.Errorf("ParseSize(%q) = %d, %v", test.text, got, err)
			}
			continue
		}
		if err != nil || got != test.bytes {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", test.text, got, err, test.bytes)
		}
		if back := config.FormatSize(got); len(back) > len(test.text) {
			t.Errorf("FormatSize(%d) = %q", got, back)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Min(0).Draw(t, "bytes")
		if got, err := config.ParseSize(config.FormatSize(n)); err != nil || got != n {
			t.Fatalf("%d is written as %q and read as %d, %v", n, config.FormatSize(n), got, err)
		}
	})
}
