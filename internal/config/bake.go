package config

import (
	"slices"
	"strings"
	"time"

	"jeos/internal/words"
)

// leastBaked is the virtual size of a baked image when neither its bake nor its base asks for more: packages need room.
const leastBaked = 4 * GiB

const agentPackage = "qemu-guest-agent"

// bakedImage reads what decides what a baked image is worth; nil when its base is not known.
func (s *section) bakedImage() *Image {
	s.releases[s.block.name] = s.releaseOf("base")
	base := s.imageReference("base")
	if base == nil {
		return nil
	}
	size := max(base.Size, leastBaked)
	if bake := s.only("bake"); bake != nil {
		size = bake.size("disk", "disk size", size, MiB, 64*TiB, MiB)
		if size < base.Size {
			bake.add(bake.at("disk"), "Invalid disk size", "%s is less than the %s of the image %s at %s, and a disk cannot shrink. Write"+
				" a size that is not smaller, or remove disk.", FormatSize(size), FormatSize(base.Size), words.Quote(base.Name), base.Origin)
		}
	}
	serial := s.lock.serial(s.block.name)
	s.site.Lock.SetBake(LockedBake{s.block.name, serial})
	return &Image{Format: "qcow2", Size: size, Arch: base.Arch, Bake: &Bake{Base: base.Name, Serial: serial}}
}

// loadBake reads the rest of a baked image.
func (s *section) loadBake(img *Image) {
	bake := img.Bake
	bake.RemovePackages = s.texts("remove_packages", "package name", words.CheckPackage)
	bake.Packages = s.bakedPackages(bake.RemovePackages)
	bake.Run = s.commands()
	if slices.ContainsFunc(bake.Run, func(t Text) bool { return t.Sensitive }) {
		s.warnSecret("run")
	}
	bake.Files = s.loadFiles("image "+words.Quote(img.Name), bake.Run)
	for _, part := range s.block.parts["file"] {
		if what := unsealed(part.name); what != "" {
			s.add(part.label, "Invalid path", "%s is %s, which no image keeps. Write another path, or give the file to the guests.",
				words.Quote(part.name), what)
		}
		if slices.ContainsFunc(bake.Files, func(f File) bool { return f.Path == part.name && f.Sensitive }) {
			s.section(part, s.scope).warnSecret("content")
		}
	}
	if bake.Apt = s.loadApt(); bake.Apt.Mirror.Sensitive {
		s.only("apt").warnSecret("mirror")
	}
	if bake.Apt.Proxy.Sensitive {
		s.only("apt").warnSecret("proxy")
	}
	bake.Kernel = s.text("kernel", "kernel", "keep", oneOf("keep", "generic", "virtual"))
	machine := s.only("bake")
	if machine == nil {
		machine = s.section(&block{kind: "bake", at: s.block.at}, s.scope) // all defaults
	}
	bake.CPUs = machine.integer("cpus", "number of cpus", 2, 1, 512)
	bake.Memory = machine.size("memory", "memory size", GiB, 64*MiB, 16*TiB, MiB)
	bake.Timeout = machine.duration("timeout", "time limit", 30*time.Minute)
	machine.loadBakeNetwork(img)
}

// bakedPackages reads what a bake installs, with the guest agent.
func (s *section) bakedPackages(removed []string) []string {
	packages := s.texts("packages", "package name", words.CheckPackage)
	agent := s.flag("agent", true)
	has := func(list []string, name string) bool {
		return slices.ContainsFunc(list, func(p string) bool { return packageName(p) == name })
	}
	for _, p := range packages {
		if name := packageName(p); has(removed, name) {
			s.add(s.at("remove_packages"), "Invalid package name", "%s is among the packages that are installed, too. Remove it from one of"+
				" the two lists.", words.Quote(name))
		}
	}
	if !agent || has(packages, agentPackage) {
		return packages
	}
	if has(removed, agentPackage) {
		s.add(s.at("remove_packages"), "Invalid package name", "Baked images have the guest agent in them unless agent = false. Set that, or"+
			" take %s out of this list.", words.Quote(agentPackage))
	}
	return append(packages, agentPackage)
}

// packageName returns the name in what is written for a package: "libc6:amd64=2.36" is libc6.
func packageName(p string) string {
	if i := strings.IndexAny(p, ":="); i >= 0 {
		return p[:i]
	}
	return p
}

// lost are the folders of which nothing gets into a baked image as it was written, and what they are.
var lost = []struct{ folder, what string }{
	{"/run", "in memory"}, {"/var/run", "in memory"}, {"/proc", "in memory"}, {"/sys", "in memory"}, {"/dev", "in memory"},
	{"/tmp", "temporary"}, {"/var/tmp", "temporary"}, {"/var/log", "a log"},
	{"/var/lib/cloud", "cloud-init's own"}, {"/usr/local/lib/jeos", "jeos's own"},
	{"/var/lib/apt/lists", "apt's own"}, {"/var/cache/apt", "apt's own"},
	{"/etc/machine-id", "different in every guest"}, {"/var/lib/dbus/machine-id", "different in every guest"},
	{"/var/lib/systemd/random-seed", "different in every guest"},
}

// unsealed says what a path is, if sealing takes it out of a baked image; else it is "".
func unsealed(path string) string {
	for _, l := range lost {
		if path == l.folder || strings.HasPrefix(path, l.folder+"/") {
			return l.what
		}
	}
	if strings.HasPrefix(path, "/etc/ssh/ssh_host_") {
		return "different in every guest"
	}
	return ""
}

// warnSecret warns of a sensitive argument of an image.
func (s *section) warnSecret(name string) {
	s.warn(s.block.args[name].NameRange, "Secret in an image", "The value of %q is sensitive. What a bake leaves of it in the image can be"+
		" used by every site of the pool, and read by everybody who gets the image. Leave it to the guests, or use nonsensitive(…) if"+
		" it is no secret in truth.", name)
	s.diags[len(s.diags)-1].Extra = words.Hidden{}
}
