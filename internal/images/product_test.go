package images

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"jeos/internal/images/imagestest"
)

// mirrorOf serves a publisher's files under other paths.
func mirrorOf(t *testing.T, p *imagestest.Publisher, from, to string) string {
	t.Helper()
	target, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.Replace(r.URL.Path, from, to, 1)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// A mirror cannot pass off one flavour as another, though both are signed.
func TestResolveBindsFlavour(t *testing.T) {
	p := imagestest.NewPublisher(t)
	p.Publish(imagestest.Image{Release: "noble", Serial: "20261002", Flavour: "server", Content: imagestest.QCOW2(300_000, 1)})
	r := releaseRequest(p)
	r.Mirror = mirrorOf(t, p, "/minimal/releases/", "/releases/")
	got, err := newClient(t).Resolve(t.Context(), r)
	if err == nil || !strings.Contains(err.Error(), `where images of the flavour "minimal" should be`) || got != (Remote{}) {
		t.Errorf("%+v, %v", got, err)
	}
	r.Flavour = "server"
	if got, err := newClient(t).Resolve(t.Context(), r); err != nil || got.Serial != "20261002" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestResolveRefusesOtherDocuments(t *testing.T) {
	p := imagestest.NewPublisher(t)
	p.Publish(imagestest.Image{Release: "noble", Serial: "20261002", Content: imagestest.QCOW2(300_000, 1)})
	for fault, want := range map[imagestest.Fault]string{
		imagestest.OtherIndex:    `is of the format "index:2.0"`,
		imagestest.OtherProducts: `is of the format "products:2.0"`,
		imagestest.MixedUp:       `and holds "com.ubuntu.cloud.daily:download"`,
	} {
		p.Set(fault)
		got, err := newClient(t).Resolve(t.Context(), releaseRequest(p))
		if err == nil || !strings.Contains(err.Error(), want) || got != (Remote{}) {
			t.Errorf("%s: %+v, %v, want an error with %q", fault, got, err, want)
		}
	}
}

// The index is the same for all images of a command.
func TestResolveFetchesIndexOnce(t *testing.T) {
	p := imagestest.NewPublisher(t)
	for _, flavour := range []string{"minimal", "server"} {
		for _, release := range []string{"jammy", "noble"} {
			p.Publish(imagestest.Image{Release: release, Flavour: flavour, Serial: "20261002", Content: imagestest.QCOW2(300_000, 1)})
		}
	}
	c := newClient(t)
	var wait sync.WaitGroup
	for _, release := range []string{"jammy", "noble", "22.04", "24.04"} {
		for _, flavour := range []string{"minimal", "server"} {
			wait.Go(func() {
				r := releaseRequest(p)
				r.Release, r.Flavour = release, flavour
				if _, err := c.Resolve(t.Context(), r); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wait.Wait()
	asked := p.Requests()
	slices.Sort(asked)
	if len(asked) != 4 || len(slices.Compact(asked)) != 4 {
		t.Errorf("asked for %q", asked)
	}
	other := releaseRequest(p)
	other.Keyring = ""
	if _, err := c.Resolve(t.Context(), other); err == nil || !strings.Contains(err.Error(), "which is unknown") {
		t.Errorf("with another keyring: %v", err)
	}
}

func TestChooseProduct(t *testing.T) {
	noble := streamProduct{Arch: "amd64", OS: "ubuntu", Release: "noble", Version: "24.04"}
	jammy := streamProduct{Arch: "arm64", OS: "ubuntu", Release: "jammy", Version: "22.04"}
	odd := streamProduct{Arch: "s390x", OS: "ubuntu", Release: "noble", Version: "24.04"}
	other := streamProduct{Arch: "amd64", OS: "other", Release: "noble", Version: "24.04"}
	for name, c := range map[string]struct {
		products []streamProduct
		release  string
		want     string // in the error
	}{
		"name":          {[]streamProduct{jammy, noble, odd, other}, "noble", ""},
		"version":       {[]streamProduct{jammy, noble, odd, other}, "24.04", ""},
		"two":           {[]streamProduct{noble, noble}, "noble", `2 products for x86_64 that are called "noble"`},
		"architecture":  {[]streamProduct{jammy}, "jammy", "for x86_64: there are some for aarch64"},
		"unknown arch":  {[]streamProduct{odd, jammy}, "noble", "there are jammy (22.04)"},
		"other system":  {[]streamProduct{other, jammy}, "noble", "there are jammy (22.04)"},
		"part of name":  {[]streamProduct{noble}, "nobl", "there are noble (24.04)"},
		"empty request": {[]streamProduct{noble}, "", "there are noble (24.04)"},
	} {
		got, err := chooseProduct(c.products, c.release, "x86_64")
		if c.want == "" && (err != nil || got.Release != "noble" || got.OS != "ubuntu" || got.Arch != "amd64") {
			t.Errorf("%s: %+v, %v", name, got, err)
		} else if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestStreamRemote(t *testing.T) {
	base, err := parseAddress("https://host/releases")
	if err != nil {
		t.Fatal(err)
	}
	s := stream{base: base}
	good := streamItem{FType: "disk1.img", Path: "a-minimal-b.img", SHA256: hashData(nil), Size: 1}
	for name, change := range map[string]func(*streamItem){
		"no hash":     func(i *streamItem) { i.SHA256 = "" },
		"short hash":  func(i *streamItem) { i.SHA256 = i.SHA256[1:] },
		"no size":     func(i *streamItem) { i.Size = 0 },
		"under zero":  func(i *streamItem) { i.Size = -1 },
		"leads out":   func(i *streamItem) { i.Path = "../a-minimal-b.img" },
		"other host":  func(i *streamItem) { i.Path = "https://evil/a-minimal-b.img" },
		"in a folder": func(i *streamItem) { i.Path = "x-minimal-y/a-server-b.img" },
	} {
		item := good
		change(&item)
		p := streamProduct{Arch: "amd64", Release: "noble", Versions: map[string]streamVersion{"20261002": {Items: map[string]streamItem{"x": item}}}}
		if got, err := s.newest(p, "minimal"); err == nil || got != (Remote{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	p := streamProduct{Arch: "amd64", Release: "noble", signer: "KEY", Versions: map[string]streamVersion{"20261002": {Items: map[string]streamItem{"x": good}}}}
	want := Remote{URL: "https://host/releases/a-minimal-b.img", SHA256: good.SHA256, FileSize: 1, Serial: "20261002", Signer: "KEY"}
	if got, err := s.newest(p, "minimal"); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}
