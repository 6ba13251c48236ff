package virt

import (
	"context"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

// lookupNetwork finds the network of a step, by UUID if it says one: a foreign network of the same name is not it.
func lookupNetwork(ctx context.Context, c *conn, s plan.Step) (libvirt.Network, error) {
	if s.UUID == "" {
		return call(ctx, c, quick, "virNetworkLookupByName", func(lv *libvirt.Libvirt) (libvirt.Network, error) {
			return lv.NetworkLookupByName(s.Host)
		})
	}
	id, err := parseUUID(s.UUID)
	if err != nil {
		return libvirt.Network{}, err
	}
	return call(ctx, c, quick, "virNetworkLookupByUUID", func(lv *libvirt.Libvirt) (libvirt.Network, error) {
		return lv.NetworkLookupByUUID(id)
	})
}

// networkActive returns a function that tells whether the network runs.
func networkActive(ctx context.Context, c *conn, n libvirt.Network) func() (bool, error) {
	return func() (bool, error) {
		return call(ctx, c, quick, "virNetworkIsActive", func(lv *libvirt.Libvirt) (bool, error) {
			active, err := lv.NetworkIsActive(n)
			return active == 1, err
		})
	}
}

func startNetwork(ctx context.Context, c *conn, s plan.Step) error {
	n, err := lookupNetwork(ctx, c, s)
	if err != nil {
		return err
	}
	return toggle(networkActive(ctx, c, n), true, func() error {
		return c.do(ctx, slow, "virNetworkCreate", func(lv *libvirt.Libvirt) error { return lv.NetworkCreate(n) })
	})
}

func stopNetwork(ctx context.Context, c *conn, s plan.Step) error {
	n, err := lookupNetwork(ctx, c, s)
	if err != nil {
		return gone(err)
	}
	return gone(toggle(networkActive(ctx, c, n), false, func() error {
		return c.do(ctx, slow, "virNetworkDestroy", func(lv *libvirt.Libvirt) error { return lv.NetworkDestroy(n) })
	}))
}

// undefineNetwork leaves nothing to do for a network that runs without a definition.
func undefineNetwork(ctx context.Context, c *conn, s plan.Step) error {
	n, err := lookupNetwork(ctx, c, s)
	if err != nil {
		return gone(err)
	}
	persistent := func() (bool, error) {
		return call(ctx, c, quick, "virNetworkIsPersistent", func(lv *libvirt.Libvirt) (bool, error) {
			persistent, err := lv.NetworkIsPersistent(n)
			return persistent == 1, err
		})
	}
	return gone(toggle(persistent, false, func() error {
		return c.do(ctx, quick, "virNetworkUndefine", func(lv *libvirt.Libvirt) error { return lv.NetworkUndefine(n) })
	}))
}

func autostartNetwork(ctx context.Context, c *conn, s plan.Step) error {
	n, err := lookupNetwork(ctx, c, s)
	if err != nil {
		return err
	}
	return c.do(ctx, quick, "virNetworkSetAutostart", func(lv *libvirt.Libvirt) error {
		return lv.NetworkSetAutostart(n, flag(s.On))
	})
}

// flag is a boolean in libvirt's protocol.
func flag(on bool) int32 {
	if on {
		return 1
	}
	return 0
}
