package builders

import (
	"bytes"
	"io"
	"os"
	"path"

	"libvirt.org/go/libvirtxml"

	"jeos/internal/config"
	"jeos/plan"
)

// markerSuffix ends the name of the empty volume that stands beside an uploaded volume which is complete, where the
// upload itself does not show it.
const markerSuffix = ".ok"

// volumeXML returns the definition of a volume of that capacity, which takes no space before it is written
// (https://libvirt.org/formatstorage.html#storage-volume-xml).
func volumeXML(name, format string, capacity int64, backing *libvirtxml.StorageVolumeBackingStore) (string, error) {
	x := libvirtxml.StorageVolume{
		Name:       name,
		Allocation: &libvirtxml.StorageVolumeSize{Unit: "bytes"},
		Capacity:   &libvirtxml.StorageVolumeSize{Unit: "bytes", Value: uint64(capacity)},
		Target: &libvirtxml.StorageVolumeTarget{
			Format:      &libvirtxml.StorageVolumeTargetFormat{Type: format},
			Permissions: &libvirtxml.StorageVolumeTargetPermissions{Mode: "0600"},
		},
		BackingStore: backing,
	}
	if format == "qcow2" {
		x.Target.Compat = "1.1" // without, libvirt makes the older form, on which a discard over a layer frees nothing
	}
	return x.Marshal()
}

// readVolume reads the attributes of a volume, its capacity in bytes, and whether it was written to its end. A qcow2 that
// is uploaded gets its first bytes last: libvirt takes it for a raw file until then. Others have a marker, by names, and so
// does a baked image, which is cloned.
func readVolume(v plan.HostVolume, names map[string]bool) (attrs map[string]string, size int64, complete bool) {
	_, root, err := parseXML(v.XML)
	if err != nil {
		return map[string]string{}, -1, false
	}
	size = parseSize(text(root, "capacity"), value(root, "capacity", "unit"))
	complete = names[v.Name+markerSuffix]
	if i, _ := parseImage(v.Name); i.serial == 0 && path.Ext(v.Name) == ".qcow2" {
		complete = value(root, "target/format", "type") == "qcow2"
	}
	return map[string]string{"size": config.FormatSize(size)}, size, complete
}

func pool(p config.Pool) (plan.Resource, error) {
	x := libvirtxml.StoragePool{Type: "dir", Name: p.Name, Target: &libvirtxml.StoragePoolTarget{Path: p.Path}}
	xml, err := x.Marshal()
	l := attrList{}
	l.add(attrActive, "true")
	return plan.Resource{Addr: poolAddr(p.Name), Host: p.Name, Origin: p.Origin, Attrs: l.sorted(), XML: xml}, err
}

func poolAddr(name string) plan.Addr { return plan.Addr{Kind: plan.KindPool, Name: name} }

// image is an image that is a file, or a baked one. The volume of a file is raw at first, whatever the file is, and as
// long as the file.
func (b *builder) image(i *image) (plan.Resource, error) {
	if i.Bake != nil {
		return b.bakedImage(i)
	}
	xml, err := volumeXML(i.id.volume, "raw", i.FileSize, nil)
	return plan.Resource{
		Addr:   i.addr(),
		Host:   i.id.volume,
		Origin: i.Origin,
		Attrs:  []plan.Attr{{Name: "sha256", Value: i.SHA256}, {Name: "size", Value: config.FormatSize(i.Size)}},
		XML:    xml,
		Needs:  []plan.Addr{b.pool()},
		Size:   i.Size,
		Content: &plan.Content{SHA256: i.SHA256, Open: func() (io.ReadCloser, int64, error) {
			f, err := os.Open(i.Path)
			return f, i.FileSize, err
		}},
	}, err
}

// volumes are the disks of a guest: root, the data disks, and the seed.
func (b *builder) volumes(d *domain, base *image) ([]plan.Resource, error) {
	g := d.guest
	root, err := b.rootVolume(g, base)
	if err != nil {
		return nil, err
	}
	list := []plan.Resource{root}
	for _, data := range g.Disks {
		r, err := b.disk(g, data, nil)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	seed, err := b.seedVolume(d, func() (seed, error) {
		return renderSeed(b.site, g, InstanceID(b.site.Name, g.Name))
	})
	return append(list, seed), err
}

// rootVolume is a copy-on-write layer over an image.
func (b *builder) rootVolume(g *config.Guest, base *image) (plan.Resource, error) {
	root, err := b.disk(g, config.Disk{Name: rootDisk, Size: g.Disk, Origin: g.Origin}, &libvirtxml.StorageVolumeBackingStore{
		Path:   path.Join(b.poolPath, base.id.volume),
		Format: &libvirtxml.StorageVolumeTargetFormat{Type: base.Format},
	})
	root.SizeDefault = g.Disk == base.Size
	root.Needs = append(root.Needs, base.addr())
	return root, err
}

func (b *builder) disk(g *config.Guest, d config.Disk, layer *libvirtxml.StorageVolumeBackingStore) (plan.Resource, error) {
	name := VolumeName(b.site.Name, g.Name, d.Name)
	xml, err := volumeXML(name, "qcow2", d.Size, layer)
	l := attrList{}
	l.add("size", config.FormatSize(d.Size))
	return plan.Resource{
		Addr:   volumeAddr(g.Name, d.Name),
		Host:   name,
		Origin: d.Origin,
		Parent: guestAddr(g.Name),
		Attrs:  l.sorted(),
		XML:    xml,
		Needs:  []plan.Addr{b.pool()},
		Size:   d.Size,
		Keep:   d.Keep,
	}, err
}

// seedVolume is the seed of a guest. Its ISO image is made only when somebody opens it, so that its size is not known
// before; an upload makes the volume as long as it needs to be.
func (b *builder) seedVolume(d *domain, render func() (seed, error)) (plan.Resource, error) {
	name := SeedVolume(d.site, d.guest.Name, d.seed)
	xml, err := volumeXML(name, "raw", 0, nil)
	return plan.Resource{
		Addr:   volumeAddr(d.guest.Name, seedName(d.seed)),
		Host:   name,
		Origin: d.guest.Origin,
		Parent: guestAddr(d.guest.Name),
		Hidden: true,
		XML:    xml,
		Needs:  []plan.Addr{b.pool()},
		Content: &plan.Content{
			Open: func() (io.ReadCloser, int64, error) {
				s, err := render()
				if err != nil {
					return nil, 0, err
				}
				iso, err := s.iso()
				return io.NopCloser(bytes.NewReader(iso)), int64(len(iso)), err
			},
			Check: func() error {
				_, err := render()
				return err
			},
		},
	}, err
}
