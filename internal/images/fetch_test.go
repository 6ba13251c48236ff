package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jeos/internal/images/imagestest"
)

func noBackoff(int) time.Duration { return 0 }

// imagePath is that of the image that publishNoble publishes, imageSize its length.
const (
	imagePath = "/minimal/releases/noble/release-20261002/ubuntu-24.04-minimal-cloudimg-amd64.img"
	imageSize = 1 << 20
)

// publishNoble publishes an image and returns it as the lock file pins it.
func publishNoble(t *testing.T, p *imagestest.Publisher) Remote {
	t.Helper()
	p.Publish(imagestest.Image{Release: "noble", Serial: "20261002", Content: imagestest.QCOW2(imageSize, 1), Manifest: manifest})
	r, err := newClient(t).Resolve(t.Context(), releaseRequest(p))
	if err != nil {
		t.Fatal(err)
	}
	p.Requests()
	return r
}

// imageRequests returns those of the requests that are for the image, as "GET" or "GET bytes=100-".
func imageRequests(p *imagestest.Publisher) []string {
	var got []string
	for _, asked := range p.Requests() {
		if strings.Contains(asked, imagePath) {
			got = append(got, strings.Replace(asked, " "+imagePath, "", 1))
		}
	}
	return got
}

func assertEmpty(t *testing.T, c Cache) {
	t.Helper()
	if left, err := os.ReadDir(c.folder()); err != nil || len(left) > 0 {
		t.Errorf("the cache holds %v, %v", left, err)
	}
}

func TestFetch(t *testing.T) {
	p := imagestest.NewPublisher(t)
	r := publishNoble(t, p)
	c := newClient(t)
	var last, total int64
	got, err := c.Fetch(t.Context(), r, func(done, of int64) { last, total = done, of })
	if err != nil {
		t.Fatal(err)
	}
	path := c.Cache.Path(r.SHA256)
	want := Info{Path: path, Format: "qcow2", SHA256: r.SHA256, Size: 2 << 30, FileSize: imageSize}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if last != imageSize || total != imageSize {
		t.Errorf("progress ends at %d of %d", last, total)
	}
	content, err := os.ReadFile(path)
	if err != nil || hashOf(content) != r.SHA256 {
		t.Errorf("the file has %d bytes, %v", len(content), err)
	}
	packages, ok := c.Cache.Packages(r.SHA256)
	if diff := cmp.Diff([]Package{{"libc6", "2.39-0ubuntu8"}, {"openvpn", "2.6.9-1ubuntu4"}}, packages); diff != "" || !ok {
		t.Error(diff, ok)
	}
	entries, err := c.Cache.Entries()
	if err != nil || len(entries) != 1 || entries[0].State != Complete || entries[0].SHA256 != r.SHA256 {
		t.Errorf("%+v, %v", entries, err)
	}
	if left, err := os.ReadDir(c.Cache.folder()); err != nil || len(left) != 2 {
		t.Errorf("the cache holds %v, %v", left, err)
	}

	p.Requests()
	if again, err := c.Fetch(t.Context(), r, nil); err != nil || again != got {
		t.Errorf("%+v, %v", again, err)
	}
	if asked := p.Requests(); len(asked) > 0 {
		t.Errorf("asked for %q", asked)
	}
}

