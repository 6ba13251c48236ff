package openvpn

import (
	"regexp"
	"strings"
)

// rule is what is done with a directive.
type rule struct {
	read       func(p *parser, d directive)
	kept       bool // something of it may be kept
	inline     bool // it may be an inline block
	connection bool // it may stand in a <connection>
}

const (
	wrongValue  = "Its value is not one that OpenVPN takes. Correct the line, or remove it."
	anyStrength = "It is kept, though it lets in keys and digests of any weakness. Ask the provider for a profile that does without SECLEVEL=0."
	compression = "It is kept, since the server may need it, though compression can give away what is encrypted. Ask the provider for a profile without it."
)

// keep keeps a directive whose arguments, joined by blanks, are described by a pattern: of characters that OpenVPN takes
// without quotes.
func keep(pattern string) rule {
	arguments := regexp.MustCompile(`^(?:` + pattern + `)$`)
	return special(func(p *parser, d directive) {
		text := strings.Join(d.args, " ")
		if !arguments.MatchString(text) {
			p.problem(d, wrongValue)
			return
		}
		p.set(d, strings.TrimSuffix(d.name+" "+text, " "))
	})
}

// unless drops a directive whose arguments match a pattern, and does what the rule says with others.
func unless(pattern, reason string, r rule) rule {
	arguments := regexp.MustCompile(pattern)
	return special(func(p *parser, d directive) {
		if arguments.MatchString(strings.Join(d.args, " ")) {
			p.notice(d, reason)
			return
		}
		r.read(p, d)
	})
}

// concern does what the rule says, and gives a notice when the arguments match a pattern.
func concern(pattern, reason string, r rule) rule {
	arguments := regexp.MustCompile(pattern)
	return special(func(p *parser, d directive) {
		if arguments.MatchString(strings.Join(d.args, " ")) {
			p.notice(d, reason)
		}
		r.read(p, d)
	})
}

// special reads a directive in a way of its own.
func special(read func(p *parser, d directive)) rule { return rule{read: read, kept: true} }

// where reads a directive that says where to connect to.
func where(read func(p *parser, d directive)) rule {
	return rule{read: read, kept: true, connection: true}
}

// block reads a directive that can be an inline block.
func block(read func(p *parser, d directive)) rule {
	return rule{read: read, kept: true, inline: true, connection: true}
}

