package images

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"jeos/internal/images/imagestest"
)

// server answers every request with handler.
func server(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL + "/x.img"
}

func TestFetchFromOddServers(t *testing.T) {
	image := imagestest.QCOW2(imageSize, 1)
	text := []byte(strings.Repeat("no image\n", 1<<10))
	send := func(content []byte, cut int) http.HandlerFunc { // chunked: without a length
		return func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(content[:cut])
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	tries, changes := 0, 0
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		content []byte
		size    int64
		want    string // in the error; empty: it succeeds
	}{
		"chunked":               {send(image, imageSize), image, imageSize, ""},
		"chunked, size unknown": {send(image, imageSize), image, 0, ""},
		"shorter":               {send(image, imageSize-1), image, imageSize, "5 times in a row"},
		"longer":                {send(append(image, 0), imageSize+1), image, imageSize, "more than the file should have"},
		"not an image":          {send(text, len(text)), text, int64(len(text)), "is text, not an image"},
		"compressed": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
		}, image, 0, `packed with "gzip"`},
		"no range asked": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 5-9/10")
			w.WriteHeader(http.StatusPartialContent)
		}, image, 0, "to a request for the whole file"},
		"ranges of its own": {func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-9/%d", imageSize))
				w.WriteHeader(http.StatusPartialContent)
				return
			}
			tries++
			w.Header().Set("Content-Length", fmt.Sprint(imageSize))
			if tries == 1 {
				_, _ = w.Write(image[:1000])
				panic(http.ErrAbortHandler)
			}
			_, _ = w.Write(image)
		}, image, imageSize, ""},
		"other file in between": {func(w http.ResponseWriter, r *http.Request) { // a server that does not know If-Range
			w.Header().Set("ETag", `"new"`)
			if changes++; changes == 1 {
				w.Header().Set("ETag", `"old"`)
				w.Header().Set("Content-Length", fmt.Sprint(imageSize))
				_, _ = w.Write(make([]byte, 1000))
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			}
			r.Header.Del("If-Range")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(image))
		}, image, imageSize, ""},
		"not found":     {status(404), image, 0, "answers 404 Not Found"},
		"forbidden":     {status(403), image, 0, "answers 403 Forbidden"},
		"broken":        {status(503), image, 0, "answers 503 Service Unavailable, 5 times in a row"},
		"portal's code": {status(511), image, 0, "the answer is a web page"},
		"redirects for ever": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}, image, 0, "redirects more than 10 times"},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t)
			r := Remote{URL: server(t, c.handler), SHA256: hashData(c.content), FileSize: c.size}
			_, err := client.Fetch(t.Context(), r, nil)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if err := client.Cache.Verify(t.Context(), r.SHA256, nil); err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if client.Cache.Has(r.SHA256, int64(len(c.content))) {
				t.Error("it is in the cache")
			}
			if c.size == 0 {
				assertEmpty(t, client.Cache)
			}
		})
	}
}

// endless sends far more than it should.
type endless struct{ sent int64 }

func (e *endless) Read(data []byte) (int, error) {
	if e.sent > 4<<20 {
		return 0, io.EOF
	}
	e.sent += int64(len(data))
	return len(data), nil
}

func TestTakeHasALimit(t *testing.T) {
	for name, c := range map[string]struct {
		total, size int64
		want        error
	}{
		"length unknown": {0, maxUnknown - 10, errEndless},
		"longer":         {100, 90, errLonger},
	} {
		p, err := openPart(t.Context(), newCache(t).Path(hashData(nil)))
		if err != nil {
			t.Fatal(err)
		}
		p.size = c.size // as if it had come
		body := &endless{}
		d := download{part: p, total: c.total}
		if err := d.take(body); !errors.Is(err, c.want) || body.sent > 1<<20 {
			t.Errorf("%s: %v after %d bytes, want %v", name, err, body.sent, c.want)
		}
		if _, err := os.Stat(p.path + partSuffix); err == nil {
			t.Errorf("%s: what came was kept", name)
		}
		p.close()
	}
}
