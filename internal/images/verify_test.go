package images

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"jeos/internal/images/imagestest"
)

func TestCacheVerify(t *testing.T) {
	c := newCache(t)
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
	if content, err := os.ReadFile(c.Path(hash) + damagedSuffix); err != nil || string(content) != "imags" {
		t.Errorf("%q, %v", content, err)
	}
	if err := c.Verify(t.Context(), hash, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
	if _, err := os.Stat(c.Path(hash) + partSuffix); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock was left behind: %v", err)
	}
}

// A good file that takes the place of a damaged one, while that is read, stays.
func TestVerifyKeepsReplacement(t *testing.T) {
	c := newCache(t)
	hash := put(t, c, "image", "")
	path := c.Path(hash)
	if err := os.WriteFile(path, []byte("imags"), 0o600); err != nil {
		t.Fatal(err)
	}
	replaced := false
	err := c.Verify(t.Context(), hash, func(int64, int64) {
		if replaced {
			return
		}
		replaced = true
		for _, err := range []error{
			os.WriteFile(path+".new", []byte("image"), 0o600), os.Rename(path, path+damagedSuffix), os.Rename(path+".new", path),
		} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil || !c.Has(hash, 5) {
		t.Errorf("%v; there: %t", err, c.Has(hash, 5))
	}
	if content, err := os.ReadFile(path + damagedSuffix); err != nil || string(content) != "imags" {
		t.Errorf("moved aside is %q, %v", content, err)
	}
}

// A file that somebody has deleted meanwhile is not there, which is no other error.
func TestVerifyOfDeleted(t *testing.T) {
	c := newCache(t)
	hash := put(t, c, "image", "")
	if err := os.WriteFile(c.Path(hash), []byte("imags"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := c.Verify(t.Context(), hash, func(int64, int64) { _ = os.Remove(c.Path(hash)) })
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
}

// A file that was damaged or not, but looks different, is read; one that does not is not.
func TestCached(t *testing.T) {
	p := imagestest.NewPublisher(t)
	r := publishNoble(t, p)
	c := newClient(t)
	path := c.Cache.Path(r.SHA256)
	cached := func(step string, r Remote, want bool) {
		t.Helper()
		if got, err := c.Cached(t.Context(), r); err != nil || got != want {
			t.Errorf("%s: %t, %v", step, got, err)
		}
	}
	cached("nothing there", r, false)
	if _, err := c.Fetch(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	cached("fetched", r, true)
	cached("without a hash", Remote{}, false)
	other := r
	other.FileSize++
	cached("other size", other, false)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	cached("touched", r, true)

	if err := writeAt(path, 5000, "damage"); err != nil {
		t.Fatal(err)
	}
	touch(t, path)
	cached("damaged", r, false)
	if c.Cache.Has(r.SHA256, imageSize) {
		t.Error("the damaged file is in use")
	}
	if _, err := os.Stat(path + damagedSuffix); err != nil {
		t.Error(err)
	}
	if _, err := c.Fetch(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	cached("fetched again", r, true)

	if err := os.Chmod(c.Cache.folder(), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Cached(t.Context(), r); err == nil || !strings.Contains(err.Error(), "others can write") {
		t.Errorf("error %v", err)
	}
}

// The hash of a file in the state that is remembered is not computed again.
func TestCachedReadsOnce(t *testing.T) {
	c := newClient(t)
	wrong := hashData([]byte("another"))
	path := c.Cache.Path(wrong)
	if err := os.WriteFile(path, imagestest.QCOW2(imageSize, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	stat, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	memo{c.Cache.Dir, keyOf(stat)}.keep(wrong) // as if it had been read
	if got, err := c.Cached(t.Context(), Remote{SHA256: wrong}); err != nil || !got {
		t.Errorf("%t, %v: the file was read", got, err)
	}
	touch(t, path)
	if got, err := c.Cached(t.Context(), Remote{SHA256: wrong}); err != nil || got {
		t.Errorf("%t, %v: the file was not read", got, err)
	}
}

// What has the right hash is not damaged, even if it is no image.
func TestLookMovesNothingAside(t *testing.T) {
	c := newCache(t)
	hash := put(t, c, strings.Repeat("text ", 1000), "")
	_, err := c.look(t.Context(), hash)
	var found *damage
	if err == nil || errors.As(err, &found) || !strings.Contains(err.Error(), "is text") {
		t.Errorf("error %v", err)
	}
}

// hooked is a context that does something whenever somebody asks whether it has ended, as while a file is read.
type hooked struct {
	context.Context
	hook func()
}

func (h hooked) Err() error {
	h.hook()
	return h.Context.Err()
}

// A file that looks different after it was read, as after a backup, is read again.
func TestLookReadsAgain(t *testing.T) {
	c := newCache(t)
	content := string(rawImage())
	hash := put(t, c, content, "")
	times := 0
	for name, tt := range map[string]struct {
		changes int
		want    error
	}{"once": {1, nil}, "all the time": {1 << 30, errChanging}} {
		left := tt.changes
		ctx := hooked{t.Context(), func() {
			if left--; left >= 0 {
				times++
				if err := os.Chtimes(c.Path(hash), longAgo, longAgo.Add(time.Duration(times)*time.Hour)); err != nil {
					t.Error(err)
				}
			}
		}}
		if _, err := c.look(ctx, hash); !errors.Is(err, tt.want) || times == 0 {
			t.Errorf("%s: error %v, want %v", name, err, tt.want)
		}
	}
}
