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
	"strings"
	"sync"
	"time"
)

// The index of the publisher is a tree of simplestreams: an index names files of products, which name versions, which
// name items (https://git.launchpad.net/simplestreams/tree/doc). Paths in it are below the folder that holds "streams".

const (
	ubuntuMirror = "https://cloud-images.ubuntu.com"
	indexPath    = "streams/v1/index.sjson"

	indexFormat    = "index:1.0"
	productsFormat = "products:1.0"
)

// flavourFolders are where the streams of the flavours are below a mirror.
var flavourFolders = map[string]string{"minimal": "minimal/releases", "server": "releases"}

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

// resolveRelease finds the newest image of a release.
func (c *Client) resolveRelease(ctx context.Context, r Request) (Remote, error) {
	folder := flavourFolders[r.Flavour]
	if folder == "" {
		return Remote{}, fmt.Errorf("there is no flavour %q: write \"minimal\" or \"server\"", r.Flavour)
	}
	if !slices.Contains(slices.Collect(maps.Values(architectures)), r.Arch) {
		return Remote{}, fmt.Errorf("there is no image for %q: write \"x86_64\" or \"aarch64\"", r.Arch)
	}
	base, err := parseAddress(cmp.Or(r.Mirror, ubuntuMirror))
	if err != nil {
		return Remote{}, err
	}
	s := c.stream(streamKey{base.JoinPath(folder).String(), r.Keyring}, base.JoinPath(folder))
	products, err := s.all(ctx)
	if err != nil {
		return Remote{}, err
	}
	product, err := chooseProduct(products, r.Release, r.Arch)
	if err != nil {
		return Remote{}, fmt.Errorf("%s has %w", ShownURL(s.base.String()), err)
	}
	return s.newest(product, r.Flavour)
}

// streamKey tells the streams of a client apart.
type streamKey struct {
	base    string
	keyring string // path
}

// stream is one tree of a publisher. It is read once.
type stream struct {
	client  *Client
	base    *url.URL
	keyring string // path

	mu       sync.Mutex // held while it is read
	known    bool
	products []streamProduct
	err      error
}

// stream returns the one stream with that key.
func (c *Client) stream(key streamKey, base *url.URL) *stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.streams == nil {
		c.streams = map[streamKey]*stream{}
	}
	if c.streams[key] == nil {
		c.streams[key] = &stream{client: c, base: base, keyring: key.keyring}
	}
	return c.streams[key]
}

// all returns all products with images to download. What an interrupted call says is not kept.
func (s *stream) all(ctx context.Context) ([]streamProduct, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.known {
		s.products, s.err = s.readAll(ctx)
		s.known = ctx.Err() == nil
	}
	return s.products, s.err
}

// readAll reads the files of products that the index names.
func (s *stream) readAll(ctx context.Context) ([]streamProduct, error) {
	keys, err := openKeyring(s.keyring)
	if err != nil {
		return nil, err
	}
	var index streamIndex
	if _, err := s.read(ctx, keys, indexPath, &index); errors.Is(err, errGone) {
		return nil, fmt.Errorf("%w: look at mirror, which must be the address of a copy of %s", err, ubuntuMirror)
	} else if err != nil {
		return nil, err
	}
	if index.Format != indexFormat {
		return nil, s.unknownFormat(indexPath, index.Format)
	}
	var all []streamProduct
	for _, id := range slices.Sorted(maps.Keys(index.Index)) {
		entry := index.Index[id]
		if entry.DataType != "image-downloads" || entry.Format != productsFormat {
			continue
		}
		products, err := s.readProducts(ctx, keys, id, entry.Path)
		if err != nil {
			return nil, err
		}
		all = append(all, products...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s lists no images to download: try another mirror", ShownURL(s.base.String()))
	}
	return all, nil
}

// readProducts returns the products in a file that must have that id.
func (s *stream) readProducts(ctx context.Context, keys *keyring, id, path string) ([]streamProduct, error) {
	// An index in clear names the files in clear, and each has a signed one beside it.
	if strings.HasSuffix(path, ".json") {
		path = strings.TrimSuffix(path, ".json") + ".sjson"
	}
	var file streamProducts
	signer, err := s.read(ctx, keys, path, &file)
	if err != nil {
		return nil, err
	}
	if file.Format != productsFormat {
		return nil, s.unknownFormat(path, file.Format)
	}
	if file.ContentID != id {
		return nil, fmt.Errorf("%s should hold %q, and holds %q: the mirror is mixed up, try another one", ShownURL(s.base.String()), id, file.ContentID)
	}
	var all []streamProduct
	for _, name := range slices.Sorted(maps.Keys(file.Products)) {
		p := file.Products[name]
		p.signer = signer
		all = append(all, p)
	}
	return all, nil
}

func (s *stream) unknownFormat(path, format string) error {
	return fmt.Errorf("%s is of the format %q, which this jeos does not know: get a newer one, or try another mirror",
		ShownURL(s.base.JoinPath(path).String()), format)
}

// read fetches a signed document and decodes what was signed.
func (s *stream) read(ctx context.Context, keys *keyring, path string, into any) (signer string, err error) {
	address, err := s.address(path)
	if err != nil {
		return "", err
	}
	document, err := s.client.document(ctx, address)
	if err != nil {
		return "", err
	}
	text, signer, err := keys.openClearsigned(document, time.Now())
	if err != nil {
		return "", fmt.Errorf("%s %w", ShownURL(address), err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return "", fmt.Errorf("%s is signed, but no simplestreams document: %w", ShownURL(address), err)
	}
	return signer, nil
}

// address returns the URL of a path in the stream. Paths that lead out of it are an error.
func (s *stream) address(path string) (string, error) {
	if !fs.ValidPath(path) || path == "." || strings.ContainsAny(path, "\\?#%") || strings.ContainsFunc(path, isControl) {
		return "", fmt.Errorf("%s names the path %q, which no stream may have", ShownURL(s.base.String()), path)
	}
	return s.base.JoinPath(path).String(), nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
