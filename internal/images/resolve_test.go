package images

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jeos/internal/images/imagestest"
)

const manifest = "libc6:amd64\t2.39-0ubuntu8\nopenvpn\t2.6.9-1ubuntu4\n"

func newClient(t *testing.T) *Client {
	t.Helper()
	return &Client{Cache: newCache(t), backoff: noBackoff}
}

// releaseRequest asks a publisher for its newest noble.
func releaseRequest(p *imagestest.Publisher) Request {
	return Request{Release: "noble", Flavour: "minimal", Arch: "x86_64", Mirror: p.URL, Keyring: p.Keyring}
}

func TestResolveRelease(t *testing.T) {
	p := imagestest.NewPublisher(t)
	newest := imagestest.QCOW2(300_000, 2)
	for _, i := range []imagestest.Image{
		{Release: "noble", Serial: "20260901", Content: imagestest.QCOW2(300_000, 1), Manifest: manifest},
		{Release: "noble", Serial: "20261002.10", Content: newest, Manifest: manifest},
		{Release: "noble", Serial: "20261002.2", Content: imagestest.QCOW2(300_000, 3)},
		{Release: "noble", Serial: "20261101", Content: imagestest.QCOW2(300_000, 4), Label: "beta1"},
		{Release: "noble", Serial: "20261102", Content: imagestest.QCOW2(300_000, 5), Arch: "arm64"},
		{Release: "noble", Serial: "20261103", Content: imagestest.QCOW2(300_000, 6), Flavour: "server"},
		{Release: "jammy", Serial: "20261104", Content: imagestest.QCOW2(300_000, 7)},
	} {
		p.Publish(i)
	}
	minimal := p.URL + "/minimal/releases/noble/release-20261002.10/ubuntu-24.04-minimal-cloudimg-amd64"
	for name, c := range map[string]struct {
		change func(*Request)
		want   Remote
	}{
		"name": {func(*Request) {}, Remote{
			URL: minimal + ".img", SHA256: hashData(newest), FileSize: 300_000, Serial: "20261002.10", Signer: p.Signer,
			ManifestURL: minimal + ".manifest", ManifestSHA256: hashData([]byte(manifest)),
		}},
		"version": {func(r *Request) { r.Release = "24.04" }, Remote{
			URL: minimal + ".img", SHA256: hashData(newest), FileSize: 300_000, Serial: "20261002.10", Signer: p.Signer,
			ManifestURL: minimal + ".manifest", ManifestSHA256: hashData([]byte(manifest)),
		}},
		"mirror with a slash, other architecture": {func(r *Request) { r.Mirror, r.Arch = p.URL+"/", "aarch64" }, Remote{
			URL:    p.URL + "/minimal/releases/noble/release-20261102/ubuntu-24.04-minimal-cloudimg-arm64.img",
			SHA256: hashData(imagestest.QCOW2(300_000, 5)), FileSize: 300_000, Serial: "20261102", Signer: p.Signer,
		}},
		"server": {func(r *Request) { r.Flavour = "server" }, Remote{
			URL:    p.URL + "/releases/server/releases/noble/release-20261103/ubuntu-24.04-server-cloudimg-amd64.img",
			SHA256: hashData(imagestest.QCOW2(300_000, 6)), FileSize: 300_000, Serial: "20261103", Signer: p.Signer,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := releaseRequest(p)
			c.change(&r)
			p.Requests()
			got, err := newClient(t).Resolve(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			for _, asked := range p.Requests() {
				if !strings.HasSuffix(asked, ".sjson") {
					t.Errorf("asked for %s", asked)
				}
			}
		})
	}
}

func TestResolveReleaseRefuses(t *testing.T) {
	p := imagestest.NewPublisher(t)
	p.Publish(imagestest.Image{Release: "noble", Serial: "20261002", Content: imagestest.QCOW2(300_000, 1)})
	p.Publish(imagestest.Image{Release: "jammy", Serial: "20261002", Content: imagestest.QCOW2(300_000, 2), Label: "rc"})
	for name, c := range map[string]struct {
		change func(*Request)
		want   string
	}{
		"release":      {func(r *Request) { r.Release = "nobel" }, "there are jammy (22.04), noble (24.04)"},
		"alias":        {func(r *Request) { r.Release = "n" }, `no image of the release "n"`},
		"architecture": {func(r *Request) { r.Arch = "aarch64" }, "for aarch64: there are some for x86_64"},
		"no arch":      {func(r *Request) { r.Arch = "i386" }, `no image for "i386"`},
		"flavour":      {func(r *Request) { r.Flavour = "desktop" }, `no flavour "desktop"`},
		"empty":        {func(r *Request) { r.Flavour = "server" }, "lists no images"},
		"not released": {func(r *Request) { r.Release = "jammy" }, "has no disk image of jammy"},
		"mirror":       {func(r *Request) { r.Mirror = "ftp://mirror.example.org" }, "is no address"},
		"not there":    {func(r *Request) { r.Mirror += "/nowhere" }, "answers 404 Not Found, so the file is not there, or not any more: look at mirror"},
		"keyring":      {func(r *Request) { r.Keyring += ".old" }, "reading the keyring"},
		"Ubuntu's keys": {func(r *Request) { r.Keyring = "" }, "which is unknown: trusted are those built in for Ubuntu " +
			"(4A3CE3CD565D7EB5C810E2B97FF3F408476CF100, D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81)"},
	} {
		t.Run(name, func(t *testing.T) {
			r := releaseRequest(p)
			c.change(&r)
			got, err := newClient(t).Resolve(t.Context(), r)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v, %v, want an error with %q", got, err, c.want)
			}
		})
	}
}

