package images

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Cache is a folder of image files by their hash, shared by all sites of a user. Hashes are SHA-256 in lower-case hex.
// What is complete in it never changes: files come in by a rename, once all of them is there and has the right hash.
type Cache struct {
	// Dir is an absolute path. It is made when it is missing, for this user alone; one that others can write to is refused.
	// A cache without one holds nothing, and nothing can be put in.
	Dir string
}

// What stands beside the file of an image, by the end of its name.
const (
	partSuffix     = ".part"      // as much as has arrived; locked by who fetches it
	stateSuffix    = ".part.json" // what a server said about it
	damagedSuffix  = ".damaged"   // a file that was not what its name says
	manifestSuffix = ".manifest"  // the packages in the image
)

var suffixes = []string{manifestSuffix, damagedSuffix, stateSuffix, partSuffix}

// Path returns where the file with that hash is or will be.
func (c Cache) Path(sha256 string) string { return filepath.Join(c.folder(), sha256) }

func (c Cache) folder() string { return filepath.Join(c.Dir, "images") }

// Has reports whether a regular file of that size in bytes is there. It does not read the file: see Client.Cached and Verify.
func (c Cache) Has(sha256 string, size int64) bool {
	have, ok := c.size(sha256)
	return ok && have == size
}

// size returns the size in bytes of a complete file.
func (c Cache) size(sha256 string) (size int64, ok bool) {
	if c.Dir == "" || !isHash(sha256) {
		return 0, false
	}
	stat, err := os.Lstat(c.Path(sha256))
	if err != nil || !stat.Mode().IsRegular() {
		return 0, false
	}
	return stat.Size(), true
}

// Complete reports whether all that is pinned of an image is there: the file with its size in bytes, if that is known, and
// its list of packages, if one is published. It does not read the image: see Client.Cached.
func (c Cache) Complete(r Remote) bool {
	have, ok := c.size(r.SHA256)
	if !ok || r.FileSize > 0 && have != r.FileSize {
		return false
	}
	if r.ManifestURL == "" {
		return true
	}
	_, ok = c.Packages(r.SHA256, r.ManifestSHA256)
	return ok
}

// Entry is all that the cache has of an image.
type Entry struct {
	SHA256   string
	FileSize int64     // bytes of its files: the image, or what has arrived of it, and a damaged one
	Modified time.Time // of the newest of them
}

// Entries returns what is in the cache, sorted by hash, none when the cache is not there.
func (c Cache) Entries() ([]Entry, error) {
	if c.Dir == "" {
		return nil, nil
	}
	files, err := os.ReadDir(c.folder())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, file := range files { // sorted, so that those of an image follow each other
		hash, suffix, found := strings.Cut(file.Name(), ".")
		if !isHash(hash) || found && !slices.Contains(suffixes, "."+suffix) || !file.Type().IsRegular() {
			continue
		}
		stat, err := file.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		if len(entries) == 0 || entries[len(entries)-1].SHA256 != hash {
			entries = append(entries, Entry{SHA256: hash})
		}
		e := &entries[len(entries)-1]
		e.FileSize += stat.Size()
		if stat.ModTime().After(e.Modified) {
			e.Modified = stat.ModTime()
		}
	}
	return entries, nil
}

// Remove deletes all that the cache has of an image: the file, what has arrived of it, and its list of packages. What is
// not there is no error. It refuses while the image is being fetched.
func (c Cache) Remove(sha256 string) error {
	if err := c.check(sha256); err != nil {
		return err
	}
	path := c.Path(sha256)
	lock, err := tryOpenLocked(path + partSuffix)
	switch {
	case errors.Is(err, fs.ErrNotExist): // there is no cache
		return nil
	case err != nil:
		return err
	case lock == nil:
		return fmt.Errorf("%s is being fetched: wait until that is done", path)
	}
	defer lock.Close()
	errs := []error{os.Remove(path)}
	for _, suffix := range suffixes { // the lock at last
		errs = append(errs, os.Remove(path+suffix))
	}
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, fs.ErrNotExist) })...)
}

// makeFolders makes the folders of the cache, and returns an error when they are not for this user alone.
func (c Cache) makeFolders() error {
	if err := makeFolder(c.Dir); err != nil {
		return err
	}
	return makeFolder(c.folder())
}

// check returns an error when nothing with that hash can be in the cache.
func (c Cache) check(sha256 string) error {
	if c.Dir == "" {
		return errors.New("there is no folder to keep images in")
	}
	if !isHash(sha256) {
		return fmt.Errorf("%q is no SHA-256 in lower-case hex", sha256)
	}
	return nil
}

// report calls progress unless it is nil.
func report(progress func(done, total int64), done, total int64) {
	if progress != nil {
		progress(done, total)
	}
}
