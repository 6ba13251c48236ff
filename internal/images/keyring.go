package images

import (
	"bufio"
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// ubuntuFingerprints are those of the keys that sign Ubuntu's cloud images. They are the anchor of trust: nothing else in
// ubuntuKeys counts. Ubuntu's package ubuntu-keyring has the same two in ubuntu-cloudimage-keyring.gpg.
var ubuntuFingerprints = []string{
	"4A3CE3CD565D7EB5C810E2B97FF3F408476CF100", // Ubuntu Cloud Image Builder
	"D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81", // UEC Image Automatic Signing Key
}

// ubuntuKeys are the public keys with these fingerprints, without signatures of others.
//
//go:embed data/ubuntu-cloudimage.asc
var ubuntuKeys []byte

// keyring holds the keys that may sign. It is for one goroutine.
type keyring struct {
	keys openpgp.EntityList
	name string // for messages
}

// openKeyring reads the file with the keys that may sign, or returns those of Ubuntu for an empty path.
func openKeyring(path string) (*keyring, error) {
	if path == "" {
		keys, err := parseKeys(ubuntuKeys)
		if err != nil {
			return nil, err
		}
		keys = slices.DeleteFunc(keys, func(e *openpgp.Entity) bool {
			return !slices.Contains(ubuntuFingerprints, fingerprint(e.PrimaryKey.Fingerprint))
		})
		return &keyring{keys, "built in for Ubuntu"}, nil
	}
	data, err := readLimited(path)
	if err != nil {
		return nil, fmt.Errorf("reading the keyring: %w", err)
	}
	keys, err := parseKeys(data)
	if err != nil {
		return nil, fmt.Errorf("the keyring %s holds no OpenPGP key that can be used (%w): export the publisher's with 'gpg --export'", path, err)
	}
	return &keyring{keys, "in " + path}, nil
}

// maxKeyring is the most of a keyring that is read, in bytes.
const maxKeyring = 16 << 20

func readLimited(path string) ([]byte, error) {
	file, _, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxKeyring+1))
	if err == nil && len(data) > maxKeyring {
		err = fmt.Errorf("%s is longer than %d bytes: name a file with nothing but the publisher's keys", path, maxKeyring)
	}
	return data, err
}

// parseKeys reads public keys, as packets or in one or more armored blocks.
func parseKeys(data []byte) (openpgp.EntityList, error) {
	if !isArmored(data) {
		keys, err := openpgp.ReadKeyRing(bytes.NewReader(data))
		if err == nil && len(keys) == 0 {
			err = errors.New("it is empty")
		}
		return keys, err
	}
	var keys openpgp.EntityList
	for blocks := bufio.NewReader(bytes.NewReader(data)); ; {
		block, err := armor.Decode(blocks)
		if errors.Is(err, io.EOF) && len(keys) > 0 {
			return keys, nil
		} else if err != nil {
			return nil, err
		}
		if block.Type != openpgp.PublicKeyType {
			return nil, fmt.Errorf("it holds a %s", block.Type)
		}
		more, err := openpgp.ReadKeyRing(block.Body)
		if err != nil {
			return nil, err
		}
		keys = append(keys, more...)
	}
}

func isArmored(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data, "\r\n\t "), []byte("-----BEGIN PGP "))
}

// fingerprints lists the keys for messages.
func (k *keyring) fingerprints() string {
	var all []string
	for _, e := range k.keys {
		all = append(all, fingerprint(e.PrimaryKey.Fingerprint))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func fingerprint(raw []byte) string { return fmt.Sprintf("%X", raw) }
