package images

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// qcow2Magic begins every image of QEMU's own formats.
const qcow2Magic = "QFI\xfb"

// qcow2Header is the part of a qcow2 header that matters here
// (https://www.qemu.org/docs/master/interop/qcow2.html). All numbers are big endian.
type qcow2Header struct {
	Magic                [4]byte
	Version              uint32
	BackingFileOffset    uint64
	BackingFileSize      uint32
	ClusterBits          uint32
	Size                 uint64
	CryptMethod          uint32
	L1Size               uint32 // entries of 8 bytes
	L1TableOffset        uint64
	RefcountTableOffset  uint64
	RefcountTableCluster uint32
	Snapshots            uint32
	SnapshotsOffset      uint64
	Incompatible         uint64 // from version 3 on, as the rest
	Compatible           uint64
	Autoclear            uint64
	RefcountOrder        uint32
	HeaderLength         uint32
}

const (
	headerV2 = 72  // bytes
	headerV3 = 104 // bytes, at least
)

// Incompatible features: who does not know one must not open the image.
const (
	featureDirty       = 1 << 0
	featureCorrupt     = 1 << 1
	featureDataFile    = 1 << 2
	featureCompression = 1 << 3
	featureExtendedL2  = 1 << 4
	featuresKnown      = featureDirty | featureCorrupt | featureDataFile | featureCompression | featureExtendedL2
)

// maxVirtualSize in bytes is more than any host has and far from the ends of an int64.
const maxVirtualSize = 1 << 50

var errDamaged = errors.New("is a damaged qcow2 image: download it again, or look at it with 'qemu-img check'")

// parseQcow2 returns the virtual size of a qcow2 image whose first bytes are head. It refuses an image that is not
// whole in itself.
func parseQcow2(head []byte, fileSize int64) (int64, error) {
	h, err := decodeQcow2(head)
	if err != nil {
		return 0, err
	}
	switch {
	case h.BackingFileOffset != 0:
		return 0, errors.New("has a backing file, and a base image must stand alone: " +
			"make it whole with 'qemu-img convert -O qcow2 OLD NEW'")
	case h.Incompatible&featureDataFile != 0:
		return 0, errors.New("keeps its data in another file, and a base image must stand alone: " +
			"make it whole with 'qemu-img convert -O qcow2 OLD NEW'")
	case h.CryptMethod != 0:
		return 0, errors.New("is encrypted: decrypt it with 'qemu-img convert' and use the result")
	case h.Incompatible&^uint64(featuresKnown) != 0:
		return 0, fmt.Errorf("uses features of qcow2 that jeos does not know (bits %#x): "+
			"convert it with 'qemu-img convert -O qcow2 OLD NEW'", h.Incompatible&^uint64(featuresKnown))
	case h.Incompatible&featureDirty != 0:
		return 0, errors.New("was not closed cleanly, or is in use: shut down what uses it, " +
			"or repair it with 'qemu-img check -r all'")
	case h.Incompatible&featureCorrupt != 0, !h.sound(uint64(fileSize)):
		return 0, errDamaged
	}
	return int64(h.Size), nil
}

func decodeQcow2(head []byte) (*qcow2Header, error) {
	var h qcow2Header
	if len(head) < headerV2 {
		return nil, errDamaged
	}
	// A header of version 2 ends early; what follows it means something else.
	whole := make([]byte, headerV3)
	copy(whole, head[:headerV2])
	switch version := binary.BigEndian.Uint32(head[4:]); {
	case version == 1:
		return nil, convertError("qcow", "qcow")
	case version == 3 && len(head) >= headerV3:
		copy(whole, head)
	case version == 3:
		return nil, errDamaged
	case version != 2:
		return nil, fmt.Errorf("is a qcow2 image of version %d, and jeos knows 2 and 3: "+
			"convert it with 'qemu-img convert -O qcow2 OLD NEW'", version)
	}
	if _, err := binary.Decode(whole, binary.BigEndian, &h); err != nil {
		panic(err) // whole has the size of h
	}
	return &h, nil
}

// sound reports whether the numbers of the header fit each other and the file.
func (h *qcow2Header) sound(fileSize uint64) bool {
	if h.ClusterBits < 9 || h.ClusterBits > 21 || h.Size == 0 || h.Size > maxVirtualSize || h.Size%sector != 0 {
		return false
	}
	cluster := uint64(1) << h.ClusterBits
	entry := uint64(8) // bytes of an entry of a second-level table
	if h.Incompatible&featureExtendedL2 != 0 {
		entry = 16
	}
	perL1 := cluster / entry * cluster // bytes of the disk for each entry of the first-level table
	inFile := func(offset, length uint64) bool {
		return offset%cluster == 0 && offset > 0 && offset <= fileSize && length <= fileSize-offset
	}
	return uint64(h.L1Size) >= (h.Size+perL1-1)/perL1 &&
		inFile(h.L1TableOffset, uint64(h.L1Size)*8) &&
		inFile(h.RefcountTableOffset, uint64(h.RefcountTableCluster)*cluster) &&
		(h.Version == 2 || h.RefcountOrder <= 6 && h.HeaderLength >= headerV3 && uint64(h.HeaderLength) <= cluster)
}
