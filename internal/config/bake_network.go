package config

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"jeos/internal/words"
)

var (
	// bakeSpace is where bakes have their networks: RFC 2544 sets it aside for benchmarks of network devices, so that
	// neither homes and offices nor VPNs use it.
	bakeSpace     = netip.MustParsePrefix("198.18.0.0/15")
	privateRanges = []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("100.64.0.0/10"), bakeSpace,
	}
)

// bakeBits is the length of the range that the network of a bake gets: for the host and the guest, and some to spare.
const bakeBits = 28

// loadBakeNetwork reads how a bake reaches its packages: through a network of the site, or through one of its own. What
// says neither gets its range from placeBakes.
func (s *section) loadBakeNetwork(img *Image) {
	switch {
	case s.has("via") && !s.has("network"):
		s.add(s.block.args["via"].NameRange, "Misplaced argument", "via is the gateway on a network of the site, and this bake has a network of"+
			" its own. Name a network, too, or remove via.")
	case s.has("network") && s.has("cidr"):
		s.add(s.block.args["cidr"].NameRange, "Misplaced argument", "cidr is the range of the network that a bake has of its own, and this one"+
			" uses a network of the site. Remove one of the two arguments.")
	case s.has("network"):
		if n := s.networkReference("network"); n != nil {
			s.joinNetwork(img, n)
		}
	case s.has("cidr"):
		if cidr, ok := s.bakeRange(); ok {
			s.ownNetwork(img, cidr)
		}
	default:
		s.unplaced = append(s.unplaced, img)
	}
}

// bakeRange reads the range that the files give.
func (s *section) bakeRange() (cidr netip.Prefix, ok bool) {
	text := s.text("cidr", "network range", "", func(text string) string {
		cidr, err := netip.ParsePrefix(text)
		private := func(p netip.Prefix) bool { return p.Overlaps(cidr) && p.Bits() <= cidr.Bits() }
		switch {
		case err != nil || !cidr.Addr().Is4():
			return words.Quote(text) + ` is no range of IPv4 addresses. Write one like "192.168.77.0/28".`
		case cidr.Bits() < 16 || cidr.Bits() > 30:
			return words.Quote(text) + " has a wrong length. Write a range from /16 to /30."
		case cidr != cidr.Masked():
			return checkCIDR(cidr)
		case !slices.ContainsFunc(privateRanges, private):
			return words.Quote(text) + ` is not private, and the host would not reach what is there. Write one like "192.168.77.0/28".`
		}
		if other, taken := s.overlapped(cidr); taken {
			return words.Quote(text) + " overlaps " + other.what + ". Choose a range that has no address in common with others."
		}
		return ""
	})
	if text == "" {
		return netip.Prefix{}, false
	}
	return netip.MustParsePrefix(text), true
}

// namedRange is a range of addresses that is in use.
type namedRange struct {
	netip.Prefix
	what string // for people
}

// overlapped returns a range of a network of the site or of a bake that has some of the same addresses.
func (l *loader) overlapped(cidr netip.Prefix) (other namedRange, ok bool) {
	for _, name := range sortedKeys(l.networks) {
		n := l.networks[name]
		for _, taken := range n.CIDRs {
			if taken.Overlaps(cidr) {
				return namedRange{taken, fmt.Sprintf("%s of network %s at %s", taken, words.Quote(name), n.Origin)}, true
			}
		}
	}
	for _, name := range sortedKeys(l.images) {
		if bake := l.images[name].Bake; bake != nil && bake.Network != nil && bake.Network.CIDRs[0].Overlaps(cidr) {
			taken := bake.Network.CIDRs[0]
			return namedRange{taken, fmt.Sprintf("%s, on which image %s at %s is baked", taken, words.Quote(name), l.images[name].Origin)}, true
		}
	}
	return namedRange{}, false
}