// signatureFaults are what is wrong with signed documents, with what the error says.
var signatureFaults = map[imagestest.Fault]string{
	imagestest.Portal:           "the answer is a web page",
	imagestest.BadSignature:     "has signed: somebody has changed it, or it was damaged on the way",
	imagestest.ExpiredSignature: "that has expired",
	imagestest.ExpiredKey:       "which has expired",
	imagestest.RevokedKey:       "which has been revoked",
	imagestest.UnknownKey:       "which is unknown: trusted are those in ",
	imagestest.WeakHash:         "over the hash SHA-1, which can be forged",
}

func TestResolveRefusesFaults(t *testing.T) {
	p := imagestest.NewPublisher(t)
	url := p.Publish(imagestest.Image{Release: "noble", Serial: "20261002", Content: imagestest.QCOW2(300_000, 1), Manifest: manifest})
	requests := map[string]Request{
		"release": releaseRequest(p),
		"URL":     {URL: url, Keyring: p.Keyring},
	}
	for kind, r := range requests {
		for fault, want := range signatureFaults {
			t.Run(kind+"/"+string(fault), func(t *testing.T) {
				p.Set(fault)
				defer p.Set("")
				got, err := newClient(t).Resolve(t.Context(), r)
				if err == nil || !strings.Contains(err.Error(), want) || got != (Remote{}) {
					t.Errorf("%+v, %v, want an error with %q", got, err, want)
				}
			})
		}
	}
	p.Set(imagestest.Unsigned)
	for kind, want := range map[string]string{"release": "is not signed", "URL": "has to come from a signed list"} {
		if _, err := newClient(t).Resolve(t.Context(), requests[kind]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("unsigned: %v, want an error with %q", err, want)
		}
	}
}

func TestResolveURL(t *testing.T) {
	p := imagestest.NewPublisher(t)
	image := imagestest.QCOW2(300_000, 1)
	url := p.Publish(imagestest.Image{Release: "noble", Serial: "20261002", Content: image, Manifest: manifest})
	p.Publish(imagestest.Image{Release: "noble", Serial: "20261002", Arch: "arm64", Content: imagestest.QCOW2(300_000, 2)})
	list := strings.TrimSuffix(url, ".img") + ".manifest"
	for name, c := range map[string]struct {
		request Request
		want    Remote
	}{
		"list":     {Request{URL: url, Keyring: p.Keyring}, Remote{URL: url, SHA256: hashData(image), Signer: p.Signer, ManifestURL: list, ManifestSHA256: hashData([]byte(manifest))}},
		"query":    {Request{URL: url + "?a=b", Keyring: p.Keyring}, Remote{URL: url + "?a=b", SHA256: hashData(image), Signer: p.Signer, ManifestURL: list, ManifestSHA256: hashData([]byte(manifest))}},
		"checksum": {Request{URL: url, SHA256: hashData(image)}, Remote{URL: url, SHA256: hashData(image)}},
		"checksum, no network": {
			Request{URL: "http://127.0.0.1:1/x.img", SHA256: hashData(image)},
			Remote{URL: "http://127.0.0.1:1/x.img", SHA256: hashData(image)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newClient(t).Resolve(t.Context(), c.request)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for name, c := range map[string]struct {
		request Request
		want    string
	}{
		"not in the list": {Request{URL: url + ".xz", Keyring: p.Keyring}, "does not name ubuntu-24.04-minimal-cloudimg-amd64.img.xz"},
		"hash":            {Request{URL: url, SHA256: "abc"}, "is no SHA-256"},
		"upper case":      {Request{URL: url, SHA256: strings.ToUpper(hashData(image))}, "is no SHA-256"},
		"path":            {Request{URL: "./x.img"}, "is no address"},
		"password":        {Request{URL: "https://me:secret@host/x.img"}, "the address https://host/x.img has a name or a password"},
		"secrets":         {Request{URL: "ftp://me:secret@host/x.img?key=secret"}, "ftp://host/x.img is no address"},
	} {
		_, err := newClient(t).Resolve(t.Context(), c.request)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestParseSums(t *testing.T) {
	a, b := hashData([]byte("a")), hashData([]byte("b"))
	got, err := parseSums([]byte("# comment\n" + a + " *x y.img\n\n" + strings.ToUpper(b) + "  ./z.img\r\n" + a + " *x y.img"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"x y.img": a, "z.img": b}, got); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]string{
		a + " x.img\n":                     "line 1",
		a + "  x\nSHA256 (x) = " + a:       "line 2",
		a[1:] + "  x":                      "line 1",
		a + "  x\n" + b + "  x\n":          "twice",
		a + " *" + "x\n<html>\n" + a + " ": "line 2",
	} {
		if _, err := parseSums([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
}

func TestStreamAddress(t *testing.T) {
	base, err := parseAddress("https://host/minimal/releases")
	if err != nil {
		t.Fatal(err)
	}
	s := stream{base: base}
	got, err := s.address("noble/release-1/x y.img")
	if want := "https://host/minimal/releases/noble/release-1/x%20y.img"; err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	for _, path := range []string{"", ".", "/etc/passwd", "../x", "a/../../x", "https://evil/x", "a%2f..%2fb", "a?b", "a#b", "a\\b", "a\x1b[2J"} {
		if got, err := s.address(path); err == nil {
			t.Errorf("%q gives %q", path, got)
		}
	}
}

func TestCompareSerials(t *testing.T) {
	ordered := []string{"x", "20251231", "20260101", "20260101.1", "20260101.2", "20260101.10", "20260102"}
	for i := range len(ordered) - 1 {
		if CompareSerials(ordered[i], ordered[i+1]) >= 0 || CompareSerials(ordered[i+1], ordered[i]) <= 0 {
			t.Errorf("%s is not before %s", ordered[i], ordered[i+1])
		}
	}
}
