package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/hcl/v2"

	"jeos/internal/config"
)

var (
	hashA = strings.Repeat("a", 64)
	hashB = strings.Repeat("b", 64)
)

// lockingSite has images of every form, none of which is locked, and guests that need them.
var lockingSite = map[string]string{"main.jeos.hcl": `jeos {
  site = "s"
}
variable "release" {
  default = "noble"
}
locals {
  server = "https://host/${network.n.name}"
  broken = image.noble.sha256 + 1
}
image "url" {
  source   = "${local.server}/x.img"
  checksum = "sha256:` + strings.ToUpper(hashA) + `"
}
image "noble" {
  release = var.release
  flavour = "server"
  arch    = "aarch64"
  mirror  = "http://mirror"
  keyring = "keys/own.gpg"
}
image "old" {
  release = "lunar"
}
image "local" {
  source = "not-there.img"
}
image "baked" {
  base     = image.noble
  packages = [image.url.sha256]
}
network "n" {}
guest "g" {
  image  = image.noble
  memory = image.noble.size + image.local.size
  disk   = local.broken
}
`}

func TestLoadRequests(t *testing.T) {
	dir := writeFiles(t, lockingSite)
	want := config.Lock{
		Images:    []config.LockedImage{lockedImage("old", "release lunar minimal x86_64")},
		Bakes:     []config.LockedBake{{Image: "baked", Serial: 2}},
		Addresses: []config.LockedAddress{{Guest: "gone", NIC: "lan", Network: "n", Addresses: addresses("10.0.0.2")}},
	}
	stored := want
	stored.Images = append([]config.LockedImage{lockedImage("local", "url https://host/x")}, want.Images...)
	stored.Bakes = append(stored.Bakes, config.LockedBake{Image: "noble", Serial: 3})
	if _, err := writeLock(dir, stored); err != nil {
		t.Fatal(err)
	}
	opt := testOptions(dir)
	opt.Image, opt.Cached = nil, nil
	requests, lock, files, diags := config.LoadRequests(opt)
	if diags.HasErrors() {
		t.Fatal(render(t, dir, files, diags))
	}
	if len(diags) != 1 || diags[0].Summary != "Release is past its end of life" {
		t.Errorf("got %v, want a warning of lunar", diags)
	}
	wantRequests := []config.ImageRequest{
		{Name: "noble", Release: "noble", Flavour: "server", Arch: "aarch64", Mirror: "http://mirror", Keyring: filepath.Join(dir, "keys/own.gpg")},
		{Name: "old", Release: "lunar", Flavour: "minimal", Arch: "x86_64", Locked: &want.Images[0]},
		{Name: "url", URL: "https://host/n/x.img", SHA256: hashA},
	}
	if d := cmp.Diff(wantRequests, requests.Images, cmpopts.IgnoreTypes(hcl.Range{})); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if d := cmp.Diff(string(want.Bytes()), string(lock.Bytes())); d != "" {
		t.Errorf("lock: -want +got:\n%s", d)
	}
	if line := requests.Images[0].Place.Start.Line; line != 15 {
		t.Errorf("noble is in line %d", line)
	}
}

// TestLockThenLoad locks what LoadRequests asks for; the site must be complete then.
func TestLockThenLoad(t *testing.T) {
	dir := writeFiles(t, lockingSite)
	write(t, dir, "not-there.img", "")
	src := strings.NewReplacer("  disk   = local.broken\n", "", "  broken = image.noble.sha256 + 1\n", "",
		"  memory = image.noble.size + image.local.size\n", "  arch = \"aarch64\"\n", "packages = [image.url.sha256]", "").
		Replace(lockingSite["main.jeos.hcl"])
	write(t, dir, "main.jeos.hcl", src)
	if site, _, diags := config.Load(testOptions(dir)); site != nil || len(diags.Errs()) != 3 {
		t.Fatalf("without a lock, which three images need: %v", diags)
	}
	requests, lock, _, diags := config.LoadRequests(testOptions(dir))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for _, r := range requests.Images {
		lock.SetImage(lockedImage(r.Name, r.Wants()))
	}
	if _, err := writeLock(dir, lock); err != nil {
		t.Fatal(err)
	}
	site, files, diags := config.Load(testOptions(dir))
	if site == nil {
		t.Fatal(render(t, dir, files, diags))
	}
	if d := cmp.Diff(lock, site.Lock, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("-locked +loaded:\n%s", d)
	}
}

