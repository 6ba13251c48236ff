// Package imagestest plays a publisher of cloud images for tests: a server on the loopback interface with the layout of
// https://cloud-images.ubuntu.com, signed with keys of its own. It is in no program.
package imagestest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Publisher is the server. Its methods are safe for concurrent use.
type Publisher struct {
	URL     string // of the mirror: what stands for https://cloud-images.ubuntu.com
	Keyring string // path of the file with the public key, armored
	Signer  string // fingerprint of the key in upper-case hex

	t    testing.TB
	keys keys

	mu       sync.Mutex
	fault    Fault
	cut      int64 // images end after that many bytes, for as long as cuts are left
	cuts     int
	edition  int // part of the ETag
	images   []Image
	requests []string
}

// Image is one image that is published.
type Image struct {
	Release  string // "noble"
	Version  string // "24.04"; empty: as the releases of that name have it
	Flavour  string // "minimal" or "server"; empty: minimal
	Arch     string // as Debian names it; empty: amd64
	Serial   string // "20261002"
	Label    string // empty: that of a release
	Content  []byte
	Manifest string // empty: none is published
}

// NewPublisher starts a publisher that ends with the test.
func NewPublisher(t testing.TB) *Publisher {
	t.Helper()
	p := &Publisher{t: t, Keyring: filepath.Join(t.TempDir(), "publisher.asc"), keys: newKeys(t)}
	p.Signer = p.keys.fingerprint()
	p.writeKeyring()
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

// Publish adds an image, or replaces the one with the same release, flavour, architecture and serial. It returns its URL.
func (p *Publisher) Publish(i Image) string {
	i.Version = cmp.Or(i.Version, map[string]string{"jammy": "22.04", "noble": "24.04", "resolute": "26.04"}[i.Release])
	i.Flavour, i.Arch = cmp.Or(i.Flavour, "minimal"), cmp.Or(i.Arch, "amd64")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.images = slices.DeleteFunc(p.images, func(other Image) bool { return other.path() == i.path() })
	p.images = append(p.images, i)
	return p.URL + "/" + i.path()
}

// Set lets the publisher have a fault from now on; "" ends it.
func (p *Publisher) Set(f Fault) {
	p.mu.Lock()
	p.fault = f
	p.mu.Unlock()
	p.writeKeyring()
}

// Cut has the next transfers of images, so many of them, end after so many bytes: the connection is closed.
func (p *Publisher) Cut(transfers int, after int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cuts, p.cut = transfers, after
}

// Touch changes the ETag of all files.
func (p *Publisher) Touch() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.edition++
}

// Requests returns what was asked for since the last call: "GET /path", and behind it the range if there was one.
func (p *Publisher) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := p.requests
	p.requests = nil
	return asked
}

func (p *Publisher) writeKeyring() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := os.WriteFile(p.Keyring, p.keys.public(p.fault), 0o600); err != nil {
		p.t.Error(err)
	}
}

// folder is that of the flavour's streams.
func (i Image) folder() string {
	if i.Flavour == "server" {
		return "releases"
	}
	return "minimal/releases"
}

// itemPath is that of the image below the folder.
func (i Image) itemPath() string {
	dir := i.Release
	if i.Flavour == "server" {
		dir = "server/releases/" + i.Release
	}
	return fmt.Sprintf("%s/release-%s/ubuntu-%s-%s-cloudimg-%s.img", dir, i.Serial, i.Version, i.Flavour, i.Arch)
}

func (i Image) path() string { return i.folder() + "/" + i.itemPath() }

func (i Image) manifestPath() string { return strings.TrimSuffix(i.path(), ".img") + ".manifest" }

// QCOW2 returns a file of that many bytes, at least 256 KiB, that passes for a qcow2 image of a 2 GiB disk. Another seed
// gives another content.
func QCOW2(length int, seed byte) []byte {
	image := make([]byte, length)
	state := uint32(seed) + 1
	for n := 4 << 16; n < length; n++ {
		state = state*1664525 + 1013904223
		image[n] = byte(state >> 24)
	}
	copy(image, "QFI\xfb\x00\x00\x00\x03")
	for offset, value := range map[int]byte{
		23:  16,   // cluster bits
		28:  0x80, // size: 2 GiB
		39:  4,    // entries of the L1 table
		45:  3,    // the L1 table is in cluster 3
		53:  1,    // the table of reference counts is in cluster 1
		59:  1,    // and one cluster long
		99:  4,    // reference counts of 16 bits
		103: 104,  // length of the header
		200: seed,
	} {
		image[offset] = value
	}
	return image
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// ServeHTTP implements http.Handler.
func (p *Publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked := r.Method + " " + r.URL.Path
	if span := r.Header.Get("Range"); span != "" {
		asked += " " + span
	}
	p.mu.Lock()
	p.requests = append(p.requests, asked)
	fault := p.fault
	p.mu.Unlock()
	if fault == Portal {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<!DOCTYPE html>\n<title>Welcome</title>\n%s", strings.Repeat("<p>Sign in to use this network.</p>\n", 100))
		return
	}
	p.serve(w, r, fault)
}