// placeBakes gives the bakes that name neither a network nor a range a network of their own.
func (l *loader) placeBakes() {
	next := bakesFrom(l.site.Name)
	for _, img := range l.unplaced {
		// No range is met twice before all have been.
		for range len(l.networks) + len(l.images) + 1 {
			cidr := netip.PrefixFrom(next, bakeBits)
			other, taken := l.overlapped(cidr)
			if next = lastOf(cidr).Next(); taken && other.Bits() < bakeBits {
				next = lastOf(other.Prefix).Next()
			}
			if !bakeSpace.Contains(next) {
				next = bakeSpace.Addr()
			}
			if !taken {
				l.ownNetwork(img, cidr)
				break
			}
		}
		if img.Bake.Network == nil {
			l.add(l.blocks["image"][img.Name].at, "No free address", "The networks of the site leave no range for a network to bake this image on."+
				` Give it one: bake { cidr = "192.168.77.0/28" }.`)
			return // it is the same for the others
		}
	}
}

// bakesFrom returns the first address of the networks for bakes of a site. It depends on nothing but the name, and each
// name has one of the 512 ranges of length /24 in the space, so that sites on one host seldom meet.
func bakesFrom(site string) netip.Addr {
	h := digest("bake", site)
	number := uint32(binary.BigEndian.Uint16(h[:])) % 512
	first := binary.BigEndian.Uint32(bakeSpace.Addr().AsSlice())
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, first+number<<8)))
}

// ownNetwork gives a bake a network of its own, with nobody else on it.
func (l *loader) ownNetwork(img *Image, cidr netip.Prefix) {
	host := cidr.Addr().Next()
	n := &Network{
		Name:   BakeName(img.Name),
		Mode:   NAT,
		CIDRs:  []netip.Prefix{cidr},
		Host:   []netip.Addr{host},
		Bridge: DeriveBridge(l.site.Name, BakeName(img.Name)),
		DNS:    []netip.Addr{host},
		Origin: img.Origin,
	}
	img.Bake.Network = n
	img.Bake.NIC = l.bakeNIC(img, n)
	img.Bake.NIC.Addresses = []netip.Prefix{netip.PrefixFrom(host.Next(), cidr.Bits())}
	img.Bake.NIC.Gateways = n.Host
	img.Bake.NIC.DNS = n.DNS
}

// bakeNIC is the card of a bake without what depends on others.
func (l *loader) bakeNIC(img *Image, n *Network) NIC {
	return NIC{
		Name:         "bake",
		Network:      n.Name,
		MAC:          DeriveMAC(l.site.Name, BakeName(img.Name), "bake"),
		DHCP:         n.Mode == Bridged,
		DefaultRoute: n.Mode != Isolated,
		Origin:       img.Origin,
	}
}

// joinNetwork puts a bake on a network of the site as if it were a guest there.
func (s *section) joinNetwork(img *Image, network *Network) {
	n := &nic{NIC: s.bakeNIC(img, network), section: s, network: network}
	if !s.intact(func() { n.Addresses = s.bakeAddresses(img, network) }) {
		return
	}
	n.Via = s.bakeGateway(img, network)
	n.DefaultRoute = n.DefaultRoute || n.Via != ""
	inst := &instance{name: BakeName(img.Name), nics: []*nic{n}}
	s.bakers = append(s.bakers, inst)
	s.lead(holder{inst, n})
	n.Filter = s.filter(holder{inst, n})
	if n.gateway != nil {
		n.gateway.nic.Filter = s.filter(*n.gateway) // which has one more peer now
	}
	n.describe(inst)
	img.Bake.NIC = n.NIC
}

// bakeGateway returns the guest through which a bake gets its packages, or "". On an isolated network with one gateway it
// need not be named.
func (s *section) bakeGateway(img *Image, n *Network) string {
	var via string
	ok := s.intact(func() { via = s.viaReference() })
	if via != "" || !ok || n.Mode != Isolated {
		return via
	}
	switch gateways := s.gatewaysOn(n); {
	case len(gateways) == 1:
		return gateways[0].name
	case len(gateways) > 1:
		s.add(s.at("network"), "Several gateways", "The guests %s and %s are gateways on the network %s at %s. Name the one that this image is"+
			" baked through: via = %s", words.Quote(gateways[0].name), words.Quote(gateways[1].name), words.Quote(n.Name), n.Origin, gateways[0])
	case len(s.broken) > 0:
		s.incomplete = true // one of these guests may be the gateway
	case img.Bake.Apt == (Apt{}):
		s.add(s.at("network"), "No way to packages", "The network %s at %s is isolated, and no guest is the gateway on it, so that no packages come in"+
			" over it. Name a mirror or a proxy on it, like apt { proxy = \"http://10.64.0.2:3142\" }, or use another network.",
			words.Quote(n.Name), n.Origin)
	}
	return ""
}

