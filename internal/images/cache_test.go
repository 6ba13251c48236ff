package images

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// newCache returns an empty cache.
func newCache(t *testing.T) Cache {
	t.Helper()
	c := Cache{Dir: filepath.Join(t.TempDir(), "jeos")}
	if err := c.makeFolders(); err != nil {
		t.Fatal(err)
	}
	return c
}

// put places a file in the cache by hand and returns the hash that names it.
func put(t *testing.T, c Cache, content, suffix string) string {
	t.Helper()
	hash := hashData([]byte(content))
	if err := os.WriteFile(c.Path(hash)+suffix, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return hash
}

func TestCacheHas(t *testing.T) {
	c := newCache(t)
	hash, part := put(t, c, "image", ""), put(t, c, "part", partSuffix)
	link := hashData([]byte("link"))
	if err := os.Symlink(c.Path(hash), c.Path(link)); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]bool{
		"other size":   c.Has(hash, 4),
		"missing":      c.Has(hashData(nil), 0),
		"part":         c.Has(part, 4),
		"link":         c.Has(link, 5),
		"path":         c.Has("../images/"+hash, 5),
		"upper case":   c.Has(strings.ToUpper(hash), 5),
		"without Dir":  Cache{}.Has(hash, 5),
		"empty hash":   c.Has("", 0),
		"folder's dot": c.Has(".", 0),
	} {
		if got {
			t.Errorf("%s: it has it", name)
		}
	}
	if !c.Has(hash, 5) {
		t.Error("it does not have it")
	}
}

