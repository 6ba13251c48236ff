package virt

import (
	"context"
	"slices"
	"strings"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

// readPool fills in what inv has of the pool. A pool that vanishes or stops meanwhile leaves out the volumes.
func readPool(ctx context.Context, c *conn, name string, wanted func(string) bool, inv *plan.Inventory) error {
	p, err := lookupPool(ctx, c, name)
	if err != nil {
		return gone(err)
	}
	pool := &plan.HostPool{Name: p.Name}
	if pool.XML, err = call(ctx, c, quick, "virStoragePoolGetXMLDesc", func(lv *libvirt.Libvirt) (string, error) {
		return lv.StoragePoolGetXMLDesc(p, 0)
	}); err != nil {
		return gone(err)
	}
	if pool.Active, err = poolActive(ctx, c, p); err != nil {
		return gone(err)
	}
	inv.Pool = pool
	if !pool.Active {
		return nil
	}
	volumes, err := call(ctx, c, quick, "virStoragePoolListAllVolumes", func(lv *libvirt.Libvirt) ([]libvirt.StorageVol, error) {
		volumes, _, err := lv.StoragePoolListAllVolumes(p, 1, 0)
		return volumes, err
	})
	if err != nil {
		return err
	}
	inv.Names = make(map[string]bool, len(volumes))
	for _, v := range volumes {
		inv.Names[v.Name] = true
	}
	volumes = slices.DeleteFunc(volumes, func(v libvirt.StorageVol) bool { return !wanted(v.Name) })
	inv.Volumes, err = readVolumes(ctx, c, volumes)
	return err
}

// readVolumes leaves out volumes whose file is gone: the list of a pool can be stale.
func readVolumes(ctx context.Context, c *conn, volumes []libvirt.StorageVol) ([]plan.HostVolume, error) {
	found := make([]plan.HostVolume, len(volumes))
	err := parallel(len(volumes), func(i int) error {
		text, err := volumeXML(ctx, c, volumes[i])
		if err != nil {
			return gone(err)
		}
		found[i] = plan.HostVolume{Name: volumes[i].Name, XML: text}
		return nil
	})
	found = slices.DeleteFunc(found, func(v plan.HostVolume) bool { return v.XML == "" })
	slices.SortFunc(found, func(a, b plan.HostVolume) int { return strings.Compare(a.Name, b.Name) })
	return found, err
}
