package builders

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/beevik/etree"

	"jeos/internal/config"
	"jeos/plan"
)

// pciDevice is a PCI device of the host, as libvirt describes it (https://libvirt.org/formatnode.html#pci).
type pciDevice struct {
	node       string   // libvirt's name for it
	id         string   // "8086:2723"
	address    string   // "0000:03:00.0"
	class      string   // "0x028000"
	text       string   // vendor and product in words; may be empty
	driver     string   // of the host; empty: none
	bridge     bool     // from PCI to PCI
	grouped    bool     // the host has an IOMMU group for it
	group      []string // addresses of all in that group
	interfaces []string // of the host, on it, with a link; sorted
}

// hostDevices are the PCI devices of a host.
type hostDevices struct {
	known bool // somebody asked
	list  []pciDevice
}

// readHostDevices reads node devices. What cannot be read is left out.
func readHostDevices(list []plan.HostDevice) *hostDevices {
	h := &hostDevices{known: list != nil}
	up := map[string][]string{}
	for _, d := range list {
		_, root, err := parseXML(d.XML)
		if err != nil {
			continue
		}
		capability := root.SelectElement("capability").NotNil()
		switch capability.SelectAttrValue("type", "") {
		case "pci":
			h.list = append(h.list, readPCIDevice(root, capability))
		case "net":
			if value(capability, "link", "state") == "up" {
				parent := text(root, "parent")
				up[parent] = append(up[parent], text(capability, "interface"))
			}
		}
	}
	for i := range h.list {
		d := &h.list[i]
		d.interfaces = up[d.node]
		slices.Sort(d.interfaces)
	}
	slices.SortFunc(h.list, func(a, b pciDevice) int { return cmp.Compare(a.address, b.address) })
	return h
}

func readPCIDevice(root, capability *etree.Element) pciDevice {
	number := func(name string) int { n, _ := strconv.Atoi(text(capability, name)); return n }
	hexID := func(name string) string { return strings.TrimPrefix(value(capability, name, "id"), "0x") }
	d := pciDevice{
		node:    text(root, "name"),
		id:      hexID("vendor") + ":" + hexID("product"),
		address: fmt.Sprintf("%04x:%02x:%02x.%x", number("domain"), number("bus"), number("slot"), number("function")),
		class:   text(capability, "class"),
		text:    strings.TrimSpace(text(capability, "vendor") + " " + text(capability, "product")),
		driver:  text(root, "driver/name"),
	}
	d.bridge = strings.HasPrefix(d.class, "0x0604")
	for _, c := range capability.SelectElements("capability") {
		d.bridge = d.bridge || c.SelectAttrValue("type", "") == "pci-bridge"
	}
	if group := capability.SelectElement("iommuGroup"); group != nil {
		d.grouped = true
		for _, a := range group.SelectElements("address") {
			d.group = append(d.group, pciAddress(a))
		}
	}
	return d
}

// matching returns the devices that the files mean.
func (h *hostDevices) matching(d config.Device) []pciDevice {
	var list []pciDevice
	for _, p := range h.list {
		if d.Address != "" && p.address == d.Address || d.Address == "" && p.id == d.ID {
			list = append(list, p)
		}
	}
	return list
}

// of returns the devices of a guest. Where the files mean none or several, it is as much as they say.
func (h *hostDevices) of(g *config.Guest) []hostDevice {
	var list []hostDevice
	for _, d := range g.Devices {
		wanted := hostDevice{name: d.Name, id: d.ID, address: d.Address, managed: d.Managed}
		if found := h.matching(d); len(found) == 1 {
			wanted.id, wanted.address = found[0].id, found[0].address
		}
		list = append(list, wanted)
	}
	return list
}

// at returns the device at an address, or nil.
func (h *hostDevices) at(address string) *pciDevice {
	for i := range h.list {
		if h.list[i].address == address {
			return &h.list[i]
		}
	}
	return nil
}

// String says what a device is and where: "8086:2723 at 0000:03:00.0 (Intel Wi-Fi 6 AX200, driver iwlwifi)".
func (p pciDevice) String() string {
	var words []string
	if p.text != "" {
		words = append(words, p.text)
	}
	if p.driver != "" {
		words = append(words, "driver "+p.driver)
	}
	s := p.id + " at " + p.address
	if len(words) > 0 {
		s += " (" + strings.Join(words, ", ") + ")"
	}
	return s
}
