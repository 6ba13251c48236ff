// Package openvpn reads a configuration of an OpenVPN client as providers hand it out (a profile, an .ovpn file) and keeps
// of it what a client needs to reach and to trust its servers.
//
// A profile is a program's configuration written by somebody else: it can run commands, load code, write files and change
// routes. So nothing of it is passed on as it stands. It is split as OpenVPN itself does (openvpn(8), "--config" and
// "INLINE FILE SUPPORT"), a list of directives says which are kept and what their arguments look like, and those are
// written anew. All else is dropped with a notice, or makes the profile unusable and is a problem.
package openvpn

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxSize is the size in bytes that a profile, and each file that it names, may have.
const MaxSize = 1 << 20

// maxFiles is how many files a profile may name, the same one several times included.
const maxFiles = 32

// maxRemotes is how many servers a profile may name: all of them are looked up, and have a rule in a packet filter.
const maxRemotes = 64

// Profile is what is kept of a profile. Settings and Password are secret.
type Profile struct {
	// Remotes are the servers in the profile's order, each once. There is at least one.
	Remotes []Remote

	// Settings are lines for a client's configuration, each ending in "\n": directives that OpenVPN accepts in a
	// configuration that also has client, dev and remote, and the contents of keys and certificates as inline blocks. There
	// is nothing in them that runs, loads, writes or reads another file, changes routes or addresses, says where to connect
	// to or what to bind to, nor anything that goes for one <connection> only.
	Settings string

	// NeedsCredentials says that the profile wants a user name and a password sent to the server (auth-user-pass).
	NeedsCredentials bool

	// Username and Password are those that the profile came with. Either both are empty or none. They are valid UTF-8
	// without control characters.
	Username, Password string
}

// Remote is a server to connect to.
type Remote struct {
	Host  string // a DNS name in lower case without a dot at the end, or an IP address in its canonical form
	Port  uint16 // never 0
	Proto string // "udp" or "tcp"
}

// Notice tells of a directive that was not kept, or kept with a concern.
type Notice struct {
	Line      int    // of the first that this is about, from 1
	Directive string // empty for one that is not known; never a value
	Reason    string // full sentences
	Routine   bool   // the client's own configuration does the same or knows better: of no interest to most
}

// Problem tells why a profile can't be used.
type Problem struct {
	Line      int    // from 1; 0 when it is about the profile as a whole
	Directive string // empty when it is not known, or about none; never a value
	Reason    string // full sentences, of which the last says what to do; never with a value
}

// Parse reads a profile. side returns the contents of a file that the profile names. The name is always a clean, relative
// path with slashes that does not lead out of the profile's own folder; symbolic links are for side to mind. A nil side
// means that there are no other files.
//
// The profile is nil if and only if there are problems, all of which are returned. Notices and problems are in the order of
// lines, those about the whole first. No two have the same
// directive and reason: the first line stands for later ones.
func Parse(text []byte, side func(name string) ([]byte, error)) (*Profile, []Notice, []Problem) {
	p := &parser{side: side, rules: rules(), said: map[[2]string]bool{}, endpoint: endpoint{port: 1194, proto: "udp"}}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	switch {
	case len(text) > MaxSize:
		p.problem(directive{}, "The file is larger than 1 MiB, which no profile is. Name the .ovpn file that the provider hands out.")
	case bytes.IndexByte(text, 0) >= 0:
		p.problem(directive{}, "The file is not text in UTF-8. Save it as such, or name the .ovpn file that the provider hands out.")
	case bytes.IndexByte(text, '\r') >= 0 && bytes.IndexByte(text, '\n') < 0:
		p.problem(directive{}, "Its lines end in a carriage return alone, so that OpenVPN takes all for one line. Save it with newlines.")
	default:
		if p.read(strings.Split(string(text), "\n"), 1) {
			p.finish()
		}
	}
	slices.SortStableFunc(p.notices, func(a, b Notice) int { return cmp.Compare(a.Line, b.Line) })
	slices.SortStableFunc(p.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	if len(p.problems) > 0 {
		return nil, p.notices, p.problems
	}
	return &p.profile, p.notices, nil
}

type parser struct {
	side     func(name string) ([]byte, error)
	rules    map[string]rule
	profile  Profile
	notices  []Notice
	problems []Problem
	said     map[[2]string]bool // directives and reasons of notices and problems
	files    int                // that were asked for

	settings []setting
	endpoint endpoint   // the defaults, or those of the <connection> that is being read
	remotes  []directed // of no <connection>
	blocks   []directed // of the <connection> blocks
	within   bool       // a <connection>
	only     string     // of proto-force
	ciphers  ciphers
}

// setting is a directive that is kept: one line, or an inline block.
type setting struct {
	directive
	text string
}

// directive is a line of the profile, or an inline block.
type directive struct {
	line  int
	name  string
	args  []string
	block []string // lines of an inline block, without its tags
	tag   bool     // it is an inline block
}

// read reads lines, the first of which has the given number. It is false when it can't tell where the rest of them belongs.
func (p *parser) read(lines []string, number int) bool {
	for i := 0; i < len(lines); i++ {
		d := directive{line: number + i}
		words, reason := split(lines[i])
		if reason != "" {
			p.problem(d, reason)
			continue
		}
		if len(words) == 0 {
			continue
		}
		d.name, d.args = words[0], words[1:]
		if len(d.name) > 2 {
			d.name = strings.TrimPrefix(d.name, "--")
		}
		if tag, ok := opened(d); ok {
			d.name, d.tag = tag, true
			end := i + 1
			for end < len(lines) && !strings.HasPrefix(strings.TrimLeft(lines[end], blanks), "</"+tag+">") {
				end++
			}
			if end == len(lines) {
				if _, ok := p.rules[tag]; !ok {
					d.name = ""
				}
				p.problem(d, "The inline block has no end: its last line is missing. Get the whole file from the provider once more.")
				return false
			}
			d.block = lines[i+1 : end]
			i = end
		}
		p.apply(d)
	}
	return true
}

// opened tells whether a line opens an inline block, and of what name.
func opened(d directive) (tag string, ok bool) {
	if len(d.args) > 0 || len(d.name) < 3 || !strings.HasPrefix(d.name, "<") || !strings.HasSuffix(d.name, ">") {
		return "", false
	}
	return d.name[1 : len(d.name)-1], true
}

// apply does with a directive what its rule says.
func (p *parser) apply(d directive) {
	r, ok := p.rules[d.name]
	switch {
	case !ok:
		p.unknown(d)
	case d.tag && !r.inline && r.kept:
		p.problem(d, "This directive takes no inline block. Write its value behind its name.")
	case p.within && r.kept && !r.connection:
		p.notice(d, "It is set for one connection only. jeos has one set of settings for all servers, so it is dropped.")
	default:
		r.read(p, d)
	}
}

// unknown drops what may be a directive of another version of OpenVPN. It is not named: what is in a place where it doesn't
// belong may be a password, or a piece of a key.
func (p *parser) unknown(d directive) {
	if directiveName.MatchString(d.name) {
		p.notice(directive{line: d.line}, "The line is no directive that jeos knows, so it is dropped, like later ones.")
		return
	}
	p.problem(directive{line: d.line}, "The line is not a directive of OpenVPN: the file is damaged, or not a profile. Remove the line, or get the file from the provider once more.")
}

func (p *parser) notice(d directive, reason string)  { p.remark(d, reason, false) }
func (p *parser) routine(d directive, reason string) { p.remark(d, reason, true) }

func (p *parser) remark(d directive, reason string, routine bool) {
	if p.first(d, reason) {
		p.notices = append(p.notices, Notice{Line: d.line, Directive: d.name, Reason: reason, Routine: routine})
	}
}

func (p *parser) problem(d directive, reason string) {
	if p.first(d, reason) {
		p.problems = append(p.problems, Problem{Line: d.line, Directive: d.name, Reason: reason})
	}
}

// first tells whether this is the first time that a directive is remarked upon for a reason.
func (p *parser) first(d directive, reason string) bool {
	said := [2]string{d.name, reason}
	if p.said[said] {
		return false
	}
	p.said[said] = true
	return true
}

// set keeps a directive.
func (p *parser) set(d directive, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		if len(line) > maxLine {
			p.problem(d, "The value is too long for OpenVPN, whose lines hold 255 bytes. Make it shorter.")
			return
		}
	}
	p.settings = append(p.settings, setting{d, text})
}

