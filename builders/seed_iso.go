package builders

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/kdomanski/iso9660"
)

// seedLabel is the volume label by which cloud-init finds a seed.
const seedLabel = "cidata"

// seedFile is a file of a seed. Its name is one that iso9660 neither changes nor cuts.
type seedFile struct {
	name    string
	content []byte
}

func (s seed) files() []seedFile {
	return []seedFile{
		{"meta-data", s.MetaData},
		{"network-config", s.NetworkConfig},
		{"user-data", s.UserData},
	}
}

// iso returns the seed as an ISO 9660 image (ECMA-119). The same seed always gives the same bytes. While it works, the
// files are also in a directory below os.TempDir, so TMPDIR must be a directory that nobody else may read.
func (s seed) iso() ([]byte, error) {
	image, err := s.write()
	if err != nil {
		return nil, fmt.Errorf("making the seed image: %w", err)
	}
	setDates(image)
	if err := s.check(image); err != nil {
		return nil, fmt.Errorf("reading back the seed image: %w", err)
	}
	return image, nil
}

func (s seed) write() (_ []byte, err error) {
	writer, err := iso9660.NewWriter()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, writer.Cleanup()) }()
	for _, f := range s.files() {
		if err := writer.AddFile(bytes.NewReader(f.content), f.name); err != nil {
			return nil, err
		}
	}
	var image bytes.Buffer
	if err := writer.WriteTo(&image, seedLabel); err != nil {
		return nil, err
	}
	return image.Bytes(), nil
}

// Where an image holds what depends on the clock or the machine (ECMA-119 sections 8.4 and 9.1).
const (
	sectorSize    = 2048
	volumeOffset  = 16 * sectorSize // of the primary volume descriptor
	systemID      = volumeOffset + 8
	rootRecord    = volumeOffset + 156
	applicationID = volumeOffset + 574
	created       = volumeOffset + 813
	modified      = volumeOffset + 830
	effective     = volumeOffset + 864
	recordExtent  = 2  // from the start of a directory record
	recordSize    = 10 // likewise
	recordDate    = 18 // likewise
)

// setDates sets every date in an image to the first moment of the year 2000, and the names of the machine and the
// program that made it to constants.
func setDates(image []byte) {
	copy(image[systemID:], fmt.Sprintf("%-32s", "LINUX"))
	copy(image[applicationID:], fmt.Sprintf("%-128s", "JEOS"))
	for _, at := range []int{created, modified, effective} {
		copy(image[at:], "2000010100000000\x00")
	}
	recorded := []byte{100, 1, 1, 0, 0, 0, 0}
	copy(image[rootRecord+recordDate:], recorded)
	start := int(binary.LittleEndian.Uint32(image[rootRecord+recordExtent:])) * sectorSize
	end := start + int(binary.LittleEndian.Uint32(image[rootRecord+recordSize:]))
	for at := start; at < end && image[at] > 0; at += int(image[at]) {
		copy(image[at+recordDate:], recorded)
	}
}

// check compares an image with the seed that it was made from: label, names and every byte.
func (s seed) check(image []byte) error {
	opened, err := iso9660.OpenImage(bytes.NewReader(image))
	if err != nil {
		return err
	}
	if label, err := opened.Label(); err != nil || label != seedLabel {
		return errors.Join(fmt.Errorf("label is %q", label), err)
	}
	root, err := opened.RootDir()
	if err != nil {
		return err
	}
	entries, err := root.GetChildren()
	if err != nil {
		return err
	}
	var found []seedFile
	for _, entry := range entries {
		content, err := io.ReadAll(entry.Reader())
		if err != nil {
			return err
		}
		found = append(found, seedFile{entry.Name(), content})
	}
	same := func(a, b seedFile) bool { return a.name == b.name && bytes.Equal(a.content, b.content) }
	if !slices.EqualFunc(found, s.files(), same) {
		return errors.New("its files are not the ones that were written")
	}
	return nil
}