func TestLoadRequestsErrors(t *testing.T) {
	for name, test := range map[string]struct{ images, want string }{
		"two forms":     {"image \"a\" {\n source = \"x\"\n release = \"noble\"\n}", "Invalid image"},
		"bad flavour":   {"image \"a\" {\n release = \"noble\"\n flavour = \"x\"\n}", "Invalid flavour"},
		"hash in a URL": {"image \"a\" {\n source = \"https://h/${image.b.sha256}\"\n}\nimage \"b\" {\n release = \"noble\"\n}", "Unknown value"},
		"size in a URL": {"image \"a\" {\n source = local.x\n}\nlocals {\n x = \"https://h/${image.b.size}\"\n}\nimage \"b\" {\n source = \"b\"\n}", "Unknown value"},
		"broken local":  {"image \"a\" {\n source = local.x\n}\nlocals {\n x = 1 + \"a\"\n}", "Invalid operand"},
		"cycle":         {"image \"a\" {\n base = image.b\n}\nimage \"b\" {\n base = image.a\n}", "Cycle"},
		"unknown base":  {"image \"a\" {\n base = image.b\n}", "Unknown reference"},
		"no site":       {"jeos {}", "Duplicate jeos block"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{"main.jeos.hcl": "jeos {\n  site = \"s\"\n}\n" + test.images + "\n"})
			requests, _, _, diags := config.LoadRequests(testOptions(dir))
			if requests != nil || len(diags.Errs()) == 0 || diags[0].Summary != test.want {
				t.Errorf("got %v, %v, want %q", requests, diags, test.want)
			}
		})
	}
}

func lockedImage(name, wants string) config.LockedImage {
	return config.LockedImage{
		Name: name, Wants: wants, URL: "https://host/" + name, SHA256: hashA, FileSize: 1, Format: "raw", Size: config.GiB,
		Signer: strings.Repeat("A", 40),
	}
}

func TestWants(t *testing.T) {
	for _, test := range []struct {
		request config.ImageRequest
		want    string
	}{
		{config.ImageRequest{Release: "noble", Flavour: "minimal", Arch: "x86_64", Mirror: "http://m"}, "release noble minimal x86_64"},
		{config.ImageRequest{URL: "https://h/x", SHA256: hashA}, "url https://h/x"},
		{config.ImageRequest{URL: "https://h/x", Keyring: "/home/a/keys.gpg"}, "url https://h/x keyring keys.gpg"},
	} {
		if got := test.request.Wants(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// TestLockEntries changes a lock and reads it back.
func TestLockEntries(t *testing.T) {
	full := config.LockedImage{
		Name: "b", Wants: `url https://h/x keyring ${a} "b" %{c} ü`, URL: "https://h/$x", SHA256: hashB, FileSize: 1<<46 - 1, Format: "qcow2",
		Size: 1, Serial: "20261002.1", Signer: strings.Repeat("F", 64), ManifestURL: "http://h/m", ManifestSHA256: hashA,
	}
	var lock config.Lock
	for _, name := range []string{"c", "a", "b", "b"} {
		lock.SetImage(config.LockedImage{Name: name})
		lock.SetBake(config.LockedBake{Image: name, Serial: 5})
	}
	lock.SetImage(lockedImage("a", "release noble minimal x86_64"))
	lock.SetImage(full)
	lock.SetImage(lockedImage("c", "release noble minimal x86_64"))
	lock.SetBake(config.LockedBake{Image: "a", Serial: 1})
	lock.SetBake(config.LockedBake{Image: "x", Serial: 1})
	lock.SetBake(config.LockedBake{Image: "c", Serial: 6})
	want := config.Lock{
		Images: []config.LockedImage{
			lockedImage("a", "release noble minimal x86_64"), full, lockedImage("c", "release noble minimal x86_64"),
		},
		Bakes: []config.LockedBake{{Image: "b", Serial: 5}, {Image: "c", Serial: 6}},
	}
	if d := cmp.Diff(want, lock); d != "" {
		t.Fatalf("-want +got:\n%s", d)
	}
	dir := writeFiles(t, map[string]string{"main.jeos.hcl": `jeos {
  site = "s"
}
image "a" {
  release = "noble"
}
image "b" {
  release = "noble"
}
image "c" {
  release = "noble"
}
`})
	if _, err := writeLock(dir, lock); err != nil {
		t.Fatal(err)
	}
	_, got, _, diags := config.LoadRequests(testOptions(dir))
	want.Bakes = []config.LockedBake{}
	if d := cmp.Diff(want, got); d != "" || diags.HasErrors() {
		t.Errorf("%v\n-want +got:\n%s", diags, d)
	}
	if changed, err := writeLock(dir, config.Lock{}); err != nil || !changed {
		t.Errorf("emptying: %t, %v", changed, err)
	}
	if _, err := os.ReadFile(filepath.Join(dir, config.LockFile)); err != nil {
		t.Error(err)
	}
}
