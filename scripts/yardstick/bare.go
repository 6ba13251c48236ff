package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"github.com/digitalocean/go-libvirt"
)

// inFlight is how many calls jeos has in flight when it applies.
const inFlight = 4

// bare is a program that knows all definitions beforehand and makes, reads and removes them, with no check at all.
type bare struct {
	lv       *libvirt.Libvirt
	domains  []string // XML
	networks []string
	volumes  []string          // XML of disks
	seeds    map[string][]byte // by volume name
}

// newBare reads what "jeos build" wrote.
func newBare(built string) (*bare, error) {
	uri, err := url.Parse("qemu:///system")
	if err != nil {
		return nil, err
	}
	lv, err := libvirt.ConnectToURI(uri)
	if err != nil {
		return nil, err
	}
	b := &bare{lv: lv, seeds: map[string][]byte{}}
	for folder, list := range map[string]*[]string{"domain": &b.domains, "network": &b.networks, "volume": &b.volumes} {
		files, err := filepath.Glob(filepath.Join(built, folder, "*.xml"))
		if err != nil {
			return nil, err
		}
		sort.Strings(files)
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".xml")
			if folder == "volume" && (strings.HasPrefix(name, "jeos-image.") || strings.HasSuffix(name, ".iso")) {
				continue
			}
			data, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			*list = append(*list, string(data))
		}
	}
	files, err := filepath.Glob(filepath.Join(built, "volume", "*.iso"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if b.seeds[filepath.Base(file)], err = os.ReadFile(file); err != nil {
			return nil, err
		}
	}
	if len(b.domains) == 0 || len(b.networks) == 0 || len(b.volumes) != len(b.domains) || len(b.seeds) != len(b.domains) {
		return nil, fmt.Errorf("%s holds %d domains, %d networks, %d disks and %d seeds", built, len(b.domains), len(b.networks), len(b.volumes), len(b.seeds))
	}
	return b, nil
}

// each calls f for 0 to n-1, with inFlight calls at once.
func each(n int, f func(int) error) error {
	var wg sync.WaitGroup
	slots := make(chan struct{}, inFlight)
	errs := make([]error, n)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = f(i)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (b *bare) make() error {
	pool, err := b.lv.StoragePoolLookupByName("bench")
	if err != nil {
		return err
	}
	for _, xml := range b.networks {
		n, err := b.lv.NetworkDefineXML(xml)
		if err != nil {
			return err
		}
		if err := b.lv.NetworkSetAutostart(n, 1); err != nil {
			return err
		}
		if err := b.lv.NetworkCreate(n); err != nil {
			return err
		}
	}
	names := make([]string, 0, len(b.seeds))
	for name := range b.seeds {
		names = append(names, name)
	}
	sort.Strings(names)
	return each(len(b.domains), func(i int) error {
		d, err := b.lv.DomainDefineXMLFlags(b.domains[i], libvirt.DomainDefineValidate)
		if err != nil {
			return err
		}
		if err := b.lv.DomainSetAutostart(d, 1); err != nil {
			return err
		}
		if err := b.upload(pool, names[i]); err != nil {
			return err
		}
		_, err = b.lv.StorageVolCreateXML(pool, b.volumes[i], 0)
		return err
	})
}

// upload makes a seed and the empty volume that marks it as complete.
func (b *bare) upload(pool libvirt.StoragePool, name string) error {
	data := b.seeds[name]
	v, err := b.lv.StorageVolCreateXML(pool, rawVolume(name, len(data)), 0)
	if err != nil {
		return err
	}
	if err := b.lv.StorageVolUpload(v, bytes.NewReader(data), 0, uint64(len(data)), 0); err != nil {
		return err
	}
	_, err = b.lv.StorageVolCreateXML(pool, rawVolume(name+".ok", 0), 0)
	return err
}

func rawVolume(name string, size int) string {
	return fmt.Sprintf("<volume><name>%s</name><capacity unit='bytes'>%d</capacity><target><format type='raw'/></target></volume>", name, size)
}

// read reads what jeos reads of its own site, one call after the other.
func (b *bare) read() error {
	domains, _, err := b.lv.ConnectListAllDomains(1, 0)
	if err != nil {
		return err
	}
	read := 0
	for _, d := range domains {
		if _, err := b.lv.DomainGetXMLDesc(d, libvirt.DomainXMLInactive); err != nil {
			return err
		}
		read++
	}
	networks, _, err := b.lv.ConnectListAllNetworks(1, 0)
	if err != nil {
		return err
	}
	for _, n := range networks {
		if _, err := b.lv.NetworkGetXMLDesc(n, uint32(libvirt.NetworkXMLInactive)); err != nil {
			return err
		}
	}
	pool, err := b.lv.StoragePoolLookupByName("bench")
	if err != nil {
		return err
	}
	volumes, _, err := b.lv.StoragePoolListAllVolumes(pool, 1, 0)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		if strings.HasPrefix(v.Name, "bare.") || strings.HasPrefix(v.Name, "jeos-image.") {
			if _, err := b.lv.StorageVolGetXMLDesc(v, 0); err != nil {
				return err
			}
		}
	}
	if read < len(b.domains) {
		return fmt.Errorf("only %d domains were there to read", read)
	}
	return nil
}

// remove undoes make.
func (b *bare) remove() error {
	domains, _, err := b.lv.ConnectListAllDomains(1, 0)
	if err != nil {
		return err
	}
	for _, d := range domains {
		if strings.HasPrefix(d.Name, "bare-") {
			if err := b.lv.DomainUndefine(d); err != nil {
				return err
			}
		}
	}
	networks, _, err := b.lv.ConnectListAllNetworks(1, 0)
	if err != nil {
		return err
	}
	for _, n := range networks {
		if !strings.HasPrefix(n.Name, "bare-") {
			continue
		}
		if err := errors.Join(b.lv.NetworkDestroy(n), b.lv.NetworkUndefine(n)); err != nil {
			return err
		}
	}
	pool, err := b.lv.StoragePoolLookupByName("bench")
	if err != nil {
		return err
	}
	volumes, _, err := b.lv.StoragePoolListAllVolumes(pool, 1, 0)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		if strings.HasPrefix(v.Name, "bare.") {
			if err := b.lv.StorageVolDelete(v, 0); err != nil {
				return err
			}
		}
	}
	return nil
}
