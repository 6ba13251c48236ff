package images

import (
	"crypto"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// What no publisher does, and the library can: signatures and keys that must not count.
func TestOddSignaturesAreRefused(t *testing.T) {
	made := dayOf(t, "2026-01-01")
	owner, err := openpgp.NewEntity("publisher", "", "publisher@example.org", &packet.Config{
		Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048, Time: func() time.Time { return made },
	})
	if err != nil {
		t.Fatal(err)
	}
	subkey := owner.Subkeys[0].PrivateKey // for encryption alone, though it is of a kind that can sign
	text := []byte("text\r\n")
	for name, c := range map[string]struct {
		key    *packet.PrivateKey
		change func(*packet.Signature)
		want   string // in the error
	}{
		"good":                   {owner.PrivateKey, func(*packet.Signature) {}, ""},
		"over a text":            {owner.PrivateKey, func(s *packet.Signature) { s.SigType = packet.SigTypeText }, ""},
		"notation":               {owner.PrivateKey, func(s *packet.Signature) { s.Notations = []*packet.Notation{{Name: "a@example.org"}} }, ""},
		"condition":              {owner.PrivateKey, func(s *packet.Signature) { s.Notations = []*packet.Notation{{Name: "a@example.org", IsCritical: true}} }, `jeos does not know ("a@example.org")`},
		"older than the key":     {owner.PrivateKey, func(s *packet.Signature) { s.CreationTime = made.Add(-time.Hour) }, "older than the key"},
		"key for encryption":     {subkey, func(*packet.Signature) {}, "which may not sign"},
		"over a key":             {owner.PrivateKey, func(s *packet.Signature) { s.SigType = packet.SigTypeGenericCert }, "is not over a text"},
		"over a key, revocation": {owner.PrivateKey, func(s *packet.Signature) { s.SigType = packet.SigTypeKeyRevocation }, "is not over a text"},
	} {
		s := &packet.Signature{
			Version: c.key.Version, SigType: packet.SigTypeBinary, PubKeyAlgo: c.key.PubKeyAlgo, Hash: crypto.SHA512,
			CreationTime: made.Add(time.Hour), IssuerKeyId: &c.key.KeyId,
		}
		c.change(s)
		sum := s.Hash.New()
		sum.Write(text)
		if err := s.Sign(sum, c.key, nil); err != nil {
			t.Fatal(err)
		}
		keys := &keyring{openpgp.EntityList{owner}, "of the test"}
		signer, err := keys.check(text, []*packet.Signature{s}, made.Add(2*time.Hour))
		switch {
		case c.want == "" && (err != nil || signer != fingerprint(owner.PrimaryKey.Fingerprint)):
			t.Errorf("%s: %q, %v", name, signer, err)
		case c.want != "" && (err == nil || signer != "" || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %q, %v, want an error with %q", name, signer, err, c.want)
		}
	}
}
