package builders

import (
	"cmp"
	"embed"
	"fmt"
	"slices"
	"strings"

	"jeos/internal/config"
)

// guestFS holds what jeos runs inside a guest.
//
//go:embed guest
var guestFS embed.FS

// installedFile is a guest file with the place and the mode that it has in a guest.
type installedFile struct{ name, path, mode string }

// reporting are the guest files that make a guest say how it is.
var reporting = []installedFile{
	{"report", "/usr/local/lib/jeos/report", "755"},
	{"jeos-report.service", "/etc/systemd/system/jeos-report.service", "644"},
}

// installed are the guest files that the boot script puts into the guest.
var installed = append(reporting[:len(reporting):len(reporting)], []installedFile{
	{"grow", "/usr/local/lib/jeos/grow", "755"},
	{"jeos-grow@.service", "/etc/systemd/system/jeos-grow@.service", "644"},
	{"jeos-role.service", "/etc/systemd/system/jeos-role.service", "644"},
	{"99-jeos-grow.rules", "/etc/udev/rules.d/99-jeos-grow.rules", "644"},
}...)

// put returns the command of the boot script that writes the file.
func (f installedFile) put() string {
	return fmt.Sprintf("put %s %s <<'JEOS'\n%sJEOS\n", f.path, f.mode, guestFile(f.name))
}

func guestFile(name string) string {
	content, err := guestFS.ReadFile("guest/" + name)
	if err != nil {
		panic(err)
	}
	return string(content)
}

// bootScript returns the shell script that every boot of a guest runs, early and from its newest seed. It installs
// jeos's parts, mounts the data disks and then makes the guest what its role says, whose files may be on these disks.
func bootScript(g *config.Guest) string {
	var b strings.Builder
	b.WriteString(guestFile("boot.sh"))
	for _, f := range installed {
		b.WriteString(f.put())
	}
	fmt.Fprintf(&b, "data_disks <<'JEOS'\n%sJEOS\nfinish\n", fstab(g.Disks))
	b.WriteString(rolePart(g.Role))
	return b.String()
}

// fstab returns the lines of fstab(5) for the data disks. The option x-jeos tells them from others. A disk that is missing
// must not keep the guest from booting, and one that has grown is filled.
func fstab(disks []config.Disk) string {
	const options = "defaults,nofail,x-systemd.growfs,x-systemd.device-timeout=30s,x-jeos"
	var b strings.Builder
	for _, d := range mountedDisks(disks) {
		device := "/dev/disk/by-id/virtio-" + diskSerial(d.Name)
		fmt.Fprintf(&b, "%s %s %s %s 0 2\n", device, fstabEscaper.Replace(d.Mount), d.FS, options)
	}
	return b.String()
}

// mountedDisks returns the disks that have a mount point, sorted by it: parents come before children.
func mountedDisks(disks []config.Disk) []config.Disk {
	var list []config.Disk
	for _, d := range disks {
		if d.Mount != "" {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b config.Disk) int { return cmp.Compare(a.Mount, b.Mount) })
	return list
}

// fstabEscaper writes what would end or continue a field of fstab(5) as an octal escape.
var fstabEscaper = strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`)
