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

// imagePrefix begins the name of every base image. Images are shared by all sites of a pool.
const imagePrefix = "jeos-image."

// DomainName returns the name of a guest's domain on the host.
func DomainName(site, guest string) string { return site + "-" + guest }

// NetworkName returns the name of a network on the host.
func NetworkName(site, network string) string { return site + "-" + network }

// GuestUUID returns the UUID of a guest's domain. It is derived (RFC 9562, version 5), so that it never changes.
func GuestUUID(site, guest string) string { return derivedUUID(site, plan.KindGuest, guest) }

// NetworkUUID returns the UUID of a network, derived likewise.
func NetworkUUID(site, network string) string { return derivedUUID(site, plan.KindNetwork, network) }

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

func seedName(generation int) string { return seedDisk + "-" + strconv.Itoa(generation) }

// ImageVolume returns the name of a base image in the pool, which is made of its hash and format alone.
func ImageVolume(image config.Image) string { return imagePrefix + image.SHA256 + "." + image.Format }

// Wanted returns a function that reports which volumes of a pool concern a site: its own and all base images.
func Wanted(site string) func(volume string) bool {
	return func(volume string) bool {
		_, own := parseVolume(site, volume)
		_, image := parseImage(volume)
		return own || image
	}
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

// parseVolume is the inverse of VolumeName and SeedVolume. Other names, also those of markers, are not ok.
func parseVolume(site, name string) (v volumeName, ok bool) {
	rest, found := strings.CutPrefix(name, site+".")
	parts := strings.Split(rest, ".")
	if !found || len(parts) != 3 || parts[0] == "" || parts[1] == "" {
		return volumeName{}, false
	}
	v = volumeName{guest: parts[0], disk: parts[1]}
	generation, isSeed := parseSeed(v.disk)
	switch parts[2] {
	case "qcow2":
		return v, !isSeed
	case "iso":
		v.generation = generation
		return v, isSeed
	}
	return volumeName{}, false
}

// parseImage is the inverse of ImageVolume. It returns the hash.
func parseImage(name string) (sha string, ok bool) {
	rest, found := strings.CutPrefix(name, imagePrefix)
	sha, format, _ := strings.Cut(rest, ".")
	digest, err := hex.DecodeString(sha)
	return sha, found && err == nil && len(digest) == sha256.Size && (format == "qcow2" || format == "raw")
}
