package config

import (
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"jeos/internal/words"
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

// Wants returns in one line what decides which file is meant, for the lock file: "release noble minimal x86_64", or "url"
// and the URL. A keyring of the user's own counts by its file name, since another publisher signs; a mirror has the same
// files as its publisher and does not count. Nor does a checksum, which is compared with that of the locked file.
func (r ImageRequest) Wants() string {
	wants := "url " + r.URL
	if r.Release != "" {
		wants = strings.Join([]string{"release", r.Release, r.Flavour, r.Arch}, " ")
	}
	if r.Keyring != "" {
		wants += " keyring " + filepath.Base(r.Keyring)
	}
	return wants
}

// misfit says why the entry of the lock file is not what the block asks for, or "". A file that nobody signed fits only
// as long as the files say its hash.
func (r ImageRequest) misfit(locked LockedImage) string {
	switch {
	case locked.Wants != r.Wants():
		return "The lock file pins a file for something else: it says " + words.Quote(locked.Wants) + ", and the block asks for " +
			words.Quote(r.Wants()) + "."
	case r.SHA256 != "" && r.SHA256 != locked.SHA256:
		return "The lock file pins a file with another checksum, sha256:" + locked.SHA256 + "."
	case r.SHA256 == "" && locked.Signer == "":
		return "The lock file pins a file that was trusted for its checksum, and the block has none any more."
	}
	return ""
}

var releaseRE = regexp.MustCompile(`^[a-z]{2,32}$`)

// requestedImage completes the request and returns the file that the lock file pins for it; nil when there is none.
func (s *section) requestedImage(r ImageRequest) *Image {
	arg := "source"
	r.Name, r.Place = s.block.name, s.block.at
	ok := s.intact(func() {
		if s.has("release") {
			arg = "release"
			r.Flavour = s.text("flavour", "flavour", "minimal", oneOf("minimal", "server"))
			r.Arch = s.text("arch", "arch", "x86_64", oneOf(architectures...))
			r.Mirror = s.text("mirror", "mirror", "", checkMirror)
		}
		if keyring := s.text("keyring", "keyring", "", checkLocal("a file of public keys")); keyring != "" {
			r.Keyring = s.path(keyring)
		}
	})
	if !ok || r.URL == "" && r.Release == "" {
		return nil
	}
	locked, found := s.lock.Image(r.Name)
	misfit := "The lock file does not say which file this is."
	if found {
		misfit = r.misfit(locked)
	}
	if misfit == "" {
		r.Locked = &locked
	}
	s.requests = append(s.requests, r)
	s.releases[r.Name] = r.Release
	s.warnEnded(r.Release)
	switch {
	case s.locking:
		return nil
	case misfit != "":
		if found || !s.lockBroken {
			s.add(s.at(arg), "Image is not locked", `%s Run "jeos lock".`, misfit)
		}
		return nil
	case s.opt.Cached == nil:
		panic("config.Options.Cached is nil")
	}
	s.site.Lock.SetImage(locked)
	return &Image{
		Path:     s.opt.Cached(locked.SHA256),
		Format:   locked.Format,
		SHA256:   locked.SHA256,
		Size:     locked.Size,
		FileSize: locked.FileSize,
		Arch:     r.Arch,
		Locked:   &locked,
	}
}

// warnEnded warns of a release that gets no more security updates.
func (s *section) warnEnded(release string) {
	if release == "" || s.opt.Ended == nil {
		return
	}
	if day, ended := s.opt.Ended(release); ended {
		s.warn(s.at("release"), "Release is past its end of life", "Support of Ubuntu %s ended on %s: there are no security updates any more."+
			" Use a newer release.", words.Quote(release), day)
	}
}

var urlRE = regexp.MustCompile("^https?://[!$-&(-;=?-Z_a-z~\\[\\]]+$") // what may stand in a URL by RFC 3986, less fragments

// authorityRE finds a user or password in a URL: RFC 3986, section 3.2.
var authorityRE = regexp.MustCompile(`^[^:]*://[^/?#]*@`)

// quoteURL is quote for what may be a mistyped URL with a password.
func quoteURL(s string) string {
	if strings.Contains(s, "://") && strings.Contains(s, "@") {
		return "This"
	}
	return words.Quote(s)
}

// checkFileURL accepts the URL of a file. It never repeats one that may have a password in it.
func checkFileURL(s string) string {
	u, problem := parseURL(s)
	switch {
	case problem != "":
		return problem
	case u.Path == "" || strings.HasSuffix(u.Path, "/"):
		return quoteURL(s) + " names a folder. Write the URL of the image file in it."
	}
	return ""
}

// checkMirror accepts the URL of a folder that has the layout of the publisher's.
func checkMirror(s string) string {
	u, problem := parseURL(s)
	switch {
	case problem != "":
		return problem
	case u.RawQuery != "" || strings.Contains(s, "?"):
		return words.Quote(s) + ` has a query behind "?", but a mirror is a folder. Remove the query.`
	}
	return ""
}

func parseURL(s string) (u *url.URL, problem string) {
	if authorityRE.MatchString(s) {
		return nil, "This URL has a user or password in it, and URLs are shown and kept in the lock file. Remove what stands before" +
			` the "@"; if the server asks for it, fetch the file yourself and name its path.`
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || !urlRE.MatchString(s) {
		return nil, quoteURL(s) + ` is no URL that begins with "http://" or "https://". Write one like "https://host/folder/name".`
	}
	return u, ""
}
