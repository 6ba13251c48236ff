package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"

	"jeos/internal/words"
)

// Binary units of sizes.
const (
	KiB int64 = 1 << 10
	MiB int64 = 1 << 20
	GiB int64 = 1 << 30
	TiB int64 = 1 << 40
)

// sizeUnits are in falling order.
var sizeUnits = []struct {
	name  string
	bytes int64
}{{"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", 1}}

var sizeRE = regexp.MustCompile(`^([0-9]{1,19})([A-Za-z]+)$`)

// FormatSize writes a number of bytes with the largest binary unit that divides it: "512MiB", "1500B". ParseSize is its
// inverse. It panics when bytes is negative.
func FormatSize(bytes int64) string {
	if bytes < 0 {
		panic("negative size")
	}
	for _, u := range sizeUnits {
		if bytes != 0 && bytes%u.bytes == 0 {
			return fmt.Sprintf("%d%s", bytes/u.bytes, u.name)
		}
	}
	return "0B"
}

// ParseSize reads a whole number followed by one of the units B, KiB, MiB, GiB and TiB ("512MiB") as bytes.
// The error is a clause for people.
func ParseSize(s string) (int64, error) {
	m := sizeRE.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%s is not a whole number with a binary unit", words.Quote(s))
	}
	for _, u := range sizeUnits {
		if u.name != m[2] {
			continue
		}
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil || n > math.MaxInt64/u.bytes {
			return 0, fmt.Errorf("%s is more than any machine has", words.Quote(s))
		}
		return n * u.bytes, nil
	}
	return 0, fmt.Errorf("%s does not end in one of the units B, KiB, MiB, GiB and TiB", words.Quote(s))
}
