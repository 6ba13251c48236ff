package virt

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

func TestCallsThatAreNotAnswered(t *testing.T) {
	tests := []struct {
		name  string
		reply any
		stop  time.Duration // after which the caller gives up; zero: never
		want  string
	}{
		{"silence", errHang, 0, "connection lost during virDomainLookupByName (no answer in time); outcome unknown; "},
		{"end of the connection", errHangUp, 0, "connection lost during virDomainLookupByName; outcome unknown; "},
		{"caller gives up", errHang, time.Second, "interrupted during virDomainLookupByName; outcome unknown; "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDaemon()
				d.answer(domainByName, tt.reply, refusal(libvirt.ErrNoDomain, "no domain"))
				h := d.open(t)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				if tt.stop > 0 {
					time.AfterFunc(tt.stop, cancel)
				}
				step := plan.Step{Verb: plan.StartGuest, Host: "web"}
				err := h.Do(ctx, step, nil)
				var lost *LostError
				if !errors.As(err, &lost) || !strings.HasPrefix(err.Error(), tt.want) {
					t.Errorf("error %q, want %q…", err, tt.want)
				}
				// The next call gets a new connection.
				if err := h.Do(context.Background(), step, nil); !errors.Is(err, plan.ErrNotFound) {
					t.Errorf("second call: %v, want not found", err)
				}
				if got := d.count(connectOpen); got != 2 {
					t.Errorf("%d connections, want 2", got)
				}
			})
		})
	}
}

func TestOpenFails(t *testing.T) {
	tests := []struct {
		name  string
		setUp func(*daemon)
		want  string
	}{
		{"silence", func(d *daemon) { d.answer(connectOpen, errHang) }, "connection lost during virConnectOpen (no answer in time)"},
		{"end", func(d *daemon) { d.answer(authList, errHangUp) }, "the other side closed the connection at once"},
		{"polkit", func(d *daemon) {
			d.answer(connectOpen, refusal(libvirt.ErrAuthUnavailable, "no polkit agent available to authenticate action"))
		}, "join the group libvirt"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDaemon()
				tt.setUp(d)
				h, err := d.tryOpen()
				if err == nil {
					h.Close()
					t.Fatal("Open succeeds")
				}
				if !strings.HasPrefix(err.Error(), "cannot connect to qemu:///system: ") || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %q, want …%q…", err, tt.want)
				}
			})
		})
	}
}

func TestGarbageInsteadOfLibvirt(t *testing.T) {
	tests := map[string]string{
		"another protocol": "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
		"zeros":            strings.Repeat("\x00", 64),
		"huge packet":      "\xff\xff\xff\xff" + strings.Repeat("\x00", 60),
		"short packet":     "\x00\x00\x00\x1b" + strings.Repeat("\x00", 60),
	}
	for name, greeting := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Open(context.Background(), "qemu:///system", Options{
				Dial: func(context.Context, string, string) (net.Conn, error) {
					ours, theirs := net.Pipe()
					go io.Copy(io.Discard, theirs)
					go io.WriteString(theirs, greeting)
					return ours, nil
				},
			})
			if err == nil || !strings.Contains(err.Error(), "not libvirt's protocol") {
				t.Errorf("error %v, want one about the protocol", err)
			}
		})
	}
}

func TestReadOnlyRefusesChanges(t *testing.T) {
	h := newDaemon().open(t)
	h.opt.ReadOnly = true
	ctx := context.Background()
	_, report := h.Report(ctx, "web")
	for name, err := range map[string]error{
		"Do":      h.Do(ctx, plan.Step{Verb: plan.StartGuest, Host: "web"}, nil),
		"Report":  report,
		"Console": h.Console(ctx, "web", nil),
	} {
		if !errors.Is(err, errReadOnly) {
			t.Errorf("%s: %v, want %v", name, err, errReadOnly)
		}
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name     string
		code     libvirt.ErrorNumber
		message  string
		notFound bool
		want     string // part of the text
	}{
		{"domain", 42, "Domain not found", true, "virCall: Domain not found"},
		{"network", 43, "Network not found", true, ""},
		{"pool", 49, "Storage pool not found", true, ""},
		{"volume", 50, "Storage volume not found", true, ""},
		{"node device", 53, "x", true, ""},
		{"filter", 62, "x", true, ""},
		{"secret", 66, "x", true, ""},
		{"metadata", 80, "x", true, ""},
		{"another failure", 9, "operation failed: x", false, "virCall: operation failed: x"},
		{"read-only", 29, "operation virDomainCreate forbidden: read only access prevents virDomainCreate", false, "join the group libvirt"},
		{"full", 38, "cannot fill file '/x': No space left on device", false, "free space on the host"},
		{"network off", 55, "Requested operation is not valid: network 'home-inside' is not active", false, "run the same command again"},
		{"no kvm", 67, "unsupported configuration: Emulator '/usr/bin/qemu-system-x86_64' does not support virt type 'kvm'", false, `accel = "tcg"`},
		{"address in use", 1, "internal error: Network is already in use by interface eth0", false, "choose other cidrs"},
		{"bridge exists", 1, "internal error: bridge name 'virbr0' already in use.", false, "rename or remove"},
		{"name taken", 9, "operation failed: domain 'web' already exists with uuid 1234", false, "rename or remove"},
		{"memory", 1, "internal error: qemu unexpectedly closed the monitor: cannot set up guest memory 'pc.ram': Cannot allocate memory", false, "free memory"},
		{"image missing", 38, "Cannot access storage file '/p/x.qcow2': No such file or directory", false, "makes what is missing"},
		{"hostile text", 1, "\x1b[2Jpwned\a", false, "virCall: pwned"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := &Error{Call: "virCall", Code: tt.code, Message: tt.message}
			if got := errors.Is(err, plan.ErrNotFound); got != tt.notFound {
				t.Errorf("not found: %v, want %v", got, tt.notFound)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("text %q, want …%q…", err, tt.want)
			}
		})
	}
}

func TestUnsupportedProcedure(t *testing.T) {
	d := newDaemon()
	d.answer(domainByName, refusal(libvirt.ErrRPC, "unknown procedure: 23"))
	err := d.open(t).Do(context.Background(), plan.Step{Verb: plan.StartGuest, Host: "web"}, nil)
	if err == nil || !strings.Contains(err.Error(), "needs libvirt >= 5.6") {
		t.Errorf("error %v, want one that names the version", err)
	}
}
