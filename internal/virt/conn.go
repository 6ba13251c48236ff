package virt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/digitalocean/go-libvirt"
)

// conn is one connection to the daemon. Once lost it stays lost: go-libvirt must not connect again.
type conn struct {
	lv     *libvirt.Libvirt
	raw    *frameConn
	limit  time.Duration
	slots  chan struct{} // held by the calls that are under way
	broken atomic.Bool
}

// patience is a multiple of the time limit of calls.
type patience int

const (
	quick patience = 1  // answered from memory
	slow  patience = 10 // starts processes or moves data
)

// open greets the daemon over raw, which it closes when that fails.
func open(ctx context.Context, raw net.Conn, driver string, limit time.Duration) (*conn, error) {
	frames := newFrameConn(raw)
	c := &conn{lv: libvirt.NewWithDialer(dialed{frames}), raw: frames, limit: limit, slots: make(chan struct{}, workers)}
	wait := quick
	ssh, isSSH := raw.(*process)
	if isSSH {
		wait = slow // somebody may have to type a passphrase
	}
	err := c.do(ctx, wait, "virConnectOpen", func(lv *libvirt.Libvirt) error {
		return lv.ConnectToURI(libvirt.ConnectURI(driver))
	})
	if err == nil {
		return c, nil
	}
	c.abandon()
	var lost *LostError
	if !errors.As(err, &lost) || lost.Cause != nil {
		return nil, err
	}
	if isSSH {
		if said := ssh.failure(); said != nil {
			return nil, said
		}
	}
	return nil, errors.New("the other side closed the connection at once; check that it is a libvirt daemon and look into its log")
}

// dialed hands go-libvirt a connection that is there already.
type dialed struct{ conn net.Conn }

func (d dialed) Dial() (net.Conn, error) { return d.conn, nil }

// lost reports whether the connection cannot be used any more.
func (c *conn) lost() bool { return c.broken.Load() || c.raw.ended.Load() }

// abandon closes the connection without a word, which frees every call that waits on it.
func (c *conn) abandon() {
	c.broken.Store(true)
	c.raw.Close()
}

// close says goodbye, if that goes quickly. The daemon logs an error for those who leave without.
func (c *conn) close() {
	if !c.lost() {
		ctx, cancel := context.WithTimeout(context.Background(), min(c.limit, time.Second))
		defer cancel()
		c.do(ctx, quick, "virConnectClose", (*libvirt.Libvirt).ConnectClose)
	}
	c.abandon()
}

// LostError tells that a connection ended during a call, so that nobody knows whether the call was carried out.
type LostError struct {
	Call  string // libvirt's name of the function
	Cause error  // the context's error, or errSilent, or nil when the other side closed the connection
}

var errSilent = errors.New("no answer in time")

// Error says what happened and how to go on.
func (e *LostError) Error() string {
	const again = "; outcome unknown; run the same command again: it goes on from what is there"
	switch {
	case errors.Is(e.Cause, context.Canceled):
		return "interrupted during " + e.Call + again
	case e.Cause != nil:
		return "connection lost during " + e.Call + " (" + e.Cause.Error() + ")" + again
	}
	return "connection lost during " + e.Call + again
}

// Unwrap returns the cause.
func (e *LostError) Unwrap() error { return e.Cause }

// call runs f, one call of libvirt's API, in at most limit, once one of the connection's slots is free. When ctx or the limit ends it, the connection is closed and
// the error is a *LostError. Errors of libvirt come back explained.
func call[T any](ctx context.Context, c *conn, limit patience, name string, f func(*libvirt.Libvirt) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return none, fmt.Errorf("%s not begun: %w", name, ctx.Err())
	}
	done := make(chan result, 1)
	go func() {
		value, err := f(c.lv)
		done <- result{value, err}
	}()
	timer := time.NewTimer(c.limit * time.Duration(limit))
	defer timer.Stop()
	select {
	case r := <-done:
		if r.err != nil {
			return none, c.explain(name, r.err)
		}
		return r.value, nil
	case <-ctx.Done():
		c.abandon()
		return none, &LostError{Call: name, Cause: ctx.Err()}
	case <-timer.C:
		c.abandon()
		return none, &LostError{Call: name, Cause: errSilent}
	}
}

// do is call for functions that return nothing else.
func (c *conn) do(ctx context.Context, limit patience, name string, f func(*libvirt.Libvirt) error) error {
	_, err := call(ctx, c, limit, name, func(lv *libvirt.Libvirt) (struct{}, error) { return struct{}{}, f(lv) })
	return err
}

// explain turns an error of go-libvirt into one of ours.
func (c *conn) explain(name string, err error) error {
	var answer libvirt.Error
	switch {
	case errors.As(err, &answer):
		return &Error{Call: name, Code: libvirt.ErrorNumber(answer.Code), Message: answer.Message}
	case errors.Is(err, libvirt.ErrUnsupported):
		return fmt.Errorf("%s is not known there; needs libvirt >= 5.6 with the drivers for QEMU, networks and storage: upgrade the host, or check that the URI names the right daemon", name)
	}
	// What is left is the connection: go-libvirt has several errors for one that ended.
	c.abandon()
	return &LostError{Call: name, Cause: c.raw.cause()}
}
