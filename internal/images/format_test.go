package images

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"testing"
)

func num(n uint64) string { return strconv.FormatUint(n, 10) }

// qcow2Image returns the start of a sound image of 2 GiB, changed by change.
func qcow2Image(change func(*qcow2Header)) []byte {
	h := qcow2Header{
		Magic: [4]byte([]byte(qcow2Magic)), Version: 3, ClusterBits: 16, Size: 2 << 30,
		L1Size: 4, L1TableOffset: 3 << 16, RefcountTableOffset: 1 << 16, RefcountTableCluster: 1,
		RefcountOrder: 4, HeaderLength: headerV3,
	}
	if change != nil {
		change(&h)
	}
	image := make([]byte, 4<<16)
	if _, err := binary.Encode(image, binary.BigEndian, &h); err != nil {
		panic(err)
	}
	return image
}

func TestIdentifyRefuses(t *testing.T) {
	change := func(f func(*qcow2Header)) []byte { return qcow2Image(f) }
	at := func(offset int, mark string) []byte {
		content := make([]byte, 40<<10)
		content[0] = 1
		copy(content[offset:], mark)
		return content
	}
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"empty":          {nil, "is empty"},
		"backing file":   {change(func(h *qcow2Header) { h.BackingFileOffset = 200 }), "has a backing file"},
		"data file":      {change(func(h *qcow2Header) { h.Incompatible = featureDataFile }), "keeps its data in another file"},
		"encrypted":      {change(func(h *qcow2Header) { h.CryptMethod = 2 }), "is encrypted"},
		"dirty":          {change(func(h *qcow2Header) { h.Incompatible = featureDirty }), "was not closed cleanly"},
		"corrupt":        {change(func(h *qcow2Header) { h.Incompatible = featureCorrupt }), "damaged"},
		"unknown bit":    {change(func(h *qcow2Header) { h.Incompatible = 1 << 5 }), "bits 0x20"},
		"unknown high":   {change(func(h *qcow2Header) { h.Incompatible = 1 << 63 }), "does not know"},
		"version 0":      {change(func(h *qcow2Header) { h.Version = 0 }), "version 0"},
		"version 1":      {change(func(h *qcow2Header) { h.Version = 1 }), "-f qcow -O qcow2"},
		"version 4":      {change(func(h *qcow2Header) { h.Version = 4 }), "version 4"},
		"no size":        {change(func(h *qcow2Header) { h.Size = 0 }), "damaged"},
		"huge":           {change(func(h *qcow2Header) { h.Size = 1 << 62 }), "damaged"},
		"odd size":       {change(func(h *qcow2Header) { h.Size-- }), "damaged"},
		"small clusters": {change(func(h *qcow2Header) { h.ClusterBits = 8 }), "damaged"},
		"large clusters": {change(func(h *qcow2Header) { h.ClusterBits = 22 }), "damaged"},
		"L1 too short":   {change(func(h *qcow2Header) { h.L1Size = 3 }), "damaged"},
		"L1 outside":     {change(func(h *qcow2Header) { h.L1TableOffset = 4 << 16 }), "damaged"},
		"L1 crooked":     {change(func(h *qcow2Header) { h.L1TableOffset = 3<<16 + 8 }), "damaged"},
		"L1 at header":   {change(func(h *qcow2Header) { h.L1TableOffset = 0 }), "damaged"},
		"refcounts":      {change(func(h *qcow2Header) { h.RefcountTableCluster = 1 << 31 }), "damaged"},
		"refcount order": {change(func(h *qcow2Header) { h.RefcountOrder = 7 }), "damaged"},
		"header length":  {change(func(h *qcow2Header) { h.HeaderLength = 72 }), "damaged"},
		"cut at 8":       {qcow2Image(nil)[:8], "damaged"},
		"cut at 80":      {qcow2Image(nil)[:80], "damaged"},
		"cut at tables":  {qcow2Image(nil)[:2<<16], "damaged"},
		"odd length":     {rawImage()[:1000], "multiple of 512"},
		"vmdk":           {at(0, "KDMV"), "-f vmdk"},
		"vmdk text":      {[]byte("# Disk DescriptorFile\nversion=1\n"), "-f vmdk"},
		"vhdx":           {at(0, "vhdxfile"), "-f vhdx"},
		"vhd":            {at(40<<10-sector, "conectix"), "-f vpc"},
		"vdi":            {at(64, "\x7f\x10\xda\xbe"), "-f vdi"},
		"gzip":           {at(0, "\x1f\x8b\x08"), "gzip -d"},
		"xz":             {at(0, "\xfd7zXZ\x00"), "xz -d"},
		"zstd":           {at(0, "\x28\xb5\x2f\xfd"), "zstd -d"},
		"zip":            {at(0, "PK\x03\x04"), "unzip"},
		"tar":            {at(257, "ustar"), "tar -xf"},
		"iso":            {at(32769, "CD001"), "CD image"},
		"web page":       {[]byte("\n<!DOCTYPE html><title>Not found</title>"), "web page"},
		"old web page":   {[]byte("<HTML>"), "web page"},
		"text":           {bytes.Repeat([]byte("ärger\n"), 512), "is text"},
		"cut text":       {append(bytes.Repeat([]byte("a"), sector-1), "ä"...), "is text"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := identify(bytes.NewReader(c.content), int64(len(c.content)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestQcow2Version2EndsEarly(t *testing.T) {
	image := qcow2Image(func(h *qcow2Header) { h.Version = 2 })
	copy(image[headerV2:], "\xff\xff\xff\xff\xff\xff\xff\xff") // would be incompatible features
	if size, err := parseQcow2(image, int64(len(image))); err != nil || size != 2<<30 {
		t.Errorf("%d, %v", size, err)
	}
}

func FuzzIdentify(f *testing.F) {
	f.Add(qcow2Image(nil))
	f.Add(qcow2Image(func(h *qcow2Header) { h.Version = 2 })[:headerV2])
	f.Add([]byte(qcow2Magic))
	f.Add(rawImage()[:sector])
	f.Add([]byte("\n<html>"))
	f.Fuzz(func(t *testing.T, content []byte) {
		format, size, err := identify(bytes.NewReader(content), int64(len(content)))
		if err == nil && (size <= 0 || size > maxVirtualSize || size%sector != 0 || format != "qcow2" && format != "raw") {
			t.Errorf("accepted as %q with a size of %d", format, size)
		}
	})
}
