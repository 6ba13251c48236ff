package builders

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"jeos/internal/config"
	"jeos/plan"
)

// Names of the disks that every guest has. No data disk may have one of them.
const (
	rootDisk = "root"
	seedDisk = "seed"
)

// manifestDisk is the disk on which a guest that bakes an image leaves the list of the image's packages.
const manifestDisk = "manifest"

// The names of images begin with imagePrefix, and those of their manifests end with manifestSuffix. Both are shared by all
// sites of a pool.
const (
	imagePrefix    = "jeos-image."
	manifestSuffix = ".manifest"
)

// DomainName returns the name of a guest's domain on the host.
func DomainName(site, guest string) string { return site + "-" + guest }

// NetworkName returns the name of a network on the host.
func NetworkName(site, network string) string { return site + "-" + network }

// FilterName returns the name of the filter of a network card on the host. It has at most 103 bytes, as each part has at
// most 32, and the guest of a bake "bake." before it. Only one guest and card can have it, since no name of the files has a dot.
func FilterName(site, guest, nic string) string { return site + "-" + guest + "." + nic }

// GuestUUID returns the UUID of a guest's domain. It is derived (RFC 9562, version 5), so that it never changes.
func GuestUUID(site, guest string) string { return derivedUUID(site, plan.KindGuest, guest) }

// NetworkUUID returns the UUID of a network, derived likewise.
func NetworkUUID(site, network string) string { return derivedUUID(site, plan.KindNetwork, network) }

// FilterUUID returns the UUID of the filter of a network card, derived likewise.
func FilterUUID(site, guest, nic string) string {
	return derivedUUID(site, plan.KindFilter, filterAddr(guest, nic).Name)
}

func derivedUUID(site string, kind plan.Kind, name string) string {
	space := uuid.NewSHA1(uuid.NameSpaceURL, []byte(markURI))
	return uuid.NewSHA1(space, []byte(site+"/"+string(kind)+"/"+name)).String()
}

// bridgeMAC returns the MAC address of a network's bridge. Without one libvirt makes up another at every redefinition.
func bridgeMAC(site, network string) string {
	sum := sha256.Sum256([]byte(site + "/" + string(plan.KindNetwork) + "/" + network))
	return fmt.Sprintf("52:54:00:%02x:%02x:%02x", sum[0], sum[1], sum[2])
}

// InstanceID returns the cloud-init instance id of a guest. It never changes, so that cloud-init's first boot happens
// once for each root disk.
func InstanceID(site, guest string) string {
	return DomainName(site, guest) + "-" + GuestUUID(site, guest)
}

// VolumeName returns the name of a guest's root or data disk in the pool.
func VolumeName(site, guest, disk string) string { return site + "." + guest + "." + disk + ".qcow2" }

// SeedVolume returns the name of a guest's seed in the pool. Seeds are named by generation, which counts from 1, and not
// by content, because names can be read by more people than contents.
func SeedVolume(site, guest string, generation int) string {
	return fmt.Sprintf("%s.%s.%s.iso", site, guest, seedName(generation))
}

// bakeManifest returns the name in the pool of the disk for the manifest of an image that is being baked.
func bakeManifest(site, image string) string {
	return site + "." + config.BakeName(image) + "." + manifestDisk + ".raw"
}

func seedName(generation int) string { return seedDisk + "-" + strconv.Itoa(generation) }

// ImageVolumes returns the names in the pool of all images of a site, by the names that the files give them. An error means
// that an image is baked from one that is not there, or from itself.
func ImageVolumes(site *config.Site) (map[string]string, error) {
	return newRecipes(site, newHasher(site.Name)).volumes()
}

// fileVolume returns the name in the pool of an image that is a file, which is made of its hash and format alone.
func fileVolume(image config.Image) string { return imagePrefix + image.SHA256 + "." + image.Format }

// bakedVolume returns the name in the pool of a baked image: the digest of its recipe in hex, and its serial.
func bakedVolume(recipe string, serial int) string {
	return imagePrefix + recipe + "-" + strconv.Itoa(serial) + ".qcow2"
}

// ManifestVolume returns the name of the volume that lists what the baked image in the volume of that name holds, as text
// that is filled up with NUL bytes. It is "" for all other images, which have none.
func ManifestVolume(image string) string {
	i, ok := parseImage(image)
	if !ok || i.serial == 0 || i.manifest {
		return ""
	}
	return imagePrefix + i.key() + manifestSuffix
}

// NextSerial returns the serial of the next bake of the recipe that the baked image in a volume of that name has: more than
// its own and those of all complete ones among names, which are those of the pool. It is 1 for all other images.
func NextSerial(image string, names map[string]bool) int {
	this, _ := parseImage(image)
	next := this.serial + 1
	for name := range names {
		i, ok := parseImage(name)
		if ok && !i.manifest && i.digest == this.digest && names[name+markerSuffix] {
			next = max(next, i.serial+1)
		}
	}
	return next
}

