package images

import (
	_ "embed"
	"encoding/csv"
	"strings"
	"time"
)

// ubuntuCSV has the columns version, codename, series, release and eol of distro-info's list of releases
// (https://debian.pages.debian.net/distro-info-data/ubuntu.csv).
//
//go:embed data/ubuntu.csv
var ubuntuCSV string

// Release is a release of Ubuntu.
type Release struct {
	Name      string    // "noble"
	Version   string    // "24.04"
	EndOfLife time.Time // the day on which its standard support ends, 00:00 UTC
}

// LookupRelease returns the release of Ubuntu with that name or version. Not ok: jeos does not know it, as it cannot know
// those that are newer than itself.
func LookupRelease(name string) (release Release, ok bool) {
	rows, err := csv.NewReader(strings.NewReader(ubuntuCSV)).ReadAll()
	if err != nil {
		panic(err)
	}
	for _, row := range rows[1:] {
		version := strings.TrimSuffix(row[0], " LTS")
		if name != version && name != row[2] {
			continue
		}
		end, err := time.Parse(time.DateOnly, row[4])
		if err != nil {
			panic(err)
		}
		return Release{Name: row[2], Version: version, EndOfLife: end}, true
	}
	return Release{}, false
}
