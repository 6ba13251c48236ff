package config

import (
	"math/big"
	"regexp"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
)

var (
	hostnameRE = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`) // RFC 1123, one label
	timezoneRE = regexp.MustCompile(`^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}$`)
	localeRE   = regexp.MustCompile(`^[A-Za-z]{1,8}(_[A-Z]{2})?(\.[A-Za-z0-9-]+)?(@[a-z]+)?$`)
)

// loadGuest reads everything of a guest but its identity.
func (l *loader) loadGuest(inst *instance) Guest {
	s := l.section(inst.block, inst.scope)
	g := Guest{Name: inst.name, Origin: origin(inst.block.at)}
	s.loadMachine(&g)
	s.loadSystem(&g)
	g.Apt = s.loadApt()
	s.loadDisks(&g)
	s.loadUsers(&g)
	g.Files = s.loadFiles("guest "+words.Quote(g.Name), g.Run)
	if inst.role != nil {
		s.expandRole(&g, inst)
	}
	for _, n := range inst.nics {
		n.describe(inst)
		g.NICs = append(g.NICs, n.NIC)
	}
	delete(inst.scope.needs, inst.name)
	g.Needs = sortedKeys(inst.scope.needs)
	return g
}

// loadMachine reads what the host gives to the guest.
func (s *section) loadMachine(g *Guest) {
	image := s.imageReference("image")
	if image != nil {
		g.Image = image.Name
	}
	g.CPUs = s.integer("cpus", "number of cpus", 1, 1, 512)
	g.Memory = s.size("memory", "memory size", 512*MiB, 64*MiB, 16*TiB, MiB)
	s.loadRootDisk(g, image)
	g.Running = s.running()
	g.Autostart = s.flag("autostart", true)
	g.Arch = s.text("arch", "arch", "x86_64", oneOf(architectures...))
	if image != nil && image.Arch != "" && image.Arch != g.Arch {
		s.add(s.at("image"), "Wrong architecture", "The image %s at %s is for %s, and this guest is %s. Write arch = %q, or use"+
			" another image.", words.Quote(image.Name), image.Origin, image.Arch, g.Arch, image.Arch)
	}
	machines, firmware := []string{"q35", "pc"}, "bios"
	if g.Arch == "aarch64" {
		machines, firmware = []string{"virt"}, "uefi"
	}
	g.Machine = s.text("machine", "machine", machines[0], oneOf(machines...))
	g.Firmware = s.text("firmware", "firmware", firmware, oneOf("bios", "uefi"))
	if g.Arch == "aarch64" && g.Firmware == "bios" {
		s.add(s.at("firmware"), "Invalid firmware", `An aarch64 guest starts by UEFI alone. Write "uefi", or remove firmware.`)
	}
	g.Accel = s.text("accel", "accel", "auto", oneOf("auto", "kvm", "tcg"))
	g.StopTimeout = s.duration("stop_timeout", "time limit", 120*time.Second)
	g.ForceStop = s.flag("force_stop", false)
	g.ReadyTimeout = s.duration("ready_timeout", "time limit", 10*time.Minute)
	g.Protect = s.flag("protect", false)
	g.FollowImage = s.text("on_image_change", "on_image_change", "ignore", oneOf("ignore", "recreate")) == "recreate"
}

func (s *section) loadRootDisk(g *Guest, image *Image) {
	if image == nil {
		image = &Image{}
	}
	g.Disk = s.size("disk", "disk size", image.Size, MiB, 64*TiB, MiB)
	if g.Disk < image.Size {
		s.add(s.at("disk"), "Invalid disk size", "%s is less than the %s of the image %s at %s, and a disk cannot shrink. Write"+
			" a size that is not smaller, or remove disk.", FormatSize(g.Disk), FormatSize(image.Size), words.Quote(image.Name), image.Origin)
	}
}

// running returns nil for null, which leaves the power state to others.
func (s *section) running() *bool {
	if attr := s.block.args["running"]; attr != nil && s.evaluate(attr.Expr, s.scope).IsNull() {
		return nil
	}
	running := s.flag("running", true)
	return &running
}

// loadSystem reads what the guest does with itself at its first boot.
func (s *section) loadSystem(g *Guest) {
	g.Hostname = s.text("hostname", "hostname", g.Name, words.Matching(hostnameRE, "hostname",
		"Use at most 63 letters, digits and hyphens, with no hyphen at either end."))
	g.Timezone = s.text("timezone", "timezone", "", words.Matching(timezoneRE, "timezone", `Write one like "Europe/Berlin" or "UTC".`))
	g.Locale = s.text("locale", "locale", "", words.Matching(localeRE, "locale", `Write one like "de_DE.UTF-8" or "C.UTF-8".`))
	g.Packages = s.texts("packages", "package name", words.CheckPackage)
	g.RemovePackages = s.texts("remove_packages", "package name", words.CheckPackage)
	g.Run = s.commands()
	g.Swap = s.size("swap", "swap size", 0, MiB, TiB, MiB)
	g.ConsoleLogin = s.flag("console_login", false)
	s.loadCloudConfig(g)
}

func (s *section) commands() (run []Text) {
	for _, e := range s.elements("run", "command", true, checkCommand) {
		run = append(run, e.Text)
	}
	return run
}

func checkCommand(s string) string {
	if strings.TrimSpace(s) == "" {
		return "This command is empty. Write one, or remove it."
	}
	return ""
}

var aptURLRE = regexp.MustCompile(`^https?://[^\s/"'\\]+(/[^\s"'\\]*)?$`)

// loadApt reads the apt block of a guest or image.
func (s *section) loadApt() Apt {
	apt := s.only("apt")
	if apt == nil {
		return Apt{}
	}
	return Apt{Mirror: apt.proxyURL("mirror"), Proxy: apt.proxyURL("proxy")}
}

func (s *section) proxyURL(name string) Text {
	text, ok := s.secret(name, name+" of apt")
	if ok && !aptURLRE.MatchString(text.Value) {
		s.addHidden(s.at(name), "Invalid "+name+" of apt", `This is no URL that begins with "http://" or "https://". Write one.`)
		return Text{}
	}
	return text
}

func (s *section) loadCloudConfig(g *Guest) {
	value, ok := s.marked("cloud_config")
	if !ok {
		return
	}
	g.CloudSensitive = isSensitive(value)
	value, _ = value.UnmarkDeep()
	if !value.Type().IsObjectType() && !value.Type().IsMapType() {
		s.wrongType("cloud_config", "cloud_config", "an object. Write it in braces.", value)
		return
	}
	if text := checkStrings(value); text != "" {
		s.addHidden(s.at("cloud_config"), "Invalid cloud_config", "%s", text)
		return
	}
	g.CloudConfig = plain(value).(map[string]any)
}

// plain turns an unmarked, known value into Go's nil, bool, int64, float64, string, []any and map[string]any.
func plain(v cty.Value) any {
	t := v.Type()
	switch {
	case v.IsNull():
		return nil
	case t == cty.Bool:
		return v.True()
	case t == cty.String:
		return v.AsString()
	case t == cty.Number:
		if n, accuracy := v.AsBigFloat().Int64(); accuracy == big.Exact {
			return n
		}
		f, _ := v.AsBigFloat().Float64()
		return f
	case t.IsObjectType() || t.IsMapType():
		out := map[string]any{}
		for key, element := range v.AsValueMap() {
			out[key] = plain(element)
		}
		return out
	}
	out := []any{}
	for it := v.ElementIterator(); it.Next(); {
		_, element := it.Element()
		out = append(out, plain(element))
	}
	return out
}
