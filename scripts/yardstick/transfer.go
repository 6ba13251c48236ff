package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/digitalocean/go-libvirt"
)

// imageSize is the size in bytes of the image that is moved about: large enough to drown what else a command does.
const imageSize = 512 << 20

// transfer compares how jeos brings one large image to the pool and into its cache with plain copies of the same file.
type transfer struct {
	*bench
	bare   *bare
	folder string
	image  string // a raw image of noise
	sha256 string
}

func newTransfer(b *bench, bare *bare, folder string) (*transfer, error) {
	t := &transfer{bench: b, bare: bare, folder: folder, image: filepath.Join(folder, "noise.raw")}
	f, err := os.Create(t.image)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, sum), rand.Reader, imageSize); err != nil {
		return nil, err
	}
	t.sha256 = hex.EncodeToString(sum.Sum(nil))
	return t, f.Sync()
}

// upload compares an upload by apply with a bare one. What else that apply does is measured by another one, which finds
// the image in place, and subtracted.
func (t *transfer) upload() error {
	site := filepath.Join(t.folder, "upload-site")
	if err := writeSite(site, "upload", t.image, 1); err != nil {
		return err
	}
	apply := func() error { return t.jeosRun(site, "apply", "--auto-approve") }
	destroy := func() error { return t.jeosRun(site, "destroy", "--auto-approve") }
	if err := apply(); err != nil { // hashes the file, which is remembered
		return err
	}
	rest, err := best(rounds, apply, destroy)
	if err != nil {
		return err
	}
	name := "jeos-image." + t.sha256 + ".raw"
	whole, err := best(rounds, apply, func() error {
		if err := destroy(); err != nil {
			return err
		}
		return t.bare.deleteVolumes(name+".ok", name)
	})
	if err != nil {
		return err
	}
	bare, err := best(rounds, t.bareUpload, func() error { return t.bare.deleteVolumes("bare.noise.raw") })
	if err != nil {
		return err
	}
	row("upload", whole-rest, bare)
	return t.bare.deleteVolumes("bare.noise.raw")
}

func (t *transfer) bareUpload() error {
	f, err := os.Open(t.image)
	if err != nil {
		return err
	}
	defer f.Close()
	pool, err := t.bare.lv.StoragePoolLookupByName("bench")
	if err != nil {
		return err
	}
	v, err := t.bare.lv.StorageVolCreateXML(pool, rawVolume("bare.noise.raw", imageSize), 0)
	if err != nil {
		return err
	}
	return t.bare.lv.StorageVolUpload(v, f, 0, imageSize, 0)
}

// deleteVolumes deletes those of the named volumes that are there.
func (b *bare) deleteVolumes(names ...string) error {
	pool, err := b.lv.StoragePoolLookupByName("bench")
	if err != nil {
		return err
	}
	for _, name := range names {
		v, err := b.lv.StorageVolLookupByName(pool, name)
		if missing, ok := errors.AsType[libvirt.Error](err); ok && missing.Code == uint32(libvirt.ErrNoStorageVol) {
			continue
		}
		if err != nil {
			return err
		}
		if err := b.lv.StorageVolDelete(v, 0); err != nil {
			return err
		}
	}
	return nil
}

// download compares jeos image pull, which hashes what comes in, with a bare copy of the same file from the same server.
func (t *transfer) download(start time.Duration) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(t.folder))}
	go server.Serve(listener)
	defer server.Close()
	url := fmt.Sprintf("http://%s/noise.raw", listener.Addr())

	site, cache := filepath.Join(t.folder, "download-site"), filepath.Join(t.folder, "cache")
	if err := os.MkdirAll(site, 0o755); err != nil {
		return err
	}
	text := fmt.Sprintf("jeos {\n  site = \"download\"\n}\n\nimage \"noise\" {\n  source   = %q\n  checksum = \"sha256:%s\"\n}\n", url, t.sha256)
	if err := os.WriteFile(filepath.Join(site, "site.jeos.hcl"), []byte(text), 0o644); err != nil {
		return err
	}
	if err := os.Setenv("JEOS_CACHE_DIR", cache); err != nil {
		return err
	}
	if err := t.jeosRun(site, "lock"); err != nil {
		return err
	}
	pull, err := best(rounds, func() error { return t.jeosRun(site, "image", "pull") }, func() error { return os.RemoveAll(cache) })
	if err != nil {
		return err
	}
	copied := filepath.Join(t.folder, "copied.raw")
	bare, err := best(rounds, func() error { return copyFrom(url, copied) }, nil)
	if err != nil {
		return err
	}
	row("pull", pull-start, bare)
	return nil
}

// copyFrom downloads a file and sees to it that it is on the disk.
func copyFrom(url, path string) error {
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, response.Body); err != nil {
		return err
	}
	return f.Sync()
}
