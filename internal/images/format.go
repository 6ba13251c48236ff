package images

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// sector is the smallest unit of a disk in bytes.
const sector = 512

// headSize is how much of a file is looked at: the mark of an ISO 9660 file system is in its 17th block of 2048 bytes.
const headSize = 36 << 10

// identify returns the format and the virtual size of an image. Its errors go on after the path of the file: "is a
// VMDK image: …".
func identify(file io.ReaderAt, fileSize int64) (format string, size int64, err error) {
	if fileSize == 0 {
		return "", 0, errors.New("is empty: download the image again")
	}
	head := make([]byte, min(fileSize, headSize))
	if _, err := file.ReadAt(head, 0); err != nil {
		return "", 0, fmt.Errorf("cannot be read: %w", err)
	}
	if bytes.HasPrefix(head, []byte(qcow2Magic)) {
		size, err := parseQcow2(head, fileSize)
		return "qcow2", size, err
	}
	if err := refuseOther(head); err != nil {
		return "", 0, err
	}
	if fileSize%sector != 0 {
		return "", 0, fmt.Errorf("is neither a qcow2 image nor a raw one, whose size would be a multiple of %d bytes: "+
			"download it again if the download was cut, or convert it to qcow2", sector)
	}
	tail := make([]byte, sector)
	if _, err := file.ReadAt(tail, fileSize-sector); err != nil {
		return "", 0, fmt.Errorf("cannot be read: %w", err)
	}
	if bytes.HasPrefix(tail, []byte("conectix")) {
		return "", 0, convertError("VHD", "vpc")
	}
	return "raw", fileSize, nil
}

// signatures are the marks of formats that jeos does not take.
var signatures = []struct {
	offset int
	mark   string
	name   string
	err    func(name string) error
}{
	{0, "KDMV", "VMDK", convertFrom("vmdk")},
	{0, "COWD", "VMDK", convertFrom("vmdk")},
	{0, "# Disk DescriptorFile", "VMDK", convertFrom("vmdk")},
	{0, "vhdxfile", "VHDX", convertFrom("vhdx")},
	{0, "conectix", "VHD", convertFrom("vpc")},
	{64, "\x7f\x10\xda\xbe", "VDI", convertFrom("vdi")},
	{0, "QED\x00", "QED", convertFrom("qed")},
	{0, "WithoutFreeSpace", "Parallels", convertFrom("parallels")},
	{0, "WithouFreSpacExt", "Parallels", convertFrom("parallels")},
	{0, "\x1f\x8b", "gzip", unpackWith("gzip -d")},
	{0, "\xfd7zXZ\x00", "xz", unpackWith("xz -d")},
	{0, "\x28\xb5\x2f\xfd", "zstd", unpackWith("zstd -d")},
	{0, "BZh", "bzip2", unpackWith("bzip2 -d")},
	{0, "PK\x03\x04", "zip", unpackWith("unzip")},
	{0, "7z\xbc\xaf\x27\x1c", "7z", unpackWith("7z x")},
	{257, "ustar", "tar", unpackWith("tar -xf")},
	{32769, "CD001", "ISO 9660", func(string) error {
		return errors.New("is a CD image (ISO 9660), most often an installer: " +
			"get the cloud image of the release, a disk image with cloud-init in it")
	}},
}

func convertFrom(driver string) func(string) error {
	return func(name string) error { return convertError(name, driver) }
}

func convertError(name, driver string) error {
	return fmt.Errorf("is a %s image: convert it with 'qemu-img convert -f %s -O qcow2 OLD NEW' and use the result",
		name, driver)
}

func unpackWith(command string) func(string) error {
	return func(name string) error {
		return fmt.Errorf("is compressed or packed with %s: unpack it with '%s' and use the disk image in it", name, command)
	}
}

// refuseOther returns an error for a file that starts like something that is no disk image.
func refuseOther(head []byte) error {
	for _, s := range signatures {
		if len(head) >= s.offset && bytes.HasPrefix(head[s.offset:], []byte(s.mark)) {
			return s.err(s.name)
		}
	}
	start := head[:min(len(head), sector)]
	if isWebPage(start) {
		return errors.New("is a web page, not an image: look at the address that it was downloaded from")
	}
	if isText(start) {
		return errors.New("is text, not an image: give the path of a qcow2 or raw image")
	}
	return nil
}

// isText reports whether the start of a file is text. A character that is cut at the end does not count.
func isText(start []byte) bool {
	for len(start) > 0 {
		r, n := utf8.DecodeRune(start)
		if r == utf8.RuneError && n == 1 {
			return !utf8.FullRune(start)
		}
		if r != '\n' && r != '\r' && r != '\t' && !strconv.IsPrint(r) {
			return false
		}
		start = start[n:]
	}
	return true
}
