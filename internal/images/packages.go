package images

import (
	"context"
	"os"

	"github.com/google/renameio/v2"
)

// Packages returns what the image with that hash holds, sorted by name, from the list that was published with it. The list
// must have the hash manifestSHA256. Not ok: nobody knows, since there is no such list.
func (c Cache) Packages(sha256, manifestSHA256 string) (packages []Package, ok bool) {
	if c.Dir == "" || !isHash(sha256) || !isHash(manifestSHA256) {
		return nil, false
	}
	data, err := os.ReadFile(c.Path(sha256) + manifestSuffix)
	if err != nil || hashData(data) != manifestSHA256 {
		return nil, false
	}
	packages, err = ParseManifest(data)
	return packages, err == nil
}

// fetchPackages puts the list of packages of an image beside it. When there is none, or not the pinned one, the cache goes
// without: the packages are not known then. The only error is the end of ctx.
func (c *Client) fetchPackages(ctx context.Context, r Remote) error {
	if _, ok := c.Cache.Packages(r.SHA256, r.ManifestSHA256); ok || r.ManifestURL == "" || !isHash(r.ManifestSHA256) {
		return nil
	}
	if _, err := parseAddress(r.ManifestURL); err != nil {
		return nil
	}
	data, err := c.document(ctx, r.ManifestURL)
	if err != nil {
		return context.Cause(ctx)
	}
	if hashData(data) != r.ManifestSHA256 {
		return nil
	}
	if _, err := ParseManifest(data); err != nil {
		return nil
	}
	_ = renameio.WriteFile(c.Cache.Path(r.SHA256)+manifestSuffix, data, 0o644)
	return nil
}
