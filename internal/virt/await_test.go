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

	"jeos/plan"
)

func TestAwait(t *testing.T) {
	const done = `{"version":1,"cloud_init":"done"}` + "\n"
	running := func(stage string) string {
		return fmt.Sprintf(`{"cloud_init":"running","stage":"%s","uptime":12.7}`, stage) + "\n"
	}
	guarded := func(guard, probe bool) string {
		return fmt.Sprintf(`{"cloud_init":"done","guard":{"ok":%v,"text":"no rules\u0007"},"probes":[{"name":"dns","ok":true},`+
			`{"name":"tunnel","ok":%v,"text":"down"}],"uptime":9}`, guard, probe) + "\n"
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
		{"guard closed", []string{"old\n", guarded(true, false)}, nil, nil, ""},
		{"guard open", []string{"old\n", guarded(false, true)}, nil,
			[]string{"it did not report ready within 5m0s (last report: guard: no rules, 9 s); "}, "guard: no rules, 9 s"},
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

func TestAwaitNamesTheRemedyOfTheStep(t *testing.T) {
	tests := map[string]struct{ report, want string }{
		"failed":   {`{"cloud_init":"error","errors":["no such package: cowsey"]}`, "its work ended in an error (last report: cloud-init: error, 0 s); correct the image\n  error: no such package: cowsey"},
		"too slow": {`{"cloud_init":"running","stage":"bake"}`, "it did not report ready within 5m0s (last report: cloud-init: bake, 0 s); raise its timeout"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDaemon()
				newMachine(d, libvirt.DomainRunning)
				d.answer(domainOpenChannel, []byte(nil))
				d.feed[domainOpenChannel] = []string{"old\n", tt.report + "\n"}
				step := plan.Step{Verb: plan.AwaitGuest, Host: "web", Timeout: 5 * time.Minute, Remedy: "correct the image"}
				err := d.open(t).Do(context.Background(), step, nil)
				if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
					t.Errorf("error %q, want %q…", err, tt.want)
				}
			})
		})
	}
}

func TestAwaitProbes(t *testing.T) {
	tests := map[string]struct{ probes, want string }{
		"no probes": {"", ""},
		"good":      {`{"name":"dns","ok":true},{"name":"tunnel","ok":true}`, ""},
		"one fails": {`{"name":"dns","ok":true},{"name":"tunnel","ok":false,"text":"down"}`, "(last report: probe tunnel: down, 0 s)"},
		"silent":    {`{"name":"dns","ok":false}`, "(last report: probe dns: failed, 0 s)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDaemon()
				newMachine(d, libvirt.DomainRunning)
				d.answer(domainOpenChannel, []byte(nil))
				d.feed[domainOpenChannel] = []string{"old\n", `{"cloud_init":"done","probes":[` + tt.probes + "]}\n"}
				step := plan.Step{Verb: plan.AwaitGuest, Host: "web", Timeout: 5 * time.Minute, Probes: true}
				err := d.open(t).Do(context.Background(), step, nil)
				if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
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
