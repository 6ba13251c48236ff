package virt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

const (
	// reportPort is the name of the virtio-serial port that a guest reports on; see plan.Report.
	reportPort = "org.jeos.report.0"

	// maxReport bounds a line, which comes from a guest and may be anything.
	maxReport = 256 << 10
)

// errNoReport says that the port was read and the guest wrote nothing to it.
var errNoReport = errors.New("the guest has not reported")

// errBusy says that the port has another reader.
var errBusy = errors.New("another program reads the guest's reports (a jeos status, perhaps); end it or try later")

// Report implements plan.Hypervisor. The port is a mailbox with one reader: the connection is made for one report and
// closed again, and a port that another program reads is waited for.
func (h *Hypervisor) Report(ctx context.Context, domain string) (*plan.Report, error) {
	c, d, err := h.running(ctx, domain)
	if err != nil {
		return nil, err
	}
	defer c.close()
	box := &mailbox{reports: make(chan *plan.Report, 1)}
	for {
		ended := make(chan error, 1)
		go func() { ended <- c.lv.DomainOpenChannel(d, libvirt.OptString{reportPort}, box, 0) }()
		select {
		case report := <-box.reports:
			return report, nil
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", errNoReport, ctx.Err())
		case err = <-ended:
		}
		if err == nil {
			return nil, fmt.Errorf("domain %s stopped: %w", domain, plan.ErrNotFound)
		}
		err = c.explain("virDomainOpenChannel", err)
		if !mentions(err, "active channel stream exists") {
			return nil, err
		}
		if again := sleep(ctx, time.Second/2); again != nil {
			return nil, fmt.Errorf("%w: %w", errBusy, again)
		}
	}
}

// mailbox takes lines apart. The first is dropped: it may be old, or the end of one whose beginning another reader got.
type mailbox struct {
	reports chan *plan.Report

	mu     sync.Mutex
	buffer []byte
	lines  int
}

// Write never fails and never blocks.
func (m *mailbox) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(p)
	for {
		line, rest, whole := bytes.Cut(p, []byte("\n"))
		if len(m.buffer) <= maxReport {
			m.buffer = append(m.buffer, line...)
		}
		if !whole {
			return n, nil
		}
		m.line(m.buffer)
		m.buffer, p = m.buffer[:0], rest
	}
}

func (m *mailbox) line(line []byte) {
	m.lines++
	if m.lines == 1 || len(line) > maxReport {
		return
	}
	report := new(plan.Report)
	if json.Unmarshal(line, report) != nil {
		return
	}
	cleanReport(report)
	select {
	case m.reports <- report:
	default:
	}
}

// cleanReport makes the strings of a report safe to show: a guest writes what it likes.
func cleanReport(r *plan.Report) {
	for _, s := range []*string{&r.BootID, &r.CloudInit, &r.Stage, &r.Hostname} {
		*s = oneLine(*s)
	}
	if r.Guard != nil {
		r.Guard.Text = oneLine(r.Guard.Text)
	}
	for i := range r.Probes {
		r.Probes[i].Name, r.Probes[i].Text = oneLine(r.Probes[i].Name), oneLine(r.Probes[i].Text)
	}
	for _, list := range [][]string{r.Errors, r.HostKeys, r.Addresses} {
		for i := range list {
			list[i] = oneLine(list[i])
		}
	}
}
