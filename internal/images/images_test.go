package images

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// longAgo is a time at which a file counts as settled.
var longAgo = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func writeImage(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// rawImage is a disk with a boot sector.
func rawImage() []byte {
	image := make([]byte, 64<<10)
	image[0], image[510], image[511] = 0xeb, 0x55, 0xaa
	return image
}

func TestInspect(t *testing.T) {
	for name, c := range map[string]struct {
		content []byte
		format  string
		size    int64
	}{
		"raw":     {rawImage(), "raw", 64 << 10},
		"zeros":   {make([]byte, sector), "raw", sector},
		"qcow2":   {qcow2Image(nil), "qcow2", 2 << 30},
		"qcow2v2": {qcow2Image(func(h *qcow2Header) { h.Version = 2 }), "qcow2", 2 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeImage(t, c.content)
			got, err := Inspect(t.Context(), path, "")
			if err != nil {
				t.Fatal(err)
			}
			want := Info{path, c.format, hashData(c.content), c.size, int64(len(c.content))}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestInspectRefusesSpecialFiles(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		pipe:                         "is a pipe",
		dir:                          "is a folder",
		"/dev/null":                  "is a device",
		filepath.Join(dir, "nobody"): "no such file",
	} {
		if _, err := Inspect(t.Context(), path, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", path, err, want)
		}
	}
}

func TestInspectRemembers(t *testing.T) {
	path, cache := writeImage(t, rawImage()), filepath.Join(t.TempDir(), "made", "when", "missing")
	touch(t, path)
	stat, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	key := keyOf(stat)
	key.Changed = longAgo.UnixNano() // nobody can set it, so pretend
	m := memo{cache, key}
	m.store(hashData(rawImage()))

	for name, c := range map[string]struct {
		key  func(*fileKey)
		want string
	}{
		"same":     {func(*fileKey) {}, hashData(rawImage())},
		"size":     {func(k *fileKey) { k.Size++ }, ""},
		"modified": {func(k *fileKey) { k.Modified++ }, ""},
		"changed":  {func(k *fileKey) { k.Changed++ }, ""},
		"inode":    {func(k *fileKey) { k.Inode++ }, ""},
		"device":   {func(k *fileKey) { k.Device++ }, ""},
	} {
		other := m
		c.key(&other.key)
		if got := other.load(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestInspectUsesMemo(t *testing.T) {
	path, cache := writeImage(t, rawImage()), newCache(t).Dir
	stat, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	planted := strings.Repeat("ab", 32)
	m := memo{cache, keyOf(stat)}
	for name, c := range map[string]struct{ content, want string }{
		"planted":     {`{"device":D,"inode":I,"size":S,"modified":M,"changed":C,"sha256":"` + planted + `"}`, planted},
		"not JSON":    {`{"device":`, hashData(rawImage())},
		"empty":       {``, hashData(rawImage())},
		"null":        {`null`, hashData(rawImage())},
		"short hash":  {`{"device":D,"inode":I,"size":S,"modified":M,"changed":C,"sha256":"abcd"}`, hashData(rawImage())},
		"hash is 'z'": {`{"device":D,"inode":I,"size":S,"modified":M,"changed":C,"sha256":"` + strings.Repeat("z", 64) + `"}`, hashData(rawImage())},
	} {
		content := strings.NewReplacer("D", num(m.key.Device), "I", num(m.key.Inode), "S", num(uint64(m.key.Size)),
			"M", num(uint64(m.key.Modified)), "C", num(uint64(m.key.Changed))).Replace(c.content)
		if err := os.WriteFile(m.path(), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Inspect(t.Context(), path, cache)
		if err != nil || got.SHA256 != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got.SHA256, err, c.want)
		}
	}
}

// A file that was written a moment ago may change again without looking different.
func TestInspectForgetsFreshFiles(t *testing.T) {
	path, cache := writeImage(t, rawImage()), newCache(t).folder()
	if _, err := Inspect(t.Context(), path, cache); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(cache); err != nil || len(left) > 0 {
		t.Errorf("cache holds %v, %v", left, err)
	}
}

func TestInspectWithoutCache(t *testing.T) {
	blocked := writeImage(t, nil) // a file where the folder should be
	got, err := Inspect(t.Context(), writeImage(t, rawImage()), filepath.Join(blocked, "cache"))
	if err != nil || got.SHA256 != hashData(rawImage()) {
		t.Errorf("%q, %v", got.SHA256, err)
	}
}

// Who can write to the folder could say that one file has the hash of another.
func TestInspectTrustsNoOpenFolder(t *testing.T) {
	path, cache := writeImage(t, rawImage()), newCache(t).Dir
	stat, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	planted := strings.Repeat("ab", 32)
	memo{cache, keyOf(stat)}.keep(planted)
	for mode, want := range map[os.FileMode]string{0o700: planted, 0o755: planted, 0o770: hashData(rawImage()), 0o707: hashData(rawImage())} {
		if err := os.Chmod(cache, mode); err != nil {
			t.Fatal(err)
		}
		if got, err := Inspect(t.Context(), path, cache); err != nil || got.SHA256 != want {
			t.Errorf("%v: %q, %v, want %q", mode, got.SHA256, err, want)
		}
	}
}

func TestInspectStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Inspect(ctx, writeImage(t, rawImage()), ""); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.Chtimes(path, longAgo, longAgo); err != nil {
		t.Fatal(err)
	}
}
