package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// LockFile is the name of the lock file in the folder of a site. It belongs under version control.
const LockFile = ".jeos.lock.hcl"

// Lock is what a site must remember so that the same files keep giving the same result.
type Lock struct {
	Images    []LockedImage   // sorted by name
	Bakes     []LockedBake    // sorted by image
	Addresses []LockedAddress // sorted by guest and nic
}

// LockedImage pins the file of an image block that is fetched from the network.
type LockedImage struct {
	Name     string
	Wants    string // what the block asked for when it was locked, see ImageRequest.Wants
	URL      string // of exactly this file, for ever
	SHA256   string // lower-case hex of the file
	FileSize int64  // bytes
	Format   string // "qcow2" or "raw"
	Size     int64  // virtual size in bytes
	Serial   string // of the publisher, "20261002"; empty when there is none
	Signer   string // fingerprint in upper-case hex of the key that signed the hash; empty: the files say the hash

	ManifestURL    string // of the list of packages in it; empty when there is none
	ManifestSHA256 string // lower-case hex
}

// LockedBake is the serial of a baked image that was upgraded. Others have serial 1 and no entry.
type LockedBake struct {
	Image  string
	Serial int
}

// LockedAddress are the addresses that were assigned to a nic. Those that the files give are not among them.
type LockedAddress struct {
	Guest, NIC, Network string
	Addresses           []netip.Addr // IPv4 first
}

func (l Lock) find(guest, nic string) (LockedAddress, bool) {
	i, ok := slices.BinarySearchFunc(l.Addresses, LockedAddress{Guest: guest, NIC: nic}, compareLocked)
	if !ok {
		return LockedAddress{}, false
	}
	return l.Addresses[i], true
}

// set adds an entry unless it has no addresses or is there.
func (l *Lock) set(entry LockedAddress) {
	i, ok := slices.BinarySearchFunc(l.Addresses, entry, compareLocked)
	if !ok && len(entry.Addresses) > 0 {
		l.Addresses = slices.Insert(l.Addresses, i, entry)
	}
}

func compareLocked(a, b LockedAddress) int {
	return cmp.Or(cmp.Compare(a.Guest, b.Guest), cmp.Compare(a.NIC, b.NIC))
}

// Bytes returns the lock file. The same lock always gives the same bytes.
func (l Lock) Bytes() []byte {
	var b bytes.Buffer
	b.WriteString("# Written by jeos apply. Keep this file under version control.\n")
	for _, a := range l.Addresses {
		var addresses []string
		for _, addr := range a.Addresses {
			addresses = append(addresses, fmt.Sprintf("%q", addr))
		}
		fmt.Fprintf(&b, "\naddress %q %q {\n  network   = %q\n  addresses = [%s]\n}\n",
			a.Guest, a.NIC, a.Network, strings.Join(addresses, ", "))
	}
	return b.Bytes()
}

// WriteLock writes the lock file in dir in one step that a crash leaves done or not done, and reports whether it had to.
// An empty lock makes no file.
func WriteLock(dir string, l Lock) (changed bool, err error) {
	path := filepath.Join(dir, LockFile)
	old, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(l.Addresses) == 0, err == nil && bytes.Equal(old, l.Bytes()):
		return false, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("reading the lock file: %w", err)
	}
	if err := renameio.WriteFile(path, l.Bytes(), 0o644, renameio.WithTempDir(dir)); err != nil {
		return false, fmt.Errorf("writing the lock file: %w", err)
	}
	d, err := os.Open(dir) // the new name must be on the disk, too
	if err != nil {
		return true, fmt.Errorf("writing the lock file: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return true, fmt.Errorf("writing the lock file: %w", err)
	}
	return true, nil
}

// readLock reads the lock file, if there is one. Entries that no longer fit are found out when addresses are assigned.
func (l *loader) readLock() {
	path := filepath.Join(l.opt.Dir, LockFile)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return
	}
	src, err := readText(path, LockFile, maxFile)
	if err != nil {
		l.add(hcl.Range{Filename: path, Start: hcl.InitialPos, End: hcl.InitialPos}, "Unreadable file",
			"The lock file cannot be used: %s. Restore it from version control, or remove it to have addresses assigned anew.", err)
		return
	}
	l.files[path] = &hcl.File{Bytes: src}
	file, diags := parse(src, path)
	if l.addLock(diags); diags.HasErrors() {
		return
	}
	l.files[path] = file
	content, diags := file.Body.Content(&hcl.BodySchema{
		Blocks: []hcl.BlockHeaderSchema{{Type: "address", LabelNames: []string{"guest", "nic"}}},
	})
	l.addLock(diags)
	for _, b := range content.Blocks {
		args, _, diags := lockSchema.read(b.Body)
		if l.addLock(diags); diags.HasErrors() {
			continue
		}
		entry := LockedAddress{Guest: b.Labels[0], NIC: b.Labels[1]}
		if _, ok := l.lock.find(entry.Guest, entry.NIC); ok {
			l.add(b.DefRange, "Invalid lock file", "This nic has an entry already. %s", lockRemedy)
			continue
		}
		if entry.Network, entry.Addresses = l.readLocked(args); len(entry.Addresses) > 0 {
			l.lock.set(entry)
		}
	}
}

// addLock collects the first of HCL's diagnostics about the lock file. Nobody writes that file by hand, so that one broken
// place tells what to do.
func (l *loader) addLock(diags hcl.Diagnostics) {
	const remedy = " Restore the file from version control, or remove it to have addresses assigned anew."
	told := slices.ContainsFunc(l.diags, func(d *hcl.Diagnostic) bool { return strings.HasSuffix(d.Detail, remedy) })
	if len(diags) > 0 && !told {
		diags[0].Detail += remedy
		l.diags = append(l.diags, diags[0])
	}
}

const lockRemedy = "Restore the file from version control, or remove this block to have its addresses assigned anew."

func (l *loader) readLocked(args map[string]*hcl.Attribute) (network string, addresses []netip.Addr) {
	value := func(name string) cty.Value {
		v, diags := args[name].Expr.Value(nil)
		l.addLock(diags)
		return v
	}
	v := value("network")
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		l.add(args["network"].Expr.Range(), "Invalid lock file", "A network must be a string. %s", lockRemedy)
		return "", nil
	}
	network = v.AsString()
	v = value("addresses")
	if v.IsNull() || !v.IsWhollyKnown() || !v.Type().IsTupleType() {
		l.add(args["addresses"].Expr.Range(), "Invalid lock file", "Addresses must be a list. %s", lockRemedy)
		return "", nil
	}
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		addr := netip.Addr{}
		if !e.IsNull() && e.Type() == cty.String {
			addr, _ = netip.ParseAddr(e.AsString())
		}
		if !addr.IsValid() || addr.Zone() != "" {
			l.add(args["addresses"].Expr.Range(), "Invalid lock file", "This list holds something that is no address. %s", lockRemedy)
			return "", nil
		}
		addresses = append(addresses, addr)
	}
	return network, addresses
}
