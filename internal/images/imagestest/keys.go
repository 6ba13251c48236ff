package imagestest

import (
	"bytes"
	"crypto"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

const day = 24 * time.Hour

// keys are those of a publisher, by what is wrong with them. All were made ten days ago.
type keys struct {
	good, expired, revoked, unknown *openpgp.Entity
	made                            time.Time
}

func newKeys(t testing.TB) keys {
	t.Helper()
	made := time.Now().Add(-10 * day)
	newKey := func(name string, lifetime time.Duration) *openpgp.Entity {
		key, err := openpgp.NewEntity(name, "", name+"@example.org", &packet.Config{
			Algorithm: packet.PubKeyAlgoEdDSA, KeyLifetimeSecs: uint32(lifetime.Seconds()),
			Time: func() time.Time { return made },
		})
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	k := keys{
		good: newKey("publisher", 0), expired: newKey("expired", 9*day), revoked: newKey("revoked", 0), unknown: newKey("unknown", 0),
		made: made,
	}
	if err := k.revoked.Revoke(packet.KeyCompromised, "stolen", nil); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k keys) fingerprint() string { return fmt.Sprintf("%X", k.good.PrimaryKey.Fingerprint) }

// signer is the key that signs.
func (k keys) signer(f Fault) *openpgp.Entity {
	switch f {
	case ExpiredKey:
		return k.expired
	case RevokedKey:
		return k.revoked
	case UnknownKey:
		return k.unknown
	}
	return k.good
}

// public returns the keyring that a user has, armored.
func (k keys) public(f Fault) []byte {
	key := k.signer(f)
	if f == UnknownKey {
		key = k.good
	}
	return enarmor(openpgp.PublicKeyType, key.Serialize)
}

// clearsign returns a text with its signature in clear.
func (k keys) clearsign(text []byte, f Fault) []byte {
	if f == Unsigned {
		return text
	}
	canonical := strings.ReplaceAll(string(text), "\n", "\r\n")
	signature := k.sign([]byte(canonical), packet.SigTypeText, f)
	if f == BadSignature {
		text = bytes.Replace(text, []byte("disk1.img"), []byte("disk2.img"), 1)
		text = bytes.Replace(text, []byte("index:1.0"), []byte("index:1.1"), 1)
	}
	return fmt.Appendf(nil, "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n%s\n%s\n", text, signature)
}

// detached returns the signature of a text.
func (k keys) detached(text []byte, f Fault) []byte {
	switch f {
	case Unsigned:
		return nil
	case BadSignature:
		text = append(bytes.Clone(text), '\n')
	}
	return k.sign(text, packet.SigTypeBinary, f)
}

func (k keys) sign(text []byte, kind packet.SignatureType, f Fault) []byte {
	key := k.signer(f).PrivateKey
	signature := &packet.Signature{
		Version: key.Version, SigType: kind, PubKeyAlgo: key.PubKeyAlgo, Hash: crypto.SHA512,
		CreationTime: k.made.Add(day), IssuerKeyId: &key.KeyId,
	}
	if f == ExpiredSignature {
		lifetime := uint32(day.Seconds())
		signature.SigLifetimeSecs = &lifetime
	}
	sum := signature.Hash.New()
	sum.Write(text)
	if err := signature.Sign(sum, key, nil); err != nil {
		panic(err)
	}
	var raw bytes.Buffer
	if err := signature.Serialize(&raw); err != nil {
		panic(err)
	}
	if f == WeakHash { // the library makes no such signature: change the octet that names the hash
		raw.Bytes()[5] = 2
	}
	return enarmor(openpgp.SignatureType, func(w io.Writer) error {
		_, err := raw.WriteTo(w)
		return err
	})
}

func enarmor(kind string, serialize func(io.Writer) error) []byte {
	var b bytes.Buffer
	w, err := armor.Encode(&b, kind, nil)
	if err != nil {
		panic(err)
	}
	if err := serialize(w); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}
