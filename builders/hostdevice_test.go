package builders

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"

	"jeos/internal/config"
	"jeos/plan"
)

// netNode describes a network interface of the host.
func netNode(name, parent, state string) plan.HostDevice {
	return plan.HostDevice{Name: "net_" + name, XML: fmt.Sprintf(
		"<device><name>net_%s</name><parent>%s</parent><capability type='net'><interface>%[1]s</interface><link state='%[3]s'/></capability></device>", name, parent, state)}
}

func TestDevices(t *testing.T) {
	const (
		card   = "0000:03:00.0"
		cardID = "8086:2723"
	)
	wifi := func(driver string, group int, others ...string) plan.HostDevice {
		return pciNode(card, cardID, "0x028000", driver, group, others...)
	}
	byID, byAddress := config.Device{Name: "card", ID: cardID}, config.Device{Name: "card", Address: card}
	managed := byID
	managed.Managed = true
	const audio = "0000:03:00.1"
	tests := map[string]struct {
		device config.Device
		host   []plan.HostDevice
		want   string   // the summary; "" for no problem
		says   []string // parts of the detail, or of a notice
	}{
		"set aside, by identity":   {byID, []plan.HostDevice{wifi("vfio-pci", 5)}, "", nil},
		"set aside, by address":    {byAddress, []plan.HostDevice{wifi("vfio-pci", 5)}, "", nil},
		"managed":                  {managed, []plan.HostDevice{wifi("iwlwifi", 5), netNode("wlan0", "pci_0000_03_00_0", "down")}, "", nil},
		"managed, without driver":  {managed, []plan.HostDevice{wifi("", 5)}, "", nil},
		"no such identity":         {byID, []plan.HostDevice{pciNode("0000:04:00.0", "10ec:8168", "0x020000", "r8169", 1)}, "Device not found", []string{"10ec:8168 at 0000:04:00.0 (Maker Card, driver r8169)"}},
		"no such address":          {byAddress, []plan.HostDevice{}, "Device not found", []string{card, "no network card"}},
		"several":                  {byID, []plan.HostDevice{wifi("vfio-pci", 5), pciNode("0000:05:00.0", cardID, "0x028000", "vfio-pci", 7)}, "Several devices match", []string{"0000:03:00.0, 0000:05:00.0", `pci("0000:03:00.0")`}},
		"bridge":                   {byID, []plan.HostDevice{pciNode(card, cardID, "0x060400", "pcieport", 1)}, "Device is a bridge", []string{"behind it"}},
		"no IOMMU":                 {byID, []plan.HostDevice{wifi("vfio-pci", 0)}, "Device has no IOMMU group", []string{"intel_iommu=on"}},
		"group with a driver":      {byID, []plan.HostDevice{wifi("vfio-pci", 5, audio), pciNode(audio, "8086:0001", "0x040300", "snd_hda_intel", 5, card)}, "IOMMU group is shared", []string{"8086:0001 at 0000:03:00.1 (Maker Card, driver snd_hda_intel)"}},
		"group with an ISA bridge": {byID, []plan.HostDevice{wifi("vfio-pci", 5, audio), pciNode(audio, "8086:0001", "0x060100", "lpc_ich", 5, card)}, "IOMMU group is shared", []string{"lpc_ich"}},
		"group without drivers":    {byID, []plan.HostDevice{wifi("vfio-pci", 5, audio), pciNode(audio, "8086:0001", "0x040300", "", 5, card)}, "", nil},
		"group with a PCI bridge":  {byID, []plan.HostDevice{wifi("vfio-pci", 5, audio), pciNode(audio, "8086:0001", "0x060400", "pcieport", 5, card)}, "", nil},
		"group set aside":          {byID, []plan.HostDevice{wifi("vfio-pci", 5, audio), pciNode(audio, "8086:0001", "0x040300", "vfio-pci", 5, card)}, "", nil},
		"has the host's driver":    {byID, []plan.HostDevice{wifi("iwlwifi", 5)}, "Device is not set aside for guests", []string{"options vfio-pci ids=8086:2723", "softdep iwlwifi pre: vfio-pci", "virsh nodedev-detach pci_0000_03_00_0", "update-initramfs -u"}},
		"has no driver":            {byID, []plan.HostDevice{wifi("", 5)}, "Device is not set aside for guests", []string{"options vfio-pci"}},
		"way out of the host":      {managed, []plan.HostDevice{wifi("iwlwifi", 5), netNode("wlan0", "pci_0000_03_00_0", "up"), netNode("lo", "computer", "up")}, "Device is in use by the host", []string{"ip link set wlan0 down"}},
		"way out, not managed":     {byID, []plan.HostDevice{wifi("iwlwifi", 5), netNode("wlan0", "pci_0000_03_00_0", "up")}, "Device is in use by the host", []string{"interface wlan0, which has a link", "ip link set wlan0 down", "options vfio-pci ids=8086:2723"}},
		"not managed, no link":     {byID, []plan.HostDevice{wifi("iwlwifi", 5), netNode("wlan0", "pci_0000_03_00_0", "down")}, "Device is not set aside for guests", []string{"virsh nodedev-detach"}},
		"known not to work":        {config.Device{Name: "card", ID: "17cb:1103"}, []plan.HostDevice{pciNode(card, "17cb:1103", "0x028000", "vfio-pci", 5)}, "", []string{"WCN6855"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			site := testSite()
			tt.device.Origin = "main.jeos.hcl:99"
			testGuest(site).Devices = []config.Device{tt.device}
			p, err := Plan(site, &plan.Inventory{Devices: tt.host}, plan.Options{})
			said := ""
			for _, n := range p.Notices {
				said += n.Text
			}
			if refusal, _ := errors.AsType[*plan.Refusal](err); refusal != nil {
				said = refusal.Problems[0].Detail
				if len(refusal.Problems) != 1 || refusal.Problems[0].Summary != tt.want || refusal.Problems[0].Origin != tt.device.Origin {
					t.Errorf("problems %v, want %q", refusal.Problems, tt.want)
				}
			} else if err != nil || tt.want != "" {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			for _, part := range tt.says {
				if !strings.Contains(said, part) {
					t.Errorf("%q is not in: %s", part, said)
				}
			}
			if len(tt.says) == 0 && len(p.Notices) > 0 {
				t.Errorf("notices %v", p.Notices)
			}
		})
	}
}

// TestDeviceGroups gives all of an IOMMU group to one guest, and then a part of it to another.
func TestDeviceGroups(t *testing.T) {
	site := guardedSite()
	site.Guests[0].Devices = []config.Device{
		{Name: "first", Address: "0000:04:00.0", Managed: true},
		{Name: "second", Address: "0000:04:00.1", Managed: true},
	}
	devices := testDevices()
	devices[2] = pciNode("0000:04:00.0", "8086:1521", "0x020000", "igb", 6, "0000:04:00.1")
	if _, err := Plan(site, &plan.Inventory{Devices: devices}, plan.Options{}); err != nil {
		t.Errorf("the whole group: %v", err)
	}
	site.Guests[0].Devices = site.Guests[0].Devices[:1]
	if _, err := Plan(site, &plan.Inventory{Devices: devices}, plan.Options{}); err == nil || !strings.Contains(err.Error(), "IOMMU group is shared") {
		t.Errorf("a part of the group: %v", err)
	}
	site.Guests[1].Devices = []config.Device{{Name: "same", ID: "8086:2723"}}
	site.Guests[0].Devices = []config.Device{{Name: "card", Address: "0000:03:00.0"}}
	_, err := Plan(site, &plan.Inventory{Devices: devices}, plan.Options{})
	if err == nil || strings.Count(err.Error(), "Device is wanted twice") != 2 {
		t.Errorf("one device for two guests: %v", err)
	}
}

// moved is where the devices of guardedSite are after hardware came in.
func moved() []plan.HostDevice {
	return []plan.HostDevice{
		pciNode("0000:03:00.0", "144d:a808", "0x010802", "nvme", 5),
		pciNode("0000:04:00.0", "8086:2723", "0x028000", "vfio-pci", 6),
		pciNode("0000:04:00.1", "8086:1521", "0x020000", "vfio-pci", 7),
	}
}

// TestDeviceMoves has the address of a device change. One that is named by what it is moves; at an address that was given
// there must be what was there.
func TestDeviceMoves(t *testing.T) {
	site := guardedSite()
	inv := applied(build(t, site, guardedHost()))
	inv.Devices = moved()
	p, err := Plan(site, inv, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := p.WriteText(&text, plan.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"8086:2723 at 0000:03:00.0 -> 8086:2723 at 0000:04:00.0", `device "card" has moved from 0000:03:00.0 to 0000:04:00.0`} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in the plan:\n%s", want, text.String())
		}
	}
	for _, s := range p.Steps {
		if s.Verb == plan.DefineGuest && strings.Contains(s.XML, `bus="0x03"`) {
			t.Errorf("the definition still has the old address:\n%s", s.XML)
		}
	}

	site.Guests[0].Devices[0] = config.Device{Name: "card", Address: "0000:03:00.0"}
	_, err = Plan(site, inv, plan.Options{})
	if err == nil || !strings.Contains(err.Error(), "Device is another one") || !strings.Contains(err.Error(), `pci("8086:2723")`) {
		t.Errorf("error %v, want that it is another device", err)
	}
}

