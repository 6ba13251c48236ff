package images

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

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
	_, err := c.Fetch(t.Context(), Remote{URL: url, SHA256: hashData(nil)}, nil)
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
	_, err := c.Fetch(t.Context(), Remote{URL: secure.URL + "/x.img?key=secret", SHA256: hashData(nil)}, nil)
	if !errors.Is(err, errDowngrade) || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v, want %v", err, errDowngrade)
	}
	assertEmpty(t, c.Cache)
}

// An address can hold a key, which is nothing for the next server.
func TestRedirectTellsNoAddress(t *testing.T) {
	var referer []string
	next := server(t, func(w http.ResponseWriter, r *http.Request) {
		referer = append(referer, r.Header.Get("Referer"))
		_, _ = io.WriteString(w, "text")
	})
	first := server(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, next, http.StatusFound) })
	if _, err := newClient(t).document(t.Context(), first+"?token=secret"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{""}, referer); diff != "" {
		t.Error(diff)
	}
}

func TestDocumentHasALimit(t *testing.T) {
	for length, want := range map[int]error{maxDocument: nil, maxDocument + 1: errTooLong} {
		address := server(t, func(w http.ResponseWriter, _ *http.Request) {
			for left := length; left > 0; left -= 1 << 20 {
				_, _ = w.Write(make([]byte, min(left, 1<<20)))
			}
		})
		if got, err := newClient(t).document(t.Context(), address); !errors.Is(err, want) || want == nil && len(got) != length {
			t.Errorf("%d bytes: got %d, %v, want %v", length, len(got), err, want)
		}
	}
}

// What is wrong with a proxy names the variables that set it, and never a password.
func TestProxyErrors(t *testing.T) {
	for _, address := range []string{"http://mirror.example", "https://mirror.example"} {
		c := newClient(t)
		transport := c.client().Transport.(*http.Transport)
		transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "127.0.0.1:1"})
		_, err := c.document(t.Context(), address)
		if err == nil || !strings.Contains(err.Error(), "the proxy in HTTP_PROXY or HTTPS_PROXY cannot be reached: ") || strings.Contains(err.Error(), "proxyconnect") {
			t.Errorf("%s: error %v", address, err)
		}

		refuses, err := url.Parse(server(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }))
		if err != nil {
			t.Fatal(err)
		}
		refuses.Path, refuses.User = "", url.UserPassword("me", "secret")
		transport.Proxy = http.ProxyURL(refuses)
		_, err = c.document(t.Context(), address)
		if err == nil || !strings.Contains(err.Error(), "407 Proxy Authentication Required: write name and password into") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v", address, err)
		}
	}
}

// The environment is read once in the life of a process, so the test starts another.
func TestProxyThatCannotBeRead(t *testing.T) {
	if os.Getenv("JEOS_TEST_PROXY") != "" {
		_, err := newClient(t).document(t.Context(), "http://mirror.example")
		if !errors.Is(err, errProxy) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("error %v, want %v", err, errProxy)
		}
		return
	}
	for _, proxy := range []string{
		"user:s3cret%zz@proxy.example:1", "user:s3cret@proxy.example:99x", "http://user:s3 cret@proxy.example", "ftp://user:s3cret@proxy.example",
		"://user:s3cret@proxy.example", "http://[user:s3cret@::1",
	} {
		command := exec.Command(os.Args[0], "-test.run=^TestProxyThatCannotBeRead$")
		command.Env = append(os.Environ(), "JEOS_TEST_PROXY=1", "HTTP_PROXY="+proxy, "http_proxy=", "NO_PROXY=", "no_proxy=")
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", proxy, err, out)
		}
	}
}

func TestRetryWaitsAsLongAsTheServerAsks(t *testing.T) {
	for asked, want := range map[string]time.Duration{"": time.Second, "7": 7 * time.Second, "3600": maxWait, "later": time.Second} {
		synctest.Test(t, func(t *testing.T) {
			began, tries := time.Now(), 0
			err := (&Client{}).retry(t.Context(), func() (bool, error) {
				if tries++; tries > 1 {
					return true, nil
				}
				return false, checkStatus(&http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {asked}}}, http.StatusOK)
			})
			if got := time.Since(began); err != nil || got != want {
				t.Errorf("Retry-After %q: tried again after %v, %v, want %v", asked, got, err, want)
			}
		})
	}
}

// transport answers every request with a body.
type transport struct{ body io.ReadCloser }

func (t transport) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: t.body}, nil
}

// slow sends a byte after a while, so many times.
type slow struct {
	after time.Duration
	left  int
}

func (s *slow) Close() error { return nil }

func (s *slow) Read(data []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	s.left--
	time.Sleep(s.after)
	return copy(data, "x"), nil
}

// A slow server is no silent one.
func TestSilenceIsCountedAnew(t *testing.T) {
	for after, want := range map[time.Duration]error{defaultSilence - time.Second: nil, defaultSilence + time.Second: errSilence} {
		synctest.Test(t, func(t *testing.T) {
			c := &Client{HTTP: &http.Client{Transport: transport{&slow{after, 3}}}}
			response, err := c.request(t.Context(), http.MethodGet, "http://host/x.img", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			_, err = io.Copy(io.Discard, response.Body)
			if got := context.Cause(response.Body.(*watchedBody).ctx); err != nil || !errors.Is(got, want) {
				t.Errorf("a byte every %v: %v, %v, want %v", after, err, got, want)
			}
		})
	}
}

func TestShownURL(t *testing.T) {
	for address, want := range map[string]string{
		"https://host/a/x%20y.img":                     "https://host/a/x%20y.img",
		"https://me:secret@host/x.img?key=secret#part": "https://host/x.img",
		"https://ho st:secret/":                        "the address",
	} {
		if got := ShownURL(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
