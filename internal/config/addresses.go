package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"jeos/internal/words"
)

// unusable returns why no guest can have the address on this network, or "".
func (n *Network) unusable(addr netip.Addr) string {
	cidr, ok := n.rangeOf(addr)
	switch {
	case !ok && len(n.CIDRs) == 0:
		return fmt.Sprintf("The network has no range of addresses, so %s cannot be on it. Give the network cidrs.", addr)
	case !ok || !cidr.Contains(addr):
		var ranges []string
		for _, c := range n.CIDRs {
			ranges = append(ranges, c.String())
		}
		return fmt.Sprintf("%s is outside of the network's %s. Choose an address inside.", addr, words.And(ranges))
	case addr == cidr.Addr():
		return fmt.Sprintf("%s is the address of the network itself. Choose another one.", addr)
	case addr.Is4() && addr == lastOf(cidr):
		return fmt.Sprintf("%s is the broadcast address of the network. Choose another one.", addr)
	case slices.Contains(n.Host, addr):
		return fmt.Sprintf("%s is the host's own address on the network. Choose another one.", addr)
	case n.inDHCPRange(addr):
		return fmt.Sprintf("%s is among the addresses %s to %s, which the DHCP server of the network gives away. Choose a"+
			" lower one.", addr, n.DHCPRange[0], n.DHCPRange[1])
	}
	return ""
}

func (n *Network) inDHCPRange(addr netip.Addr) bool {
	return n.DHCP && addr.Is4() && addr.Compare(n.DHCPRange[0]) >= 0 && addr.Compare(n.DHCPRange[1]) <= 0
}

// rangeOf returns the network's range of the family of the address.
func (n *Network) rangeOf(addr netip.Addr) (netip.Prefix, bool) {
	for _, cidr := range n.CIDRs {
		if cidr.Addr().Is4() == addr.Is4() {
			return cidr, true
		}
	}
	return netip.Prefix{}, false
}

// holder is who has something that only one nic of the site may have.
type holder struct {
	inst *instance
	nic  *nic
}

// assignment hands out the addresses of a site.
type assignment struct {
	*loader
	macs  map[string]holder
	taken map[netip.Addr]holder
	next  map[netip.Prefix]netip.Addr // all addresses of the range below it have been tried
}

// assignAddresses gives every nic its addresses. Addresses of the files come first, then those of the lock file, then the
// first free ones, in the order of guest names and nics: a guest that comes or goes moves no other.
func (l *loader) assignAddresses() {
	slices.SortFunc(l.instances, func(a, b *instance) int { return cmp.Compare(a.name, b.name) })
	l.checkGuestNames()
	a := &assignment{l, map[string]holder{}, map[netip.Addr]holder{}, map[netip.Prefix]netip.Addr{}}
	a.each(a.claim)
	a.each(a.recall)
	a.each(a.invent)
	a.each(func(h holder) { slices.SortFunc(h.nic.Addresses, comparePrefixes) })
	a.connect()
	l.addressed = true
}

func (a *assignment) each(f func(holder)) {
	for _, inst := range a.instances {
		for _, n := range inst.nics {
			f(holder{inst, n})
		}
	}
}

// checkGuestNames finds guests that got the same name through for_each.
func (l *loader) checkGuestNames() {
	for i := 1; i < len(l.instances); i++ {
		if a, b := l.instances[i-1], l.instances[i]; a.name == b.name {
			l.add(b.block.label, "Duplicate name", "With for_each, this block and the one at %s both make a guest %s. Rename one"+
				" of them, or a key.", origin(a.block.at), words.Quote(b.name))
		}
	}
}