// TestDevicesThatNobodyChanges checks that a guest which stays as it is has no problem with its devices, and that nobody asks
// for them in vain.
func TestDevicesThatNobodyChanges(t *testing.T) {
	site := guardedSite()
	inv := applied(build(t, site, guardedHost()))
	inv.Devices = testDevices()
	inv.Devices = append(inv.Devices, pciNode("0000:03:00.1", "8086:0001", "0x040300", "snd_hda_intel", 5, "0000:03:00.0"))
	p, err := Plan(site, inv, plan.Options{})
	if err != nil || !p.Empty() || len(p.Notices) > 0 {
		t.Errorf("error %v, changes %v, notices %v", err, p.Changes, p.Notices)
	}
	// One that is only defined may wait for its driver.
	inv.Devices[1] = pciNode("0000:03:00.0", "8086:2723", "0x028000", "iwlwifi", 5)
	site.Guests[0].Protect = true
	if p, err := Plan(site, inv, plan.Options{}); err != nil || p.Empty() {
		t.Errorf("error %v, changes %v", err, p.Changes)
	}
	for name, tt := range map[string]struct {
		site *config.Site
		opt  plan.Options
		want bool
	}{
		"a device":    {site, plan.Options{}, true},
		"destroyed":   {site, plan.Options{Destroy: true}, false},
		"only baked":  {site, plan.Options{Images: []plan.Addr{{Kind: plan.KindImage, Name: "wifi"}}}, false},
		"none at all": {testSite(), plan.Options{}, false},
	} {
		if got := NeedsDevices(tt.site, tt.opt); got != tt.want {
			t.Errorf("%s: asked %v, want %v", name, got, tt.want)
		}
	}
}

