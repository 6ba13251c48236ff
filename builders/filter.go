package builders

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/beevik/etree"

	"jeos/internal/config"
	"jeos/plan"
)

const (
	attrRules = "rules"

	// filterMark begins the comment in which a filter says what jeos made of it.
	filterMark = "jeos sha256:"
)

// filter is what the host lets through between a network card and its network (https://libvirt.org/formatnwfilter.html).
// All its rules are of protocols that libvirt gives to ebtables, which sees every frame: the others go to iptables, which
// sees those of a bridge only where the host is set up so, and behind the tracking of connections.
type filter struct {
	site, guest string
	*config.NIC
}

func filterAddr(guest, nic string) plan.Addr {
	return plan.Addr{Kind: plan.KindFilter, Name: guest + "." + nic}
}

func (f *filter) name() string { return FilterName(f.site, f.guest, f.Name) }

func (f *filter) resource() (plan.Resource, error) {
	xml, err := f.build()
	return plan.Resource{
		Addr:   filterAddr(f.guest, f.Name),
		Host:   f.name(),
		UUID:   FilterUUID(f.site, f.guest, f.Name),
		Origin: f.Origin,
		Parent: guestAddr(f.guest),
		Attrs:  []plan.Attr{{Name: attrRules, Value: rulesText(f.rules())}},
		XML:    xml,
	}, err
}

// build returns the whole definition. A filter has no metadata, so that the comment of its last rule is the mark.
func (f *filter) build() (string, error) {
	rules := f.rules()
	root := etree.NewElement("filter")
	root.CreateAttr("name", f.name())
	root.CreateAttr("chain", "root")
	root.CreateElement("uuid").SetText(FilterUUID(f.site, f.guest, f.Name))
	for _, r := range rules {
		root.AddChild(r.element())
	}
	last := root.ChildElements()[len(rules)]
	child(last, rules[len(rules)-1].match).CreateAttr("comment", filterMark+rulesDigest(rulesText(rules)))
	doc := etree.NewDocument()
	doc.SetRoot(root)
	doc.Indent(2)
	return doc.WriteToString()
}

// rules returns what is accepted, and last that the rest is dropped, both ways.
func (f *filter) rules() []rule {
	var list []rule
	for _, peer := range f.Filter.Peers {
		list = append(list, f.packets(peer)...)
		list = append(list, f.neighbours(peer)...)
		list = append(list, accept("in", "mac", "srcmacaddr", peer))
	}
	list = append(list, f.searches()...)
	return append(list, rule{action: "drop", direction: "inout", priority: lastPriority, match: "mac"})
}

// packets lets IP packets go to a peer, from the addresses of the card alone unless it is a router's.
func (f *filter) packets(peer string) []rule {
	var list []rule
	for _, own := range f.Addresses {
		family := ipMatch(own.Addr())
		from := []string{"srcmacaddr", f.MAC, "dstmacaddr", peer}
		if !f.Filter.Router {
			from = append(from, "srcipaddr", own.Addr().String())
		}
		if f.Filter.Endpoints == nil {
			list = append(list, accept("out", family, from...))
		}
		for _, e := range f.Filter.Endpoints {
			if ipMatch(e.Addr) == family {
				list = append(list, accept("out", family, slices.Concat(from, []string{
					"dstipaddr", e.Addr.String(), "protocol", e.Proto, "dstportstart", strconv.Itoa(int(e.Port)),
				})...))
			}
		}
	}
	return list
}

// neighbours lets the card ask a peer for its MAC address, and tell its own: by ARP, and by solicitation and advertisement
// of neighbours (RFC 4861).
func (f *filter) neighbours(peer string) []rule {
	var list []rule
	for _, own := range f.Addresses {
		if own.Addr().Is4() {
			list = append(list, f.arp(own.Addr(), peer))
			continue
		}
		for _, from := range []netip.Prefix{host(own.Addr()), linkLocal} {
			list = append(list, f.icmpv6(from, "dstmacaddr", peer, "type", "135", "typeend", "136"))
		}
	}
	return list
}

