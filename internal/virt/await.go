package virt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"jeos/plan"
)

const (
	// pollPause is the time between two looks at a guest.
	pollPause = time.Second
	// pollLimit is how long one look may take; a guest writes every two seconds, a slow one less often.
	pollLimit = 15 * time.Second
	// pollFailures is how many looks in a row may fail for want of a connection: libvirt may be restarted meanwhile.
	pollFailures = 5
)

// GuestError tells that a guest did not become ready.
type GuestError struct {
	Domain  string
	Reason  string       // a clause: "it did not report ready within 10m0s"
	Remedy  string       // what to do
	Report  *plan.Report // the last one; nil if there was none
	Console []string     // its last lines, safe to show; nil if it was not recorded
}

// Error tells all of it, the console's lines on lines of their own.
func (e *GuestError) Error() string {
	var b strings.Builder
	b.WriteString(e.Reason)
	if e.Report != nil {
		fmt.Fprintf(&b, " (last report: %s)", describe(e.Report))
	}
	b.WriteString("; " + e.Remedy)
	if e.Report != nil {
		for _, text := range e.Report.Errors {
			b.WriteString("\n  error: " + text)
		}
	}
	if len(e.Console) > 0 {
		b.WriteString("\n  last lines of the console:")
		for _, line := range e.Console {
			b.WriteString("\n  | " + line)
		}
	}
	return b.String()
}

// describe says in a few words how far a guest is. A probe matters when all else is done.
func describe(r *plan.Report) string {
	text := "cloud-init: " + r.CloudInit
	probe := r.FailedProbe()
	switch {
	case r.CloudInit == "running" && r.Stage != "":
		text = "cloud-init: " + r.Stage
	case r.CloudInit != "done" || len(r.Errors) > 0:
	case !r.Ready():
		text = "guard: " + cmp.Or(r.Guard.Text, "open")
	case probe != nil:
		text = "probe " + probe.Name + ": " + cmp.Or(probe.Text, "failed")
	}
	return fmt.Sprintf("%s, %d s", text, int(r.Uptime))
}

// awaitGuest waits for the guest's report of being ready. The console that startGuest began to record is given up at
// the end.
func (h *Hypervisor) awaitGuest(ctx context.Context, s plan.Step, progress func(plan.Progress)) error {
	last, err := h.poll(ctx, s, progress)
	console := h.forget(s.Host)
	var failed *GuestError
	if errors.As(err, &failed) {
		failed.Report, failed.Console = last, console
	}
	return err
}

// poll asks for reports until one says that the guest is ready or that it never will be, or the time is over. It
// returns the last report, too.
func (h *Hypervisor) poll(ctx context.Context, s plan.Step, progress func(plan.Progress)) (*plan.Report, error) {
	var last *plan.Report
	var busy error // somebody else reads the reports
	begin, failures := time.Now(), 0
	for {
		report, err := h.look(ctx, s.Host, min(pollLimit, s.Timeout-time.Since(begin)))
		switch {
		case ctx.Err() != nil:
			return last, fmt.Errorf("stopped waiting for the guest, which goes on: %w", ctx.Err())
		case err == nil:
			last, failures = report, 0
			if report.Ready() && (!s.Probes || report.FailedProbe() == nil) {
				return last, nil
			}
			if report.Failed() {
				return last, failure(s)
			}
		case errors.Is(err, plan.ErrNotFound):
			return last, stopped(s)
		case errors.Is(err, errNoReport):
		case errors.Is(err, errBusy):
			busy = errBusy
		default:
			if failures++; failures >= pollFailures {
				return last, err
			}
		}
		waited := time.Since(begin)
		if waited >= s.Timeout {
			return last, late(s, busy)
		}
		text := fmt.Sprintf("no report yet, %d s", int(waited.Seconds()))
		if last != nil {
			text = describe(last)
		}
		progress(plan.Progress{Text: text})
		if err := sleep(ctx, min(pollPause, s.Timeout-waited)); err != nil {
			return last, fmt.Errorf("stopped waiting for the guest, which goes on: %w", err)
		}
	}
}

// failure is the error of a guest that reports one.
func failure(s plan.Step) *GuestError {
	if s.Remedy != "" {
		return &GuestError{Domain: s.Host, Reason: "its work ended in an error", Remedy: s.Remedy}
	}
	return &GuestError{Domain: s.Host, Reason: "its first boot ended in an error",
		Remedy: "correct the files and make the guest anew with --replace, or repair it inside"}
}

// stopped is the error of a guest that is off before it was ready.
func stopped(s plan.Step) *GuestError {
	e := &GuestError{Domain: s.Host, Reason: "it stopped before it was ready",
		Remedy: "see what it said on its console, then run the same command again, which starts it"}
	if s.Remedy != "" {
		e.Remedy = "see what it said on its console, then run the same command again, which begins anew"
	}
	return e
}

// late is the error of a guest whose time is over. busy is not nil if another program read its reports.
func late(s plan.Step, busy error) *GuestError {
	e := &GuestError{Domain: s.Host, Reason: fmt.Sprintf("it did not report ready within %v", s.Timeout),
		Remedy: "look at it with jeos console, raise ready_timeout if it is only slow, then run the same command again"}
	if s.Remedy != "" {
		e.Remedy = "raise its timeout if it is only slow, then run the same command again"
	}
	if busy != nil {
		e.Reason += "; " + busy.Error()
	}
	return e
}

// look waits for one report, for at most limit.
func (h *Hypervisor) look(ctx context.Context, domain string, limit time.Duration) (*plan.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return h.Report(ctx, domain)
}
