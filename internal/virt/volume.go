package virt

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

// lookupVolume finds a volume whose file is there. The list of a pool can be stale; then the pool is refreshed, so that
// the name is free again.
func lookupVolume(ctx context.Context, c *conn, pool, name string) (libvirt.StorageVol, volume, error) {
	for refreshed := false; ; refreshed = true {
		v, err := findVolume(ctx, c, pool, name)
		if err != nil {
			return v, volume{}, err
		}
		text, err := volumeXML(ctx, c, v)
		if errors.Is(err, plan.ErrNotFound) && !refreshed {
			if err := refreshPool(ctx, c, pool); err != nil {
				return v, volume{}, err
			}
			continue
		}
		if err != nil {
			return v, volume{}, err
		}
		var desc volume
		if err := xml.Unmarshal([]byte(text), &desc); err != nil {
			return v, volume{}, fmt.Errorf("virStorageVolGetXMLDesc: %w", err)
		}
		return v, desc, nil
	}
}

// volume is what counts here of https://libvirt.org/formatstorage.html#storage-volume-xml.
type volume struct {
	XMLName  xml.Name `xml:"volume"`
	Name     string   `xml:"name"`
	Capacity struct {
		Unit  string `xml:"unit,attr"`
		Bytes int64  `xml:",chardata"`
	} `xml:"capacity"`
	Allocation int64 `xml:"allocation"`
	Target     struct {
		Path   string `xml:"path,omitempty"`
		Format struct {
			Type string `xml:"type,attr"`
		} `xml:"format"`
	} `xml:"target"`
}

func findVolume(ctx context.Context, c *conn, pool, name string) (libvirt.StorageVol, error) {
	p, err := lookupPool(ctx, c, pool)
	if err != nil {
		return libvirt.StorageVol{}, err
	}
	return call(ctx, c, quick, "virStorageVolLookupByName", func(lv *libvirt.Libvirt) (libvirt.StorageVol, error) {
		return lv.StorageVolLookupByName(p, name)
	})
}

func volumeXML(ctx context.Context, c *conn, v libvirt.StorageVol) (string, error) {
	return call(ctx, c, quick, "virStorageVolGetXMLDesc", func(lv *libvirt.Libvirt) (string, error) {
		return lv.StorageVolGetXMLDesc(v, 0)
	})
}

// createVolume leaves a volume of that name as it is.
func createVolume(ctx context.Context, c *conn, s plan.Step) error {
	_, _, err := lookupVolume(ctx, c, s.Pool, s.Host)
	if gone(err) != nil || err == nil {
		return err
	}
	_, err = makeVolume(ctx, c, s.Pool, s.XML)
	if err == nil {
		return nil
	}
	if _, _, again := lookupVolume(ctx, c, s.Pool, s.Host); again == nil && answer(err) != nil && !full(err) {
		return nil
	}
	return spaceError(ctx, c, s.Pool, 0, err)
}

// makeVolume creates a volume in the pool.
func makeVolume(ctx context.Context, c *conn, pool, text string) (libvirt.StorageVol, error) {
	p, err := lookupPool(ctx, c, pool)
	if err != nil {
		return libvirt.StorageVol{}, err
	}
	return storage(ctx, c, "virStorageVolCreateXML", func(lv *libvirt.Libvirt) (libvirt.StorageVol, error) {
		return lv.StorageVolCreateXML(p, text, 0)
	})
}

// spaceError adds to err, if it says that the disk is full, how much space the pool has and how much was needed. Zero
// stands for not known.
func spaceError(ctx context.Context, c *conn, pool string, needed int64, err error) error {
	if !full(err) {
		return err
	}
	refreshPool(ctx, c, pool) // for the numbers; without it they are older
	p, again := lookupPool(ctx, c, pool)
	if again != nil {
		return err
	}
	free, again := call(ctx, c, quick, "virStoragePoolGetInfo", func(lv *libvirt.Libvirt) (uint64, error) {
		_, _, _, available, err := lv.StoragePoolGetInfo(p)
		return available, err
	})
	if again != nil {
		return err
	}
	text := fmt.Sprintf("pool %q is full: %d bytes are free", pool, free)
	if needed > 0 {
		text += fmt.Sprintf(" and %d bytes are needed", needed)
	}
	return fmt.Errorf("%s; %w", text, err)
}

