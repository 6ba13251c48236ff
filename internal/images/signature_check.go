package images

import (
	"crypto"
	"errors"
	"fmt"
	"hash"
	"time"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// checkSignature returns an error unless a text was signed with a key, which may be a subkey, and signature and key are
// good now. A key that was renewed since then, which replaces the dates in it, vouches for its older signatures too.
func checkSignature(text []byte, s *packet.Signature, key openpgp.Key, now time.Time) error {
	owner := fingerprint(key.Entity.PrimaryKey.Fingerprint)
	switch s.Hash {
	case crypto.MD5, crypto.SHA1, crypto.RIPEMD160:
		return fmt.Errorf("has a signature by the key %s over the hash %v, which can be forged: ask the publisher for a new one", owner, s.Hash)
	}
	if err := verify(text, s, key.PublicKey); err != nil {
		return fmt.Errorf("is not what the key %s has signed: somebody has changed it, or it was damaged on the way (%w): try again, then another mirror", owner, err)
	}
	if err := checkKey(key, now); err != nil {
		return fmt.Errorf("is signed by the key %s, which %w: get the publisher's present key, and name a file with it as keyring", owner, err)
	}
	switch {
	case s.CreationTime.After(now):
		return fmt.Errorf("has a signature of %s UTC by the key %s, which is in the future: look at the clock of this computer",
			s.CreationTime.UTC().Format(time.DateTime), owner)
	case s.SigExpired(now):
		return fmt.Errorf("has a signature by the key %s that has expired: the mirror may be out of date, try another one", owner)
	case s.CreationTime.Before(key.PublicKey.CreationTime):
		return fmt.Errorf("has a signature that is older than the key %s that made it: try another mirror", owner)
	}
	for _, notation := range s.Notations {
		if notation.IsCritical {
			return fmt.Errorf("has a signature by the key %s under a condition that jeos does not know (%q): ask the publisher for one without", owner, notation.Name)
		}
	}
	return nil
}

// verify checks the mathematics.
func verify(text []byte, s *packet.Signature, key *packet.PublicKey) error {
	sum, err := s.PrepareVerify()
	if err != nil {
		return err
	}
	var into hash.Hash
	switch s.SigType {
	case packet.SigTypeBinary:
		into = sum
	case packet.SigTypeText:
		into = openpgp.NewCanonicalTextHash(sum)
	default:
		return fmt.Errorf("a signature of type %#x is not over a text", int(s.SigType))
	}
	into.Write(text)
	return key.VerifySignature(sum, s)
}

// checkKey returns an error when a key may not sign at that time. It goes on after "the key": "has expired".
func checkKey(key openpgp.Key, now time.Time) error {
	config := &packet.Config{Time: func() time.Time { return now }}
	_, err := key.Entity.VerifyPrimaryKey(now, config)
	for _, sub := range key.Entity.Subkeys {
		if err == nil && sub.PublicKey == key.PublicKey {
			_, err = sub.Verify(now, config)
		}
	}
	switch {
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return errors.New("has been revoked")
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return errors.New("has expired")
	case err != nil:
		return fmt.Errorf("cannot be used (%w)", err)
	}
	if _, ok := key.Entity.SigningKeyById(now, key.PublicKey.KeyId, config); !ok {
		return errors.New("may not sign, or is too weak")
	}
	return nil
}
