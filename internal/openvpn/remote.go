package openvpn

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// endpoint is what a remote says, or what it leaves to proto and port. In a remote, zero values are not said.
type endpoint struct {
	host  string
	port  uint16
	proto string
}

// directed is a directive with the endpoint it leads to.
type directed struct {
	directive
	endpoint
}

// protocols are the values of proto that a client can have. Which family of addresses is used depends on the addresses.
var protocols = map[string]string{
	"udp": "udp", "udp4": "udp", "udp6": "udp",
	"tcp": "tcp", "tcp4": "tcp", "tcp6": "tcp", "tcp-client": "tcp", "tcp4-client": "tcp", "tcp6-client": "tcp",
}

// readRemote reads "remote host [port] [proto]". Within a <connection>, later lines of the block may still change port and
// protocol; elsewhere it counts at the end what they are.
func readRemote(p *parser, d directive) {
	if len(d.args) == 0 || len(d.args) > 3 {
		p.problem(d, "A remote has a host, and perhaps a port and a protocol. Correct the line, such as: remote vpn.example.net 1194 udp")
		return
	}
	var e endpoint
	ok := true
	e.host, ok = p.host(d, d.args[0])
	if len(d.args) > 1 && ok {
		e.port, ok = p.port(d, d.args[1])
	}
	if len(d.args) > 2 && ok {
		e.proto, ok = p.protocol(d, d.args[2])
	}
	switch {
	case !ok:
	case p.within:
		p.endpoint = e.or(p.endpoint)
	default:
		p.remotes = append(p.remotes, directed{d, e})
	}
}

// or returns e with what it does not say taken from defaults.
func (e endpoint) or(defaults endpoint) endpoint {
	if e.port == 0 {
		e.port = defaults.port
	}
	if e.proto == "" {
		e.proto = defaults.proto
	}
	return e
}

func readPort(p *parser, d directive) {
	if port, ok := p.port(d, strings.Join(d.args, " ")); ok {
		p.endpoint.port = port
	}
}

func readProto(p *parser, d directive) {
	if proto, ok := p.protocol(d, strings.Join(d.args, " ")); ok {
		p.endpoint.proto = proto
	}
}

func readProtoForce(p *parser, d directive) {
	if proto, ok := p.protocol(d, strings.Join(d.args, " ")); ok {
		p.only = proto
	}
}

// readConnection reads a block of directives that hold for one server. What was set before the block holds in it, too.
func readConnection(p *parser, d directive) {
	switch {
	case !d.tag:
		p.problem(d, "A connection is an inline block. Write <connection>, its directives and </connection> on lines of their own.")
		return
	case p.within:
		p.problem(d, "A connection stands in another one. End the outer one first.")
		return
	}
	outside := p.endpoint
	p.within = true
	p.read(d.block, d.line+1)
	if p.endpoint.host != "" {
		p.blocks = append(p.blocks, directed{d, p.endpoint})
	} else {
		p.notice(d, "It names no remote, so it is dropped.")
	}
	p.within, p.endpoint = false, outside
}

// finishRemotes makes the list of servers. As in OpenVPN, connections make remotes outside of them count for nothing.
func (p *parser) finishRemotes() {
	all := p.blocks
	if len(all) == 0 {
		all = p.remotes
	} else {
		for _, r := range p.remotes {
			p.notice(r.directive, "OpenVPN takes no notice of it, since there are <connection> blocks.")
		}
	}
	for _, r := range all {
		if len(p.profile.Remotes) > maxRemotes {
			break
		}
		e := r.or(p.endpoint)
		remote := Remote{Host: e.host, Port: e.port, Proto: e.proto}
		if p.only != "" && p.only != e.proto {
			p.notice(r.directive, "The profile's proto-force excludes its protocol, so it is dropped.")
		} else if !slices.Contains(p.profile.Remotes, remote) {
			p.profile.Remotes = append(p.profile.Remotes, remote)
		}
	}
	switch count := len(p.profile.Remotes); {
	case count > maxRemotes:
		p.problem(directive{name: "remote"}, "There are more than 64 servers. Remove some.")
	case count == 0 && !p.failed("remote", "connection", "proto", "port", "proto-force"):
		p.problem(directive{}, "No server is named: there is no remote. Get a whole profile from the provider, or add a line such as: remote vpn.example.net 1194 udp")
	}
}

// dnsName is a name in DNS whose last label is no number: that would be an old way to write an address.
var dnsName = regexp.MustCompile(`^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$`)

// host checks a server's name or address and returns it in the one form that Remote has.
func (p *parser) host(d directive, s string) (string, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap()
		if a.Zone() != "" || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.IsLinkLocalUnicast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
			p.problem(d, "The address is not one of a server that can be reached through a router. Give the server's own address.")
			return "", false
		}
		return a.String(), true
	}
	name := strings.TrimSuffix(strings.ToLower(s), ".")
	if len(name) > 253 || !dnsName.MatchString(name) || name == "localhost" || strings.HasSuffix(name, ".localhost") {
		p.problem(d, "The host is neither a name in DNS, in its ASCII form, nor an IP address without brackets. Correct it, such as: remote vpn.example.net 1194 udp")
		return "", false
	}
	return name, true
}

func (p *parser) port(d directive, s string) (uint16, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		p.problem(d, "The port is not a number between 1 and 65535. Correct it.")
		return 0, false
	}
	return uint16(n), true
}

func (p *parser) protocol(d directive, s string) (string, bool) {
	proto, ok := protocols[strings.ToLower(s)]
	if !ok {
		p.problem(d, "The protocol is not one of a client: udp or tcp. Correct it.")
	}
	return proto, ok
}
