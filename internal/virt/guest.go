package virt

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

// lookupDomain finds the domain of a step, by UUID if it says one: a foreign domain of the same name is not it.
func lookupDomain(ctx context.Context, c *conn, s plan.Step) (libvirt.Domain, error) {
	if s.UUID == "" {
		return call(ctx, c, quick, "virDomainLookupByName", func(lv *libvirt.Libvirt) (libvirt.Domain, error) {
			return lv.DomainLookupByName(s.Host)
		})
	}
	id, err := parseUUID(s.UUID)
	if err != nil {
		return libvirt.Domain{}, err
	}
	return call(ctx, c, quick, "virDomainLookupByUUID", func(lv *libvirt.Libvirt) (libvirt.Domain, error) {
		return lv.DomainLookupByUUID(id)
	})
}

// parseUUID reads the usual form.
func parseUUID(s string) (libvirt.UUID, error) {
	var id libvirt.UUID
	raw, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(raw) != len(id) {
		return id, fmt.Errorf("%q is no UUID", s)
	}
	copy(id[:], raw)
	return id, nil
}

func renameGuest(ctx context.Context, c *conn, s plan.Step) error {
	d, err := lookupDomain(ctx, c, plan.Step{UUID: s.UUID})
	if err != nil || d.Name == s.Host {
		return err
	}
	err = c.do(ctx, quick, "virDomainRename", func(lv *libvirt.Libvirt) error {
		_, err := lv.DomainRename(d, libvirt.OptString{s.Host}, 0)
		return err
	})
	if err != nil && answer(err) != nil {
		if d, again := lookupDomain(ctx, c, plan.Step{UUID: s.UUID}); again == nil && d.Name == s.Host {
			return nil
		}
	}
	return err
}

func autostartGuest(ctx context.Context, c *conn, s plan.Step) error {
	d, err := lookupDomain(ctx, c, s)
	if err != nil {
		return err
	}
	return c.do(ctx, quick, "virDomainSetAutostart", func(lv *libvirt.Libvirt) error {
		return lv.DomainSetAutostart(d, flag(s.On))
	})
}

// forgetMemory drops a managed save, if there is one.
func forgetMemory(ctx context.Context, c *conn, s plan.Step) error {
	d, err := lookupDomain(ctx, c, s)
	if err != nil {
		return err
	}
	saved, err := call(ctx, c, quick, "virDomainHasManagedSaveImage", func(lv *libvirt.Libvirt) (int32, error) {
		return lv.DomainHasManagedSaveImage(d, 0)
	})
	if err != nil || saved == 0 {
		return err
	}
	return c.do(ctx, slow, "virDomainManagedSaveRemove", func(lv *libvirt.Libvirt) error {
		return lv.DomainManagedSaveRemove(d, 0)
	})
}

// undefineGuest removes the definition with its managed save, the metadata of snapshots and checkpoints, and its
// firmware's variables. A domain that runs is refused: it would go on without a definition.
func undefineGuest(ctx context.Context, c *conn, s plan.Step) error {
	d, err := lookupDomain(ctx, c, s)
	if err != nil {
		return gone(err)
	}
	state, err := domainState(ctx, c, d)
	if err != nil {
		return gone(err)
	}
	if powerState(state) != plan.Off {
		return fmt.Errorf("domain %s runs: somebody started it meanwhile; run the same command again", d.Name)
	}
	const everything = libvirt.DomainUndefineManagedSave | libvirt.DomainUndefineSnapshotsMetadata |
		libvirt.DomainUndefineCheckpointsMetadata | libvirt.DomainUndefineNvram
	return gone(c.do(ctx, slow, "virDomainUndefineFlags", func(lv *libvirt.Libvirt) error {
		return lv.DomainUndefineFlags(d, everything)
	}))
}

// startGuest starts paused and lets the guest run when its console is being recorded: what a console says before
// anybody listens is lost. A managed save is restored. A domain that is left paused, by a jeos that was cut off here or
// by somebody else, is resumed.
func (h *Hypervisor) startGuest(ctx context.Context, c *conn, s plan.Step) error {
	d, err := lookupDomain(ctx, c, s)
	if err != nil {
		return err
	}
	state, err := domainState(ctx, c, d)
	if err != nil {
		return err
	}
	if state == libvirt.DomainCrashed { // and kept for inspection
		if err := destroy(ctx, c, d); err != nil {
			return err
		}
	}
	switch powerState(state) {
	case plan.Running:
		return nil
	case plan.Off:
		err := c.do(ctx, slow, "virDomainCreateWithFlags", func(lv *libvirt.Libvirt) error {
			_, err := lv.DomainCreateWithFlags(d, uint32(libvirt.DomainStartPaused))
			return err
		})
		if err != nil {
			state, again := domainState(ctx, c, d)
			if again != nil || powerState(state) == plan.Off {
				return err
			}
		}
	}
	if err := bindFilters(ctx, c, d, func(card) bool { return true }); err != nil {
		return err // the guest stays paused
	}
	h.record(ctx, d)
	return toggle(func() (bool, error) {
		state, err := domainState(ctx, c, d)
		return powerState(state) == plan.Running, err
	}, true, func() error {
		return c.do(ctx, slow, "virDomainResume", func(lv *libvirt.Libvirt) error { return lv.DomainResume(d) })
	})
}

// destroy pulls the plug.
func destroy(ctx context.Context, c *conn, d libvirt.Domain) error {
	return c.do(ctx, slow, "virDomainDestroyFlags", func(lv *libvirt.Libvirt) error {
		return lv.DomainDestroyFlags(d, libvirt.DomainDestroyDefault)
	})
}