// searches lets the card ask everybody for a neighbour, and whether anybody has its own addresses already.
func (f *filter) searches() []rule {
	var list []rule
	for _, own := range f.Addresses {
		if own.Addr().Is4() {
			list = append(list, f.arp(own.Addr(), "ff:ff:ff:ff:ff:ff"))
			continue
		}
		for _, from := range []netip.Prefix{host(own.Addr()), linkLocal, host(netip.IPv6Unspecified())} {
			list = append(list, f.icmpv6(from, "dstmacaddr", "33:33:ff:00:00:00", "dstmacmask", "ff:ff:ff:00:00:00", "type", "135"))
		}
	}
	return list
}

func (f *filter) arp(own netip.Addr, to string) rule {
	return accept("out", "arp", "srcmacaddr", f.MAC, "dstmacaddr", to, "arpsrcmacaddr", f.MAC, "arpsrcipaddr", own.String())
}

func (f *filter) icmpv6(from netip.Prefix, fields ...string) rule {
	return accept("out", "ipv6", slices.Concat(
		[]string{"srcmacaddr", f.MAC, "srcipaddr", from.Addr().String(), "srcipmask", strconv.Itoa(from.Bits()), "protocol", "icmpv6"}, fields)...)
}

// linkLocal are the addresses that every card with IPv6 gives itself (RFC 4291, 2.5.6).
var linkLocal = netip.MustParsePrefix("fe80::/10")

func host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// ipMatch is what libvirt calls the packets of an address's family.
func ipMatch(a netip.Addr) string {
	if a.Is4() {
		return "ip"
	}
	return "ipv6"
}

// observeFilter reads a filter. It belongs to the site by its name and its UUID, which is derived from that.
func (o *observer) observeFilter(f plan.HostFilter) {
	guest, nic, ok := parseFilter(o.site, f.Name)
	if !ok {
		return
	}
	if f.UUID != FilterUUID(o.site, guest, nic) {
		o.foreign(plan.KindFilter, f.Name, "its UUID is not the one that jeos gives to a filter of this name")
		return
	}
	obj := &plan.Object{Addr: filterAddr(guest, nic), Host: f.Name, UUID: f.UUID, XML: f.XML, Parent: guestAddr(guest)}
	var err error
	if obj.Attrs, obj.Applied, err = readFilter(f.XML); err != nil {
		obj.Attrs, obj.Applied = map[string]string{attrRules: "unreadable"}, map[string]string{}
	}
	if image, ok := bakeOf(guest); ok {
		left := o.remains(image)
		left.Filters = append(left.Filters, obj)
		return
	}
	o.add(obj)
}

// readFilter reads the attributes of a filter, and what the last apply left of them, as far as its mark tells: the rules if
// they are still the same, else their digest. Nothing is recorded when the mark is gone.
func readFilter(text string) (attrs, applied map[string]string, err error) {
	_, root, err := parseXML(text)
	if err != nil {
		return nil, nil, err
	}
	rules := readRules(root)
	attrs, applied = map[string]string{attrRules: rules}, map[string]string{}
	for _, e := range root.FindElements("rule/*") {
		digest, marked := strings.CutPrefix(e.SelectAttrValue("comment", ""), filterMark)
		switch {
		case marked && digest == rulesDigest(rules):
			applied[attrRules] = rules
		case marked:
			applied[attrRules] = filterMark + digest
		}
	}
	return attrs, applied, nil
}

// recallRules puts the wanted rules of a filter in the place of their digest in what the last apply left.
func recallRules(r *plan.Resource, o *plan.Object) {
	if r.Kind != plan.KindFilter || o == nil {
		return
	}
	if rules := attrValues(r.Attrs)[attrRules]; o.Applied[attrRules] == filterMark+rulesDigest(rules) {
		o.Applied[attrRules] = rules
	}
}
