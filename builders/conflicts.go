package builders

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/beevik/etree"

	"jeos/internal/config"
	"jeos/plan"
)

// Conflicts returns what on the host stands in the way of the site although no name is taken twice: MAC addresses,
// bridges, subnets and UUIDs that belong to somebody else, a pool of another kind, and a disk of ours in whose place
// somebody has put another. Problems come in the order of the files and then of the host's names.
func Conflicts(site *config.Site, inv *plan.Inventory) []plan.Problem {
	c := &conflicts{site: site}
	c.checkPool(inv.Pool)
	for _, d := range inv.Domains {
		c.addDomain(d)
	}
	for _, n := range inv.Networks {
		c.addNetwork(n)
	}
	for i := range site.Networks {
		c.checkNetwork(&site.Networks[i])
	}
	for i := range site.Guests {
		c.checkGuest(&site.Guests[i])
		c.checkFilters(&site.Guests[i], inv.Filters)
	}
	return c.problems
}

type conflicts struct {
	site     *config.Site
	own      []hostObject // domains of the site
	domains  []hostObject // the domains of others
	networks []hostObject // the networks of others
	problems []plan.Problem
}

// hostObject is a domain or network that libvirt has.
type hostObject struct {
	name, uuid string
	root       *etree.Element
}

func (c *conflicts) problem(a plan.Addr, origin, summary, detail string, args ...any) {
	c.problems = append(c.problems, plan.Problem{Addr: a, Origin: origin, Summary: summary, Detail: fmt.Sprintf(detail, args...)})
}

func (c *conflicts) checkPool(p *plan.HostPool) {
	if p == nil {
		return
	}
	_, root, err := parseXML(p.XML)
	if err != nil {
		return
	}
	switch kind := root.SelectAttrValue("type", ""); kind {
	case "dir", "fs", "netfs":
	default:
		c.problem(poolAddr(p.Name), c.site.Pool.Origin, "Unsupported storage pool",
			"The pool %q of the host is of type %q, and jeos keeps disks as files in a folder. "+
				"Name a pool of type dir, fs or netfs, or one that does not exist yet.", p.Name, kind)
	}
}

func (c *conflicts) addDomain(d plan.HostDomain) {
	_, root, err := parseXML(d.XML)
	if err != nil {
		return
	}
	o := hostObject{d.Name, d.UUID, root}
	if _, why := readMark(root, plan.KindGuest).owner(c.site.Name, d.UUID); why == "" {
		c.own = append(c.own, o)
	} else {
		c.domains = append(c.domains, o)
	}
}

func (c *conflicts) addNetwork(n plan.HostNetwork) {
	_, root, err := parseXML(n.XML)
	if err != nil {
		return
	}
	if _, why := readMark(root, plan.KindNetwork).owner(c.site.Name, n.UUID); why != "" {
		c.networks = append(c.networks, hostObject{n.Name, n.UUID, root})
	}
}

func (c *conflicts) checkNetwork(n *config.Network) {
	a, host := networkAddr(n.Name), NetworkName(c.site.Name, n.Name)
	for _, o := range c.networks {
		if o.uuid == NetworkUUID(c.site.Name, n.Name) && o.name != host {
			c.problem(a, n.Origin, "UUID is taken",
				"The host's network %q has the UUID that belongs to this one and is not this site's. "+
					"Remove it there, or define it anew with another UUID.", o.name)
		}
		if bridge := value(o.root, "bridge", "name"); n.Mode != config.Bridged && bridge == n.Bridge {
			c.problem(a, n.Origin, "Bridge is taken",
				"The bridge %q of this network is also that of the host's network %q, which is not this site's. "+
					"Give that network another bridge, or this one another name.", bridge, o.name)
		}
		if ours, theirs, ok := overlap(n, readAddresses(o.root)); ok {
			c.problem(a, n.Origin, "Subnets overlap",
				"The subnet %s of this network overlaps %s of the host's network %q, which is not this site's. "+
					"The host could not tell where a packet belongs. Choose another cidr.", ours, theirs, o.name)
		}
	}
}

// overlap finds a subnet of n that shares addresses with one of a host's network. Where the host has no address on n, it
// does not matter.
func overlap(n *config.Network, theirs []netip.Prefix) (ours, other netip.Prefix, ok bool) {
	if n.Mode != config.NAT {
		return ours, other, false
	}
	for _, p := range n.CIDRs {
		i := slices.IndexFunc(theirs, func(t netip.Prefix) bool { return t.IsValid() && t.Overlaps(p) })
		if i >= 0 {
			return p, theirs[i].Masked(), true
		}
	}
	return ours, other, false
}

func (c *conflicts) checkGuest(g *config.Guest) {
	a, host := guestAddr(g.Name), DomainName(c.site.Name, g.Name)
	for _, o := range c.domains {
		if o.uuid == GuestUUID(c.site.Name, g.Name) && o.name != host {
			c.problem(a, g.Origin, "UUID is taken",
				"The host's domain %q has the UUID that belongs to this guest and is not this site's. "+
					"Remove it there, or define it anew with another UUID.", o.name)
		}
		for _, e := range o.root.FindElements("devices/interface") {
			i := slices.IndexFunc(g.NICs, func(n config.NIC) bool { return n.MAC == nicMAC(e) })
			if i >= 0 {
				c.problem(a, g.NICs[i].Origin, "MAC address is taken",
					"The MAC address %s of nic %q is also that of a network card of the host's domain %q, which is not this site's. "+
						"Set mac to another address, or change it there.", g.NICs[i].MAC, g.NICs[i].Name, o.name)
			}
		}
	}
	for _, o := range c.own {
		if o.uuid == GuestUUID(c.site.Name, g.Name) {
			c.checkDisks(g, o)
		}
	}
}

// checkFilters finds filters of another name that have the UUID of one of ours, which libvirt would then not define.
func (c *conflicts) checkFilters(g *config.Guest, filters []plan.HostFilter) {
	for _, n := range g.NICs {
		for _, f := range filters {
			if n.Filter != nil && f.UUID == FilterUUID(c.site.Name, g.Name, n.Name) && f.Name != FilterName(c.site.Name, g.Name, n.Name) {
				c.problem(filterAddr(g.Name, n.Name), n.Origin, "UUID is taken",
					"The host's network filter %q has the UUID that belongs to the filter of nic %q, and is not this site's. "+
						"Remove it there with \"virsh nwfilter-undefine %s\".", f.Name, n.Name, f.Name)
			}
		}
	}
}

// checkDisks finds disks that are no volume of ours any more although they carry our serial numbers. A snapshot made with
// virsh does that; putting the volume back would throw away what was written since.
func (c *conflicts) checkDisks(g *config.Guest, o hostObject) {
	names := []string{rootDisk}
	for _, d := range g.Disks {
		names = append(names, d.Name)
	}
	for _, e := range o.root.FindElements("devices/disk") {
		source := diskSource(e)
		if _, ours := parseVolume(c.site.Name, source); ours {
			continue
		}
		if name := managedDisk(c.site.Name, g.Name, e, names); name != "" {
			c.problem(guestAddr(g.Name), g.Origin, "Disk was exchanged",
				"The domain %q has %q in the place of its disk %q, as after a snapshot. Putting the disk back would lose what was written since. "+
					"Merge it back first, for example with:\n\n    virsh blockcommit %s %s --active --pivot",
				o.name, source, name, o.name, strings.TrimSpace(value(e, "target", "dev")))
		}
	}
}
