package builders

import (
	"slices"

	"jeos/internal/config"
	"jeos/plan"
)

// Host is what a site's resources depend on beside its files: what the host is, and what was decided once when a guest
// was made.
type Host struct {
	PoolPath string            // target path of the pool; empty when there is no pool yet
	KVM      map[string]bool   // by architecture: whether hardware virtualisation can be used
	Guests   map[string]Kept   // by guest name: the guests that have a domain or a volume on the host
	Devices  []plan.HostDevice // nil: nobody asked, so that nobody knows where a device is that is named by what it is
}

// Kept is what the host remembers of a guest. The zero value is that of a guest that was never made.
type Kept struct {
	Accel    string            // "kvm" or "tcg", decided when the guest was made; empty without a domain
	Seed     int               // generation of the seed that its definition uses; 0 without a domain
	Applied  map[string]string // values of the attributes that the last apply left
	LastSeed int               // the highest generation of its seeds in the pool; 0: none
	Disks    []string          // data disks that must survive, also when the files have them no more
}

// Offline returns what is assumed of a host that nobody asked: it has hardware virtualisation, and nothing of the site.
func Offline(site *config.Site) Host {
	host := Host{PoolPath: site.Pool.Path, KVM: map[string]bool{}}
	for _, g := range site.Guests {
		host.KVM[g.Arch] = true
	}
	for i := range site.Images {
		host.KVM[bakeArch(site, &site.Images[i])] = true
	}
	return host
}

// accel decides how the processor of a guest is made: as the files say, else as it was decided when the guest was made,
// else by what the host can do.
func (h Host) accel(g *config.Guest) string {
	switch kept := h.Guests[g.Name].Accel; {
	case g.Accel != accelAuto:
		return g.Accel
	case kept != "":
		return kept
	case h.KVM[g.Arch]:
		return accelKVM
	}
	return accelTCG
}

// keptDisks returns the disks that the guest must go on remembering, because they survived their blocks. Sorted.
func (h Host) keptDisks(g *config.Guest) []string {
	var kept []string
	for _, name := range h.Guests[g.Name].Disks {
		if !slices.ContainsFunc(g.Disks, func(d config.Disk) bool { return d.Name == name }) {
			kept = append(kept, name)
		}
	}
	slices.Sort(kept)
	return slices.Compact(kept)
}

// generation decides which seed a guest gets: the one that it has as long as what every boot reads from it is the same,
// else a new one.
func (h Host) generation(guest string, wanted map[string]string) int {
	kept := h.Guests[guest]
	if kept.Seed == 0 {
		return kept.LastSeed + 1
	}
	for _, name := range everyBoot() {
		if kept.Applied[name] != wanted[name] {
			return max(kept.Seed, kept.LastSeed) + 1
		}
	}
	return kept.Seed
}
