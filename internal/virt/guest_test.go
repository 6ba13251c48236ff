package virt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/digitalocean/go-libvirt"
	"github.com/google/go-cmp/cmp"

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

func TestAwait(t *testing.T) {
	const done = `{"version":1,"cloud_init":"done"}` + "\n"
	running := func(stage string) string {
		return fmt.Sprintf(`{"cloud_init":"running","stage":"%s","uptime":12.7}`, stage) + "\n"
	}
	busyPort := refusal(libvirt.ErrOperationFailed, "Active channel stream exists for this domain")
	tests := []struct {
		name    string
		reports []string // what a reader of the port gets
		setUp   func(*daemon, *machine)
		want    []string // parts of the error; none: no error
		text    string   // of some progress
	}{
		{"ready", []string{"old\n", done}, nil, nil, ""},
		{"line in pieces", []string{"ld\n{\"cloud", "_init\":\"do", "ne\"}", "\n"}, nil, nil, ""},
		{"rubbish between", []string{"old\n", "rubbish\n", done}, nil, nil, ""},
		{"never ready", []string{"old\n", running(`init\u001b[2J-local`)}, nil,
			[]string{"it did not report ready within 5m0s (last report: cloud-init: init-local, 12 s); ", "| booting"}, "cloud-init: init-local, 12 s"},
		{"first line alone", []string{done}, nil, []string{"it did not report ready within 5m0s; "}, "no report yet, 15 s"},
		{"failed", []string{"old\n", `{"cloud_init":"error","errors":["no disk\nfor /srv"]}` + "\n"}, nil,
			[]string{"its first boot ended in an error", "\n  error: no disk for /srv", "\n  | booting"}, ""},
		{"stops", []string{"old\n", running("x")}, func(d *daemon, m *machine) {
			time.AfterFunc(time.Minute, func() { d.mu.Lock(); m.state = libvirt.DomainShutoff; d.mu.Unlock() })
		}, []string{"it stopped before it was ready", "| booting"}, ""},
		{"port in use for a while", []string{"old\n", done}, func(d *daemon, _ *machine) {
			d.answer(domainOpenChannel, busyPort, busyPort, busyPort, []byte(nil))
		}, nil, ""},
		{"libvirt restarts", []string{"old\n", done}, func(d *daemon, _ *machine) {
			d.answer(domainOpenChannel, errHangUp, errHangUp, []byte(nil))
		}, nil, ""},
		{"no port", nil, func(d *daemon, _ *machine) {
			d.answer(domainOpenChannel, refusal(libvirt.ErrInternalError, "cannot find channel org.jeos.report.0"))
		}, []string{"cannot find channel"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDaemon()
				m := newMachine(d, libvirt.DomainShutoff)
				d.answer(domainOpenChannel, []byte(nil))
				d.feed[domainOpenChannel] = tt.reports
				d.feed[openConsole] = []string{"boo", "ting\r\n"}
				if tt.setUp != nil {
					tt.setUp(d, m)
				}
				h := d.open(t)
				if err := h.Do(context.Background(), plan.Step{Verb: plan.StartGuest, Host: "web"}, nil); err != nil {
					t.Fatal(err)
				}
				var texts []string
				step := plan.Step{Verb: plan.AwaitGuest, Host: "web", Timeout: 5 * time.Minute}
				err := h.Do(context.Background(), step, func(p plan.Progress) { texts = append(texts, p.Text) })
				if (err == nil) != (tt.want == nil) {
					t.Errorf("error %v, want one: %v", err, tt.want != nil)
				}
				for _, part := range tt.want {
					if err != nil && !strings.Contains(err.Error(), part) {
						t.Errorf("error %q lacks %q", err, part)
					}
				}
				if tt.text != "" && !slices.Contains(texts, tt.text) {
					t.Errorf("progress %q lacks %q", texts, tt.text)
				}
			})
		})
	}
}

func TestAwaitIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon()
		newMachine(d, libvirt.DomainRunning)
		d.answer(domainOpenChannel, []byte(nil))
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Minute, cancel)
		err := d.open(t).Do(ctx, plan.Step{Verb: plan.AwaitGuest, Host: "web", Timeout: time.Hour}, nil)
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "stopped waiting") {
			t.Errorf("error %v, want that the waiting was stopped", err)
		}
	})
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

