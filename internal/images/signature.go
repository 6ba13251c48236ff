package images

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

var (
	errUnsigned  = errors.New("is not signed, so anybody can have written it: try another mirror")
	errNoneKnown = errors.New("has no signature that jeos can check: its kind is too old, or unknown: try another mirror")
)

// openClearsigned returns the text of a document that carries its signature in clear (RFC 9580, section 7), and the
// fingerprint of the key whose owner signed it. What else is in the document is left out. Errors go on after the name of
// the document: "is not signed".
func (k *keyring) openClearsigned(document []byte, now time.Time) (text []byte, signer string, err error) {
	block, _ := clearsign.Decode(document)
	if block == nil {
		return nil, "", errUnsigned
	}
	signatures, err := readSignatures(block.ArmoredSignature.Body)
	if err != nil {
		return nil, "", err
	}
	signer, err = k.check(block.Bytes, signatures, now)
	return block.Plaintext, signer, err
}

// checkDetached checks a signature that is kept apart from the text, armored or not, as openClearsigned does.
func (k *keyring) checkDetached(text, signature []byte, now time.Time) (signer string, err error) {
	packets, err := unarmor(signature)
	if err != nil {
		return "", err
	}
	signatures, err := readSignatures(bytes.NewReader(packets))
	if err != nil {
		return "", err
	}
	return k.check(text, signatures, now)
}

// openMessage returns the text in a signed message, as "gpg --sign" makes it, as openClearsigned does.
func (k *keyring) openMessage(message []byte, now time.Time) (text []byte, signer string, err error) {
	packets, err := unarmor(message)
	if err != nil {
		return nil, "", err
	}
	limit := int64(maxDocument)
	found, err := openpgp.ReadMessage(bytes.NewReader(packets), openpgp.EntityList{}, nil, &packet.Config{MaxDecompressedMessageSize: &limit})
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(found.UnverifiedBody, maxDocument+1))
	}
	if err != nil {
		return nil, "", damaged(err)
	}
	if len(text) > maxDocument {
		return nil, "", errTooLong
	}
	var signatures []*packet.Signature
	for _, s := range found.SignatureCandidates {
		if s.CorrespondingSig != nil {
			signatures = append(signatures, s.CorrespondingSig)
		}
	}
	signer, err = k.check(text, signatures, now)
	return text, signer, err
}

// isMessage reports whether a file named .gpg is a signed message: whether it has the text in itself.
func isMessage(data []byte) bool {
	packets, err := unarmor(data)
	if err != nil {
		return false
	}
	first, err := packet.NewReader(bytes.NewReader(packets)).Next()
	if err != nil {
		return false
	}
	switch first.(type) {
	case *packet.OnePassSignature, *packet.Compressed:
		return true
	}
	return false
}

func unarmor(data []byte) ([]byte, error) {
	if !isArmored(data) {
		return data, nil
	}
	block, err := armor.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, damaged(err)
	}
	packets, err := io.ReadAll(block.Body)
	if err != nil {
		return nil, damaged(err)
	}
	return packets, nil
}

func damaged(err error) error {
	return fmt.Errorf("has a damaged signature (%w): try again, then another mirror", err)
}

// readSignatures returns the signatures in a stream of packets. Those of a kind that the library does not know are left
// out.
func readSignatures(from io.Reader) ([]*packet.Signature, error) {
	var signatures []*packet.Signature
	for packets := packet.NewReader(from); ; {
		p, err := packets.Next()
		if errors.Is(err, io.EOF) {
			return signatures, nil
		} else if err != nil {
			return nil, damaged(err)
		}
		if s, ok := p.(*packet.Signature); ok {
			signatures = append(signatures, s)
		}
	}
}

// check returns the fingerprint of the key whose owner signed a text. One good signature is enough; without one the error
// is that of a key that is known, if there is one.
func (k *keyring) check(text []byte, signatures []*packet.Signature, now time.Time) (signer string, err error) {
	err = errNoneKnown
	for _, s := range signatures {
		if s.IssuerKeyId == nil {
			continue
		}
		candidates := k.keys.KeysById(*s.IssuerKeyId)
		if len(candidates) == 0 && errors.Is(err, errNoneKnown) {
			err = k.unknown(s)
		}
		for _, key := range candidates {
			if err = checkSignature(text, s, key, now); err == nil {
				return fingerprint(key.Entity.PrimaryKey.Fingerprint), nil
			}
		}
	}
	return "", err
}

func (k *keyring) unknown(s *packet.Signature) error {
	issuer := fmt.Sprintf("%016X", *s.IssuerKeyId)
	if len(s.IssuerFingerprint) > 0 {
		issuer = fingerprint(s.IssuerFingerprint)
	}
	return fmt.Errorf("is signed by the key %s, which is unknown: trusted are those %s (%s); if the publisher has a new key, name a file with it as keyring",
		issuer, k.name, k.fingerprints())
}
