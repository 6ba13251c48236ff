package images

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The keys and documents in testdata/gpg were made by GnuPG; the README there says how.

const (
	publisherKey = "76F7A848D353B5C84B363CBEE55A1BFBA84A5AF2"
	signedOn     = "2026-01-02"
)

func golden(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "gpg", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func goldenKeys(t *testing.T, name string) *keyring {
	t.Helper()
	keys, err := openKeyring(filepath.Join("testdata", "gpg", name))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func dayOf(t *testing.T, day string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	return at.Add(12 * time.Hour)
}

// open checks a golden document, of whatever kind it is.
func open(t *testing.T, keys *keyring, name string, document []byte, now time.Time) (text []byte, signer string, err error) {
	t.Helper()
	switch {
	case strings.HasPrefix(name, "clear"), strings.HasPrefix(name, "weak"):
		return keys.openClearsigned(document, now)
	case isMessage(document):
		return keys.openMessage(document, now)
	}
	text = golden(t, "text")
	signer, err = keys.checkDetached(text, document, now)
	return text, signer, err
}

func TestSignaturesOfGnuPG(t *testing.T) {
	for _, keyring := range []string{"publisher.asc", "publisher.gpg", "expired-subkey.asc"} {
		for _, name := range []string{"clear.asc", "detached.asc", "detached.gpg", "message.asc", "message.gpg", "both.gpg"} {
			text, signer, err := open(t, goldenKeys(t, keyring), name, golden(t, name), dayOf(t, "2026-01-05"))
			if err != nil || signer != publisherKey {
				t.Errorf("%s with %s: signer %q, %v", name, keyring, signer, err)
			}
			// A text that is signed in clear has no spaces at the ends of its lines, and no last line feed.
			got, want := trimLines(text), trimLines(golden(t, "text"))
			if got != want {
				t.Errorf("%s: the text is %q, want %q", name, got, want)
			}
		}
	}
}

func trimLines(text []byte) string {
	var lines []string
	for line := range strings.Lines(string(text)) {
		lines = append(lines, strings.TrimRight(line, " \t\n"))
	}
	return strings.Join(lines, "\n")
}

func TestSignaturesAreRefused(t *testing.T) {
	same := func(document []byte) []byte { return document }
	cases := []struct {
		name, keyring, document, day string
		change                       func([]byte) []byte
		want                         string
	}{
		{"weak hash", "publisher.asc", "weak.asc", signedOn, same, "over the hash SHA-1"},
		{"signature has expired", "publisher.asc", "brief.asc", "2026-01-05", same, "has a signature by the key " + publisherKey + " that has expired"},
		{"clock is behind", "publisher.asc", "clear.asc", "2026-01-01", same, "is in the future: look at the clock"},
		{"subkey has expired", "expired-subkey.asc", "clear.asc", "2026-01-20", same, publisherKey + ", which has expired"},
		{"subkey is revoked", "revoked-subkey.asc", "clear.asc", "2026-01-05", same, publisherKey + ", which has been revoked"},
		{"unknown", "publisher.asc", "other-detached.asc", signedOn, same, "which is unknown: trusted are those in "},
		{"text changed", "publisher.asc", "clear.asc", signedOn, func(d []byte) []byte { return bytes.Replace(d, []byte("dash"), []byte("d4sh"), 1) }, "somebody has changed it"},
		{"line added", "publisher.asc", "clear.asc", signedOn, func(d []byte) []byte { return bytes.Replace(d, []byte("\n}"), []byte("\n}\n}"), 1) }, "somebody has changed it"},
		{"message changed", "publisher.asc", "message.gpg", signedOn, func(d []byte) []byte { d[20] ^= 1; return d }, "damaged"},
		{"signature changed", "publisher.asc", "detached.gpg", signedOn, func(d []byte) []byte { d[len(d)-1] ^= 1; return d }, "somebody has changed it"},
		{"signature cut", "publisher.asc", "detached.gpg", signedOn, func(d []byte) []byte { return d[:len(d)/2] }, "damaged signature"},
		{"armor cut", "publisher.asc", "detached.asc", signedOn, func(d []byte) []byte { return d[:len(d)/2] }, "damaged signature"},
		{"nothing", "publisher.asc", "detached.gpg", signedOn, func([]byte) []byte { return nil }, "no signature that jeos can check"},
		{"not signed", "publisher.asc", "clear.asc", signedOn, func([]byte) []byte { return []byte("{}") }, "is not signed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := open(t, goldenKeys(t, c.keyring), c.document, c.change(golden(t, c.document)), dayOf(t, c.day))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// What stands around the signed text is not taken in.
func TestClearsignedDropsTheRest(t *testing.T) {
	document := slices.Concat([]byte("{\"before\": 1}\n"), golden(t, "clear.asc"), []byte("{\"after\": 1}\n"))
	text, _, err := goldenKeys(t, "publisher.asc").openClearsigned(document, dayOf(t, signedOn))
	if err != nil || bytes.Contains(text, []byte("before")) || bytes.Contains(text, []byte("after")) {
		t.Errorf("%q, %v", text, err)
	}
}

func TestUbuntuKeys(t *testing.T) {
	keys, err := openKeyring("")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := keys.fingerprints(), strings.Join(ubuntuFingerprints, ", "); got != want {
		t.Errorf("the keys are %s, want %s", got, want)
	}
	now := dayOf(t, "2026-10-02")
	for _, owner := range keys.keys {
		if err := checkKey(keys.keys.KeysById(owner.PrimaryKey.KeyId)[0], now); err != nil {
			t.Errorf("%X %v", owner.PrimaryKey.Fingerprint, err)
		}
	}
}

func TestOpenKeyring(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	keys, err := openKeyring(file("two", slices.Concat(golden(t, "other.asc"), []byte("\n"), golden(t, "publisher.asc"))))
	if err != nil || len(keys.keys) != 2 {
		t.Errorf("two blocks: %d keys, %v", len(keys.keys), err)
	}
	for name, c := range map[string]struct {
		path string
		want string
	}{
		"missing":   {filepath.Join(dir, "nowhere"), "reading the keyring"},
		"folder":    {dir, "is a folder"},
		"empty":     {file("empty", nil), "holds no OpenPGP key"},
		"text":      {file("text", []byte("hello")), "holds no OpenPGP key"},
		"signature": {file("signature", golden(t, "detached.asc")), "it holds a PGP SIGNATURE"},
		"too long":  {file("long", append(golden(t, "publisher.gpg"), make([]byte, maxKeyring)...)), "is longer than"},
		"cut":       {file("cut", golden(t, "publisher.asc")[:300]), "holds no OpenPGP key"},
	} {
		if keys, err := openKeyring(c.path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v, want an error with %q", name, keys, err, c.want)
		}
	}
}
