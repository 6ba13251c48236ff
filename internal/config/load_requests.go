package config

import (
	"cmp"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// Requests are what a site wants to be found on the network and pinned.
type Requests struct {
	Images []ImageRequest // image blocks with a release or URL, sorted by name
	Hosts  []HostRequest  // that the roles of guests name, sorted by host; one for each host
}

// LoadRequests reads what the site in opt.Dir asks of the network. It evaluates the variables, the jeos block, what decides
// about image blocks and about the nics that roles give, what these refer to, and nothing else, so that it works before
// anything is locked. The shape of all files is checked, as their blocks must be told apart. Image and Cached of the
// options are not called.
//
// The lock is the lock file as it was read, for the caller to change and to write with [UpdateLock], less the entries of
// what the site no longer asks for. The requests are nil when the diagnostics hold an error.
func LoadRequests(opt Options) (requests *Requests, lock Lock, files map[string]*hcl.File, diags hcl.Diagnostics) {
	l := newLoader(opt)
	l.locking = true
	if l.prepare() {
		l.runGraph("image.", "role of guest.")
	}
	if !l.diags.HasErrors() {
		l.checkAsked()
	}
	diags = l.finish()
	if diags.HasErrors() {
		return nil, Lock{}, l.files, diags
	}
	slices.SortFunc(l.requests, func(a, b ImageRequest) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(l.hosts, func(a, b HostRequest) int { return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Guest, b.Guest)) })
	l.hosts = slices.CompactFunc(l.hosts, func(a, b HostRequest) bool { return a.Host == b.Host })
	lock = l.lock
	lock.Images = slices.DeleteFunc(lock.Images, func(e LockedImage) bool {
		return !slices.ContainsFunc(l.requests, func(r ImageRequest) bool { return r.Name == e.Name })
	})
	lock.Bakes = slices.DeleteFunc(lock.Bakes, func(e LockedBake) bool {
		b := l.blocks["image"][e.Image]
		return b == nil || b.args["base"] == nil
	})
	lock.Endpoints = slices.Clone(l.site.Lock.Endpoints)
	return &Requests{l.requests, l.hosts}, lock, l.files, diags
}

// checkAsked finds image blocks that depend on a fact of another image, so that it cannot be told what they ask for.
func (l *loader) checkAsked() {
	for _, name := range l.unasked {
		b := l.blocks["image"][name]
		l.add(b.at, "Unknown value", "What %s asks for depends on a fact of another image, and those are not known before they are"+
			" locked. Write the value out.", b)
	}
}
