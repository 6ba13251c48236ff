package virt

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/digitalocean/go-libvirt"
	"github.com/google/go-cmp/cmp"

	"jeos/plan"
)

const (
	connectCapabilities = 7
	networkGetXML       = 43
	listDomainsCall     = 273
	listNetworksCall    = 283
)

// TestInventory reads a host on which an object vanishes between listing and reading, of each kind one.
func TestInventory(t *testing.T) {
	d := newDaemon()
	id := func(n byte) []byte { return append(make([]byte, 15), n) }
	domains := map[string][]byte{
		"web":    slices.Concat(text("web"), id(1), words(7)),
		"db":     slices.Concat(text("db"), id(2), words(^uint32(0))),
		"paused": slices.Concat(text("paused"), id(3), words(8)),
		"gone":   slices.Concat(text("gone"), id(4), words(9)),
	}
	list := func(all map[string][]byte, names ...string) []byte {
		reply := words(uint32(len(names)))
		for _, name := range names {
			reply = append(reply, all[name]...)
		}
		return append(reply, words(uint32(len(names)))...)
	}
	flags := func(args []byte) uint32 { return binary.BigEndian.Uint32(args[4:]) }
	d.on[listDomainsCall] = func(args []byte) ([]byte, error) {
		switch libvirt.ConnectListAllDomainsFlags(flags(args)) {
		case 0:
			return list(domains, "web", "db", "paused", "gone"), nil
		case libvirt.ConnectListDomainsPaused:
			return list(domains, "paused"), nil
		case libvirt.ConnectListDomainsTransient, libvirt.ConnectListDomainsAutostart:
			return list(domains, "web"), nil
		case libvirt.ConnectListDomainsManagedsave:
			return list(domains, "db"), nil
		}
		return list(domains), nil
	}
	d.on[domainGetXML] = func(args []byte) ([]byte, error) {
		name, at := stringArg(args, 0)
		if name == "gone" {
			return nil, refusal(libvirt.ErrNoDomain, "Domain not found")
		}
		if flags := libvirt.DomainXMLFlags(binary.BigEndian.Uint32(args[at+20:])); flags&libvirt.DomainXMLInactive != 0 {
			if flags&libvirt.DomainXMLSecure == 0 {
				t.Errorf("the definition of %s is read without its passwords", name)
			}
			return text("inactive " + name), nil
		}
		return text("live " + name), nil
	}
	networks := map[string][]byte{"lan": slices.Concat(text("lan"), id(5)), "gone": slices.Concat(text("gone"), id(6))}
	d.on[listNetworksCall] = func(args []byte) ([]byte, error) {
		if libvirt.ConnectListAllNetworksFlags(flags(args)) == libvirt.ConnectListNetworksTransient {
			return list(networks), nil
		}
		return list(networks, "lan", "gone"), nil
	}
	d.on[networkGetXML] = func(args []byte) ([]byte, error) {
		if name, _ := stringArg(args, 0); name == "gone" {
			return nil, refusal(libvirt.ErrNoNetwork, "Network not found")
		}
		return text("lan"), nil
	}
	d.answer(poolByName, refusal(libvirt.ErrNoStoragePool, "Storage pool not found"))
	answerFilters(d, "vnet7", "mine", "vnet3", "clean-traffic")

	inv, err := d.open(t).Inventory(context.Background(), "p", func(name string) bool { return name != "clean-traffic" })
	if err != nil {
		t.Fatal(err)
	}
	uuid := func(n string) string { return "00000000-0000-0000-0000-00000000000" + n }
	want := &plan.Inventory{
		URI: "qemu:///system",
		Domains: []plan.HostDomain{
			{Name: "db", UUID: uuid("2"), XML: "inactive db", State: plan.Off, Persistent: true, ManagedSave: true},
			{Name: "paused", UUID: uuid("3"), XML: "inactive paused", LiveXML: "live paused", State: plan.Paused, Persistent: true},
			{Name: "web", UUID: uuid("1"), XML: "inactive web", LiveXML: "live web", State: plan.Running, Autostart: true},
		},
		Networks: []plan.HostNetwork{{Name: "lan", UUID: uuid("5"), XML: "lan", LiveXML: "lan", Active: true, Autostart: true, Persistent: true}},
		Filters:  []plan.HostFilter{{Name: "clean-traffic", UUID: uuid("3")}, {Name: "mine", UUID: uuid("1"), XML: "<filter/>"}},
		Bindings: []plan.HostBinding{{Port: "vnet3", Filter: "clean-traffic"}, {Port: "vnet7", Filter: "mine"}},
	}
	if diff := cmp.Diff(want, inv); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestInventoryFails(t *testing.T) {
	d := newDaemon()
	d.answer(listDomainsCall, refusal(libvirt.ErrAccessDenied, "access denied"))
	d.answer(listNetworksCall, words(0, 0))
	d.answer(poolByName, refusal(libvirt.ErrNoStoragePool, "Storage pool not found"))
	_, err := d.open(t).Inventory(context.Background(), "p", func(string) bool { return true })
	if err == nil || !strings.Contains(err.Error(), "reading the host: virConnectListAllDomains: access denied; a polkit rule") {
		t.Errorf("error %v", err)
	}
}

func TestKVM(t *testing.T) {
	d := newDaemon()
	d.answer(connectCapabilities, text(`<capabilities><guest><arch name='x86_64'><domain type='qemu'/><domain type='kvm'/></arch></guest>
		<guest><arch name='riscv64'><domain type='qemu'/></arch></guest></capabilities>`))
	h := d.open(t)
	for range 2 {
		got, err := h.KVM(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]bool{"x86_64": true, "riscv64": false}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		clear(got) // is the caller's own
	}
	if got := d.count(connectCapabilities); got != 1 {
		t.Errorf("asked %d times, want once", got)
	}
}
