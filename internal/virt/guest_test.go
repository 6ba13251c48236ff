package virt

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

// machine gives a daemon a domain "web" in a state that the calls change; with deaf it does not hear the power button.
type machine struct {
	state libvirt.DomainState
	deaf  bool
}

func newMachine(d *daemon, state libvirt.DomainState) *machine {
	m := &machine{state: state}
	become := func(s libvirt.DomainState, reply []byte) func([]byte) ([]byte, error) {
		return func([]byte) ([]byte, error) {
			m.state = s
			return reply, nil
		}
	}
	d.answer(domainByName, guestReply("web"))
	d.on[domainGetState] = func([]byte) ([]byte, error) { return words(uint32(m.state), 0), nil }
	d.on[domainCreate] = become(libvirt.DomainPaused, guestReply("web"))
	d.on[domainResume] = become(libvirt.DomainRunning, nil)
	d.on[domainDestroyFlags] = become(libvirt.DomainShutoff, nil)
	d.on[domainShutdown] = func([]byte) ([]byte, error) {
		if !m.deaf {
			m.state = libvirt.DomainShutoff
		}
		return nil, nil
	}
	d.answer(openConsole, []byte(nil))
	d.answer(domainGetXML, text("<domain/>"))
	return m
}

func TestStartRecordsTheConsoleFromTheFirstByte(t *testing.T) {
	d := newDaemon()
	m := newMachine(d, libvirt.DomainShutoff)
	h := d.open(t)
	for range 2 {
		if err := h.Do(context.Background(), plan.Step{Verb: plan.StartGuest, Host: "web"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if m.state != libvirt.DomainRunning {
		t.Errorf("state %d, want running", m.state)
	}
	order := []int{d.index(domainCreate), d.index(openConsole), d.index(domainResume)}
	if !slices.IsSorted(order) || order[0] < 0 {
		t.Errorf("create, console and resume are calls %v, want this order", order)
	}
}

func TestStart(t *testing.T) {
	tests := []struct {
		name  string
		state libvirt.DomainState
		setUp func(*daemon, *machine)
		want  string // of the error
	}{
		{"off", libvirt.DomainShutoff, nil, ""},
		{"running", libvirt.DomainRunning, nil, ""},
		{"paused", libvirt.DomainPaused, nil, ""},
		{"crashed and kept", libvirt.DomainCrashed, nil, ""},
		{"console in use", libvirt.DomainShutoff, func(d *daemon, _ *machine) {
			d.answer(openConsole, refusal(libvirt.ErrOperationFailed, "Active console session exists for this domain"))
		}, ""},
		{"console that hangs", libvirt.DomainShutoff, func(d *daemon, _ *machine) { d.answer(openConsole, errHang) }, ""},
		{"started by somebody else meanwhile", libvirt.DomainShutoff, func(d *daemon, m *machine) {
			d.on[domainCreate] = func([]byte) ([]byte, error) {
				m.state = libvirt.DomainRunning
				return nil, refusal(libvirt.ErrOperationInvalid, "Requested operation is not valid: domain is already running")
			}
		}, ""},
		{"cannot start", libvirt.DomainShutoff, func(d *daemon, _ *machine) {
			d.answer(domainCreate, refusal(libvirt.ErrOperationInvalid, "Requested operation is not valid: network 'x' is not active"))
		}, "run the same command again"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDaemon()
				m := newMachine(d, tt.state)
				if tt.setUp != nil {
					tt.setUp(d, m)
				}
				err := d.open(t).Do(context.Background(), plan.Step{Verb: plan.StartGuest, Host: "web"}, nil)
				if tt.want != "" {
					if err == nil || !strings.Contains(err.Error(), tt.want) {
						t.Errorf("error %v, want …%s…", err, tt.want)
					}
					return
				}
				if err != nil || m.state != libvirt.DomainRunning {
					t.Errorf("error %v, state %d, want a running guest", err, m.state)
				}
			})
		})
	}
}

func TestStop(t *testing.T) {
	tests := []struct {
		name  string
		state libvirt.DomainState
		deaf  bool
		on    bool
		asked int // times the power button is pressed
		calls []uint32
		want  string // of the error
	}{
		{"running", libvirt.DomainRunning, false, false, 1, nil, ""},
		{"off", libvirt.DomainShutoff, false, true, 0, nil, ""},
		{"paused", libvirt.DomainPaused, false, false, 1, []uint32{domainResume}, ""},
		{"deaf", libvirt.DomainRunning, true, false, 12, nil, "--force-stop"},
		{"deaf, pull the plug", libvirt.DomainRunning, true, true, 12, []uint32{domainDestroyFlags}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDaemon()
				m := newMachine(d, tt.state)
				m.deaf = tt.deaf
				step := plan.Step{Verb: plan.StopGuest, Host: "web", Timeout: time.Minute, On: tt.on}
				err := d.open(t).Do(context.Background(), step, nil)
				if tt.want == "" && (err != nil || m.state != libvirt.DomainShutoff) {
					t.Errorf("error %v, state %d, want it off", err, m.state)
				}
				if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("error %v, want …%s…", err, tt.want)
				}
				if got := d.count(domainShutdown); got != tt.asked {
					t.Errorf("asked %d times, want %d", got, tt.asked)
				}
				for _, call := range tt.calls {
					if d.count(call) != 1 {
						t.Errorf("function %d was called %d times, want once", call, d.count(call))
					}
				}
			})
		})
	}
}

func TestDetach(t *testing.T) {
	const nic = `<interface type='network'><mac address='52:54:00:00:00:01'/><alias name='net0'/></interface>`
	live := func(devices string) []byte {
		return text("<domain><devices><emulator>/usr/bin/qemu</emulator>" + devices + "</devices></domain>")
	}
	tests := []struct {
		name  string
		live  []any
		asked int
		want  string
	}{
		{"gone before", []any{live("")}, 0, ""},
		{"lets go", []any{live(nic), live(nic), live("")}, 1, ""},
		{"lets go late", append(slices.Repeat([]any{live(nic)}, 20), live("")), 2, ""},
		{"holds on", []any{live(nic)}, 6, "does not let go of the interface"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDaemon()
				newMachine(d, libvirt.DomainRunning)
				d.answer(domainGetXML, tt.live...)
				d.answer(domainDetach, []byte(nil))
				err := d.open(t).Do(context.Background(), plan.Step{Verb: plan.DetachDevice, Host: "web", XML: nic}, nil)
				if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
				if got := d.count(domainDetach); got != tt.asked {
					t.Errorf("asked %d times, want %d", got, tt.asked)
				}
			})
		})
	}
}
