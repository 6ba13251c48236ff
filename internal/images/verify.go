package images

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// damage is the error of a file in the cache that could be read and has not the hash in its name.
type damage struct {
	path   string
	opened fs.FileInfo // of the file that was read
	hash   string      // what it has
}

func (d *damage) Error() string {
	return fmt.Sprintf("%s has the hash %s: it is damaged", d.path, d.hash)
}

// moveAside renames the damaged file, so that it is not used again. The lock of the image must be held. Not moved: it is
// not there any more, or it is another one by now.
func (d *damage) moveAside() (moved bool, err error) {
	if is, err := isAt(d.opened, d.path); !is || err != nil {
		return false, err
	}
	err = os.Rename(d.path, d.path+damagedSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// moveAside is that of the damage, with the lock of the image.
func (c Cache) moveAside(ctx context.Context, d *damage) (moved bool, err error) {
	p, err := openPart(ctx, d.path)
	if err != nil {
		return false, err
	}
	defer p.close()
	return d.moveAside()
}

// maxReads is how often a file is read anew that changes meanwhile or is replaced.
const maxReads = 3

// Verify reads the whole file anew and returns an error when its content is not that of its name. Such a file is moved
// aside, so that it is not used again. A file that is not there is an error with fs.ErrNotExist. The progress, which may
// be nil, is in bytes.
func (c Cache) Verify(ctx context.Context, sha256 string, progress func(done, total int64)) error {
	if err := c.check(sha256); err != nil {
		return err
	}
	for read := 1; ; read++ {
		err := c.verify(ctx, sha256, progress)
		var found *damage
		if !errors.As(err, &found) {
			return err
		}
		moved, err := c.moveAside(ctx, found)
		switch {
		case err != nil:
			return fmt.Errorf("%w, and cannot be moved aside: %w", found, err)
		case moved:
			return fmt.Errorf("%w, and is now %s; fetch it again, and look at the disk and the memory of this computer",
				found, filepath.Base(found.path)+damagedSuffix)
		case read == maxReads:
			return found
		}
	}
}

// verify reads a file once. Its error is a damage when the hash is wrong.
func (c Cache) verify(ctx context.Context, sha256 string, progress func(done, total int64)) error {
	file, stat, err := c.open(sha256)
	if err != nil {
		return err
	}
	defer file.Close()
	hash, err := hashFile(ctx, file, func(done int64) { report(progress, done, stat.Size()) })
	if err != nil {
		return err
	}
	if hash != sha256 {
		return &damage{file.Name(), stat, hash}
	}
	memo{c.Dir, keyOf(stat)}.store(hash)
	return nil
}

// look returns what the cache has of an image. A file in the state that the memo knows is not read again. A file that is
// not there is an error with fs.ErrNotExist, one with another hash a damage.
func (c Cache) look(ctx context.Context, sha256 string) (Info, error) {
	for read := 1; ; read++ {
		info, err := c.lookOnce(ctx, sha256)
		if !errors.Is(err, errChanging) || read == maxReads {
			return info, err
		}
	}
}

func (c Cache) lookOnce(ctx context.Context, sha256 string) (Info, error) {
	file, stat, err := c.open(sha256)
	if err != nil {
		return Info{}, err
	}
	defer file.Close()
	hash, err := hashRemembered(ctx, file, stat, c.Dir)
	if err != nil {
		return Info{}, err
	}
	if hash != sha256 {
		return Info{}, &damage{file.Name(), stat, hash}
	}
	info := Info{Path: file.Name(), SHA256: hash, FileSize: stat.Size()}
	if info.Format, info.Size, err = identify(file, stat.Size()); err != nil {
		return Info{}, fmt.Errorf("%s %w", info.Path, err)
	}
	return info, nil
}

// open opens the file of an image. Only a regular file is one.
func (c Cache) open(sha256 string) (*os.File, fs.FileInfo, error) {
	path := c.Path(sha256)
	if _, ok := c.size(sha256); !ok {
		return nil, nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return openRegular(path)
}
