package images

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Fetch brings a file into the cache, unless it is there, and returns what it is. Its list of packages comes with it, if
// it can be had: an image without its list is no error. A download that was cut goes on where it stopped, also in a later
// call; when two fetch the same file, the second waits for the first. Nothing is in the cache that has not the right hash
// or is no image that a guest can be made from. The progress, which may be nil, is in bytes; its total is 0 as long as
// nobody knows. For an image that is complete in the cache nothing but a missing list is asked of the network. When
// another file has taken the place of the pinned one, the error is an ErrReplaced.
func (c *Client) Fetch(ctx context.Context, r Remote, progress func(done, total int64)) (Info, error) {
	if err := c.Cache.check(r.SHA256); err != nil {
		return Info{}, err
	}
	if _, err := parseAddress(r.URL); err != nil {
		return Info{}, err
	}
	if err := c.Cache.makeFolders(); err != nil {
		return Info{}, err
	}
	p, err := openPart(ctx, c.Cache.Path(r.SHA256))
	if err != nil {
		return Info{}, err
	}
	defer p.close()
	info, err := c.fetchImage(ctx, r, p, progress)
	if err != nil {
		return Info{}, err
	}
	if err := c.fetchPackages(ctx, r); err != nil {
		return Info{}, err
	}
	return info, nil
}

// Cached reports whether the cache has an image as it is pinned. A file that has not changed since its hash was found out
// costs no more than a look at its header; any other is read. A damaged one is moved aside, and so is not there for Fetch
// either.
func (c *Client) Cached(ctx context.Context, r Remote) (bool, error) {
	have, ok := c.Cache.size(r.SHA256)
	if !ok || r.FileSize > 0 && have != r.FileSize {
		return false, nil
	}
	if err := c.Cache.makeFolders(); err != nil {
		return false, err
	}
	_, err := c.Cache.look(ctx, r.SHA256)
	var found *damage
	switch {
	case errors.As(err, &found):
		_, err = c.Cache.moveAside(ctx, found)
		return false, err
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return err == nil, err
}

// fetchImage returns what the cache has, or downloads it into a part that is locked.
func (c *Client) fetchImage(ctx context.Context, r Remote, p *part, progress func(done, total int64)) (Info, error) {
	info, err := c.Cache.look(ctx, r.SHA256)
	var found *damage
	switch {
	case err == nil:
		report(progress, info.FileSize, info.FileSize)
		return info, nil
	case errors.As(err, &found):
		if _, err := found.moveAside(); err != nil {
			return Info{}, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return Info{}, err
	}
	if err := p.takeUp(ctx); err != nil {
		return Info{}, err
	}
	d := download{client: c, remote: r, part: p, progress: progress}
	if err := d.run(ctx); err != nil {
		return Info{}, fmt.Errorf("fetching %s: %w", ShownURL(r.URL), err)
	}
	return c.complete(r, p)
}

// complete makes a file with the right hash part of the cache, if it is an image that a guest can be made from.
func (c *Client) complete(r Remote, p *part) (Info, error) {
	info := Info{Path: p.path, SHA256: r.SHA256, FileSize: p.size}
	var err error
	if info.Format, info.Size, err = identify(p.file, p.size); err != nil {
		p.discard()
		return Info{}, fmt.Errorf("%s %w", ShownURL(r.URL), err)
	}
	if err := p.complete(); err != nil {
		return Info{}, err
	}
	if stat, err := p.file.Stat(); err == nil {
		memo{c.Cache.Dir, keyOf(stat)}.keep(r.SHA256)
	}
	return info, nil
}

// replaced is an error of a file that is not the pinned one.
type replaced string

func (r replaced) Error() string { return string(r) }

// Is makes every such error an ErrReplaced.
func (r replaced) Is(target error) bool { return target == ErrReplaced }

// ErrReplaced says that what is at the address of an image now is not the file that its hash names: it is gone, has
// another length, or another content.
const (
	ErrReplaced = replaced("the file there is another one")
	errGone     = replaced("so the file is not there, or not any more")
	errLonger   = replaced("the server sends more than the file should have: the file there is another one, or was changed on the way")
)

func wrongHash(got, want string) error {
	return replaced(fmt.Sprintf("it has the SHA-256 %s and should have %s: the file there is another one, or was changed on the way", got, want))
}
