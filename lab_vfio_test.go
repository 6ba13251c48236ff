//go:build lab && vfio

package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Tests with the tag "vfio" run on the machine of scripts/vfio-lab, whose cards it describes, and in the lab on it. Each
// runs on a machine of its own; what JEOS_LAB_DIR holds lives on from one to the next where scripts/test says so.

const cardRole = `
role {
  summary = "a guest with a device of the host"

  argument "card" {
    type        = pci
    description = "the device"
  }

  argument "managed" {
    type        = bool
    description = "libvirt takes it from its driver"
    default     = false
  }

  device "card" {
    pci     = arg.card
    managed = arg.managed
  }
}
`

// The guest of scripts/vfio-lab --guest is ready only if the card is there and gets an address by DHCP: that takes interrupts,
// and memory that the card writes to.
const cardFiles = `
jeos {
  site      = "SITE"
  pool      = "SITE"
  pool_path = "/var/lib/libvirt/images/SITE"
}

image "base" {
  source = "IMAGE"
}

role "card" {
  source = "./roles/card"
}

guest "g" {
  image         = image.base
  memory        = "256MiB"
  ready_timeout = "40m"
  running       = RUNNING
  role "card" {
    card    = CARD
    managed = MANAGED
  }
}
`

// newCardSite makes a site whose guest has the device, and is off unless it is to run.
func newCardSite(t *testing.T, name, card string, running bool) *labSite {
	s := newLabSite(t, name, map[string]string{"roles/card/role.hcl": cardRole})
	s.useCard(card, running)
	return s
}

func (s *labSite) useCard(card string, running bool) {
	word := "false"
	if running {
		word = "true"
	}
	s.write("site.jeos.hcl", strings.NewReplacer("CARD", card, "RUNNING", word, "MANAGED", "false").Replace(cardFiles))
}

// driven checks which driver of the host has a device.
func driven(t *testing.T, address, want string) {
	t.Helper()
	driver, err := os.Readlink("/sys/bus/pci/devices/" + address + "/driver")
	if got := filepath.Base(driver); err != nil || got != want {
		t.Errorf("the driver of %s is %s, want %s: %v", address, got, want, err)
	}
}

// refuses checks that neither plan nor apply go on, and that they say why.
func (s *labSite) refuses(what ...string) {
	s.t.Helper()
	_, errs := s.run2(1, "plan")
	mustHold(s.t, errs, append(what, "site.jeos.hcl:")...)
	_, errs = s.run2(1, "apply", "--auto-approve")
	mustHold(s.t, errs, what...)
	sameLines(s.t, "domains", namesOf(s.t, s.name+"-", "list", "--all", "--name"), nil)
}

// bind gives a device of the host to the driver that passes devices on, as options of the kernel do at boot.
func bind(t *testing.T, nodes ...string) {
	t.Helper()
	for _, n := range nodes {
		virsh(t, "nodedev-detach", n)
	}
}

// vfioNode is the file by which QEMU gets at the IOMMU group of a device.
func vfioNode(t *testing.T, address string) string {
	t.Helper()
	group, err := os.Readlink("/sys/bus/pci/devices/" + address + "/iommu_group")
	if err != nil {
		t.Fatal(err)
	}
	return "/dev/vfio/" + filepath.Base(group)
}