// rules returns the rules of the directives (openvpn(8)). Those that have none are dropped.
func rules() map[string]rule {
	const number, numbers = `[0-9]{1,9}`, `[0-9]{1,9}(?: [0-9]{1,9})?`
	suites := unless(weakSuites, tooWeak, concern(`SECLEVEL=0`, anyStrength, keep(`[A-Za-z0-9:!+@=_.-]+`)))
	all := map[string]rule{
		"remote":      where(readRemote),
		"proto":       where(readProto),
		"proto-force": where(readProtoForce),
		"port":        where(readPort),
		"rport":       where(readPort),
		"connection":  block(readConnection),

		"ca":               block(material(certificates)),
		"cert":             block(material(certificates)),
		"extra-certs":      block(material(certificates)),
		"key":              block(material(privateKeys)),
		"pkcs12":           block(readPKCS12),
		"crl-verify":       block(material(revocations)),
		"tls-auth":         block(readTLSAuth),
		"tls-crypt":        block(material(staticKeys)),
		"tls-crypt-v2":     block(material(clientKeys)),
		"key-direction":    keep(`[01]`),
		"peer-fingerprint": block(readFingerprints),
		"verify-hash":      block(readFingerprints),
		"verify-x509-name": special(readText(`(?:subject|name|name-prefix)?`)),
		"remote-cert-tls":  unless(`^client$`, "Servers have no certificate made for clients, so it is dropped.", keep(`server`)),
		"remote-cert-ku":   keep(`[0-9A-Fa-fx]{1,6}(?: [0-9A-Fa-fx]{1,6}){0,7}`),
		"remote-cert-eku":  special(readText(``)),
		"auth-user-pass":   block(readCredentials),

		"cipher":                special(readCipher),
		"data-ciphers":          special(readDataCiphers),
		"ncp-ciphers":           special(readDataCiphers),
		"data-ciphers-fallback": special(readFallback),
		"auth":                  special(readAuth),
		"tls-cipher":            suites,
		"tls-ciphersuites":      suites,
		"tls-groups":            keep(`[A-Za-z0-9:_-]+`),
		"ecdh-curve":            keep(`[A-Za-z0-9_-]+`),
		"tls-version-min":       unless(`^1\.[01]\b`, tooWeak, keep(`1\.[23](?: or-highest)?`)),
		"tls-version-max":       unless(`^1\.[01]$`, tooWeak, keep(`1\.[23]`)),
		"tls-cert-profile":      unless(`^insecure$`, tooWeak, keep(`legacy|preferred|suiteb`)),
		"comp-lzo":              concern(`^(?:|yes|adaptive)$`, compression, keep(`(?:yes|no|adaptive)?`)),
		"compress":              concern(`^l`, compression, keep(`(?:lzo|lz4|lz4-v2|stub|stub-v2|migrate)?`)),
		"allow-compression":     unless(`^yes$`, tooWeak, keep(`no|asym`)),

		"reneg-sec":            keep(numbers),
		"reneg-bytes":          keep(number),
		"reneg-pkts":           keep(number),
		"tls-timeout":          keep(number),
		"hand-window":          keep(number),
		"tran-window":          keep(number),
		"replay-window":        keep(numbers),
		"tun-mtu":              keep(numbers),
		"tun-mtu-extra":        keep(number),
		"link-mtu":             keep(number),
		"fragment":             keep(number + `(?: mtu)?`),
		"mssfix":               keep(`(?:` + number + `(?: mtu| fixed)?)?`),
		"sndbuf":               keep(number),
		"rcvbuf":               keep(number),
		"txqueuelen":           keep(number),
		"fast-io":              keep(``),
		"socket-flags":         keep(`TCP_NODELAY`),
		"topology":             keep(`subnet|net30|p2p`),
		"remote-random":        keep(``),
		"explicit-exit-notify": keep(`(?:` + number + `)?`),

		"pull-filter": special(readPullFilter),
		"setenv":      special(readSetenv),
		"dev":         special(readDevice),
		"dev-type":    special(readDevice),
	}
	for _, g := range groups() {
		for name := range strings.FieldsSeq(g.names) {
			all[name] = rule{read: func(p *parser, d directive) { g.do(p, d, g.reason) }}
		}
	}
	return all
}

// readPullFilter keeps what makes the client ignore something that the server says. The other kinds could let in what an
// own filter keeps out.
func readPullFilter(p *parser, d directive) {
	if len(d.args) != 2 || d.args[0] != "ignore" || !plainText(d.args[1]) {
		p.notice(d, "Only what makes the client ignore options of the server is kept, so it is dropped.")
		return
	}
	p.set(d, "pull-filter ignore "+quoted(d.args[1]))
}

// readSetenv reads "setenv opt directive…", the way to write a directive that not all versions know. All else is for scripts.
func readSetenv(p *parser, d directive) {
	if len(d.args) > 1 && d.args[0] == "opt" {
		p.apply(directive{line: d.line, name: d.args[1], args: d.args[2:]})
		return
	}
	p.routine(d, "It sets something in the environment of scripts, of which none is run, so it is dropped.")
}

func readDevice(p *parser, d directive) {
	if len(d.args) > 0 && strings.HasPrefix(d.args[0], "tap") {
		p.problem(d, "The profile is for a bridge of Ethernet (tap), which could not be guarded. Ask the provider for a profile with dev tun.")
		return
	}
	p.routine(d, onTheirOwn)
}

// readText keeps a directive with a text of any kind and, after it, words that a pattern describes.
func readText(after string) func(p *parser, d directive) {
	words := regexp.MustCompile(`^(?:` + after + `)$`)
	return func(p *parser, d directive) {
		if len(d.args) == 0 || !plainText(d.args[0]) || !words.MatchString(strings.Join(d.args[1:], " ")) {
			p.problem(d, wrongValue)
			return
		}
		p.set(d, strings.Join(append([]string{d.name, quoted(d.args[0])}, d.args[1:]...), " "))
	}
}
