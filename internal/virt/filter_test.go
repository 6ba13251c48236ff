package virt

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/digitalocean/go-libvirt"
	"github.com/google/go-cmp/cmp"

	"jeos/plan"
)

const (
	deviceXML        = 114
	deviceUpdate     = 174
	filterByUUID     = 176
	filterXML        = 177
	filterUndefine   = 181
	listDevicesCall  = 285
	listFiltersCall  = 286
	bindingCreate    = 399
	bindingDelete    = 400
	listBindingsCall = 401
)

// answerFilters gives a daemon two filters, of which one vanishes, and bindings of ports to filters in turn.
func answerFilters(d *daemon, bindings ...string) {
	id := func(n byte) []byte { return append(make([]byte, 15), n) }
	d.answer(listFiltersCall, slices.Concat(words(3), text("mine"), id(1), text("gone"), id(2), text("clean-traffic"), id(3), words(3)))
	d.on[filterXML] = func(args []byte) ([]byte, error) {
		if name, _ := stringArg(args, 0); name != "mine" {
			return nil, refusal(libvirt.ErrNoNwfilter, "no nwfilter with matching name '"+name+"'")
		}
		return text("<filter/>"), nil
	}
	reply := words(uint32(len(bindings) / 2))
	for _, s := range bindings {
		reply = append(reply, text(s)...)
	}
	d.answer(listBindingsCall, append(reply, words(uint32(len(bindings)/2))...))
}

func TestUpdateDevice(t *testing.T) {
	const (
		card    = `<interface type='network'><mac address='52:54:00:00:00:01'/><target dev='vnet3'/><filterref filter='mine'><parameter name='IP' value='a&amp;b'/></filterref></interface>`
		bare    = `<interface type='network'><mac address='52:54:00:00:00:01'/><target dev='vnet3'/></interface>`
		another = `<interface type='network'><mac address='52:54:00:00:00:02'/><target dev='vnet4'/><filterref filter='mine'/></interface>`
	)
	off := refusal(libvirt.ErrOperationInvalid, "Requested operation is not valid: domain is not running")
	tests := []struct {
		name     string
		device   string
		state    libvirt.DomainState
		refused  error
		bindings []string // of port and filter in turn
		created  int
		deleted  int
		want     string // of the error
	}{
		{"at work", card, libvirt.DomainRunning, nil, []string{"vnet3", "mine"}, 0, 0, ""},
		{"not at work", card, libvirt.DomainRunning, nil, []string{"vnet4", "mine"}, 1, 0, ""},
		{"another at work", card, libvirt.DomainRunning, nil, []string{"vnet3", "allow"}, 1, 1, ""},
		{"without filter", bare, libvirt.DomainRunning, nil, nil, 0, 0, ""},
		{"domain is off", card, libvirt.DomainShutoff, off, nil, 0, 0, ""},
		{"refused", card, libvirt.DomainRunning, refusal(libvirt.ErrInternalError, "referenced filter 'mine' is missing"), nil, 0, 0, "run the same command again"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDaemon()
			newMachine(d, tt.state)
			answerFilters(d, tt.bindings...)
			d.answer(deviceUpdate, tt.refused)
			if tt.refused == nil {
				d.answer(deviceUpdate, []byte(nil))
			}
			d.answer(domainGetXML, text("<domain><devices>"+another+tt.device+"</devices></domain>"))
			var binding string
			d.on[bindingCreate] = func(args []byte) ([]byte, error) {
				binding, _ = stringArg(args, 0)
				return slices.Concat(text("vnet3"), text("mine")), nil
			}
			d.answer(bindingDelete, []byte(nil))
			err := d.open(t).Do(context.Background(), plan.Step{Verb: plan.UpdateDevice, Host: "web", XML: tt.device}, nil)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want …%s…", err, tt.want)
			}
			if created, deleted := d.count(bindingCreate), d.count(bindingDelete); created != tt.created || deleted != tt.deleted {
				t.Errorf("%d bindings created and %d deleted, want %d and %d", created, deleted, tt.created, tt.deleted)
			}
			want := `<filterbinding><owner><name>web</name><uuid>00000000-0000-0000-0000-000000000000</uuid></owner><portdev name="vnet3"></portdev>` +
				`<mac address="52:54:00:00:00:01"></mac><filterref filter="mine"><parameter name='IP' value='a&amp;b'/></filterref></filterbinding>`
			if tt.created > 0 && binding != want {
				t.Errorf("binding\n%s\nwant\n%s", binding, want)
			}
		})
	}
}

// TestStartChecksFilters starts a guest whose filter libvirt has not put to work, and one where that does not go: it stays
// paused.
func TestStartChecksFilters(t *testing.T) {
	for name, refused := range map[string]error{"bound": nil, "cannot be bound": refusal(libvirt.ErrInternalError, "ebtables is broken")} {
		t.Run(name, func(t *testing.T) {
			d := newDaemon()
			m := newMachine(d, libvirt.DomainShutoff)
			answerFilters(d)
			d.answer(domainGetXML, text("<domain><devices><interface><mac address='52:54:00:00:00:01'/><target dev='vnet3'/><filterref filter='mine'/></interface></devices></domain>"))
			want := libvirt.DomainRunning
			d.answer(bindingCreate, slices.Concat(text("vnet3"), text("mine")))
			if refused != nil {
				d.answer(bindingCreate, refused)
				want = libvirt.DomainPaused
			}
			err := d.open(t).Do(context.Background(), plan.Step{Verb: plan.StartGuest, Host: "web"}, nil)
			if (err != nil) != (refused != nil) || m.state != want {
				t.Errorf("error %v, state %d, want state %d", err, m.state, want)
			}
		})
	}
}

func TestUndefineFilter(t *testing.T) {
	tests := map[string]struct {
		lookup, undefine any
		want             string
	}{
		"there":           {slices.Concat(text("mine"), noUUID), []byte(nil), ""},
		"gone":            {refusal(libvirt.ErrNoNwfilter, "no such filter"), []byte(nil), ""},
		"gone meanwhile":  {slices.Concat(text("mine"), noUUID), refusal(libvirt.ErrNoNwfilter, "no such filter"), ""},
		"used by another": {slices.Concat(text("mine"), noUUID), refusal(libvirt.ErrOperationInvalid, "nwfilter is in use"), "a running domain"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDaemon()
			d.answer(filterByUUID, tt.lookup)
			d.answer(filterUndefine, tt.undefine)
			err := d.open(t).Do(context.Background(), plan.Step{Verb: plan.UndefineFilter, Host: "mine", UUID: "00000000-0000-0000-0000-000000000001"}, nil)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want …%s…", err, tt.want)
			}
		})
	}
}

func TestDevices(t *testing.T) {
	d := newDaemon()
	d.on[listDevicesCall] = func(args []byte) ([]byte, error) {
		if want := words(1, 2|16); !bytes.Equal(args, want) { // PCI devices and network interfaces
			t.Errorf("asked for %v, want %v", args, want)
		}
		return slices.Concat(words(3), text("pci_2"), text("gone"), text("net_eth0"), words(3)), nil
	}
	d.on[deviceXML] = func(args []byte) ([]byte, error) {
		name, _ := stringArg(args, 0)
		if name == "gone" {
			return nil, refusal(libvirt.ErrNoNodeDevice, "no node device with matching name 'gone'")
		}
		return text("<" + name + "/>"), nil
	}
	got, err := d.open(t).Devices(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]plan.HostDevice{{Name: "net_eth0", XML: "<net_eth0/>"}, {Name: "pci_2", XML: "<pci_2/>"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
