package builders

import (
	"strconv"
	"strings"

	"github.com/beevik/etree"

	"jeos/internal/config"
	"libvirt.org/go/libvirtxml"
)

// Ways to run a guest's processor.
const (
	accelAuto = "auto"
	accelKVM  = "kvm"
	accelTCG  = "tcg"
)

func domainType(accel string) string {
	if accel == accelKVM {
		return "kvm"
	}
	return "qemu"
}

// cpu gives the guest all that the way it runs can offer.
func (d *domain) cpu() *libvirtxml.DomainCPU {
	if d.accel == accelKVM {
		return &libvirtxml.DomainCPU{Mode: "host-passthrough"}
	}
	return &libvirtxml.DomainCPU{Mode: "maximum"}
}

func (d *domain) editCPUs(root *etree.Element) {
	want := strconv.Itoa(d.guest.CPUs)
	if readCPUs(root) == want {
		return
	}
	e := child(root, "vcpu")
	e.RemoveAttr("current")
	e.SetText(want)
	if each := root.SelectElement("vcpus"); each != nil { // the state of each, which must add up
		root.RemoveChild(each)
	}
}

// readCPUs returns the number of CPUs, and how many of them are online when not all are: "1 of 2".
func readCPUs(root *etree.Element) string {
	all := text(root, "vcpu")
	if current := value(root, "vcpu", "current"); current != "" {
		return of(current, all)
	}
	return all
}

func (d *domain) editMemory(root *etree.Element) {
	if readMemory(root) == config.FormatSize(d.guest.Memory) {
		return
	}
	for _, name := range []string{"memory", "currentMemory"} {
		e := child(root, name)
		e.CreateAttr("unit", "KiB")
		e.SetText(strconv.FormatInt(d.guest.Memory>>10, 10))
	}
}

// readMemory returns the memory, and how much of it the balloon leaves when not all: "256MiB of 512MiB".
func readMemory(root *etree.Element) string {
	all := config.FormatSize(memoryAt(root, "memory"))
	if root.SelectElement("currentMemory") == nil {
		return all
	}
	return of(config.FormatSize(memoryAt(root, "currentMemory")), all)
}

func memoryAt(root *etree.Element, name string) int64 {
	unit := value(root, name, "unit")
	if unit == "" {
		unit = "KiB"
	}
	return parseSize(text(root, name), unit)
}

// editAccel changes how the guest runs, and its processor with it, only where the files say how.
func (d *domain) editAccel(root *etree.Element) error {
	if d.guest.Accel == accelAuto || readAccel(root) == d.accel {
		return nil
	}
	root.CreateAttr("type", domainType(d.accel))
	if old := root.SelectElement("cpu"); old != nil {
		root.RemoveChild(old)
	}
	return addXML(root, d.cpu())
}

func readAccel(root *etree.Element) string {
	switch t := root.SelectAttrValue("type", ""); t {
	case "kvm":
		return accelKVM
	case "qemu":
		return accelTCG
	default:
		return t
	}
}

// canonicalMachine drops the version that libvirt adds to a machine type: "pc-q35-7.2" is "q35".
func canonicalMachine(machine string) string {
	switch {
	case strings.HasPrefix(machine, "pc-q35-"):
		return "q35"
	case strings.HasPrefix(machine, "pc-i440fx-"):
		return "pc"
	case strings.HasPrefix(machine, "virt-"):
		return "virt"
	}
	return machine
}

// readFirmware returns "uefi" or "bios".
func readFirmware(root *etree.Element) string {
	if value(root, "os", "firmware") == "efi" || value(root, "os/loader", "type") == "pflash" {
		return "uefi"
	}
	return "bios"
}
