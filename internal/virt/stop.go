package virt

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

const (
	// askAgain is how often a guest is asked to shut down: one that boots just now does not hear the first time.
	askAgain = 5 * time.Second
	lookInto = 500 * time.Millisecond
)

// stopGuest asks by ACPI, as the power button does, until the guest is off or the time is over.
func stopGuest(ctx context.Context, c *conn, s plan.Step, progress func(plan.Progress)) error {
	d, err := lookupDomain(ctx, c, s)
	if err != nil {
		return gone(err)
	}
	begin := time.Now()
	var asked time.Time
	for {
		state, err := domainState(ctx, c, d)
		if err != nil {
			return gone(err) // a transient domain is gone when it is off
		}
		switch powerState(state) {
		case plan.Off:
			return nil
		case plan.Paused: // hears nothing
			if err := c.do(ctx, slow, "virDomainResume", func(lv *libvirt.Libvirt) error { return lv.DomainResume(d) }); answer(err) == nil && err != nil {
				return err
			}
		}
		waited := time.Since(begin)
		if waited >= s.Timeout {
			return plug(ctx, c, d, s)
		}
		progress(plan.Progress{Text: fmt.Sprintf("shutting down, %d s", int(waited.Seconds()))})
		if time.Since(asked) >= askAgain {
			asked = time.Now()
			err := c.do(ctx, quick, "virDomainShutdownFlags", func(lv *libvirt.Libvirt) error {
				return lv.DomainShutdownFlags(d, libvirt.DomainShutdownAcpiPowerBtn)
			})
			// It may be off already; the state tells. Without the connection there is no state.
			if err != nil && answer(err) == nil {
				return err
			}
		}
		if err := sleep(ctx, min(lookInto, s.Timeout-waited)); err != nil {
			return fmt.Errorf("stopped waiting for the guest to shut down, which it may still do: %w", err)
		}
	}
}

// plug ends a guest that did not shut down, if the step allows.
func plug(ctx context.Context, c *conn, d libvirt.Domain, s plan.Step) error {
	if !s.On {
		return fmt.Errorf("the guest still runs %v after it was asked to shut down (one that has not booted, or has no ACPI daemon, does not hear it); %s",
			s.Timeout, cmp.Or(s.Remedy, "shut it down from inside, raise stop_timeout, or pull the plug with --force-stop"))
	}
	is := func() (bool, error) {
		state, err := domainState(ctx, c, d)
		return powerState(state) == plan.Off, err
	}
	return gone(toggle(is, true, func() error { return destroy(ctx, c, d) }))
}