// What was just fetched need not be hashed again.
func TestFetchRemembersHash(t *testing.T) {
	p := imagestest.NewPublisher(t)
	r := publishNoble(t, p)
	c := newClient(t)
	if _, err := c.Fetch(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	stat, err := os.Stat(c.Cache.Path(r.SHA256))
	if err != nil {
		t.Fatal(err)
	}
	if got := (memo{c.Cache.Dir, keyOf(stat)}).load(); got != r.SHA256 {
		t.Errorf("remembers %q", got)
	}
}

func TestFetchUpgrade(t *testing.T) {
	p := imagestest.NewPublisher(t)
	old := publishNoble(t, p)
	c := newClient(t)
	if _, err := c.Fetch(t.Context(), old, nil); err != nil {
		t.Fatal(err)
	}
	p.Publish(imagestest.Image{Release: "noble", Serial: "20261003", Content: imagestest.QCOW2(imageSize, 2), Manifest: manifest})
	r, err := c.Resolve(t.Context(), releaseRequest(p))
	if err != nil || r.Serial != "20261003" {
		t.Fatal(r, err)
	}
	if _, err := c.Fetch(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	if !c.Cache.Has(old.SHA256, imageSize) || !c.Cache.Has(r.SHA256, imageSize) {
		t.Error("the cache does not have both")
	}
}

func TestFetchResumes(t *testing.T) {
	const half = imageSize / 2
	var all []string
	for range maxAttempts - 1 {
		all = append(all, "GET")
	}
	for name, c := range map[string]struct {
		prepare func(p *imagestest.Publisher)
		want    []string
	}{
		"cut once":      {func(p *imagestest.Publisher) { p.Cut(1, half) }, []string{"GET", fmt.Sprintf("GET bytes=%d-", half)}},
		"cut at once":   {func(p *imagestest.Publisher) { p.Cut(maxAttempts-1, 0) }, append(all, "GET")},
		"cut many more": {func(p *imagestest.Publisher) { p.Cut(7, imageSize/8) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := imagestest.NewPublisher(t)
			r := publishNoble(t, p)
			c.prepare(p)
			if _, err := newClient(t).Fetch(t.Context(), r, nil); err != nil {
				t.Fatal(err)
			}
			asked := imageRequests(p)
			if c.want != nil {
				if diff := cmp.Diff(c.want, asked); diff != "" {
					t.Error(diff)
				}
			} else if len(asked) != 8 {
				t.Errorf("asked for %q", asked)
			}
		})
	}
}

// fetchHalf leaves half an image behind, as an interrupted jeos does.
func fetchHalf(t *testing.T, p *imagestest.Publisher, c *Client, r Remote) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p.Cut(1, imageSize/2)
	c.backoff = func(int) time.Duration { cancel(); return time.Minute }
	if _, err := c.Fetch(ctx, r, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want context.Canceled", err)
	}
	c.backoff = noBackoff
	entries, err := c.Cache.Entries()
	if err != nil || len(entries) != 1 || entries[0].State != Partial || entries[0].FileSize != imageSize/2 {
		t.Fatalf("%+v, %v", entries, err)
	}
	p.Requests()
}

func TestFetchResumesLater(t *testing.T) {
	rest := fmt.Sprintf("GET bytes=%d-", imageSize/2)
	for name, c := range map[string]struct {
		change func(p *imagestest.Publisher, c *Client, r *Remote) error
		want   []string
	}{
		"same": {
			func(*imagestest.Publisher, *Client, *Remote) error { return nil },
			[]string{rest},
		},
		"ETag changed": { // the same bytes, but who knows: the server sends all of them
			func(p *imagestest.Publisher, _ *Client, _ *Remote) error { p.Touch(); return nil },
			[]string{rest},
		},
		"damaged part": { // pieces of two files give a wrong hash: once more from the start
			func(_ *imagestest.Publisher, c *Client, r *Remote) error {
				return writeAt(c.Cache.Path(r.SHA256)+partSuffix, 1000, "damage")
			},
			[]string{rest, "GET"},
		},
		"longer than the file": {
			func(_ *imagestest.Publisher, c *Client, r *Remote) error {
				return writeAt(c.Cache.Path(r.SHA256)+partSuffix, imageSize, "more")
			},
			[]string{"GET"},
		},
		"complete, but not noticed": {
			func(_ *imagestest.Publisher, c *Client, r *Remote) error {
				return os.WriteFile(c.Cache.Path(r.SHA256)+partSuffix, imagestest.QCOW2(imageSize, 1), 0o600)
			},
			nil,
		},
		"complete, size unknown": {
			func(_ *imagestest.Publisher, c *Client, r *Remote) error {
				r.FileSize = 0
				return os.WriteFile(c.Cache.Path(r.SHA256)+partSuffix, imagestest.QCOW2(imageSize, 1), 0o600)
			},
			[]string{fmt.Sprintf("GET bytes=%d-", imageSize)},
		},
		"too long, size unknown": {
			func(_ *imagestest.Publisher, c *Client, r *Remote) error {
				r.FileSize = 0
				return writeAt(c.Cache.Path(r.SHA256)+partSuffix, imageSize, "more")
			},
			[]string{fmt.Sprintf("GET bytes=%d-", imageSize+4), "GET"},
		},
		"without its state": {
			func(_ *imagestest.Publisher, c *Client, r *Remote) error {
				return os.Remove(c.Cache.Path(r.SHA256) + stateSuffix)
			},
			[]string{"GET"},
		},
		"another mirror": {
			func(p *imagestest.Publisher, _ *Client, r *Remote) error {
				r.URL += "?mirror=2"
				p.Touch()
				return nil
			},
			[]string{rest},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := imagestest.NewPublisher(t)
			r := publishNoble(t, p)
			client := newClient(t)
			fetchHalf(t, p, client, r)
			if err := c.change(p, client, &r); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Fetch(t.Context(), r, nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, imageRequests(p)); diff != "" {
				t.Error(diff)
			}
			if err := client.Cache.Verify(t.Context(), r.SHA256, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func writeAt(path string, offset int64, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteAt([]byte(text), offset)
	return err
}

func TestFetchRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		fault  imagestest.Fault
		change func(*Remote)
		want   string
	}{
		"captive portal":          {imagestest.Portal, nil, "the answer is a web page"},
		"captive portal, no list": {imagestest.Portal, func(r *Remote) { r.ManifestURL = "" }, "the answer is a web page"},
		"truncated":               {imagestest.Truncated, nil, "the server has 524288 bytes and the file should have 1048576"},
		"truncated, size unknown": {imagestest.Truncated, func(r *Remote) { r.FileSize = 0 }, "it has the SHA-256 "},
		"other content":           {imagestest.OtherContent, nil, "it has the SHA-256 "},
		"gone":                    {imagestest.Gone, nil, "answers 404 Not Found, so the file is not there, or not any more: if the publisher"},
		"wrong hash of list":      {"", func(r *Remote) { r.ManifestSHA256 = r.SHA256 }, "should have " + hashOf(imagestest.QCOW2(imageSize, 1))},
		"list is none":            {"", func(r *Remote) { r.ManifestURL, r.ManifestSHA256 = r.URL, r.SHA256 }, "is no name and version"},
		"hash":                    {"", func(r *Remote) { r.SHA256 = "../../etc/passwd" }, "is no SHA-256"},
		"address":                 {"", func(r *Remote) { r.URL = "file:///etc/passwd" }, "is no address"},
	} {
		t.Run(name, func(t *testing.T) {
			p := imagestest.NewPublisher(t)
			r := publishNoble(t, p)
			if c.change != nil {
				c.change(&r)
			}
			p.Set(c.fault)
			client := newClient(t)
			got, err := client.Fetch(t.Context(), r, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) || got != (Info{}) {
				t.Errorf("%+v, %v, want an error with %q", got, err, c.want)
			}
			if entries, err := client.Cache.Entries(); err != nil || len(entries) > 0 {
				t.Errorf("the cache holds %+v, %v", entries, err)
			}
		})
	}
}

// A portal in the middle of a download must not cost what has arrived.
func TestFetchKeepsPart(t *testing.T) {
	p := imagestest.NewPublisher(t)
	r := publishNoble(t, p)
	c := newClient(t)
	fetchHalf(t, p, c, r)
	for _, fault := range []imagestest.Fault{imagestest.Portal, imagestest.Gone} {
		p.Set(fault)
		if _, err := c.Fetch(t.Context(), r, nil); err == nil {
			t.Errorf("%s: no error", fault)
		}
	}
	p.Set("")
	p.Requests()
	if _, err := c.Fetch(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{fmt.Sprintf("GET bytes=%d-", imageSize/2)}, imageRequests(p)); diff != "" {
		t.Error(diff)
	}
}

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
	tries := 0
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
			r := Remote{URL: server(t, c.handler), SHA256: hashOf(c.content), FileSize: c.size}
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

func TestFetchGivesUpOnSilence(t *testing.T) {
	stop := make(chan struct{})
	url := server(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write(make([]byte, 10))
		_ = http.NewResponseController(w).Flush()
		<-stop
	})
	defer close(stop)
	c := newClient(t)
	c.silence = 20 * time.Millisecond
	_, err := c.Fetch(t.Context(), Remote{URL: url, SHA256: hashOf(nil)}, nil)
	if err == nil || !errors.Is(err, errSilence) {
		t.Errorf("error %v, want %v", err, errSilence)
	}
}

func TestFetchRefusesDowngrade(t *testing.T) {
	plain := server(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "secret") })
	secure := httptest.NewTLSServer(http.RedirectHandler(plain, http.StatusFound))
	defer secure.Close()
	c := newClient(t)
	c.HTTP = secure.Client()
	_, err := c.Fetch(t.Context(), Remote{URL: secure.URL + "/x.img?key=secret", SHA256: hashOf(nil)}, nil)
	if !errors.Is(err, errDowngrade) || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v, want %v", err, errDowngrade)
	}
	assertEmpty(t, c.Cache)
}