func TestBusyPoolIsWaitedFor(t *testing.T) {
	job := refusal(libvirt.ErrInternalError, "internal error: pool 'p' has asynchronous jobs running.")
	tests := map[string]struct {
		replies []any
		want    string
	}{
		"for a while": {[]any{job, job, job, []byte(nil)}, ""},
		"for ever":    {[]any{job}, "another program works in the pool"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDaemon()
				d.answer(poolByName, poolReply("p"))
				d.answer(poolRefresh, tt.replies...)
				err := d.open(t).Do(context.Background(), plan.Step{Verb: plan.RefreshPool, Host: "p"}, nil)
				if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
				if d.count(poolRefresh) < 4 {
					t.Errorf("tried %d times", d.count(poolRefresh))
				}
			})
		})
	}
}

func TestMailbox(t *testing.T) {
	line := func(n int) string { return fmt.Sprintf(`{"sequence":%d}`, n) + "\n" }
	tests := map[string]struct {
		data string
		want int64 // sequence; 0: no report
	}{
		"nothing":            {"", 0},
		"one line":           {line(1), 0},
		"second line":        {line(1) + line(2), 2},
		"not the third":      {line(1) + line(2) + line(3), 2},
		"unfinished line":    {line(1) + `{"sequence":2}`, 0},
		"half a line first":  {`ence":1}` + "\n" + line(2), 2},
		"rubbish":            {line(1) + "\x00\xff\n" + line(3), 3},
		"endless line":       {line(1) + strings.Repeat("x", 3*maxReport) + "\n" + line(3), 3},
		"endless first line": {strings.Repeat("x", 3*maxReport) + "\n" + line(2), 2},
	}
	for name, tt := range tests {
		for _, size := range []int{1, 7, 1 << 20} {
			t.Run(fmt.Sprintf("%s in pieces of %d", name, size), func(t *testing.T) {
				m := &mailbox{reports: make(chan *plan.Report, 1)}
				for piece := range slices.Chunk([]byte(tt.data), size) {
					m.Write(piece)
				}
				if len(m.buffer) > 2*maxReport+size {
					t.Errorf("%d bytes are kept", len(m.buffer))
				}
				var got int64
				select {
				case r := <-m.reports:
					got = r.Sequence
				default:
				}
				if got != tt.want {
					t.Errorf("report %d, want %d", got, tt.want)
				}
			})
		}
	}
}

func TestClean(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"plain":             {"a b\nc", "a b\nc"},
		"colours":           {"[\x1b[0;32m  OK  \x1b[0m] up", "[  OK  ] up"},
		"title":             {"\x1b]0;pwned\aok\x1b]2;x\x1b\\!", "ok!"},
		"clipboard":         {"\x1b]52;c;cm0gLXJm\x1b\\x", "x"},
		"two bytes":         {"\x1bcreset\x1b(Bx", "resetx"},
		"cut at the end":    {"x\x1b[0;3", "x"},
		"lines end in CRLF": {"a\r\nb\r\n", "a\nb\n"},
		"overwritten":       {"10%\r20%\r30%\n", "30%\n"},
		"controls":          {"a\x00\x07\bb\x7f\u009b1mc", "ab1mc"},
		"tab":               {"a\tb", "a b"},
		"not UTF-8":         {"a\xffb", "a\ufffdb"},
		"bidi":              {"a\u202eb\u2066c", "abc"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, clean(tt.in)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b[31mb\x1b]0;x\a\r\n\x9b")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range clean(s) {
			if r != '\n' && printable(r) != r {
				t.Errorf("clean(%q) = %q holds %U", s, clean(s), r)
			}
		}
	})
}

func TestTail(t *testing.T) {
	tests := map[string]struct {
		writes []string
		want   []string
	}{
		"nothing":         {nil, nil},
		"less than kept":  {[]string{"ab\n", "c"}, []string{"ab", "c"}},
		"more than kept":  {[]string{"abcdefgh\n", "ij\nk"}, []string{"fgh", "ij", "k"}},
		"one huge write":  {[]string{strings.Repeat("x", 100) + "\nlast"}, []string{"xxx", "last"}},
		"blank lines":     {[]string{"a\n\n  \nb"}, []string{"a", "b"}},
		"more than asked": {[]string{"a\nb\nc\nd"}, []string{"b", "c", "d"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			kept := newTail(8)
			for _, w := range tt.writes {
				kept.Write([]byte(w))
			}
			if diff := cmp.Diff(tt.want, kept.lines(3)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
