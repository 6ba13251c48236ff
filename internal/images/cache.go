package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

// Cache is a folder of image files by their hash, shared by all sites of a user. Hashes are SHA-256 in lower-case hex.
// What is complete in it never changes: files come in by a rename, once all of them is there and has the right hash.
type Cache struct {
	// Dir is an absolute path. It is made when it is missing. A cache without one holds nothing, and nothing can be put in.
	Dir string
}

// What stands beside the file of an image, by the end of its name.
const (
	partSuffix     = ".part"      // as much as has arrived; locked by who fetches it
	stateSuffix    = ".part.json" // what a server said about it
	damagedSuffix  = ".damaged"   // a file that was not what its name says
	manifestSuffix = ".manifest"  // the packages in the image
)

// Path returns where the file with that hash is or will be.
func (c Cache) Path(sha256 string) string { return filepath.Join(c.folder(), sha256) }

func (c Cache) folder() string { return filepath.Join(c.Dir, "images") }

// Has reports whether a regular file of that size in bytes is there. It does not read the file: see Verify.
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

// Verify reads the whole file anew and returns an error when its content is not that of its name. Such a file is moved
// aside, so that it is not used again. A file that is not there is an error with fs.ErrNotExist. The progress, which may
// be nil, is in bytes.
func (c Cache) Verify(ctx context.Context, sha256Hex string, progress func(done, total int64)) error {
	if err := c.check(sha256Hex); err != nil {
		return err
	}
	path := c.Path(sha256Hex)
	file, stat, err := openRegular(path)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	if err := copyContext(ctx, sum, file, func(done int64) { report(progress, done, stat.Size()) }); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	got := hex.EncodeToString(sum.Sum(nil))
	if got == sha256Hex {
		memo{c.Dir, keyOf(stat)}.store(got)
		return nil
	}
	if err := os.Rename(path, path+damagedSuffix); err != nil {
		return err
	}
	return fmt.Errorf("%s has the hash %s: it is damaged, and is now %s; fetch it again, and look at the disk and the memory of this computer",
		path, got, filepath.Base(path)+damagedSuffix)
}

// Packages returns what the image with that hash holds, sorted by name, from the list that was published with it. Not ok:
// nobody knows, since there is no such list.
func (c Cache) Packages(sha256 string) (packages []Package, ok bool) {
	if c.Dir == "" || !isHash(sha256) {
		return nil, false
	}
	data, err := os.ReadFile(c.Path(sha256) + manifestSuffix)
	if err != nil {
		return nil, false
	}
	packages, err = ParseManifest(data)
	return packages, err == nil
}

// State says what may be done with a file in the cache.
type State string

const (
	Complete State = "complete"
	Partial  State = "partial" // a download that goes on, or was cut and can be resumed
	Damaged  State = "damaged" // found by Verify
)

// Entry is a file in the cache.
type Entry struct {
	SHA256   string // of the image that it is, is to be, or was taken for
	Path     string
	State    State
	FileSize int64 // bytes
	Modified time.Time
}

// Entries returns the image files in the cache in the order of their paths, none when the cache is not there.
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
	for _, file := range files {
		name, suffix, _ := strings.Cut(file.Name(), ".")
		state, ok := map[string]State{"": Complete, "part": Partial, "damaged": Damaged}[suffix]
		if !ok || !isHash(name) || !file.Type().IsRegular() {
			continue
		}
		stat, err := file.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		entries = append(entries, Entry{name, filepath.Join(c.folder(), file.Name()), state, stat.Size(), stat.ModTime()})
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
	part, err := os.Open(path + partSuffix)
	switch {
	case err == nil:
		defer part.Close()
		if locked, err := tryLock(part); err != nil {
			return err
		} else if !locked {
			return fmt.Errorf("%s is being fetched: wait until that is done", path)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	var errs []error
	for _, suffix := range []string{"", manifestSuffix, damagedSuffix, stateSuffix, partSuffix} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
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

// writeManifest puts a list of packages beside an image. Nil is none.
func (c Cache) writeManifest(sha256 string, data []byte) error {
	if data == nil {
		return nil
	}
	return renameio.WriteFile(c.Path(sha256)+manifestSuffix, data, 0o644)
}

// isHash reports whether s is a SHA-256 in lower-case hex, and so cannot lead out of a folder.
func isHash(s string) bool {
	digest, err := hex.DecodeString(s)
	return err == nil && len(digest) == sha256.Size && strings.ToLower(s) == s
}

// report calls progress unless it is nil.
func report(progress func(done, total int64), done, total int64) {
	if progress != nil {
		progress(done, total)
	}
}
