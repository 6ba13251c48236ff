package roles

import (
	"cmp"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"jeos/internal/words"
)

// Expand evaluates the last stage. Warnings of the role are among the diagnostics. The result is nil when these hold an
// error or something that it needs is unknown.
func (d *Definition) Expand(in Input) (*Expansion, hcl.Diagnostics) {
	e := d.evaluate(in, atExpand)
	x := Expansion{
		Packages: texts(e.words(d.role, "packages", words.CheckPackage)),
		Enable:   texts(e.words(d.role, "enable", checkUnit)),
		Disable:  texts(e.words(d.role, "disable", checkUnit)),
		Apply:    texts(e.words(d.role, "apply", nil)),
		Guard:    e.line(d.role, "guard", nil),
	}
	for _, p := range e.wanted("file") {
		x.Files = append(x.Files, e.file(p))
	}
	for _, p := range e.wanted("probe") {
		x.Probes = append(x.Probes, Probe{p.label, e.required(p, "command", nil)})
	}
	for _, p := range e.wanted("outside") {
		x.Outside = append(x.Outside, p.label)
	}
	for _, p := range e.wanted("forward") {
		x.Forwards = append(x.Forwards, e.forward(p))
	}
	for _, p := range e.wanted("tunnel") {
		x.Tunnels = append(x.Tunnels, Tunnel{p.label, e.required(p, "over", checkInterface), e.endpoints(p)})
	}
	e.warnings()
	if e.incomplete || e.diags.HasErrors() {
		return nil, sorted(e.diags)
	}
	x.sort()
	return &x, sorted(e.diags)
}

func (x *Expansion) sort() {
	slices.SortFunc(x.Files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	slices.SortFunc(x.Probes, func(a, b Probe) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(x.Outside)
	slices.SortFunc(x.Forwards, func(a, b Forward) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	slices.SortFunc(x.Tunnels, func(a, b Tunnel) int { return cmp.Compare(a.Name, b.Name) })
}

var (
	unitRE = regexp.MustCompile(`^[A-Za-z0-9:_.\\@-]+\.(service|socket|timer|path|target|mount)$`)

	checkUnit      = words.Matching(unitRE, "systemd unit", `Write a name like "nginx.service".`)
	checkInterface = words.Matching(interfaceRE, "interface", `Write a name like "uplink".`)
	checkOnly      = words.Matching(regexp.MustCompile(`^endpoints$`), "value of only", `Write "endpoints" or null.`)
)

// required is line for what cannot be null.
func (e *evaluation) required(p *part, name string, c words.Check) string {
	value, ok := e.visible(p.args[name])
	if !ok {
		return ""
	}
	w, _ := e.word(value, p.args[name], c)
	return w.text
}

func (e *evaluation) file(p *part) File {
	f := File{Path: p.label, Mode: 0o644, Owner: "root:root"}
	if mode := e.line(p, "mode", words.CheckMode); mode != "" {
		bits, _ := strconv.ParseUint(mode, 8, 32)
		f.Mode = uint32(bits)
	}
	if owner := e.line(p, "owner", words.CheckOwner); owner != "" {
		f.Owner = owner
	}
	expr := p.args["content"]
	if p.args["template"] != nil {
		name, _ := p.args["template"].Value(nil)
		expr = e.def.templates[name.AsString()]
	}
	value, ok := e.known(expr)
	if !ok {
		return f
	}
	f.Sensitive = isSensitive(value)
	value, _ = value.UnmarkDeep()
	content, err := convert.Convert(value, cty.String)
	if err != nil || content.IsNull() {
		e.wrongType(expr, value, "text")
		return f
	}
	f.Content = []byte(content.AsString())
	return f
}

func (e *evaluation) forward(p *part) Forward {
	return Forward{
		From:         e.required(p, "from", checkInterface),
		To:           e.required(p, "to", checkInterface),
		TunnelsAlone: e.line(p, "only", checkOnly) != "",
	}
}

// endpoints returns those of a tunnel, sorted, each once.
func (e *evaluation) endpoints(p *part) (out []Endpoint) {
	expr := p.args["endpoints"]
	const want = "a list of objects with address, proto and port"
	for _, element := range e.elements(expr, want) {
		attributes := e.attributes(element, expr, want, "address", "proto", "port")
		if attributes == nil {
			return nil
		}
		if endpoint, ok := e.endpoint(attributes, expr); ok {
			out = append(out, endpoint)
		}
	}
	slices.SortFunc(out, func(a, b Endpoint) int {
		return cmp.Or(a.Addr.Compare(b.Addr), strings.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port))
	})
	return slices.Compact(out)
}

func (e *evaluation) endpoint(attributes map[string]cty.Value, expr hclsyntax.Expression) (Endpoint, bool) {
	address, addressOK := e.word(attributes["address"], expr, func(s string) string {
		if addr, err := netip.ParseAddr(s); err != nil || addr.Zone() != "" {
			return words.Quote(s) + " is no IP address. Write one; names go through resolve and pinned."
		}
		return ""
	})
	proto, protoOK := e.word(attributes["proto"], expr, words.Matching(regexp.MustCompile(`^(udp|tcp)$`), "protocol", `Write "udp" or "tcp".`))
	port, portOK := e.port(attributes["port"], expr)
	if !addressOK || !protoOK || !portOK {
		return Endpoint{}, false
	}
	return Endpoint{netip.MustParseAddr(address.text), proto.text, port}, true
}

func (e *evaluation) port(value cty.Value, expr hclsyntax.Expression) (uint16, bool) {
	bare, _ := value.Unmark()
	if bare.IsNull() || bare.Type() != cty.Number {
		e.wrongType(expr, bare, "a port, a number")
		return 0, false
	}
	n, accuracy := bare.AsBigFloat().Int64()
	if accuracy != big.Exact || n < 1 || n > 65535 {
		e.fault(value, expr.Range(), "Invalid value of a role", "%s is no port. Write a whole number from 1 to 65535.",
			bare.AsBigFloat().Text('g', 10))
		return 0, false
	}
	return uint16(n), true
}

// warnings collects those of the role, at the arguments that they are about.
func (e *evaluation) warnings() {
	for _, p := range e.wanted("warning") {
		value, ok := e.visible(p.args["text"])
		if !ok {
			continue
		}
		w, ok := e.word(value, p.args["text"], nil)
		if !ok {
			continue
		}
		d := words.Problem(w.at, "Warning of a role", "%s\n\nThis is what the role %s says at %s.", w.text, words.Quote(e.def.Name), place(p.at))
		d.Severity = hcl.DiagWarning
		e.diags = append(e.diags, d)
	}
}
