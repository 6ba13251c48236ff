package config

import (
	"github.com/hashicorp/hcl/v2"
)

// ImageRequest is an image block whose file is to be found on the network: by URL, or by the name of a release.
type ImageRequest struct {
	Name    string
	URL     string       // http or https; empty for a release
	SHA256  string       // lower-case hex, from checksum; empty: a signed list of checksums beside the file must tell
	Release string       // "noble"; empty for a URL
	Flavour string       // "minimal" or "server"; empty for a URL
	Arch    string       // "x86_64" or "aarch64"; empty for a URL
	Mirror  string       // http or https; empty: the publisher's own
	Keyring string       // absolute path of the file with the keys that may sign; empty: the publisher's, which are built in
	Locked  *LockedImage // the entry of the lock file, if it fits what the block asks for
	Place   hcl.Range    // of the block's header
}
