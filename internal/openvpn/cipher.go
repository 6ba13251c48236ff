package openvpn

import (
	"regexp"
	"slices"
	"strings"
)

// ciphers are the three directives that name ciphers of the data channel, as they were last seen; line 0 is not seen.
type ciphers struct{ single, list, fallback directive }

var (
	// strongCipher is one with keys and blocks of at least 128 bits.
	strongCipher = regexp.MustCompile(`^(?:(?:AES|CAMELLIA|ARIA)-(?:128|192|256)-(?:GCM|CBC|CFB|CFB1|CFB8|OFB)|CHACHA20-POLY1305)$`)
	strongDigest = regexp.MustCompile(`^(?:RSA-)?(?:SHA(?:1|224|256|384|512|512-224|512-256)|SHA3-(?:224|256|384|512)|BLAKE2[BS](?:256|512)|RIPEMD160|WHIRLPOOL)$`)
)

// weakSuites finds suites without secrecy, or without knowing the other side, in a list of OpenSSL's ciphers(1).
const weakSuites = `(?i)(?:^|:)(?:[^!:-][^:]*)?(?:NULL|EXP|ADH|AECDH|ANON|RC4|RC2|MD5|LOW|\bDES\b|COMPLEMENTOFALL)`

// tooWeak is the reason to drop a choice.
const tooWeak = "It allows what is too weak today, so it is dropped: OpenVPN takes its own choice."

// defaultCiphers is what OpenVPN 2.7 puts in the place of the word DEFAULT, which earlier versions do not know.
const defaultCiphers = "AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305"

func readCipher(p *parser, d directive)      { p.ciphers.single = d }
func readDataCiphers(p *parser, d directive) { p.ciphers.list = d }
func readFallback(p *parser, d directive)    { p.ciphers.fallback = d }

// finishCiphers keeps the strong ciphers, and refuses a profile that asks for weak ones only. A weak fallback alone does no
// harm: without it there is none.
func (p *parser) finishCiphers() {
	c := p.ciphers
	strong := p.keepStrong(c.list, "data-ciphers", ":")
	strong = p.keepStrong(c.fallback, "data-ciphers-fallback", "") || strong
	strong = p.keepStrong(c.single, "cipher", "") || strong
	for _, d := range []directive{c.single, c.list} {
		if d.line > 0 && !strong {
			p.problem(d, "None of the profile's ciphers is strong enough. Ask the provider for a profile with AES-256-GCM, or remove the line if the server can negotiate.")
			return
		}
	}
}

// keepStrong keeps the strong ones of the ciphers that a directive names, between separators if there is one, and tells
// whether there are any.
func (p *parser) keepStrong(d directive, name, separator string) bool {
	if d.line == 0 {
		return false
	}
	text := strings.ToUpper(strings.Join(d.args, " "))
	names := []string{text}
	if separator != "" {
		text = strings.ReplaceAll(text, "DEFAULT", defaultCiphers)
		names = strings.Split(strings.ReplaceAll(text, "?", ""), separator) // "?" is before one that may be unknown
	}
	strong := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strongCipher.MatchString(n) })
	if len(strong) < len(names) {
		p.notice(d, "It names ciphers that are too weak, or not known, so those are dropped.")
	}
	if len(strong) > 0 {
		d.name = name
		p.set(d, name+" "+strings.Join(strong, separator))
	}
	return len(strong) > 0
}

func readAuth(p *parser, d directive) {
	name := strings.ToUpper(strings.Join(d.args, " "))
	if !strongDigest.MatchString(name) {
		p.notice(d, tooWeak)
		return
	}
	p.set(d, "auth "+name)
}