func TestCacheEntriesAndRemove(t *testing.T) {
	c := Cache{Dir: filepath.Join(t.TempDir(), "jeos")}
	if entries, err := c.Entries(); err != nil || entries != nil {
		t.Errorf("a cache that is not there has %v, %v", entries, err)
	}
	if err := c.Remove(hashData(nil)); err != nil {
		t.Errorf("from a cache that is not there: %v", err)
	}
	c = newCache(t)
	image, part := put(t, c, "image", ""), put(t, c, "part", partSuffix)
	for suffix, content := range map[string]string{manifestSuffix: "a\t1\n", stateSuffix: "{}", damagedSuffix: "imags", ".lock": "x", ".part.part": "x"} {
		if err := os.WriteFile(c.Path(image)+suffix, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	touch(t, c.Path(image))
	if err := os.Mkdir(c.Path(hashData(nil)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.folder(), "README"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	entries, err := c.Entries()
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{{SHA256: image, FileSize: 5 + 4 + 2 + 5}, {SHA256: part, FileSize: 4}}
	slices.SortFunc(want, func(a, b Entry) int { return strings.Compare(a.SHA256, b.SHA256) })
	if diff := cmp.Diff(want, entries, cmpopts.IgnoreFields(Entry{}, "Modified")); diff != "" {
		t.Error(diff)
	}
	for _, e := range entries {
		if !e.Modified.After(longAgo) {
			t.Errorf("%s is of %v", e.SHA256, e.Modified)
		}
	}

	for _, hash := range []string{image, part, part} { // the second time nothing is there
		if err := c.Remove(hash); err != nil {
			t.Error(err)
		}
	}
	if entries, err := c.Entries(); err != nil || len(entries) > 0 {
		t.Errorf("%+v, %v", entries, err)
	}
	for _, suffix := range append(suffixes, "") {
		if _, err := os.Lstat(c.Path(image) + suffix); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q is there: %v", suffix, err)
		}
	}
	for _, hash := range []string{"", "..", "x/y", image + "/.."} {
		if err := c.Remove(hash); err == nil {
			t.Errorf("%q: no error", hash)
		}
	}
}

func TestCacheKeepsWhatIsFetched(t *testing.T) {
	c := newCache(t)
	hash := hashData([]byte("image"))
	p, err := openPart(t.Context(), c.Path(hash))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if _, err := p.Write([]byte("im")); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(hash); err == nil || !strings.Contains(err.Error(), "is being fetched") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(c.Path(hash) + partSuffix); err != nil {
		t.Error(err)
	}
}

// A link in the place of a part leads to a file that is none of the cache's business.
func TestPartIsNoLink(t *testing.T) {
	c := newCache(t)
	target := writeImage(t, []byte("precious"))
	if err := os.Symlink(target, c.Path(hashData(nil))+partSuffix); err != nil {
		t.Fatal(err)
	}
	if p, err := openPart(t.Context(), c.Path(hashData(nil))); err == nil {
		p.close()
		t.Error("no error")
	}
	if content, err := os.ReadFile(target); err != nil || string(content) != "precious" {
		t.Errorf("%q, %v", content, err)
	}
}

func TestCacheComplete(t *testing.T) {
	c := newCache(t)
	hash := put(t, c, "image", "")
	for name, tt := range map[string]struct {
		change func(*Remote)
		want   bool
	}{
		"there":         {func(*Remote) {}, true},
		"size unknown":  {func(r *Remote) { r.FileSize = 0 }, true},
		"other size":    {func(r *Remote) { r.FileSize = 6 }, false},
		"not there":     {func(r *Remote) { r.SHA256 = hashData(nil) }, false},
		"no list there": {func(r *Remote) { r.ManifestURL, r.ManifestSHA256 = "https://host/x.manifest", hashData(nil) }, false},
		"list is pinned": {func(r *Remote) {
			r.ManifestURL, r.ManifestSHA256 = "https://host/x.manifest", hashData([]byte(manifest))
		}, true},
	} {
		list := map[bool]string{true: manifest, false: "other\t1\n"}[tt.want]
		if err := os.WriteFile(c.Path(hash)+manifestSuffix, []byte(list), 0o600); err != nil {
			t.Fatal(err)
		}
		r := Remote{SHA256: hash, FileSize: 5}
		tt.change(&r)
		if got := c.Complete(r); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestCacheFolders(t *testing.T) {
	c := Cache{Dir: filepath.Join(t.TempDir(), "a", "b")}
	if err := c.makeFolders(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{c.Dir, c.folder()} {
		if stat, err := os.Stat(dir); err != nil || stat.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, stat.Mode(), err)
		}
		for mode, want := range map[os.FileMode]string{0o755: "", 0o775: "to which others can write", 0o757: "to which others can write"} {
			if err := os.Chmod(dir, mode); err != nil {
				t.Fatal(err)
			}
			err := c.makeFolders()
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s with %v: %v, want %q", dir, mode, err, want)
			}
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{writeImage(t, nil), "/proc/nowhere"} {
		if err := makeFolder(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "JEOS_CACHE_DIR") {
			t.Errorf("%s: error %v", path, err)
		}
	}
}

func TestFolderOfAnotherUser(t *testing.T) {
	dir, owner := t.TempDir(), os.Geteuid()
	if owner == 0 {
		owner = 65534
		if err := os.Chown(dir, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	stat, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkOwner(dir, stat, owner); err != nil {
		t.Error(err)
	}
	if err := checkOwner(dir, stat, 0); err != nil {
		t.Errorf("for root: %v", err)
	}
	if err := checkOwner(dir, stat, owner+1); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("error %v", err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if stat, err = os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	if err := checkOwner(dir, stat, 0); err == nil {
		t.Error("root takes a folder that all can write to")
	}
}

// A part that was discarded is somebody else's when it is closed.
func TestPartIsDiscardedOnce(t *testing.T) {
	c := newCache(t)
	path := c.Path(hashData(nil))
	p, err := openPart(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	p.discard()
	other, err := openPart(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	p.close()
	if is, err := stillAt(other.file, path+partSuffix); err != nil || !is {
		t.Errorf("the part of the other one is gone: %v", err)
	}
}
