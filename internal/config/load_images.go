package config

import (
	"cmp"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// LoadImages reads what the site in opt.Dir asks to be fetched from the network: its image blocks with a release or URL,
// sorted by name. It evaluates the variables, the jeos block, what decides about image blocks and what these refer to, and
// nothing else, so that it works before the images are locked. The shape of all files is checked, as their blocks must be
// told apart. Image and Cached of the options are not called.
//
// The lock is the lock file as it was read, for the caller to change and to write with [UpdateLock], less the entries of
// images that the site no longer has in this form. The requests are nil when the diagnostics hold an error.
func LoadImages(opt Options) (requests []ImageRequest, lock Lock, files map[string]*hcl.File, diags hcl.Diagnostics) {
	l := newLoader(opt)
	l.locking = true
	if l.prepare() {
		l.runGraph("image.")
	}
	if !l.diags.HasErrors() {
		l.checkAsked()
	}
	diags = l.finish()
	if diags.HasErrors() {
		return nil, Lock{}, l.files, diags
	}
	slices.SortFunc(l.requests, func(a, b ImageRequest) int { return cmp.Compare(a.Name, b.Name) })
	lock = l.lock
	lock.Images = slices.DeleteFunc(lock.Images, func(e LockedImage) bool {
		return !slices.ContainsFunc(l.requests, func(r ImageRequest) bool { return r.Name == e.Name })
	})
	lock.Bakes = slices.DeleteFunc(lock.Bakes, func(e LockedBake) bool {
		b := l.blocks["image"][e.Image]
		return b == nil || b.args["base"] == nil
	})
	return l.requests, lock, l.files, diags
}

// checkAsked finds image blocks that depend on a fact of another image, so that it cannot be told what they ask for.
func (l *loader) checkAsked() {
	for _, name := range l.unasked {
		b := l.blocks["image"][name]
		l.add(b.at, "Unknown value", "What %s asks for depends on a fact of another image, and those are not known before they are"+
			" locked. Write the value out.", b)
	}
}