// TestBuildWithoutDevices builds for a host that nobody asked: what is not known is left out.
func TestBuildWithoutDevices(t *testing.T) {
	vpn := resource(t, build(t, guardedSite(), testHost()), "guest.vpn")
	values := attrValues(vpn.Attrs)
	if values["hostdev.card"] != "8086:2723 at an unknown address" || values["hostdev.port"] != "an unknown device at 0000:04:00.1 managed" {
		t.Errorf("attributes %v", values)
	}
	if n := strings.Count(vpn.XML, "<hostdev"); n != 1 {
		t.Errorf("%d devices, want 1", n)
	}
}

// TestEditDevices keeps what a device has beside its address, takes away what somebody added, and adds what is missing.
func TestEditDevices(t *testing.T) {
	vpn := resource(t, build(t, guardedSite(), guardedHost()), "guest.vpn")
	const (
		kept   = `<hostdev mode="subsystem" type="pci" managed="yes"><source><address domain="0x0000" bus="0x03" slot="0x00" function="0x0"/></source><rom bar="off"/><address type="pci" bus="0x07"/></hostdev>`
		mine   = `<hostdev mode="subsystem" type="pci" managed="yes"><source><address domain="0x0000" bus="0x09" slot="0x00" function="0x0"/></source></hostdev>`
		usb    = `<hostdev mode="subsystem" type="usb"><source><vendor id="0x1d6b"/><product id="0x0002"/></source></hostdev>`
		shared = `<filesystem type="mount"><source dir="/etc"/><target dir="etc"/></filesystem>`
	)
	current := changed(t, vpn.XML, func(root *etree.Element) {
		removeChildren(root.SelectElement("devices"), "hostdev")
		for _, e := range []string{kept, kept, mine, usb, shared} {
			add(t, root, "devices", e)
		}
	})
	edited, err := vpn.Edit(current)
	if err != nil {
		t.Fatal(err)
	}
	_, root, err := parseXML(edited)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tag := range passedThrough {
		for _, e := range root.FindElements("devices/" + tag) {
			xml, err := elementXML(e)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, xml)
		}
	}
	want := []string{
		strings.Replace(kept, `managed="yes"`, `managed="no"`, 1),
		`<hostdev mode="subsystem" type="pci" managed="yes"><source><address domain="0x0000" bus="0x04" slot="0x00" function="0x1"/></source></hostdev>`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
