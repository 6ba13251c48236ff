package roles

import (
	"cmp"
	"net/netip"
	"regexp"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
)

// Identity evaluates the first stage. At of what it gives is the place of the argument that it comes from, or of the role
// block. The result is nil when the diagnostics hold an error or something that it needs is unknown.
func (d *Definition) Identity(in Input) (*Identity, hcl.Diagnostics) {
	e := d.evaluate(in, atIdentity)
	var id Identity
	for _, p := range e.wanted("nic") {
		id.NICs = append(id.NICs, e.nic(p))
	}
	for _, p := range e.wanted("device") {
		id.Devices = append(id.Devices, e.device(p))
	}
	slices.SortFunc(id.Devices, func(a, b Device) int { return cmp.Compare(a.Name, b.Name) })
	for _, host := range e.hosts() {
		if _, err := netip.ParseAddr(host.Name); err != nil {
			id.Hosts = append(id.Hosts, host)
		}
	}
	if e.incomplete || e.diags.HasErrors() {
		return nil, sorted(e.diags)
	}
	return &id, sorted(e.diags)
}

// Export evaluates the second stage. The value carries marks and belongs into Client.Export unchanged. It is unknown when
// the diagnostics hold an error or something that it needs is unknown.
func (d *Definition) Export(in Input) (cty.Value, hcl.Diagnostics) {
	e := d.evaluate(in, atExport)
	value := cty.NullVal(cty.DynamicPseudoType)
	if expr := d.role.args["export"]; expr != nil {
		value, _ = e.known(expr)
	}
	if e.diags.HasErrors() {
		value = cty.DynamicVal
	}
	return value, sorted(e.diags)
}

func (e *evaluation) nic(p *part) NIC {
	n := NIC{Name: p.label, At: e.in.Block.At, DHCP: e.flag(p, "dhcp"), DefaultRoute: e.flag(p, "default_route")}
	if network, ok := e.reference(p, "network"); ok {
		n.Network, n.At = network.text, network.at
	}
	if via, ok := e.reference(p, "via"); ok {
		n.Via = via.text
	}
	if gateway := e.flag(p, "gateway"); gateway != nil {
		n.Gateway = *gateway
	}
	return n
}

// reference returns the name of a network or guest. Not ok means that it is not written, null, unknown or wrong.
func (e *evaluation) reference(p *part, argument string) (word, bool) {
	expr := p.args[argument]
	if expr == nil {
		return word{}, false
	}
	value := e.value(expr)
	if value.IsKnown() && value.IsNull() && argument != "network" {
		return word{}, false
	}
	if !value.IsKnown() {
		e.missing(expr)
		return word{}, false
	}
	attributes := e.attributes(value, expr, "a value of the type network or guest", "name")
	if attributes == nil {
		return word{}, false
	}
	return e.word(attributes["name"], expr, nil)
}

func (e *evaluation) device(p *part) Device {
	d := Device{Name: p.label, At: e.in.Block.At}
	if managed := e.flag(p, "managed"); managed != nil {
		d.Managed = *managed
	}
	expr := p.args["pci"]
	value, ok := e.visible(expr)
	if !ok {
		return d
	}
	const want = "a value of the type pci"
	attributes := e.attributes(value, expr, want, "id", "address")
	if attributes == nil {
		return d
	}
	d.At = e.placeOf(value)
	id, address := attributes["id"], attributes["address"]
	switch {
	case id.IsNull() == address.IsNull():
		e.wrongType(expr, value, want)
	case address.IsNull():
		w, _ := e.word(id, expr, words.CheckPCIIdentity)
		d.ID = w.text
	default:
		w, _ := e.word(address, expr, words.CheckPCIAddress)
		d.Address = w.text
	}
	return d
}

var hostRE = regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.?$`)

// checkHost accepts addresses and names of hosts.
func checkHost(s string) string {
	if _, err := netip.ParseAddr(s); err == nil || len(s) <= 253 && hostRE.MatchString(s) {
		return ""
	}
	return words.Quote(s) + ` is no name or address of a host. Write one like "vpn.example.net".`
}

// hosts returns the names and addresses that the role wants resolved, sorted, each once.
func (e *evaluation) hosts() (out []Host) {
	for _, w := range e.words(e.def.role, "resolve", checkHost) {
		out = append(out, Host{w.text, w.at})
	}
	slices.SortStableFunc(out, func(a, b Host) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(out, func(a, b Host) bool { return a.Name == b.Name })
}
