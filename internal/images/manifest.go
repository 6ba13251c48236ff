package images

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Package is an installed Debian package.
type Package struct {
	Name    string // without the architecture
	Version string
}

var (
	// packageName and packageVersion are what Debian allows
	// (https://www.debian.org/doc/debian-policy/ch-controlfields.html).
	packageName    = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
	packageVersion = regexp.MustCompile(`^[0-9A-Za-z.+~:-]+$`)
)

// ParseManifest reads a list of packages as "dpkg-query -W" prints it and as Ubuntu publishes it beside its images: a line
// for each with name and version, a tab between them. The result is sorted by name and version without doubles. Packages
// that are known but not installed, which have no version, and snaps are left out; NUL bytes at the end do not count.
// What is no such list is an error.
func ParseManifest(data []byte) ([]Package, error) {
	packages := []Package{}
	number := 0
	for line := range strings.Lines(string(bytes.TrimRight(data, "\x00"))) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if line == "" || strings.HasPrefix(line, "snap:") {
			continue
		}
		name, version, found := strings.Cut(line, "\t")
		name, _, _ = strings.Cut(name, ":") // libc6:amd64
		if !found || !packageName.MatchString(name) || version != "" && !packageVersion.MatchString(version) {
			return nil, fmt.Errorf("line %d of the list of packages is no name and version", number)
		}
		if version != "" {
			packages = append(packages, Package{name, version})
		}
	}
	slices.SortFunc(packages, func(a, b Package) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
	return slices.Compact(packages), nil
}
