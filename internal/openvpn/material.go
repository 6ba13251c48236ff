package openvpn

import (
	"encoding/base64"
	"encoding/hex"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Labels of the PEM blocks (RFC 7468) that directives take.
var (
	certificates = []string{"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"}
	privateKeys  = []string{"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"}
	revocations  = []string{"X509 CRL"}
	staticKeys   = []string{staticKey}
	clientKeys   = []string{"OpenVPN tls-crypt-v2 client key"}
)

// staticKey is the label of keys that are written in hexadecimal: 256 bytes.
const staticKey = "OpenVPN Static key V1"

// material reads a directive that takes keys or certificates, inline or from a file of their own. What is not in PEM
// blocks of the right kind, such as comments, is left out.
func material(labels []string) func(p *parser, d directive) {
	return func(p *parser, d directive) {
		lines, ok := p.contents(d)
		if !ok {
			return
		}
		blocks, reason := pemBlocks(lines, labels)
		if reason != "" {
			p.problem(d, reason)
			return
		}
		p.set(d, inline(d.name, blocks))
	}
}

func inline(tag string, lines []string) string {
	return "<" + tag + ">\n" + strings.Join(lines, "\n") + "\n</" + tag + ">"
}

// readTLSAuth reads "tls-auth file [direction]", and its inline block, whose direction is a directive of its own.
func readTLSAuth(p *parser, d directive) {
	if len(d.args) == 2 {
		direction := d
		direction.name, direction.args = "key-direction", d.args[1:]
		p.apply(direction)
		d.args = d.args[:1]
	}
	material(staticKeys)(p, d)
}

// contents returns the lines of an inline block, or of the file that the directive names. It is false when there is nothing
// to read: because of a problem, or since the name is [inline], the old way to announce a block.
func (p *parser) contents(d directive) ([]string, bool) {
	text, ok := p.bytes(d)
	if !ok {
		return nil, false
	}
	return strings.Split(string(text), "\n"), true
}

func (p *parser) bytes(d directive) ([]byte, bool) {
	switch {
	case p.within:
		p.problem(d, "A key of one connection only is not known to jeos. Make a profile with that connection alone.")
		return nil, false
	case d.tag:
		return []byte(strings.Join(d.block, "\n")), true
	case len(d.args) != 1:
		p.problem(d, "The directive takes the name of one file. Correct the line.")
		return nil, false
	case d.args[0] == "[inline]":
		return nil, false
	case !sideName(d.args[0]):
		p.problem(d, "The file is not in the profile's own folder. Put it beside the profile, and write its name alone.")
		return nil, false
	case p.side == nil:
		p.problem(d, "The directive names a file, and there is none beside this profile. Write its contents into the profile, as an inline block.")
		return nil, false
	}
	if p.files++; p.files > maxFiles {
		p.problem(directive{line: d.line}, "The profile names more than 32 files, which no profile does. Get it from the provider once more.")
		return nil, false
	}
	text, err := p.side(path.Clean(d.args[0]))
	switch {
	case err != nil:
		p.problem(d, "The file that it names cannot be read. Put it beside the profile, or write its contents into the profile, as an inline block.")
		return nil, false
	case len(text) > MaxSize:
		p.problem(d, "The file that it names is larger than 1 MiB, which no key is. Name the right one.")
		return nil, false
	}
	return text, true
}

// sideName tells whether a name is that of a file in the profile's folder or below it, here and on other systems.
func sideName(name string) bool {
	return plainText(name) && filepath.IsLocal(name) && !strings.ContainsAny(name, `\:`) && path.Clean(name) != "."
}

var (
	pemBegin = regexp.MustCompile(`^-----BEGIN ([A-Za-z0-9 -]+)-----$`)
	base64s  = regexp.MustCompile(`^[A-Za-z0-9+/=]+$`)
)

// pemBlocks returns the lines of the blocks that have one of the labels, with lines of 64 characters. reason says, as of
// Problem, why there is none, or why one is of no use.
func pemBlocks(lines []string, labels []string) (out []string, reason string) {
	for i := 0; i < len(lines); i++ {
		m := pemBegin.FindStringSubmatch(strings.TrimSpace(lines[i]))
		if m == nil {
			continue
		}
		label := m[1]
		end := i + 1
		for end < len(lines) && strings.TrimSpace(lines[end]) != "-----END "+label+"-----" {
			end++
		}
		if end == len(lines) {
			return nil, "A key or certificate in it has no end. Get the file from the provider once more."
		}
		body := lines[i+1 : end]
		i = end
		if label == "ENCRYPTED PRIVATE KEY" || slices.ContainsFunc(body, func(l string) bool { return strings.Contains(l, "ENCRYPTED") }) {
			return nil, "The private key has a passphrase, which nobody is there to give. Write the key without one: openssl pkey -in client.key"
		}
		if !slices.Contains(labels, label) {
			continue
		}
		text, ok := joined(body)
		if !ok || !decodes(text, label) {
			return nil, "A key or certificate in it is damaged. Get the file from the provider once more."
		}
		out = append(out, "-----BEGIN "+label+"-----")
		out = append(out, wrapped(text)...)
		out = append(out, "-----END "+label+"-----")
	}
	if len(out) == 0 {
		return nil, "It holds no " + labels[0] + ", between lines with BEGIN and END. Get a whole profile from the provider."
	}
	return out, ""
}

// joined returns lines of base64 or hexadecimal as one.
func joined(lines []string) (string, bool) {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(strings.TrimSpace(l))
	}
	return b.String(), base64s.MatchString(b.String())
}

