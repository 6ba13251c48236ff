package builders

import (
	"github.com/beevik/etree"
	"libvirt.org/go/libvirtxml"
)

// Names of the virtio-serial ports of every guest.
const (
	reportPort = "org.jeos.report.0"      // on which it reports its state
	agentPort  = "org.qemu.guest_agent.0" // of the QEMU guest agent, should the guest have one
)

// channel builds a virtio-serial port.
func channel(name string) libvirtxml.DomainChannel {
	return libvirtxml.DomainChannel{
		Source: &libvirtxml.DomainChardevSource{UNIX: &libvirtxml.DomainChardevSourceUNIX{}},
		Target: &libvirtxml.DomainChannelTarget{VirtIO: &libvirtxml.DomainChannelTargetVirtIO{Name: name}},
	}
}

// hasPort reports whether the devices have the virtio-serial port of that name.
func hasPort(devices *etree.Element, name string) bool {
	for _, e := range devices.SelectElements("channel") {
		if value(e, "target", "name") == name {
			return true
		}
	}
	return false
}

// editReportPort adds the port of the reports when it is missing.
func editReportPort(devices *etree.Element) error {
	if hasPort(devices, reportPort) {
		return nil
	}
	return addXML(devices, channel(reportPort))
}

// serialConsole builds the one serial port and the console on it.
func serialConsole() ([]libvirtxml.DomainSerial, []libvirtxml.DomainConsole) {
	port := uint(0)
	pty := func() *libvirtxml.DomainChardevSource {
		return &libvirtxml.DomainChardevSource{Pty: &libvirtxml.DomainChardevSourcePty{}}
	}
	return []libvirtxml.DomainSerial{{Source: pty(), Target: &libvirtxml.DomainSerialTarget{Port: &port}}},
		[]libvirtxml.DomainConsole{{Source: pty(), Target: &libvirtxml.DomainConsoleTarget{Type: "serial", Port: &port}}}
}
