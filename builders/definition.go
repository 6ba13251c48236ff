package builders

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/beevik/etree"

	"jeos/internal/config"
	"jeos/plan"
)

// definition is what one XML of a domain of ours says, inactive or live.
type definition struct {
	site  string
	root  *etree.Element
	mark  *mark
	attrs map[string]string
	// Of devices that only somebody's hand can have added, their XML by attribute name.
	devices map[string]string
	// Of devices that can be changed live, their XML by attribute name.
	cards map[string]string
}

// readDefinition reads the attributes that the definition of a domain holds.
func readDefinition(site string, root *etree.Element, m *mark) (*definition, error) {
	d := &definition{site: site, root: root, mark: m, attrs: map[string]string{
		attrName:   text(root, "name"),
		"cpus":     readCPUs(root),
		"memory":   readMemory(root),
		"arch":     value(root, "os/type", "arch"),
		"machine":  canonicalMachine(value(root, "os/type", "machine")),
		"firmware": readFirmware(root),
		attrAccel:  readAccel(root),
	}, devices: map[string]string{}, cards: map[string]string{}}
	for _, name := range everyBoot() {
		if v, ok := m.applied[name]; ok {
			d.attrs[name] = v
		}
	}
	devices := root.SelectElement("devices").NotNil()
	if hasPort(devices, reportPort) {
		d.attrs["report"] = "true"
	}
	if arguments := readArguments(root); arguments != "" {
		d.attrs["arguments"] = arguments
	}
	d.readDisks(devices)
	for _, read := range []func(*etree.Element) error{d.readNICs, d.readPassed} {
		if err := read(devices); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// asLive forgets what may differ while a guest runs without anything being wrong: the balloon moves, and CPUs are taken
// offline.
func (d *definition) asLive() {
	d.attrs["cpus"] = text(d.root, "vcpu")
	d.attrs["memory"] = config.FormatSize(memoryAt(d.root, "memory"))
}

// addDevice adds a device that is in no file, with its XML so that it can be detached. Devices that would have the same
// name are numbered.
func (d *definition) addDevice(name, value string, e *etree.Element) error {
	unique := name
	for n := 2; ; n++ {
		if _, taken := d.attrs[unique]; !taken {
			break
		}
		unique = name + "#" + strconv.Itoa(n)
	}
	xml, err := elementXML(e)
	d.attrs[unique], d.devices[unique] = value, xml
	return err
}

// needs returns the networks of the site that the cards of a definition are plugged into, and their filters, sorted.
func (d *definition) needs() []plan.Addr {
	set := map[plan.Addr]bool{}
	for name, value := range d.attrs {
		source, _, _ := strings.Cut(value, " ")
		if network, own := strings.CutPrefix(source, "network."); own && strings.HasPrefix(name, "nic.") {
			set[networkAddr(network)] = true
		}
	}
	for _, e := range d.root.FindElements("devices/interface/filterref") {
		if guest, nic, own := parseFilter(d.site, e.SelectAttrValue("filter", "")); own {
			set[filterAddr(guest, nic)] = true
		}
	}
	return slices.SortedFunc(maps.Keys(set), plan.Addr.Compare)
}
