package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
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
	if err != nil || hashData(content) != r.SHA256 {
		t.Errorf("the file has %d bytes, %v", len(content), err)
	}
	packages, ok := c.Cache.Packages(r.SHA256, r.ManifestSHA256)
	if diff := cmp.Diff([]Package{{"libc6", "2.39-0ubuntu8"}, {"openvpn", "2.6.9-1ubuntu4"}}, packages); diff != "" || !ok {
		t.Error(diff, ok)
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
	if stat, err := os.Stat(c.Cache.Path(r.SHA256) + partSuffix); err != nil || stat.Size() != imageSize/2 {
		t.Fatalf("%+v, %v", stat, err)
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
			_, err := client.Fetch(t.Context(), r, nil)
			if diff := cmp.Diff(c.want, imageRequests(p)); diff != "" {
				t.Error(diff)
			}
			if err != nil {
				t.Fatal(err)
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
		fault    imagestest.Fault
		change   func(*Remote)
		want     string
		replaced bool
	}{
		"captive portal":          {imagestest.Portal, nil, "the answer is a web page", false},
		"captive portal, no list": {imagestest.Portal, func(r *Remote) { r.ManifestURL = "" }, "the answer is a web page", false},
		"truncated":               {imagestest.Truncated, nil, "the server has 524288 bytes and the file should have 1048576", true},
		"truncated, size unknown": {imagestest.Truncated, func(r *Remote) { r.FileSize = 0 }, "it has the SHA-256 ", true},
		"other content":           {imagestest.OtherContent, nil, "it has the SHA-256 ", true},
		"gone":                    {imagestest.Gone, nil, "answers 404 Not Found, so the file is not there, or not any more", true},
		"hash":                    {"", func(r *Remote) { r.SHA256 = "../../etc/passwd" }, "is no SHA-256", false},
		"address":                 {"", func(r *Remote) { r.URL = "file:///etc/passwd" }, "is no address", false},
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
			if errors.Is(err, ErrReplaced) != c.replaced {
				t.Errorf("%v is an ErrReplaced: %t", err, !c.replaced)
			}
			if entries, err := client.Cache.Entries(); err != nil || len(entries) > 0 {
				t.Errorf("the cache holds %+v, %v", entries, err)
			}
		})
	}
}

// A file of the wrong hash whose transfer is cut all the time is given up, not fetched for ever.
func TestFetchGivesUpOnWrongPieces(t *testing.T) {
	p := imagestest.NewPublisher(t)
	r := publishNoble(t, p)
	c := newClient(t)
	fetchHalf(t, p, c, r)
	p.Set(imagestest.OtherContent)
	p.Cut(1<<30, 600_000)
	if _, err := c.Fetch(t.Context(), r, nil); err == nil || !strings.Contains(err.Error(), "it has the SHA-256") {
		t.Errorf("error %v", err)
	}
	if asked := imageRequests(p); len(asked) > 4 {
		t.Errorf("asked for %q", asked)
	}
	assertEmpty(t, c.Cache)
}

// What an earlier call has left is dropped once, and not what this one has brought.
func TestFetchStartsAgainOnce(t *testing.T) {
	other := imagestest.QCOW2(imageSize, 2)
	var asked []string
	r := Remote{SHA256: hashData(imagestest.QCOW2(imageSize, 1)), FileSize: imageSize}
	r.URL = server(t, func(w http.ResponseWriter, r *http.Request) { // without a validator
		asked = append(asked, r.Header.Get("Range"))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(other))
	})
	c := newClient(t)
	for suffix, content := range map[string]string{partSuffix: "what was left", stateSuffix: "{}"} {
		if err := os.WriteFile(c.Cache.Path(r.SHA256)+suffix, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Fetch(t.Context(), r, nil); !errors.Is(err, ErrReplaced) {
		t.Errorf("error %v, want an ErrReplaced", err)
	}
	if diff := cmp.Diff([]string{"bytes=13-", ""}, asked); diff != "" {
		t.Error(diff)
	}
	assertEmpty(t, c.Cache)
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

func TestFetchTogether(t *testing.T) {
	p := imagestest.NewPublisher(t)
	r := publishNoble(t, p)
	cache := newCache(t)
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

// Several that find the same damage all end with the good file.
func TestFetchTogetherReplacesDamaged(t *testing.T) {
	p := imagestest.NewPublisher(t)
	r := publishNoble(t, p)
	cache := newCache(t)
	for range 10 {
		damaged := imagestest.QCOW2(imageSize, 2)
		if err := os.Remove(cache.Path(r.SHA256)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if err := os.WriteFile(cache.Path(r.SHA256), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		touch(t, cache.Path(r.SHA256))
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				if info, err := (&Client{Cache: cache}).Fetch(t.Context(), r, nil); err != nil || info.SHA256 != r.SHA256 {
					t.Errorf("%+v, %v", info, err)
				}
			})
			wait.Go(func() {
				if _, err := (&Client{Cache: cache}).Cached(t.Context(), r); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if err := cache.Verify(t.Context(), r.SHA256, nil); err != nil {
			t.Error(err)
		}
		if moved, err := os.ReadFile(cache.Path(r.SHA256) + damagedSuffix); err != nil || hashData(moved) != hashData(damaged) {
			t.Errorf("another file was moved aside: %v", err)
		}
	}
	if asked := imageRequests(p); len(asked) != 10 {
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
	touch(t, path)
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