// bakeAddresses returns the addresses of a bake on a network of the site, the highest free ones: they are not written down,
// and guests get the lowest ones. On a bridge, where jeos does not know what is free, it has none and uses DHCP.
func (s *section) bakeAddresses(img *Image, n *Network) (addresses []netip.Prefix) {
	if n.Mode == Isolated && len(n.CIDRs) == 0 {
		s.add(s.at("network"), "No free address", "The network %s at %s has no range of addresses, and this image cannot be baked without"+
			" one. Give the network cidrs, or use another network.", words.Quote(n.Name), n.Origin)
	}
	for _, cidr := range n.CIDRs {
		if n.Mode == Bridged {
			break
		}
		addr, ok := s.lastFree(n, cidr)
		if !ok {
			s.add(s.at("network"), "No free address", "All addresses of %s in network %s at %s are taken, and baking needs one. Give the"+
				" network a larger range, or use another network.", cidr, words.Quote(n.Name), n.Origin)
			continue
		}
		addresses = append(addresses, netip.PrefixFrom(addr, cidr.Bits()))
	}
	return addresses
}

// lastFree returns the highest address of the range that neither a guest nor another bake has.
func (l *loader) lastFree(n *Network, cidr netip.Prefix) (netip.Addr, bool) {
	taken := map[netip.Addr]bool{}
	take := func(nic NIC) {
		for _, p := range nic.Addresses {
			taken[p.Addr()] = true
		}
	}
	for _, inst := range l.instances {
		for _, nic := range inst.nics {
			take(nic.NIC)
		}
	}
	for _, img := range l.images {
		if img.Bake != nil {
			take(img.Bake.NIC)
		}
	}
	for addr := lastOf(cidr); cidr.Contains(addr); addr = addr.Prev() {
		if n.inDHCPRange(addr) {
			addr = n.DHCPRange[0]
			continue
		}
		if !taken[addr] && n.unusable(addr) == "" {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

// checkBakes finds images that are baked through a guest that cannot be there without them.
func (l *loader) checkBakes() {
	for _, inst := range l.bakers {
		n := inst.nics[0]
		image := strings.TrimPrefix(inst.name, BakeName(""))
		if n.gateway == nil || !l.needsImage(n.gateway.inst.name, image, map[string]bool{}) {
			continue
		}
		l.add(n.at("network"), "Image is needed for its own bake", "The image %s would be baked through the guest %s, and that cannot be there"+
			" without this image. Remove network, so that the bake has one of its own, or make the guest and its gateways from other images.",
			words.Quote(image), words.Quote(n.Via))
	}
}

// needsImage reports whether a guest cannot be made, or reach its gateways, before an image is there. It looks at each guest
// once.
func (l *loader) needsImage(guest, image string, seen map[string]bool) bool {
	i := slices.IndexFunc(l.site.Guests, func(g Guest) bool { return g.Name == guest })
	if i < 0 || seen[guest] {
		return false
	}
	seen[guest] = true
	nics := slices.Clone(l.site.Guests[i].NICs)
	for img := l.images[l.site.Guests[i].Image]; img != nil; img = l.images[img.Bake.Base] {
		if img.Name == image {
			return true
		}
		if img.Bake == nil {
			break
		}
		nics = append(nics, img.Bake.NIC)
	}
	return slices.ContainsFunc(nics, func(n NIC) bool { return n.Via != "" && l.needsImage(n.Via, image, seen) })
}
