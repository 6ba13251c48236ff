package virt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

const (
	// openConsole is the number of virDomainOpenConsole in libvirt's remote protocol (remote_protocol.x).
	openConsole = 201

	// consoleKept is how much of a console is remembered, in bytes.
	consoleKept = 64 << 10
)

// recorder keeps the end of what a guest writes to its console, on a connection of its own.
type recorder struct {
	tail *tail
	conn *conn
}

func (r *recorder) close() { r.conn.close() }

// record begins to record the console of a domain and returns when not a byte can be missed any more. A console that
// cannot be opened (somebody else has it) is not recorded: it is for error messages only.
func (h *Hypervisor) record(ctx context.Context, d libvirt.Domain) {
	h.mu.Lock()
	before := h.consoles[d.Name]
	h.mu.Unlock()
	if before != nil && !before.conn.lost() {
		return // it is being recorded
	}
	c, err := h.dial(ctx)
	if err != nil {
		return
	}
	r := &recorder{tail: newTail(consoleKept), conn: c}
	opened := c.raw.replied(openConsole)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.lv.DomainOpenConsole(d, nil, r.tail, 0)
		c.abandon()
	}()
	timer := time.NewTimer(c.limit)
	defer timer.Stop()
	select {
	case <-opened:
	case <-ended:
		return
	case <-ctx.Done():
		c.abandon()
		return
	case <-timer.C:
		c.abandon()
		return
	}
	h.mu.Lock()
	h.consoles[d.Name] = r
	h.mu.Unlock()
}

// forget ends the recording of a domain's console and returns its last lines, safe to show.
func (h *Hypervisor) forget(domain string) []string {
	h.mu.Lock()
	r := h.consoles[domain]
	delete(h.consoles, domain)
	h.mu.Unlock()
	if r == nil {
		return nil
	}
	r.close()
	return r.tail.lines(15)
}

// running finds a domain that runs, on a connection of its own for a stream that the caller closes.
func (h *Hypervisor) running(ctx context.Context, domain string) (*conn, libvirt.Domain, error) {
	if h.opt.ReadOnly {
		return nil, libvirt.Domain{}, errReadOnly
	}
	c, err := h.dial(ctx)
	if err != nil {
		return nil, libvirt.Domain{}, err
	}
	d, err := lookupDomain(ctx, c, plan.Step{Host: domain})
	if err == nil {
		var state libvirt.DomainState
		if state, err = domainState(ctx, c, d); err == nil && powerState(state) == plan.Off {
			err = fmt.Errorf("domain %s is off: %w", domain, plan.ErrNotFound)
		}
	}
	if err != nil {
		c.close()
		return nil, libvirt.Domain{}, err
	}
	return c, d, nil
}

// Console implements plan.Hypervisor. It returns nil when rw's input ends or the guest stops. A Read of rw that is
// under way when it returns goes on, and what it reads is lost.
func (h *Hypervisor) Console(ctx context.Context, domain string, rw io.ReadWriter) error {
	c, d, err := h.running(ctx, domain)
	if err != nil {
		return err
	}
	defer c.abandon()
	p := &pipe{rw: rw, hangUp: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- c.lv.DomainOpenConsoleBidirectional(d, nil, p, p, 0) }()
	select {
	case err := <-ended:
		return consoleError(domain, p, c, err)
	case <-p.hangUp:
	case <-ctx.Done():
		return ctx.Err()
	}
	// What was typed last is still on its way to the guest.
	select {
	case <-ended:
	case <-time.After(time.Second):
	}
	return p.failure()
}

// consoleError explains how a console ended.
func consoleError(domain string, p *pipe, c *conn, err error) error {
	if failed := p.failure(); failed != nil || err == nil {
		return failed
	}
	err = c.explain("virDomainOpenConsole", err)
	if mentions(err, "active console session exists") {
		return fmt.Errorf("the console of %s is in use (by virsh console, virt-manager or another jeos); end that first: %w", domain, err)
	}
	return err
}

// pipe is an io.ReadWriter as go-libvirt needs it: writing never fails, for that would block the connection for ever,
// and the first end or failure of either side is told through hangUp.
type pipe struct {
	rw     io.ReadWriter
	hangUp chan struct{}

	mu    sync.Mutex
	ended bool
	err   error
}

func (p *pipe) Read(b []byte) (int, error) {
	n, err := p.rw.Read(b[:min(len(b), 4<<10)])
	if err != nil {
		p.end(err)
	}
	return n, err
}

func (p *pipe) Write(b []byte) (int, error) {
	if _, err := p.rw.Write(b); err != nil {
		p.end(err)
	}
	return len(b), nil
}

func (p *pipe) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.ended = true
	if !errors.Is(err, io.EOF) {
		p.err = err
	}
	close(p.hangUp)
}

// failure returns the first failure of the caller's side.
func (p *pipe) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}