// finishSettings leaves of each directive the one that counts in OpenVPN, the last; but all of those that add up.
func (p *parser) finishSettings() {
	last := map[string]int{}
	for i, s := range p.settings {
		last[s.name] = i
	}
	var counting []setting
	for i, s := range p.settings {
		if last[s.name] == i || s.name == "pull-filter" || s.name == "peer-fingerprint" {
			counting = append(counting, s)
		}
	}
	p.settings = counting
}

// has tells whether any of the named directives is kept.
func (p *parser) has(names ...string) bool {
	return slices.ContainsFunc(p.settings, func(s setting) bool { return slices.Contains(names, s.name) })
}

// remove takes a kept directive away again, with a notice.
func (p *parser) remove(name, reason string) {
	p.settings = slices.DeleteFunc(p.settings, func(s setting) bool {
		if s.name == name {
			p.notice(s.directive, reason)
		}
		return s.name == name
	})
}

// finish checks what can be seen only when all is read, and builds the profile.
func (p *parser) finish() {
	p.finishRemotes()
	p.finishCiphers()
	p.finishSettings()
	if slices.ContainsFunc(p.profile.Remotes, func(r Remote) bool { return r.Proto == "tcp" }) {
		for _, name := range []string{"fragment", "explicit-exit-notify", "fast-io"} {
			p.remove(name, "It is for UDP only, and there are servers here that are reached by TCP, so it is dropped.")
		}
	}
	whole := directive{}
	if !p.has("ca", "pkcs12", "peer-fingerprint") && !p.failed("ca", "pkcs12", "peer-fingerprint") {
		p.problem(whole, "Nothing says which servers to trust: there is no ca. Get a whole profile from the provider.")
	}
	if p.has("cert") != p.has("key") && !p.failed("cert", "key") {
		p.problem(whole, "The client's certificate and its private key belong together, and one of cert and key is missing. Get a whole profile from the provider.")
	}
	if !p.has("cert", "key", "pkcs12") && !p.profile.NeedsCredentials && !p.failed("cert", "key", "pkcs12", "auth-user-pass") {
		p.problem(whole, "Nothing tells the server who the client is. A profile has cert and key, or auth-user-pass, or both: add auth-user-pass if the provider wants a user name.")
	}
	var b strings.Builder
	for _, s := range p.settings {
		fmt.Fprintf(&b, "%s\n", s.text)
	}
	p.profile.Settings = b.String()
}

// failed tells whether one of the named directives has a problem, so that it being missing is no news.
func (p *parser) failed(names ...string) bool {
	return slices.ContainsFunc(p.problems, func(o Problem) bool { return slices.Contains(names, o.Directive) })
}

// plainText tells whether s can be an argument that is shown to people and passed on to programs.
func plainText(s string) bool {
	return s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, isControl)
}