// claim takes the MAC and the addresses that the files give.
func (a *assignment) claim(h holder) {
	if other, ok := a.macs[h.nic.MAC]; ok {
		remedy := "Remove one, or change it."
		if !h.nic.has("mac") {
			remedy = "It was derived from the names. Set mac in one of the two."
		}
		a.add(h.nic.at("mac"), "Duplicate MAC address", "%s is the MAC address of %s already. %s",
			h.nic.MAC, other.nic.where(other.inst), remedy)
	}
	a.macs[h.nic.MAC] = h
	for _, e := range h.nic.explicit {
		if other, ok := a.taken[e.addr]; ok {
			a.add(e.at, "Duplicate address", "%s is the address of %s already. Choose another one.",
				e.addr, other.nic.where(other.inst))
			continue
		}
		a.take(h, e.addr)
	}
}

func (a *assignment) take(h holder, addr netip.Addr) {
	cidr, _ := h.nic.network.rangeOf(addr)
	a.taken[addr] = h
	h.nic.Addresses = append(h.nic.Addresses, netip.PrefixFrom(addr, cidr.Bits()))
}

// missing returns the ranges from which the nic has yet to get an address.
func (n *nic) missing() []netip.Prefix {
	if n.DHCP || n.network.Mode == Bridged {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(n.network.CIDRs), func(cidr netip.Prefix) bool {
		return slices.ContainsFunc(n.Addresses, func(p netip.Prefix) bool { return p.Addr().Is4() == cidr.Addr().Is4() })
	})
}

// recall takes the addresses that the lock file gives, if they are still good.
func (a *assignment) recall(h holder) {
	entry, ok := a.lock.address(h.inst.name, h.nic.Name)
	if !ok || entry.Network != h.nic.Network {
		return
	}
	for _, cidr := range h.nic.missing() {
		for _, addr := range entry.Addresses {
			_, taken := a.taken[addr]
			if cidr.Contains(addr) && !taken && h.nic.network.unusable(addr) == "" {
				a.take(h, addr)
				break
			}
		}
	}
}

// invent takes the first free addresses.
func (a *assignment) invent(h holder) {
	for _, cidr := range h.nic.missing() {
		addr, ok := a.firstFree(h.nic.network, cidr)
		if !ok {
			a.add(h.nic.block.at, "No free address", "All addresses of %s in network %s at %s are taken. Give the network a larger"+
				" range, or remove a guest.", cidr, words.Quote(h.nic.Network), h.nic.network.Origin)
			continue
		}
		a.take(h, addr)
	}
	a.record(h)
}

func (a *assignment) firstFree(n *Network, cidr netip.Prefix) (netip.Addr, bool) {
	addr, ok := a.next[cidr]
	if !ok {
		addr = cidr.Addr().Next()
	}
	for ; cidr.Contains(addr); addr = addr.Next() {
		if n.inDHCPRange(addr) {
			return addr, false // the range lies at the end
		}
		if _, taken := a.taken[addr]; !taken && n.unusable(addr) == "" {
			a.next[cidr] = addr.Next()
			return addr, true
		}
	}
	return addr, false
}

// record writes the addresses that the files do not give into the lock of the site.
func (a *assignment) record(h holder) {
	entry := LockedAddress{Guest: h.inst.name, NIC: h.nic.Name, Network: h.nic.Network}
	for _, p := range h.nic.Addresses {
		given := func(e explicitAddress) bool { return e.addr == p.Addr() }
		if !slices.ContainsFunc(h.nic.explicit, given) {
			entry.Addresses = append(entry.Addresses, p.Addr())
		}
	}
	slices.SortFunc(entry.Addresses, netip.Addr.Compare)
	a.site.Lock.setAddress(entry)
}

func comparePrefixes(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) }

// reach returns those of the addresses that are on the nic's own ranges.
func (n *nic) reach(addresses []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addresses), func(addr netip.Addr) bool {
		return !slices.ContainsFunc(n.Addresses, func(p netip.Prefix) bool { return p.Contains(addr) })
	})
}

// plain returns the nic's own addresses without their lengths.
func (n *nic) plain() []netip.Addr {
	var addresses []netip.Addr
	for _, p := range n.Addresses {
		addresses = append(addresses, p.Addr())
	}
	return addresses
}
