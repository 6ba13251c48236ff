package images

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// architectures are the names of libvirt for those of Debian. Products for others do not count.
var architectures = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

// diskTypes are the kinds of items that are disk images, the better first.
var diskTypes = []string{"disk1.img", "disk.img"}

type streamProduct struct {
	Arch     string                   `json:"arch"`
	OS       string                   `json:"os"`
	Release  string                   `json:"release"`
	Version  string                   `json:"version"`
	Versions map[string]streamVersion `json:"versions"`

	signer string // of the document with the product
}

type streamVersion struct {
	Label string                `json:"label"` // "release", "minimal release"; "beta2", "rc"
	Items map[string]streamItem `json:"items"`
}

type streamItem struct {
	FType  string `json:"ftype"`
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// chooseProduct returns the product of a release, given by its code name or its version, for an architecture in libvirt's
// word. Aliases do not count: nothing keeps those of two releases apart.
func chooseProduct(products []streamProduct, release, arch string) (streamProduct, error) {
	var releases, arches []string
	var chosen []streamProduct
	for _, p := range products {
		has := architectures[p.Arch]
		if p.OS != "" && p.OS != "ubuntu" || has == "" {
			continue
		}
		releases = append(releases, fmt.Sprintf("%s (%s)", p.Release, p.Version))
		if release != p.Release && release != p.Version {
			continue
		}
		arches = append(arches, has)
		if has == arch {
			chosen = append(chosen, p)
		}
	}
	slices.Sort(releases)
	slices.Sort(arches)
	switch {
	case len(arches) == 0:
		return streamProduct{}, fmt.Errorf("no image of the release %q: there are %s", release, strings.Join(slices.Compact(releases), ", "))
	case len(chosen) == 0:
		return streamProduct{}, fmt.Errorf("no image of the release %q for %s: there are some for %s", release, arch, strings.Join(slices.Compact(arches), ", "))
	case len(chosen) > 1:
		return streamProduct{}, fmt.Errorf("%d products for %s that are called %q: the mirror is mixed up, try another one", len(chosen), arch, release)
	}
	return chosen[0], nil
}

// newest returns the newest released version of a product that has a disk image.
func (s *stream) newest(p streamProduct, flavour string) (Remote, error) {
	for _, serial := range slices.Backward(slices.SortedFunc(maps.Keys(p.Versions), CompareSerials)) {
		version := p.Versions[serial]
		if version.Label != "" && !strings.Contains(version.Label, "release") {
			continue
		}
		disk, ok := version.item(diskTypes...)
		if !ok {
			continue
		}
		// Where a file is on a mirror is not signed; its name is.
		if !strings.Contains(path.Base(disk.Path), "-"+flavour+"-") {
			return Remote{}, fmt.Errorf("%s has %q where images of the flavour %q should be: the mirror is mixed up, try another one",
				ShownURL(s.base.String()), path.Base(disk.Path), flavour)
		}
		found, err := s.remote(disk, version)
		if err != nil {
			return Remote{}, err
		}
		found.Serial, found.Signer = serial, p.signer
		return found, nil
	}
	return Remote{}, fmt.Errorf("%s has no disk image of %s for %s", ShownURL(s.base.String()), p.Release, architectures[p.Arch])
}

// remote returns where the files of a version are, and their hashes.
func (s *stream) remote(disk streamItem, version streamVersion) (Remote, error) {
	address, err := s.address(disk.Path)
	if err != nil {
		return Remote{}, err
	}
	if !isHash(disk.SHA256) || disk.Size <= 0 {
		return Remote{}, errors.New(ShownURL(address) + " is listed without its hash or its size: try another mirror")
	}
	r := Remote{URL: address, SHA256: disk.SHA256, FileSize: disk.Size}
	if list, ok := version.item("manifest"); ok && isHash(list.SHA256) {
		if r.ManifestURL, err = s.address(list.Path); err != nil {
			return Remote{}, err
		}
		r.ManifestSHA256 = list.SHA256
	}
	return r, nil
}

// item returns the item of the first of these types that there is.
func (v streamVersion) item(types ...string) (streamItem, bool) {
	for _, t := range types {
		for _, name := range slices.Sorted(maps.Keys(v.Items)) {
			if v.Items[name].FType == t {
				return v.Items[name], true
			}
		}
	}
	return streamItem{}, false
}

// CompareSerials orders serials by their numbers, 20261002 < 20261002.2 < 20261002.10: negative when a is the older one.
func CompareSerials(a, b string) int {
	return cmp.Or(slices.Compare(serialNumbers(a), serialNumbers(b)), cmp.Compare(a, b))
}

func serialNumbers(serial string) []int {
	var numbers []int
	for part := range strings.SplitSeq(serial, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			n = -1
		}
		numbers = append(numbers, n)
	}
	return numbers
}
