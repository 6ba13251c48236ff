package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/go-crypt/crypt/algorithm/shacrypt"
)

// DeriveMAC returns the MAC address of a nic that does not set one: QEMU's prefix 52:54:00, which is unicast and locally
// administered, and three bytes that depend on nothing but the names. It is lower case.
func DeriveMAC(site, guest, nic string) string {
	h := digest("mac", site, guest, nic)
	return fmt.Sprintf("52:54:00:%02x:%02x:%02x", h[0], h[1], h[2])
}

// DeriveBridge returns the name of the host's bridge for a network: "j" and ten hex digits that depend on nothing but
// the names. It fits the 15 bytes that Linux allows.
func DeriveBridge(site, network string) string {
	h := digest("bridge", site, network)
	return "j" + hex.EncodeToString(h[:5])
}

// hashPassword returns the crypt(3) form of a password, method SHA-512, with a salt that depends on nothing but the
// names, so that the same files always give the same hash.
func hashPassword(site, guest, user, password string) (string, error) {
	hasher, err := shacrypt.New(shacrypt.WithSHA512(), shacrypt.WithIterations(shacrypt.IterationsDefaultOmitted))
	if err != nil {
		return "", err
	}
	h := digest("salt", site, guest, user)
	salt := make([]byte, shacrypt.SaltLengthMax)
	for i := range salt {
		salt[i] = shacrypt.SaltCharSet[int(h[i])%len(shacrypt.SaltCharSet)]
	}
	hashed, err := hasher.HashWithSalt(password, salt)
	if err != nil {
		return "", err
	}
	return hashed.Encode(), nil
}

// digest hashes names, none of which holds a NUL.
func digest(names ...string) [sha256.Size]byte {
	return sha256.Sum256([]byte("jeos\x00" + strings.Join(names, "\x00")))
}
