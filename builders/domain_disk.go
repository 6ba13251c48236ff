package builders

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"

	"github.com/beevik/etree"
	"libvirt.org/go/libvirtxml"
)

// maxSerial is how many bytes of a serial number virtio-blk passes on to the guest.
const maxSerial = 20

// disk is a disk of a guest as its definition has it.
type disk struct {
	name     string // "root", "seed", "manifest" of a guest that bakes an image, or that of a data disk
	volume   string // name in the pool
	format   string
	readOnly bool
}

// disks returns the disks of the guest: root, from which it boots, seed, manifest, and data in the order of the files.
func (d *domain) disks() []disk {
	g := d.guest.Name
	list := []disk{
		{name: rootDisk, volume: VolumeName(d.site, g, rootDisk), format: "qcow2"},
		{name: seedDisk, volume: SeedVolume(d.site, g, d.seed), format: "raw", readOnly: true},
	}
	if d.manifest {
		image, _ := bakeOf(g)
		list = append(list, disk{name: manifestDisk, volume: bakeManifest(d.site, image), format: "raw"})
	}
	for _, data := range d.guest.Disks {
		list = append(list, disk{name: data.Name, volume: VolumeName(d.site, g, data.Name), format: "qcow2"})
	}
	return list
}

// diskSerial returns the serial number by which the guest knows a disk, as in /dev/disk/by-id/virtio-SERIAL. It has at
// most 20 bytes; a longer name is cut and ends in a hash.
func diskSerial(name string) string {
	serial := "jeos-" + name
	if len(serial) <= maxSerial {
		return serial
	}
	sum := sha256.Sum256([]byte(name))
	end := "-" + hex.EncodeToString(sum[:3])
	return serial[:maxSerial-len(end)] + end
}

// diskTarget returns the n-th name of a virtio disk, from 0: vda to vdz, then vdaa. It orders the disks; guests find them
// by their serials.
func diskTarget(n int) string {
	letters := ""
	for n++; n > 0; n = (n - 1) / 26 {
		letters = string(rune('a'+(n-1)%26)) + letters
	}
	return "vd" + letters
}

// disk builds one disk.
func (d *domain) disk(k disk, target string) libvirtxml.DomainDisk {
	x := libvirtxml.DomainDisk{
		Device: "disk",
		Driver: &libvirtxml.DomainDiskDriver{Name: "qemu", Type: k.format},
		Source: &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: d.diskPath(k)}},
		Target: &libvirtxml.DomainDiskTarget{Dev: target, Bus: "virtio"},
		Serial: diskSerial(k.name),
	}
	if k.readOnly {
		x.ReadOnly = &libvirtxml.DomainDiskReadOnly{}
	} else {
		x.Driver.Discard = "unmap"
	}
	return x
}

func (d *domain) diskPath(k disk) string { return path.Join(d.poolPath, k.volume) }

// diskSource returns the name of the file or volume that a disk is, without its folder.
func diskSource(e *etree.Element) string {
	source := e.SelectElement("source").NotNil()
	if v := source.SelectAttrValue("volume", ""); v != "" {
		return v
	}
	if f := source.SelectAttrValue("file", ""); f != "" {
		return path.Base(f)
	}
	return ""
}

// managedDisk returns the name of a disk of ours: by what it is, or by its serial number among names, should somebody have
// put something else in its place, as a snapshot does. The name is "" for a disk that jeos did not add.
func managedDisk(site, guest string, e *etree.Element, names []string) string {
	if v, ok := parseVolume(site, diskSource(e)); ok && v.guest == guest {
		return v.device()
	}
	for _, name := range names {
		if text(e, "serial") == diskSerial(name) {
			return name
		}
	}
	return ""
}

// readDisks reads the disks of ours. Others are nobody's business.
func (d *definition) readDisks(devices *etree.Element) {
	names := []string{rootDisk, seedDisk}
	for attr := range d.mark.applied {
		if name, ok := strings.CutPrefix(attr, "disk."); ok {
			names = append(names, name)
		}
	}
	for _, e := range devices.SelectElements("disk") {
		if name := managedDisk(d.site, d.mark.name, e, names); name != "" {
			d.attrs["disk."+name] = diskSource(e)
		}
	}
}

// editDisks puts the wanted volumes into the disks that are there, adds those that are missing, and takes out those of
// ours that are not wanted.
func (d *domain) editDisks(devices *etree.Element) error {
	var names []string
	for _, k := range d.disks() {
		names = append(names, k.name)
	}
	have, targets := map[string]*etree.Element{}, map[string]bool{}
	for _, e := range devices.SelectElements("disk") {
		if name := managedDisk(d.site, d.guest.Name, e, names); name != "" {
			if have[name] != nil || !d.hasDisk(name) {
				devices.RemoveChild(e)
				continue
			}
			have[name] = e
		}
		targets[value(e, "target", "dev")] = true
	}
	for _, k := range d.disks() {
		if e := have[k.name]; e != nil {
			d.editDisk(e, k)
			continue
		}
		if err := addXML(devices, d.disk(k, freeTarget(targets))); err != nil {
			return err
		}
	}
	return nil
}

func (d *domain) hasDisk(name string) bool {
	for _, k := range d.disks() {
		if k.name == name {
			return true
		}
	}
	return false
}

// freeTarget takes the first target that no disk has.
func freeTarget(taken map[string]bool) string {
	for n := 0; ; n++ {
		if target := diskTarget(n); !taken[target] {
			taken[target] = true
			return target
		}
	}
}

// editDisk puts the wanted volume into a disk. Its target, address and tuning stay.
func (d *domain) editDisk(e *etree.Element, k disk) {
	child(e, "serial").SetText(diskSerial(k.name))
	if diskSource(e) == k.volume {
		return
	}
	removeChildren(e, "backingStore")
	e.CreateAttr("type", "file")
	renew(e, "source").CreateAttr("file", d.diskPath(k))
	child(e, "driver").CreateAttr("type", k.format)
}
