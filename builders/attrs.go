package builders

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"jeos/internal/config"
	"jeos/plan"
)

// Attributes that are named in more than one place. plan.Rules says what changing each costs.
const (
	attrActive      = "active"
	attrAutostart   = "autostart"
	attrPersistent  = "persistent"
	attrRunning     = "running"
	attrName        = "name"
	attrAccel       = "accel"
	attrProtect     = "protect"
	attrKeep        = "keep"
	attrStopTimeout = "stop_timeout"
	attrForceStop   = "force_stop"
	attrImage       = "image"
	attrSeedNetwork = "seed.network"
	attrSeedDisks   = "seed.disks"
	attrSeedHost    = "seed.hostname"
	attrSeedRole    = "seed.role"
)

// attrList collects attributes.
type attrList struct{ list []plan.Attr }

func (l *attrList) add(name, value string) {
	l.list = append(l.list, plan.Attr{Name: name, Value: value})
}

// sorted returns all attributes by name.
func (l *attrList) sorted() []plan.Attr {
	slices.SortFunc(l.list, func(a, b plan.Attr) int { return cmp.Compare(a.Name, b.Name) })
	return l.list
}

func attrValues(list []plan.Attr) map[string]string {
	values := make(map[string]string, len(list))
	for _, a := range list {
		values[a.Name] = a.Value
	}
	return values
}

// everyBoot returns the attributes of what a guest reads from its seed at every boot, so that a new seed changes them.
func everyBoot() []string {
	return []string{attrSeedNetwork, attrSeedDisks, attrSeedHost, attrSeedRole}
}

// firstBoot reports whether an attribute of a guest acts only while the guest is made. What is recorded of it says how the
// guest was made, so that it outlives every edit. The name may come from the host, and be anything.
func firstBoot(name string) bool {
	rule, known := plan.LookupRule(plan.KindGuest, name)
	return known && rule.Effect == plan.OnCreate
}

// parseSize reads a number with one of libvirt's units (https://libvirt.org/formatdomain.html#memory-allocation) and
// returns bytes. What libvirt would never write counts as 0.
func parseSize(number, unit string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil {
		return 0
	}
	factors := map[string]int64{
		"b": 1, "bytes": 1,
		"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
		"k": config.KiB, "M": config.MiB, "G": config.GiB, "T": config.TiB,
		"KiB": config.KiB, "MiB": config.MiB, "GiB": config.GiB, "TiB": config.TiB,
	}
	return n * factors[unit]
}

// of says that less than the whole is in use: "256MiB of 512MiB".
func of(part, whole string) string {
	if part == whole {
		return whole
	}
	return fmt.Sprintf("%s of %s", part, whole)
}