func decodes(text, label string) bool {
	if label == staticKey {
		key, err := hex.DecodeString(text)
		return err == nil && len(key) == 256
	}
	_, err := base64.StdEncoding.DecodeString(text)
	return err == nil
}

func wrapped(text string) []string {
	var lines []string
	for line := range slices.Chunk([]byte(text), 64) {
		lines = append(lines, string(line))
	}
	return lines
}

// readPKCS12 keeps a container of key and certificates: base64 inline, binary in a file.
func readPKCS12(p *parser, d directive) {
	raw, ok := p.bytes(d)
	if !ok {
		return
	}
	text := base64.StdEncoding.EncodeToString(raw)
	if d.tag {
		if text, ok = joined(d.block); !ok || !decodes(text, "PKCS12") {
			p.problem(d, "It is no base64. Get the file from the provider once more.")
			return
		}
	}
	p.notice(d, "It is kept, but works only if it has no passphrase: nobody is there to give it.")
	p.set(d, inline(d.name, wrapped(text)))
}

var fingerprint = regexp.MustCompile(`^[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){19,31}$`)

// readFingerprints keeps "verify-hash hash [algorithm]" and "peer-fingerprint hash", and their inline blocks.
func readFingerprints(p *parser, d directive) {
	if !d.tag {
		keep(`[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){19,31}(?: SHA1| SHA256)?`).read(p, d)
		return
	}
	var lines []string
	for _, l := range d.block {
		l = strings.Trim(l, blanks)
		if l == "" || isComment(l[0]) {
			continue
		}
		if !fingerprint.MatchString(l) {
			p.problem(d, "A line of it is no fingerprint, such as 00:11:22:… Get the file from the provider once more.")
			return
		}
		lines = append(lines, l)
	}
	if len(lines) == 0 {
		p.problem(d, "It holds no fingerprint. Get a whole profile from the provider.")
		return
	}
	p.set(d, inline(d.name, lines))
}

// readCredentials reads auth-user-pass: two lines, inline or in a file, or nothing.
func readCredentials(p *parser, d directive) {
	p.profile.NeedsCredentials = true
	p.profile.Username, p.profile.Password = "", ""
	if !d.tag && len(d.args) == 0 {
		return
	}
	lines, ok := p.contents(d)
	if !ok {
		return
	}
	for len(lines) < 2 {
		lines = append(lines, "")
	}
	username, password := strings.TrimSuffix(lines[0], "\r"), strings.TrimSuffix(lines[1], "\r")
	if !plainText(username) || !plainText(password) || max(len(username), len(password)) > 127 {
		p.problem(d, "It has to hold a user name and a password, each on a line of its own, of at most 127 bytes in UTF-8. Correct it, or write auth-user-pass alone and give them otherwise.")
		return
	}
	p.profile.Username, p.profile.Password = username, password
}
