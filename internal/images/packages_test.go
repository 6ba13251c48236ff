package images

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"jeos/internal/images/imagestest"
)

// An image counts without its list of packages, and no other list counts as its own.
func TestFetchWithoutList(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, r *Remote){
		"gone":       func(_ *testing.T, r *Remote) { r.ManifestURL += ".gone" },
		"wrong hash": func(_ *testing.T, r *Remote) { r.ManifestSHA256 = r.SHA256 },
		"no hash":    func(_ *testing.T, r *Remote) { r.ManifestSHA256 = "" },
		"no list":    func(_ *testing.T, r *Remote) { r.ManifestURL, r.ManifestSHA256 = r.URL, r.SHA256 },
		"no address": func(_ *testing.T, r *Remote) { r.ManifestURL = "file:///etc/passwd" },
		"broken": func(t *testing.T, r *Remote) {
			r.ManifestURL = server(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := imagestest.NewPublisher(t)
			r := publishNoble(t, p)
			right := r.ManifestURL
			change(t, &r)
			c := newClient(t)
			for range 2 {
				if info, err := c.Fetch(t.Context(), r, nil); err != nil || info.SHA256 != r.SHA256 {
					t.Fatalf("%+v, %v", info, err)
				}
				if _, err := os.Stat(c.Cache.Path(r.SHA256) + manifestSuffix); err == nil {
					t.Error("a list is there")
				}
				if c.Cache.Complete(r) {
					t.Error("it counts as complete")
				}
			}
			if asked := imageRequests(p); len(asked) > 1 && name != "no list" {
				t.Errorf("asked for %q", asked)
			}
			r.ManifestURL, r.ManifestSHA256 = right, hashData([]byte(manifest))
			if _, err := c.Fetch(t.Context(), r, nil); err != nil || !c.Cache.Complete(r) {
				t.Errorf("the list does not come later: %v", err)
			}
		})
	}
}

// What is complete needs no network, also when its list is missing.
func TestFetchCachedWithoutNetwork(t *testing.T) {
	p := imagestest.NewPublisher(t)
	r := publishNoble(t, p)
	c := newClient(t)
	if _, err := c.Fetch(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	p.Set(imagestest.Portal)
	p.Requests()
	if _, err := c.Fetch(t.Context(), r, nil); err != nil {
		t.Error(err)
	}
	if asked := p.Requests(); len(asked) > 0 {
		t.Errorf("asked for %q", asked)
	}
	if err := os.WriteFile(c.Cache.Path(r.SHA256)+manifestSuffix, []byte("other\t1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Fetch(t.Context(), r, nil); err != nil {
		t.Error(err)
	}
	if asked := p.Requests(); len(asked) != 1 || !strings.HasSuffix(asked[0], ".manifest") {
		t.Errorf("asked for %q", asked)
	}
	if _, ok := c.Cache.Packages(r.SHA256, r.ManifestSHA256); ok {
		t.Error("another list counts")
	}
}
