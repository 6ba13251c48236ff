package images

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Request is what an image block asks for: a file by its URL, or a release of Ubuntu.
type Request struct {
	URL    string // http or https; empty for a release
	SHA256 string // lower-case hex of the file at the URL; empty: the signed list of hashes in its folder tells

	Release string // name or version of a release, "noble" or "24.04"
	Flavour string // "minimal" or "server"
	Arch    string // as libvirt names it: "x86_64" or "aarch64"
	Mirror  string // http or https, a copy of https://cloud-images.ubuntu.com, which is the default

	Keyring string // path of the file with the keys that may sign, armored or not; empty: Ubuntu's, which are built in
}

// Remote is one file on the network, pinned by its hash.
type Remote struct {
	URL      string
	SHA256   string // lower-case hex
	FileSize int64  // bytes; 0 when it is not known yet: only the index of releases has it
	Serial   string // of the publisher, "20261002"; empty when there is none
	Signer   string // fingerprint in upper-case hex of the key whose owner vouches for the hash; empty: the request had the hash

	ManifestURL    string // of the list of the packages in the image; empty: none is published
	ManifestSHA256 string // lower-case hex
}

// Client finds images on the network and fetches them into a cache. It is safe for concurrent use and must not be copied.
type Client struct {
	// HTTP is nil for a client that takes proxies from the environment, never gives up https in a redirect, and has limits
	// for every wait.
	HTTP      *http.Client
	Cache     Cache
	UserAgent string // of the requests; empty: "jeos"

	once    sync.Once
	http    *http.Client
	silence time.Duration                   // how long a server may send nothing; 0: defaultSilence
	backoff func(attempt int) time.Duration // how long to wait before attempt 1, 2, …; nil: defaultBackoff

	mu      sync.Mutex
	streams map[streamKey]*stream
}

// Resolve finds the file that a request means: the newest one of a release in the publisher's signed index, or the one
// at a URL with the hash that the request or a signed list beside the file gives. It never downloads the image. Nothing
// that is not signed by a trusted key is taken in. An index is fetched once in the life of a client.
func (c *Client) Resolve(ctx context.Context, r Request) (Remote, error) {
	if r.Release != "" {
		return c.resolveRelease(ctx, r)
	}
	return c.resolveURL(ctx, r)
}
