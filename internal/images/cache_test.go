package images

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// put places a file in the cache by hand and returns the hash that names it.
func put(t *testing.T, c Cache, content, suffix string) string {
	t.Helper()
	hash := hashOf([]byte(content))
	if err := os.MkdirAll(c.folder(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.Path(hash)+suffix, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return hash
}

func TestCacheHas(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	hash, part := put(t, c, "image", ""), put(t, c, "part", partSuffix)
	link := hashOf([]byte("link"))
	if err := os.Symlink(c.Path(hash), c.Path(link)); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]bool{
		"other size":   c.Has(hash, 4),
		"missing":      c.Has(hashOf(nil), 0),
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

func TestCacheVerify(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	hash := put(t, c, "image", "")
	var done, total int64
	if err := c.Verify(t.Context(), hash, func(d, of int64) { done, total = d, of }); err != nil || done != 5 || total != 5 {
		t.Errorf("%v, %d of %d", err, done, total)
	}
	if err := os.WriteFile(c.Path(hash), []byte("imags"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(t.Context(), hash, nil); err == nil || !strings.Contains(err.Error(), "it is damaged, and is now "+hash+".damaged") {
		t.Errorf("error %v", err)
	}
	if c.Has(hash, 5) {
		t.Error("the damaged file is in use")
	}
	if err := c.Verify(t.Context(), hash, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
	entries, err := c.Entries()
	if err != nil || len(entries) != 1 || entries[0].State != Damaged || entries[0].SHA256 != hash {
		t.Errorf("%+v, %v", entries, err)
	}
}

func TestCacheEntriesAndRemove(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	if entries, err := c.Entries(); err != nil || entries != nil {
		t.Errorf("a cache that is not there has %v, %v", entries, err)
	}
	image, part := put(t, c, "image", ""), put(t, c, "part", partSuffix)
	for _, suffix := range []string{manifestSuffix, stateSuffix, ".lock", ".part.part"} {
		if err := os.WriteFile(c.Path(image)+suffix, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(c.Path(hashOf(nil)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.folder(), "README"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	entries, err := c.Entries()
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{SHA256: image, Path: c.Path(image), State: Complete, FileSize: 5},
		{SHA256: part, Path: c.Path(part) + ".part", State: Partial, FileSize: 4},
	}
	bySHA := cmpopts.SortSlices(func(a, b Entry) bool { return a.SHA256 < b.SHA256 })
	if diff := cmp.Diff(want, entries, bySHA, cmpopts.IgnoreFields(Entry{}, "Modified")); diff != "" {
		t.Error(diff)
	}

	for _, hash := range []string{image, part, part} { // the second time nothing is there
		if err := c.Remove(hash); err != nil {
			t.Error(err)
		}
	}
	if entries, err := c.Entries(); err != nil || len(entries) > 0 {
		t.Errorf("%+v, %v", entries, err)
	}
	if _, err := os.Stat(c.Path(image) + manifestSuffix); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the list of packages is there: %v", err)
	}
	for _, hash := range []string{"", "..", "x/y", image + "/.."} {
		if err := c.Remove(hash); err == nil {
			t.Errorf("%q: no error", hash)
		}
	}
}

func TestCacheKeepsWhatIsFetched(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	if err := os.MkdirAll(c.folder(), 0o755); err != nil {
		t.Fatal(err)
	}
	hash := hashOf([]byte("image"))
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
