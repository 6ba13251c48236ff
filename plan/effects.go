package plan

import (
	"path"
	"slices"
	"strings"
)

// Rule says what changing an attribute costs. Rules is the one place where that is decided; the README shows it.
type Rule struct {
	Kind     Kind
	Name     string // pattern of path.Match: "nic.*"
	Effect   Effect
	Security bool
	Text     string // what the attribute is, for the README
}

// rules lists the attributes of every kind. The first rule that matches counts.
var rules = []Rule{
	{KindPool, "active", Live, false, "the pool is started"},
	{KindImage, "*", OnCreate, false, "hash and size, or the recipe of a bake; an image never changes, another one comes beside it"},
	{KindVolume, "size", Live, false, "capacity of a disk; grows, never shrinks"},
	{KindNetwork, "active", Live, false, "the network is started"},
	{KindNetwork, "autostart", Live, false, "the network starts with the host"},
	{KindNetwork, "persistent", Live, false, "the network has a definition that outlives it"},
	{KindNetwork, "name", Restart, false, "name on the host"},
	{KindNetwork, "mode", Restart, true, "isolated, nat or bridge"},
	{KindNetwork, "bridge", Restart, true, "the bridge that the network is"},
	{KindNetwork, "ip", Restart, true, "the host's addresses on the network"},
	{KindNetwork, "ports", Restart, true, "isolated, where guests reach the gateways alone"},
	{KindNetwork, "*", Restart, false, "DHCP range, MTU and the rest of a network"},
	{KindFilter, "rules", Live, true, "what the host lets through between a network card and its network"},
	{KindGuest, "running", Live, false, "power state"},
	{KindGuest, "autostart", Live, false, "the guest starts with the host"},
	{KindGuest, "persistent", Live, false, "the guest has a definition that outlives it"},
	{KindGuest, "protect", Live, false, "refuses destroy and replace; kept on the host"},
	{KindGuest, "keep", Live, false, "disks that survive the guest; kept on the host"},
	{KindGuest, "stop_timeout", Live, false, "time for a clean shutdown; kept on the host"},
	{KindGuest, "force_stop", Live, false, "pull the plug after stop_timeout; kept on the host"},
	{KindGuest, "name", Restart, false, "name on the host"},
	{KindGuest, "cpus", Restart, false, "virtual CPUs"},
	{KindGuest, "memory", Restart, false, "memory"},
	{KindGuest, "accel", Restart, false, "kvm or tcg, where the files say which"},
	{KindGuest, "report", Restart, false, "the port on which the guest reports"},
	{KindGuest, "nic.*", Restart, true, "a network card: network, MAC and addresses"},
	{KindGuest, "filter.*", Live, true, "the filter of the host on a network card"},
	{KindGuest, "port.*", Live, true, "open, where the port of a network card is not isolated although the network isolates"},
	{KindGuest, "disk.*", Restart, false, "a disk is attached"},
	{KindGuest, "hostdev.*", Restart, true, "a device of the host"},
	{KindGuest, "share.*", Restart, true, "a folder of the host"},
	{KindGuest, "redirdev.*", Restart, true, "a redirected device"},
	{KindGuest, "arguments", Restart, true, "arguments for QEMU that libvirt passes on as they are"},
	{KindGuest, "seed.network", Restart, false, "network configuration, which every boot applies"},
	{KindGuest, "seed.disks", Restart, false, "mount points, which every boot applies"},
	{KindGuest, "seed.hostname", Restart, false, "the guest's own name, which every boot applies"},
	{KindGuest, "seed.role", Restart, false, "files and units of its role, which every boot applies"},
	{KindGuest, "seed", Live, false, "the volume with the seed"},
	{KindGuest, "arch", Replace, false, "architecture"},
	{KindGuest, "machine", Replace, false, "machine type"},
	{KindGuest, "firmware", Replace, false, "bios or uefi"},
	{KindGuest, "image", OnCreate, false, "the image that it is made from; replace with on_image_change = \"recreate\""},
	{KindGuest, "seed.*", OnCreate, false, "packages, users, files, commands: all that the first boot does"},
}

// drifts says what it means that somebody changed an attribute of the security set by hand, by the kind and name of its rule.
var drifts = map[string]string{
	"network.mode":     "the network may reach further than the files let it",
	"network.bridge":   "the network may be another one, with others on it",
	"network.ip":       "the host has other addresses on the network than the files give it",
	"network.ports":    "guests on the network may reach each other",
	"filter.rules":     "the host lets through something else than the files allow",
	"guest.nic.*":      "the guest is on another network than the files put it on",
	"guest.filter.*":   "what the guest sends and gets on that card is not held to what the files allow",
	"guest.port.*":     "the guest reaches others on its network than the files let it",
	"guest.hostdev.*":  "the guest has a device of the host that may lead out past its networks",
	"guest.share.*":    "the guest sees files of the host",
	"guest.redirdev.*": "the guest has a device that may lead out past its networks",
	"guest.arguments":  "the guest may have devices that lead out past its networks",
}

// Drift says what it means that somebody changed the attribute by hand, in a sentence without its full stop. It is empty for
// attributes that are not of the security set.
func (r Rule) Drift() string { return drifts[string(r.Kind)+"."+r.Name] }

// Rules returns the table of attributes, in the order in which people should read it.
func Rules() []Rule { return slices.Clone(rules) }

// RuleFor returns the rule for an attribute. An attribute without one is a mistake in the builders, and panics.
func RuleFor(kind Kind, name string) Rule {
	r, ok := LookupRule(kind, name)
	if !ok {
		panic("plan: no rule for attribute " + name + " of a " + string(kind))
	}
	return r
}

// LookupRule returns the rule for an attribute, and whether there is one.
func LookupRule(kind Kind, name string) (Rule, bool) {
	// path.Match does not let "*" cross a slash, and names of files have slashes.
	name, _, _ = strings.Cut(name, "/")
	for _, r := range rules {
		if ok, err := path.Match(r.Name, name); r.Kind == kind && err == nil && ok {
			return r, true
		}
	}
	return Rule{}, false
}