func TestFetchTogether(t *testing.T) {
	p := imagestest.NewPublisher(t)
	r := publishNoble(t, p)
	cache := Cache{Dir: t.TempDir()}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			client := &Client{Cache: cache}
			if info, err := client.Fetch(t.Context(), r, nil); err != nil || info.SHA256 != r.SHA256 {
				t.Errorf("%+v, %v", info, err)
			}
		})
	}
	wait.Wait()
	if asked := imageRequests(p); len(asked) != 1 {
		t.Errorf("asked for %q", asked)
	}
}

func TestFetchReplacesDamaged(t *testing.T) {
	p := imagestest.NewPublisher(t)
	r := publishNoble(t, p)
	c := newClient(t)
	if _, err := c.Fetch(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	path := c.Cache.Path(r.SHA256)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeAt(path, 5000, "damage"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Fetch(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Cache.Verify(t.Context(), r.SHA256, nil); err != nil {
		t.Error(err)
	}
}

func TestFetchIntoFullDisk(t *testing.T) {
	p := imagestest.NewPublisher(t)
	r := publishNoble(t, p)
	r.FileSize, r.ManifestURL = 1<<43, "" // more than any disk here has, and not too much for a file
	url := server(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", fmt.Sprint(r.FileSize)) })
	r.URL = url
	c := newClient(t)
	_, err := c.Fetch(t.Context(), r, nil)
	if err == nil || !strings.Contains(err.Error(), "there is no space left in "+c.Cache.folder()) {
		t.Errorf("error %v", err)
	}
	assertEmpty(t, c.Cache)
}

func BenchmarkFetch(b *testing.B) {
	image := imagestest.QCOW2(256<<20, 1)
	hash := hashOf(image)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(image) }))
	defer s.Close()
	b.Run("fetch", func(b *testing.B) {
		b.SetBytes(int64(len(image)))
		for b.Loop() {
			c := Client{Cache: Cache{Dir: b.TempDir()}}
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
