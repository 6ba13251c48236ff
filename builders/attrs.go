package builders

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

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
)

// attrList collects attributes of one kind.
type attrList struct {
	kind plan.Kind
	list []plan.Attr
}

// add adds an attribute with the effect that the rules give it.
func (l *attrList) add(name, value string) {
	rule := plan.RuleFor(l.kind, name)
	l.list = append(l.list, plan.Attr{Name: name, Value: value, Effect: rule.Effect, Security: rule.Security})
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

// firstBoot reports whether an attribute acts only while a guest is made. What is recorded of it says how the guest was
// made, so that it outlives every edit.
func firstBoot(name string) bool {
	switch {
	case name == attrSeedNetwork, name == attrSeedDisks:
		return false
	}
	return name == attrImage || strings.HasPrefix(name, "seed.")
}

// sizeUnits are the units in which libvirt and jeos write sizes, the greatest first. A size has no other form than the
// greatest of these that divides it.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
}

// formatSize returns the canonical form of a size in bytes: "512MiB".
func formatSize(bytes int64) string {
	for _, u := range sizeUnits {
		if bytes != 0 && bytes%u.bytes == 0 {
			return strconv.FormatInt(bytes/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(bytes, 10) + "B"
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
		"k": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40,
	}
	for _, u := range sizeUnits {
		factors[u.name] = u.bytes
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
