package builders

import (
	"fmt"
	"slices"
	"strings"

	"jeos/internal/config"
	"jeos/plan"
)

// broken are devices that are known not to work in a guest. Their drivers hand the addresses of the host's memory to the
// device's own processor, past the IOMMU.
var broken = map[string]string{
	"17cb:1103": "WCN6855 (ath11k)",
	"17cb:1104": "QCN9074 (ath11k)",
	"17cb:1107": "WCN7850 (ath12k)",
	"17cb:1109": "QCN9274 (ath12k)",
}

// deviceCheck collects what is to be said of the devices that a plan gives to guests.
type deviceCheck struct {
	site     *config.Site
	host     Host
	devices  *hostDevices
	steps    []plan.Step
	problems []plan.Problem
	notices  []plan.Notice
}

// checkDevices checks the devices of the guests that a plan defines or starts. Those of others do not matter now: an image can
// be baked before the card is there.
func checkDevices(site *config.Site, host Host, p *plan.Plan) *deviceCheck {
	c := &deviceCheck{site: site, host: host, devices: readHostDevices(host.Devices), steps: p.Steps}
	if !c.devices.known {
		return c
	}
	for i := range site.Guests {
		g := &site.Guests[i]
		for _, d := range g.Devices {
			if c.does(plan.DefineGuest, g) || c.does(plan.StartGuest, g) {
				c.check(g, d)
			}
		}
	}
	return c
}

// does reports whether the plan has a step with this verb for a guest.
func (c *deviceCheck) does(verb plan.Verb, g *config.Guest) bool {
	return slices.ContainsFunc(c.steps, func(s plan.Step) bool { return s.Verb == verb && s.Addr == guestAddr(g.Name) })
}

func (c *deviceCheck) problem(g *config.Guest, d config.Device, summary, detail string, args ...any) {
	c.problems = append(c.problems, plan.Problem{Addr: guestAddr(g.Name), Origin: d.Origin, Summary: summary, Detail: fmt.Sprintf(detail, args...)})
}

func (c *deviceCheck) notice(g *config.Guest, format string, args ...any) {
	c.notices = append(c.notices, plan.Notice{Addr: guestAddr(g.Name), Text: fmt.Sprintf(format, args...)})
}

// check finds what keeps a device from being passed to a guest.
func (c *deviceCheck) check(g *config.Guest, d config.Device) {
	found := c.devices.matching(d)
	switch len(found) {
	case 0:
		c.reportMissing(g, d)
		return
	case 1:
	default:
		var list []string
		for _, p := range found {
			list = append(list, p.address)
		}
		c.problem(g, d, "Several devices match", "The host has %d devices %s: at %s. Name the one that is meant by its address, as in pci(%q).",
			len(found), d.ID, strings.Join(list, ", "), list[0])
		return
	}
	p := found[0]
	if p.bridge || strings.HasPrefix(p.class, "0x06") { // to anything
		c.problem(g, d, "Device is a bridge", "%s connects other devices and cannot be given to a guest. Name the device behind it.", p)
		return
	}
	if !c.checkMoved(g, d, p) || !c.checkShared(g, d, p) || !c.checkGroup(g, d, p) || !c.checkUsed(g, d, p) {
		return
	}
	if c.does(plan.StartGuest, g) && !d.Managed && p.driver != vfioDriver {
		c.problem(g, d, "Device is not set aside for guests", "%s is not bound to vfio-pci, and managed is false, so that nobody takes it from the host. %s "+
			"To take it now and until then, run \"virsh nodedev-detach %s\". To have libvirt take it at each start of the guest and give it back after, set managed = true.",
			p, setAside(p), p.node)
	}
	if name, ok := broken[p.id]; ok {
		c.notice(g, "device %q is a %s, of a kind that is known not to work in guests: its firmware does not start there", d.Name, name)
	}
}

func (c *deviceCheck) reportMissing(g *config.Guest, d config.Device) {
	var others []string
	for _, p := range c.devices.list {
		if strings.HasPrefix(p.class, "0x02") {
			others = append(others, p.String())
		}
	}
	what, cards := "device "+d.ID, "It has no network card on PCI."
	if d.Address != "" {
		what = "PCI device at " + d.Address
	}
	if len(others) > 0 {
		cards = "Its network cards are: " + strings.Join(others, "; ") + "."
	}
	c.problem(g, d, "Device not found", "The host has no %s. %s Correct device %q, or put the device in.", what, cards, d.Name)
}