// TestVFIOPassed gives a card to a guest that boots and uses it. Before, everything that can be wrong with a card is refused.
func TestVFIOPassed(t *testing.T) {
	s := newCardSite(t, "card", `pci("8086:9999")`, true)
	s.refuses("Device not found", "8086:9999", "0000:01:00.0")
	s.useCard(`pci("0000:00:10.0")`, true)
	s.refuses("Device is a bridge")
	s.useCard(`pci("8086:100e")`, true)
	s.refuses("Several devices match", "0000:04:01.0, 0000:04:02.0")
	s.useCard(`pci("8086:10d3")`, true)
	s.refuses("Device is not set aside for guests", "driver e1000e", "options vfio-pci ids=8086:10d3", "nodedev-detach pci_0000_01_00_0")
	bind(t, "pci_0000_04_01_0")
	s.useCard(`pci("0000:04:01.0")`, true)
	s.refuses("IOMMU group is shared", "0000:04:02.0", "driver e1000")

	bind(t, "pci_0000_01_00_0")
	s.useCard(`pci("8086:10d3")`, true)
	node := vfioNode(t, "0000:01:00.0")
	if err := os.Rename(node, node+".away"); err != nil {
		t.Fatal(err)
	}
	_, errs := s.run2(1, "apply", "--auto-approve", "--no-wait")
	mustHold(t, errs, node, "load vfio-pci and bind the device")
	if err := os.Rename(node+".away", node); err != nil {
		t.Fatal(err)
	}
	s.run(0, "apply", "--auto-approve")
	s.mustBeEmpty()
	mustHold(t, virsh(t, "dumpxml", "card-g"), "<driver name='vfio'/>")

	// The device is taken: another guest that wants it does not start, and jeos says who has it.
	other := newCardSite(t, "rival", `pci("8086:10d3")`, true)
	_, errs = other.run2(1, "apply", "--auto-approve")
	mustHold(t, errs, "0000:01:00.0", "card-g", "another domain has this device", "stop that domain")

	// A device of the host that nobody asked for is drift, which the next apply takes out.
	extra := filepath.Join(t.TempDir(), "extra.xml")
	device := "<hostdev mode='subsystem' type='pci' managed='no'><source><address domain='0' bus='4' slot='1' function='0'/></source></hostdev>"
	if err := os.WriteFile(extra, []byte(device), 0o600); err != nil {
		t.Fatal(err)
	}
	virsh(t, "attach-device", "card-g", extra, "--config")
	if out := s.run(3, "plan", "--detailed-exitcode"); !strings.Contains(out, "0000:04:01.0") {
		t.Errorf("a device that was added by hand is not shown:\n%s", out)
	}

	// While no guest has the device the host does not get it back (L30).
	virsh(t, "destroy", "card-g")
	driven(t, "0000:01:00.0", "vfio-pci")
}

// TestVFIODefined leaves a guest with a card behind, for the machine of TestVFIOMoved.
func TestVFIODefined(t *testing.T) {
	bind(t, "pci_0000_01_00_0")
	s := lastingLabSite(t, "moved", map[string]string{"roles/card/role.hcl": cardRole})
	s.useCard(`pci("0000:01:00.0")`, false)
	s.run(0, "apply", "--auto-approve")
	s.mustBeEmpty()
}

// TestVFIOMoved finds another card at the address of the guest's.
func TestVFIOMoved(t *testing.T) {
	s := newCardSite(t, "moved", `pci("0000:01:00.0")`, true)
	_, errs := s.run2(1, "plan")
	mustHold(t, errs, "Device is another one", "8086:10d3", "1af4:1041", `pci("8086:10d3")`)
	virshFails(t, "start", "moved-g")

	// By what it is, it is found again.
	bind(t, "pci_0000_02_00_0")
	s.useCard(`pci("8086:10d3")`, false)
	out := s.run(0, "plan")
	mustHold(t, out, "0000:01:00.0", "0000:02:00.0", "has moved")
	s.run(0, "apply", "--auto-approve")
	s.mustBeEmpty()
	mustHold(t, virsh(t, "dumpxml", "moved-g"), "bus='0x02'")
}

// TestVFIOTwins has two cards of a kind: each can be named by its address only.
func TestVFIOTwins(t *testing.T) {
	s := newCardSite(t, "twins", `pci("8086:10d3")`, false)
	s.refuses("Several devices match", "0000:01:00.0, 0000:02:00.0")
	bind(t, "pci_0000_01_00_0", "pci_0000_02_00_0")
	s.useCard(`pci("0000:02:00.0")`, false)
	s.run(0, "apply", "--auto-approve")
	s.mustBeEmpty()

	// A managed one is taken from its driver for as long as the guest runs.
	virsh(t, "nodedev-reattach", "pci_0000_02_00_0")
	driven(t, "0000:02:00.0", "e1000e")
	s.replace("site.jeos.hcl", "managed = false", "managed = true", 1)
	s.replace("site.jeos.hcl", "running       = false", "running       = true", 1)
	s.run(0, "apply", "--auto-approve", "--no-wait")
	s.mustBeEmpty()
	driven(t, "0000:02:00.0", "vfio-pci")
	virsh(t, "destroy", "twins-g")
	driven(t, "0000:02:00.0", "e1000e")
}

// TestVFIONoIOMMU has a host that cannot pass devices on.
func TestVFIONoIOMMU(t *testing.T) {
	s := newCardSite(t, "plain", `pci("8086:10d3")`, true)
	s.refuses("Device has no IOMMU group", "VT-d", "intel_iommu=on")
}

// virshFails runs virsh, which must fail.
func virshFails(t *testing.T, args ...string) string {
	t.Helper()
	out, err := virshCommand(args...).CombinedOutput()
	if err == nil {
		t.Fatalf("virsh %s works:\n%s", strings.Join(args, " "), out)
	}
	return string(out)
}
