package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Fetch brings a file into the cache, unless it is there, and returns what it is. Its list of packages comes with it. A
// download that was cut goes on where it stopped, also in a later call; when two fetch the same file, the second waits for
// the first. Nothing is in the cache that has not the right hash or is no image that a guest can be made from. The
// progress, which may be nil, is in bytes; its total is 0 as long as nobody knows. What is complete in the cache is
// returned without a look at the network.
func (c *Client) Fetch(ctx context.Context, r Remote, progress func(done, total int64)) (Info, error) {
	if err := c.Cache.check(r.SHA256); err != nil {
		return Info{}, err
	}
	if _, err := parseAddress(r.URL); err != nil {
		return Info{}, err
	}
	if err := os.MkdirAll(c.Cache.folder(), 0o755); err != nil {
		return Info{}, err
	}
	manifest, err := c.fetchManifest(ctx, r)
	if err != nil {
		return Info{}, err
	}
	if info, ok, err := c.cached(ctx, r); ok || err != nil {
		report(progress, info.FileSize, info.FileSize)
		return info, errors.Join(err, c.Cache.writeManifest(r.SHA256, manifest))
	}
	p, err := openPart(ctx, c.Cache.Path(r.SHA256))
	if err != nil {
		return Info{}, err
	}
	defer p.close()
	if info, ok, err := c.cached(ctx, r); ok || err != nil { // somebody else was faster
		report(progress, info.FileSize, info.FileSize)
		return info, err
	}
	d := download{client: c, remote: r, part: p, progress: progress}
	err = d.run(ctx)
	if errors.Is(err, errGone) {
		err = fmt.Errorf("%w: if the publisher has a newer one instead, run \"jeos lock --upgrade\"", err)
	}
	if err != nil {
		return Info{}, fmt.Errorf("fetching %s: %w", shown(r.URL), err)
	}
	return c.complete(r, p, manifest)
}

// cached returns what the cache has. A file there that can be read and is not what its name says is moved aside.
func (c *Client) cached(ctx context.Context, r Remote) (Info, bool, error) {
	if _, ok := c.Cache.size(r.SHA256); !ok {
		return Info{}, false, nil
	}
	path := c.Cache.Path(r.SHA256)
	info, err := Inspect(ctx, path, c.Cache.Dir)
	if ctx.Err() != nil {
		return Info{}, false, context.Cause(ctx)
	}
	var unreadable *fs.PathError
	if err == nil && info.SHA256 == r.SHA256 || errors.As(err, &unreadable) {
		return info, err == nil, err
	}
	return Info{}, false, os.Rename(path, path+damagedSuffix)
}

// complete makes a file with the right hash part of the cache, if it is an image that a guest can be made from.
func (c *Client) complete(r Remote, p *part, manifest []byte) (Info, error) {
	info := Info{Path: p.path, SHA256: r.SHA256, FileSize: p.size}
	var err error
	if info.Format, info.Size, err = identify(p.file, p.size); err != nil {
		p.discard()
		return Info{}, fmt.Errorf("%s %w", shown(r.URL), err)
	}
	if err := errors.Join(c.Cache.writeManifest(r.SHA256, manifest), p.complete()); err != nil {
		return Info{}, err
	}
	if stat, err := p.file.Stat(); err == nil {
		memo{c.Cache.Dir, keyOf(stat)}.keep(r.SHA256)
	}
	return info, nil
}

// fetchManifest returns the list of packages of an image; nil when the cache has it or none is published.
func (c *Client) fetchManifest(ctx context.Context, r Remote) ([]byte, error) {
	if _, ok := c.Cache.Packages(r.SHA256); ok || r.ManifestURL == "" {
		return nil, nil
	}
	if _, err := parseAddress(r.ManifestURL); err != nil {
		return nil, err
	}
	data, err := c.document(ctx, r.ManifestURL)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != r.ManifestSHA256 {
		return nil, fmt.Errorf("fetching %s: %w", shown(r.ManifestURL), wrongHash(got, r.ManifestSHA256))
	}
	if _, err := ParseManifest(data); err != nil {
		return nil, fmt.Errorf("fetching %s: %w", shown(r.ManifestURL), err)
	}
	return data, nil
}

func wrongHash(got, want string) error {
	return fmt.Errorf("it has the SHA-256 %s and should have %s, so it is another file or was changed on the way: "+
		"if the publisher has replaced it, run \"jeos lock --upgrade\"", got, want)
}

var errLonger = errors.New("the server sends more than the file should have, so it is another file or was changed on the way: " +
	"if the publisher has replaced it, run \"jeos lock --upgrade\"")