// checkMoved refuses another device at the address of the one that the guest had: addresses change when hardware comes or
// goes. A device that is named by what it is may move.
func (c *deviceCheck) checkMoved(g *config.Guest, d config.Device, p pciDevice) bool {
	id, at, recorded := strings.Cut(c.host.Guests[g.Name].Applied["hostdev."+d.Name], " at ")
	at, _, _ = strings.Cut(at, " ")
	switch {
	case !recorded || id == "" || at == "":
	case d.Address == at && id != p.id:
		c.problem(g, d, "Device is another one",
			"At %s there was %s when jeos gave it to the guest, and now there is %s. Addresses change when hardware comes or goes. "+
				"Name the device by what it is, as in pci(%q).", at, id, p, id)
		return false
	case d.Address == "" && id == p.id && at != p.address:
		c.notice(g, "device %q has moved from %s to %s", d.Name, at, p.address)
	}
	return true
}

// checkShared refuses a device that two guests want.
func (c *deviceCheck) checkShared(g *config.Guest, d config.Device, p pciDevice) bool {
	for i := range c.site.Guests {
		other := &c.site.Guests[i]
		for _, o := range c.devices.of(other) {
			if o.address == p.address && (other.Name != g.Name || o.name != d.Name) {
				c.problem(g, d, "Device is wanted twice", "%s is also device %q of guest.%s. Only one guest can have it, once. Remove one of them.", p, o.name, other.Name)
				return false
			}
		}
	}
	return true
}

// checkGroup refuses a device that the IOMMU cannot keep apart from those that the host uses.
func (c *deviceCheck) checkGroup(g *config.Guest, d config.Device, p pciDevice) bool {
	if !p.grouped {
		c.problem(g, d, "Device has no IOMMU group",
			"The host cannot keep what %s reads and writes apart from its own memory. Switch VT-d or AMD-Vi on in the firmware; "+
				"with an Intel processor also add intel_iommu=on to the kernel's command line. Then restart the host.", p)
		return false
	}
	var others []string
	for _, address := range p.group {
		if o := c.devices.at(address); o != nil && address != p.address && c.inUse(g, o) {
			others = append(others, o.String())
		}
	}
	if len(others) == 0 {
		return true
	}
	c.problem(g, d, "IOMMU group is shared",
		"%s can only be passed to a guest together with the others of its IOMMU group, which the host uses: %s. "+
			"Give all of them to this guest, unbind them from their drivers, or put the card into another slot.", p, strings.Join(others, "; "))
	return false
}

// inUse reports whether a device of an IOMMU group keeps the others of it from a guest.
func (c *deviceCheck) inUse(g *config.Guest, p *pciDevice) bool {
	for _, own := range c.devices.of(g) {
		if own.address == p.address && own.managed {
			return false
		}
	}
	return !p.bridge && !slices.Contains([]string{"", vfioDriver, "pci-stub", "pcieport"}, p.driver)
}

// vfioDriver is the driver that passes devices to guests.
const vfioDriver = "vfio-pci"

// checkUsed refuses a device by which the host is on a network, when the plan makes the guest or starts it. A guest that is
// there and stays down does not need it now.
func (c *deviceCheck) checkUsed(g *config.Guest, d config.Device, p pciDevice) bool {
	_, exists := c.host.Guests[g.Name]
	if len(p.interfaces) == 0 || exists && !c.does(plan.StartGuest, g) {
		return true
	}
	remedy := "Take it down first"
	if !d.Managed {
		remedy = "Once the host has another way out, or needs none, take it down"
	}
	detail := fmt.Sprintf("%s is the host's interface %s, which has a link: taking it away may cut the host off. %s, for example with \"ip link set %s down\".",
		p, strings.Join(p.interfaces, ", "), remedy, p.interfaces[0])
	if !d.Managed {
		detail += " " + setAside(p)
	}
	c.problem(g, d, "Device is in use by the host", "%s", detail)
	return false
}

// setAside says how the host keeps a device for guests.
func setAside(p pciDevice) string {
	return fmt.Sprintf("Have the host set it aside at boot: write to /etc/modprobe.d/vfio.conf\n\n    options vfio-pci ids=%s\n%s\n"+
		"then run \"update-initramfs -u\" and restart the host.", p.id, softDependency(p.driver))
}

// softDependency is the line that has vfio-pci there before the driver of a device.
func softDependency(driver string) string {
	if driver == "" {
		return ""
	}
	return "    softdep " + driver + " pre: vfio-pci\n"
}
