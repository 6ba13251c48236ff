package images

import (
	"strings"
	"testing"
	"time"
)

func TestLookupRelease(t *testing.T) {
	for name, want := range map[string]string{
		"noble":    "noble 24.04 2029-05-31",
		"24.04":    "noble 24.04 2029-05-31",
		"18.04":    "bionic 18.04 2023-05-31",
		"questing": "questing 25.10 2026-07-09",
	} {
		r, ok := LookupRelease(name)
		if got := r.Name + " " + r.Version + " " + r.EndOfLife.Format(time.DateOnly); !ok || got != want {
			t.Errorf("%s: %q, %t, want %q", name, got, ok, want)
		}
	}
	for _, name := range []string{"", "Noble", "24.04 LTS", "series", "version", "bookworm", "99.04"} {
		if r, ok := LookupRelease(name); ok {
			t.Errorf("%q is %+v", name, r)
		}
	}
}

// Every row of the table can be found by both of its names.
func TestReleases(t *testing.T) {
	rows := strings.Split(strings.TrimSpace(ubuntuCSV), "\n")[1:]
	if len(rows) < 20 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	for _, row := range rows {
		columns := strings.Split(row, ",")
		byName, ok1 := LookupRelease(columns[2])
		byVersion, ok2 := LookupRelease(strings.TrimSuffix(columns[0], " LTS"))
		if !ok1 || !ok2 || byName != byVersion || byName.EndOfLife.Before(time.Date(2014, 1, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: %+v, %+v", row, byName, byVersion)
		}
	}
}