// markerSuffix is added to the name of a volume for the empty volume beside it that tells that it is complete.
const markerSuffix = ".ok"

// makeMarker makes a volume count as complete, if nobody did it before.
func makeMarker(ctx context.Context, c *conn, pool, name string) error {
	text, err := rawVolume(name+markerSuffix, 0)
	if err != nil {
		return err
	}
	if _, err = makeVolume(ctx, c, pool, text); taken(err) {
		return nil
	}
	return spaceError(ctx, c, pool, 0, err)
}

// deleteVolume deletes the marker, if there is one, first: a volume without one counts as incomplete, but a marker
// without its volume would make the next one of that name count as complete before its time. So it looks for the marker
// at the end as well: whoever made the volume may have made it while the deletion had to wait.
func deleteVolume(ctx context.Context, c *conn, pool, name string) error {
	marker := name + markerSuffix
	for _, n := range []string{marker, name, marker} {
		if err := deleteOne(ctx, c, pool, n); err != nil {
			return err
		}
	}
	return nil
}

func deleteOne(ctx context.Context, c *conn, pool, name string) error {
	v, err := findVolume(ctx, c, pool, name)
	if err != nil {
		return gone(err)
	}
	_, err = storage(ctx, c, "virStorageVolDelete", func(lv *libvirt.Libvirt) (struct{}, error) {
		return struct{}{}, lv.StorageVolDelete(v, libvirt.StorageVolDeleteNormal)
	})
	return gone(err)
}

// growVolume grows through the running domain if that has the volume open, for then the file belongs to QEMU.
func growVolume(ctx context.Context, c *conn, s plan.Step) error {
	v, desc, err := lookupVolume(ctx, c, s.Pool, s.Host)
	if err != nil || desc.Capacity.Bytes >= s.Size {
		return err
	}
	if s.Domain != "" {
		done, err := growLive(ctx, c, s, desc.Target.Path)
		if done || err != nil {
			return spaceError(ctx, c, s.Pool, s.Size-desc.Capacity.Bytes, err)
		}
	}
	_, err = storage(ctx, c, "virStorageVolResize", func(lv *libvirt.Libvirt) (struct{}, error) {
		return struct{}{}, lv.StorageVolResize(v, uint64(s.Size), 0)
	})
	return spaceError(ctx, c, s.Pool, s.Size-desc.Capacity.Bytes, err)
}

// growLive reports false if the domain does not run or does not have the volume.
func growLive(ctx context.Context, c *conn, s plan.Step, file string) (bool, error) {
	d, err := lookupDomain(ctx, c, plan.Step{Host: s.Domain})
	if err != nil {
		return false, gone(err)
	}
	state, err := domainState(ctx, c, d)
	if err != nil || powerState(state) == plan.Off {
		return false, gone(err)
	}
	text, err := domainXML(ctx, c, d, 0)
	if err != nil {
		return false, gone(err)
	}
	var live struct {
		Disks []struct {
			Source struct {
				File   string `xml:"file,attr"`
				Pool   string `xml:"pool,attr"`
				Volume string `xml:"volume,attr"`
			} `xml:"source"`
			Target struct {
				Dev string `xml:"dev,attr"`
			} `xml:"target"`
		} `xml:"devices>disk"`
	}
	if err := xml.Unmarshal([]byte(text), &live); err != nil {
		return false, fmt.Errorf("virDomainGetXMLDesc: %w", err)
	}
	for _, disk := range live.Disks {
		if disk.Source.File != file && (disk.Source.Pool != s.Pool || disk.Source.Volume != s.Host) {
			continue
		}
		return true, c.do(ctx, slow, "virDomainBlockResize", func(lv *libvirt.Libvirt) error {
			return lv.DomainBlockResize(d, disk.Target.Dev, uint64(s.Size), libvirt.DomainBlockResizeBytes)
		})
	}
	return false, nil
}

// rawVolume is the definition of a volume that holds size bytes as they come.
func rawVolume(name string, size int64) (string, error) {
	var v volume
	v.Name = name
	v.Capacity.Unit, v.Capacity.Bytes = "bytes", size
	v.Target.Format.Type = "raw"
	text := new(strings.Builder)
	if err := xml.NewEncoder(text).Encode(v); err != nil {
		return "", fmt.Errorf("definition of volume %s: %w", name, err)
	}
	return text.String(), nil
}
