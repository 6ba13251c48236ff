// Package virt is the plan.Hypervisor of a real libvirt: it speaks libvirt's remote protocol, without libvirt's C library,
// through github.com/digitalocean/go-libvirt.
//
// That library knows neither contexts nor time limits, and a connection that was lost must not be used again. So every
// call here has a limit, and a call that is given up takes its connection with it: the raw connection is closed, which
// frees whoever waits on it. Streams (uploads, consoles, reports) get connections of their own, because one whose
// reader is slow blocks every other call of its connection.
//
// Names of functions in errors are those of libvirt's API, https://libvirt.org/html/index.html.
package virt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"jeos/plan"
)

// Options say how to use a libvirt host. The zero value is what most callers want.
type Options struct {
	// ReadOnly refuses every change, and uses libvirt's read-only socket where the URI names a socket of this machine
	// or one behind ssh. Report and Console need a connection that is not read-only.
	ReadOnly bool
	// CallTimeout bounds one call that libvirt answers at once; calls that start processes or move data get a fixed
	// multiple of it. Zero means 30 seconds.
	CallTimeout time.Duration
	// Dial, when not nil, makes the network connections (of all transports but ssh) in place of a net.Dialer. It must
	// be safe for concurrent use.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

const defaultCallTimeout = 30 * time.Second

// Hypervisor is one libvirt host. It is safe for concurrent use.
type Hypervisor struct {
	uri    string
	target target
	opt    Options

	mu       sync.Mutex
	main     *conn                // nil before the first use and after Close; replaced when it was lost
	pools    map[string]poolLock  // by pool name
	consoles map[string]*recorder // by domain name, from StartGuest to AwaitGuest
	kvm      map[string]bool      // capabilities do not change; nil until read
}

var (
	_ plan.Hypervisor = (*Hypervisor)(nil)
	_ plan.Reader     = (*Hypervisor)(nil)
)

// Open connects to the libvirt that uri names: qemu:///system, qemu:///session, qemu+unix, qemu+ssh, qemu+tls or
// qemu+tcp, with the parameters of https://libvirt.org/uri.html that jeos knows; others are errors. Closing is up to
// the caller.
func Open(ctx context.Context, uri string, opt Options) (*Hypervisor, error) {
	target, err := parseURI(uri)
	if err != nil {
		return nil, err
	}
	if opt.CallTimeout == 0 {
		opt.CallTimeout = defaultCallTimeout
	}
	if opt.Dial == nil {
		opt.Dial = new(net.Dialer).DialContext
	}
	h := &Hypervisor{
		uri:      uri,
		target:   target,
		opt:      opt,
		pools:    map[string]poolLock{},
		consoles: map[string]*recorder{},
	}
	if _, err := h.connection(ctx); err != nil {
		return nil, err
	}
	return h, nil
}

// Close ends the connection and the recording of consoles.
func (h *Hypervisor) Close() error {
	h.mu.Lock()
	main, consoles := h.main, h.consoles
	h.main, h.consoles = nil, map[string]*recorder{}
	h.mu.Unlock()
	for _, r := range consoles {
		r.close()
	}
	if main != nil {
		main.close()
	}
	return nil
}

// connection returns the connection for ordinary calls, a new one if the last was lost.
func (h *Hypervisor) connection(ctx context.Context) (*conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.main != nil && !h.main.lost() {
		return h.main, nil
	}
	if h.main != nil {
		h.main.abandon()
	}
	c, err := h.dial(ctx)
	if err != nil {
		return nil, err
	}
	h.main = c
	return c, nil
}

// dial makes a connection that belongs to the caller.
func (h *Hypervisor) dial(ctx context.Context) (*conn, error) {
	dialCtx, cancel := context.WithTimeout(ctx, h.opt.CallTimeout)
	defer cancel()
	raw, err := h.target.dial(dialCtx, h.opt)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to %s: %w", h.uri, err)
	}
	c, err := open(ctx, raw, h.target.driver, h.opt.CallTimeout)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to %s: %w", h.uri, err)
	}
	return c, nil
}

// errReadOnly is libvirt's own refusal, said before the first call and with a remedy.
var errReadOnly = errors.New("the connection is read-only; " + remedyReadOnly)

// writable returns the connection for calls that change something.
func (h *Hypervisor) writable(ctx context.Context) (*conn, error) {
	if h.opt.ReadOnly {
		return nil, errReadOnly
	}
	return h.connection(ctx)
}
