package images

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The index of the publisher is a tree of simplestreams: an index names files of products, which name versions, which
// name items (https://git.launchpad.net/simplestreams/tree/doc). Paths in it are below the folder that holds "streams".

const (
	ubuntuMirror = "https://cloud-images.ubuntu.com"
	indexPath    = "streams/v1/index.sjson"
)

// flavourFolders are where the streams of the flavours are below a mirror.
var flavourFolders = map[string]string{"minimal": "minimal/releases", "server": "releases"}

// architectures are the names of Debian for those of libvirt.
var architectures = map[string]string{"x86_64": "amd64", "aarch64": "arm64"}

// diskTypes are the kinds of items that are disk images, the better first.
var diskTypes = []string{"disk1.img", "disk.img"}

type streamIndex struct {
	Format string `json:"format"`
	Index  map[string]struct {
		DataType string `json:"datatype"`
		Format   string `json:"format"`
		Path     string `json:"path"`
	} `json:"index"`
}

type streamProducts struct {
	Format    string                   `json:"format"`
	ContentID string                   `json:"content_id"`
	Products  map[string]streamProduct `json:"products"`
}

type streamProduct struct {
	Arch     string                   `json:"arch"`
	OS       string                   `json:"os"`
	Release  string                   `json:"release"`
	Version  string                   `json:"version"`
	Aliases  string                   `json:"aliases"` // with commas between them
	Versions map[string]streamVersion `json:"versions"`
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

// resolveRelease finds the newest image of a release.
func (c *Client) resolveRelease(ctx context.Context, r Request) (Remote, error) {
	folder, arch := flavourFolders[r.Flavour], architectures[r.Arch]
	if folder == "" {
		return Remote{}, fmt.Errorf("there is no flavour %q: write \"minimal\" or \"server\"", r.Flavour)
	}
	if arch == "" {
		return Remote{}, fmt.Errorf("there is no image for %q: write \"x86_64\" or \"aarch64\"", r.Arch)
	}
	base, err := parseAddress(cmp.Or(r.Mirror, ubuntuMirror))
	if err != nil {
		return Remote{}, err
	}
	keys, err := openKeyring(r.Keyring)
	if err != nil {
		return Remote{}, err
	}
	s := stream{client: c, base: base.JoinPath(folder), keys: keys}
	products, err := s.products(ctx)
	if err != nil {
		return Remote{}, err
	}
	product, err := chooseProduct(products, r.Release, arch)
	if err != nil {
		return Remote{}, fmt.Errorf("%s has %w", shown(s.base.String()), err)
	}
	return s.newest(product)
}

// stream is one tree of a publisher.
type stream struct {
	client *Client
	base   *url.URL
	keys   *keyring
	signer string // of the last document that was read
}

// read fetches a signed document and decodes what was signed.
func (s *stream) read(ctx context.Context, path string, into any) error {
	address, err := s.address(path)
	if err != nil {
		return err
	}
	document, err := s.client.document(ctx, address)
	if err != nil {
		return err
	}
	text, signer, err := s.keys.openClearsigned(document, s.client.now())
	if err != nil {
		return fmt.Errorf("%s %w", shown(address), err)
	}
	s.signer = signer
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s is signed, but no simplestreams document: %w", shown(address), err)
	}
	return nil
}

// address returns the URL of a path in the stream. Paths that lead out of it are an error.
func (s *stream) address(path string) (string, error) {
	if !fs.ValidPath(path) || path == "." || strings.ContainsAny(path, "\\?#%") || strings.ContainsFunc(path, isControl) {
		return "", fmt.Errorf("%s names the path %q, which no stream may have", shown(s.base.String()), path)
	}
	return s.base.JoinPath(path).String(), nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// products returns all products with images to download, of the files that the index names.
func (s *stream) products(ctx context.Context) ([]streamProduct, error) {
	var index streamIndex
	if err := s.read(ctx, indexPath, &index); err != nil {
		return nil, err
	}
	var all []streamProduct
	for _, id := range slices.Sorted(maps.Keys(index.Index)) {
		entry := index.Index[id]
		if entry.DataType != "image-downloads" || entry.Format != "products:1.0" {
			continue
		}
		// An index in clear names the files in clear, and each has a signed one beside it.
		path := entry.Path
		if strings.HasSuffix(path, ".json") {
			path = strings.TrimSuffix(path, ".json") + ".sjson"
		}
		var file streamProducts
		if err := s.read(ctx, path, &file); err != nil {
			return nil, err
		}
		if file.ContentID != id {
			return nil, fmt.Errorf("%s should hold %q, and holds %q: the mirror is mixed up, try another one", shown(s.base.String()), id, file.ContentID)
		}
		for _, name := range slices.Sorted(maps.Keys(file.Products)) {
			all = append(all, file.Products[name])
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s lists no images to download", shown(s.base.String()))
	}
	return all, nil
}

// chooseProduct returns the product of a release for an architecture.
func chooseProduct(products []streamProduct, release, arch string) (streamProduct, error) {
	var releases, arches []string
	var chosen []streamProduct
	for _, p := range products {
		if p.OS != "" && p.OS != "ubuntu" {
			continue
		}
		releases = append(releases, fmt.Sprintf("%s (%s)", p.Release, p.Version))
		if !p.is(release) {
			continue
		}
		arches = append(arches, p.Arch)
		if p.Arch == arch {
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
		return streamProduct{}, fmt.Errorf("%d products that are called %q: write the name of the release", len(chosen), release)
	}
	return chosen[0], nil
}

// is reports whether a product is of that release, given by name, version or alias.
func (p streamProduct) is(release string) bool {
	return release == p.Release || release == p.Version || slices.Contains(strings.Split(p.Aliases, ","), release)
}

// newest returns the newest released version of a product that has a disk image.
func (s *stream) newest(p streamProduct) (Remote, error) {
	for _, serial := range slices.Backward(slices.SortedFunc(maps.Keys(p.Versions), compareSerials)) {
		version := p.Versions[serial]
		if version.Label != "" && !strings.Contains(version.Label, "release") {
			continue
		}
		if disk, ok := version.item(diskTypes...); ok {
			return s.remote(serial, disk, version)
		}
	}
	return Remote{}, fmt.Errorf("%s has no disk image of %s for %s", shown(s.base.String()), p.Release, p.Arch)
}

func (s *stream) remote(serial string, disk streamItem, version streamVersion) (Remote, error) {
	address, err := s.address(disk.Path)
	if err != nil {
		return Remote{}, err
	}
	if !isHash(disk.SHA256) || disk.Size <= 0 {
		return Remote{}, errors.New(shown(address) + " is listed without its hash or its size")
	}
	r := Remote{URL: address, SHA256: disk.SHA256, FileSize: disk.Size, Serial: serial, Signer: s.signer}
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

// compareSerials orders serials by their numbers: 20261002 < 20261002.2 < 20261002.10.
func compareSerials(a, b string) int {
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
