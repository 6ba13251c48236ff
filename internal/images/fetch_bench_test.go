package images

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"jeos/internal/images/imagestest"
)

func BenchmarkFetch(b *testing.B) {
	image := imagestest.QCOW2(256<<20, 1)
	hash := hashData(image)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(image) }))
	defer s.Close()
	b.Run("fetch", func(b *testing.B) {
		b.SetBytes(int64(len(image)))
		for b.Loop() {
			c := Client{Cache: Cache{Dir: filepath.Join(b.TempDir(), "jeos")}}
			if _, err := c.Fetch(b.Context(), Remote{URL: s.URL, SHA256: hash, FileSize: int64(len(image))}, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare copy", func(b *testing.B) {
		b.SetBytes(int64(len(image)))
		for b.Loop() {
			if err := bareCopy(s.URL, filepath.Join(b.TempDir(), "image")); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// bareCopy downloads a file without a look at it, and has it on the disk.
func bareCopy(url, path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(file, response.Body); err != nil {
		return err
	}
	return file.Sync()
}