// Wanted returns a function that reports which volumes of a pool and which filters of a host concern a site, by their names:
// its own, what its bakes left behind, and all images.
func Wanted(site string) func(name string) bool {
	return func(name string) bool {
		_, own := parseVolume(site, name)
		_, _, filter := parseFilter(site, name)
		i, image := parseImage(name)
		return own || filter || image && !i.manifest
	}
}

// parseFilter is the inverse of FilterName.
func parseFilter(site, name string) (guest, nic string, ok bool) {
	rest, found := strings.CutPrefix(name, site+"-")
	bake := ""
	if image, baking := bakeOf(rest); baking && strings.Contains(image, ".") { // else "bake" is a guest
		bake, rest = config.BakeName(""), image
	}
	guest, nic, ok = strings.Cut(rest, ".")
	return bake + guest, nic, found && ok && guest != "" && nic != "" && !strings.Contains(nic, ".")
}

// volumeName is what the name of a site's volume says.
type volumeName struct {
	guest      string
	disk       string // "root", "data"; of a seed with its generation: "seed-1"
	generation int    // of a seed, from 1; 0 for other disks
}

func (v volumeName) addr() plan.Addr { return volumeAddr(v.guest, v.disk) }

// device is the name of the disk as the domain has it: all generations of the seed are one device.
func (v volumeName) device() string {
	if v.generation > 0 {
		return seedDisk
	}
	return v.disk
}

// reservedDisk reports whether a data disk of that name would be taken for a root disk or a seed.
func reservedDisk(name string) bool {
	_, isSeed := parseSeed(name)
	return name == rootDisk || name == seedDisk || isSeed
}

// maxGeneration bounds what is believed of names and marks on the host.
const maxGeneration = 1 << 30

// parseSeed is the inverse of seedName.
func parseSeed(disk string) (generation int, ok bool) {
	number, found := strings.CutPrefix(disk, seedDisk+"-")
	generation, err := strconv.Atoi(number)
	return generation, found && err == nil && generation > 0 && generation <= maxGeneration && disk == seedName(generation)
}

func volumeAddr(guest, disk string) plan.Addr {
	return plan.Addr{Kind: plan.KindVolume, Name: guest + "." + disk}
}

// bakeOf returns the image that a guest or network of that name is there to bake; it is the inverse of config.BakeName.
func bakeOf(name string) (image string, ok bool) {
	image, ok = strings.CutPrefix(name, config.BakeName(""))
	return image, ok && image != ""
}

// parseVolume is the inverse of VolumeName, SeedVolume and bakeManifest. Other names, also those of markers, are not ok.
func parseVolume(site, name string) (v volumeName, ok bool) {
	rest, found := strings.CutPrefix(name, site+".")
	image, baking := bakeOf(rest)
	if baking && strings.Count(image, ".") == 2 {
		rest = image
	} else {
		baking = false
	}
	parts := strings.Split(rest, ".")
	if !found || len(parts) != 3 || parts[0] == "" || parts[1] == "" {
		return volumeName{}, false
	}
	v = volumeName{guest: parts[0], disk: parts[1]}
	if baking {
		v.guest = config.BakeName(parts[0])
	}
	generation, isSeed := parseSeed(v.disk)
	switch parts[2] {
	case "qcow2":
		return v, !isSeed
	case "iso":
		v.generation = generation
		return v, isSeed
	case "raw":
		return v, baking && v.disk == manifestDisk
	}
	return volumeName{}, false
}

// imageName is what the name of an image's volume, or of its manifest, says.
type imageName struct {
	volume   string // the name
	digest   string // 64 hex digits: of the file, or of the recipe
	serial   int    // of a bake, from 1; 0 for a file
	manifest bool
}

// key tells images from each other, whatever the files call them. An image and its manifest have the same.
func (i imageName) key() string {
	if i.serial == 0 {
		return i.digest
	}
	return i.digest + "-" + strconv.Itoa(i.serial)
}

// attr is the attribute of a guest that says which image it is made from.
func (i imageName) attr() string {
	if i.serial == 0 {
		return "sha256:" + i.digest
	}
	return "recipe:" + i.key()
}

// parseImage is the inverse of fileVolume, bakedVolume and ManifestVolume. Other names, also those of markers, are not ok.
func parseImage(name string) (i imageName, ok bool) {
	rest, found := strings.CutPrefix(name, imagePrefix)
	i = imageName{volume: name}
	key, format, _ := strings.Cut(rest, ".")
	digest, serial, baked := strings.Cut(key, "-")
	i.digest = digest
	if sum, err := hex.DecodeString(digest); !found || err != nil || len(sum) != sha256.Size || strings.ToLower(digest) != digest {
		return imageName{}, false
	}
	if !baked {
		return i, format == "qcow2" || format == "raw"
	}
	i.serial, _ = strconv.Atoi(serial)
	i.manifest = "."+format == manifestSuffix
	return i, i.serial > 0 && i.serial <= maxGeneration && key == i.key() && (i.manifest || format == "qcow2")
}
