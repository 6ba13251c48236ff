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
	"strconv"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sys/unix"
)

// LockFile is the name of the lock file in the folder of a site. It belongs under version control.
const LockFile = ".jeos.lock.hcl"

// Lock is what a site must remember so that the same files keep giving the same result.
type Lock struct {
	Images    []LockedImage    // sorted by name
	Bakes     []LockedBake     // sorted by image
	Endpoints []LockedEndpoint // sorted by host
	Addresses []LockedAddress  // sorted by guest and nic
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

// LockedEndpoint pins the addresses of a host to which the tunnel of a role goes.
type LockedEndpoint struct {
	Host      string
	Addresses []netip.Addr // sorted; at least one
}

// LockedAddress are the addresses that were assigned to a nic. Those that the files give are not among them.
type LockedAddress struct {
	Guest, NIC, Network string
	Addresses           []netip.Addr // IPv4 first
}

// SetImage adds an entry, or replaces the one of the same name.
func (l *Lock) SetImage(entry LockedImage) {
	l.Images = put(l.Images, entry, func(a, b LockedImage) int { return cmp.Compare(a.Name, b.Name) })
}

// put adds an entry to a sorted list, or replaces the one that is equal to it.
func put[E any](list []E, entry E, compare func(a, b E) int) []E {
	i, ok := slices.BinarySearchFunc(list, entry, compare)
	if ok {
		list[i] = entry
		return list
	}
	return slices.Insert(list, i, entry)
}

// Retain removes the entries of images and endpoints that other has no entry for. It leaves the rest as it is.
func (l *Lock) Retain(other Lock) {
	l.Images = slices.DeleteFunc(l.Images, func(e LockedImage) bool {
		_, ok := other.Image(e.Name)
		return !ok
	})
	l.Bakes = slices.DeleteFunc(l.Bakes, func(e LockedBake) bool { return other.serial(e.Image) == 1 })
	l.Endpoints = slices.DeleteFunc(l.Endpoints, func(e LockedEndpoint) bool {
		_, ok := other.Endpoint(e.Host)
		return !ok
	})
}

// SetBake adds an entry, or replaces the one of the same image. Serial 1 needs none: it removes the entry.
func (l *Lock) SetBake(entry LockedBake) {
	if entry.Serial <= 1 {
		l.Bakes = slices.DeleteFunc(l.Bakes, func(e LockedBake) bool { return e.Image == entry.Image })
		return
	}
	l.Bakes = put(l.Bakes, entry, func(a, b LockedBake) int { return cmp.Compare(a.Image, b.Image) })
}

// SetEndpoint adds an entry, or replaces the one of the same host.
func (l *Lock) SetEndpoint(entry LockedEndpoint) {
	l.Endpoints = put(l.Endpoints, entry, func(a, b LockedEndpoint) int { return cmp.Compare(a.Host, b.Host) })
}

// Endpoint returns the entry of a host, and whether there is one.
func (l Lock) Endpoint(host string) (LockedEndpoint, bool) {
	i := slices.IndexFunc(l.Endpoints, func(e LockedEndpoint) bool { return e.Host == host })
	if i < 0 {
		return LockedEndpoint{}, false
	}
	return l.Endpoints[i], true
}

// Image returns the entry of an image, and whether there is one.
func (l Lock) Image(name string) (LockedImage, bool) {
	i := slices.IndexFunc(l.Images, func(e LockedImage) bool { return e.Name == name })
	if i < 0 {
		return LockedImage{}, false
	}
	return l.Images[i], true
}

// serial returns the serial of a baked image.
func (l Lock) serial(image string) int {
	i := slices.IndexFunc(l.Bakes, func(e LockedBake) bool { return e.Image == image })
	if i < 0 {
		return 1
	}
	return l.Bakes[i].Serial
}

func (l Lock) address(guest, nic string) (LockedAddress, bool) {
	i, ok := slices.BinarySearchFunc(l.Addresses, LockedAddress{Guest: guest, NIC: nic}, compareLocked)
	if !ok {
		return LockedAddress{}, false
	}
	return l.Addresses[i], true
}

// setAddress adds an entry unless it has no addresses or is there.
func (l *Lock) setAddress(entry LockedAddress) {
	i, ok := slices.BinarySearchFunc(l.Addresses, entry, compareLocked)
	if !ok && len(entry.Addresses) > 0 {
		l.Addresses = slices.Insert(l.Addresses, i, entry)
	}
}

func compareLocked(a, b LockedAddress) int {
	return cmp.Or(cmp.Compare(a.Guest, b.Guest), cmp.Compare(a.NIC, b.NIC))
}

func (l Lock) empty() bool {
	return len(l.Images) == 0 && len(l.Bakes) == 0 && len(l.Endpoints) == 0 && len(l.Addresses) == 0
}

// Bytes returns the lock file. The same lock always gives the same bytes.
func (l Lock) Bytes() []byte {
	var b bytes.Buffer
	b.WriteString("# Written by jeos lock, image bake and apply. Keep this file under version control.\n")
	for _, i := range l.Images {
		fmt.Fprintf(&b, "\nimage %s {\n", literal(i.Name))
		for _, arg := range []struct {
			name  string
			value string // as it stands in the file
		}{
			{"wants", literal(i.Wants)},
			{"url", literal(i.URL)},
			{"sha256", literal(i.SHA256)},
			{"file_size", strconv.FormatInt(i.FileSize, 10)},
			{"format", literal(i.Format)},
			{"size", strconv.FormatInt(i.Size, 10)},
			{"serial", literal(i.Serial)},
			{"signer", literal(i.Signer)},
			{"manifest_url", literal(i.ManifestURL)},
			{"manifest_sha256", literal(i.ManifestSHA256)},
		} {
			if arg.value != literal("") {
				fmt.Fprintf(&b, "%s = %s\n", arg.name, arg.value)
			}
		}
		b.WriteString("}\n")
	}
	for _, k := range l.Bakes {
		fmt.Fprintf(&b, "\nbake %s {\nserial = %d\n}\n", literal(k.Image), k.Serial)
	}
	for _, e := range l.Endpoints {
		fmt.Fprintf(&b, "\nendpoint %s {\naddresses = %s\n}\n", literal(e.Host), literalAddresses(e.Addresses))
	}
	for _, a := range l.Addresses {
		fmt.Fprintf(&b, "\naddress %s %s {\nnetwork = %s\naddresses = %s\n}\n",
			literal(a.Guest), literal(a.NIC), literal(a.Network), literalAddresses(a.Addresses))
	}
	return hclwrite.Format(b.Bytes())
}

func literalAddresses(addresses []netip.Addr) string {
	texts := make([]string, len(addresses))
	for i, addr := range addresses {
		texts[i] = literal(addr.String())
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// literal writes a string the way that HCL reads it back.
func literal(s string) string { return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes()) }

// UpdateLock changes the lock file in dir and reports whether it had to. The lock that change gets is what the file says
// at that moment, and no other UpdateLock comes between, so that none undoes what another one did. An error of change
// leaves the file as it is. An empty lock makes no file.
func UpdateLock(dir string, change func(*Lock) error) (changed bool, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return false, fmt.Errorf("locking the lock file: %w", err)
	}
	defer d.Close() // and with it the kernel's lock, which holds off nobody for long
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX); err != nil {
		return false, fmt.Errorf("locking the lock file: %w", err)
	}
	l := newLoader(Options{Dir: dir})
	if l.readLock(); l.diags.HasErrors() {
		return false, fmt.Errorf("reading the lock file: %s", l.diags[0].Detail)
	}
	if err := change(&l.lock); err != nil {
		return false, err
	}
	return writeLock(dir, l.lock)
}

// writeLock writes the lock file in dir in one step that a crash leaves done or not done.
func writeLock(dir string, l Lock) (changed bool, err error) {
	path := filepath.Join(dir, LockFile)
	old, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && l.empty(), err == nil && bytes.Equal(old, l.Bytes()):
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
