package virt

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

// poolLock is held by whoever changes what a pool holds: libvirt refuses to refresh a pool in which a job runs.
type poolLock chan struct{}

// inPool runs f while no other step of this process works in the pool.
func (h *Hypervisor) inPool(ctx context.Context, pool string, f func() error) error {
	h.mu.Lock()
	lock := h.pools[pool]
	if lock == nil {
		lock = make(poolLock, 1)
		h.pools[pool] = lock
	}
	h.mu.Unlock()
	select {
	case lock <- struct{}{}:
		defer func() { <-lock }()
		return f()
	case <-ctx.Done():
		return fmt.Errorf("not begun: %w", ctx.Err())
	}
}

// storage is a slow call that is tried again, for a while, when a job of another program keeps the pool busy, or one of
// a jeos that was cut off.
func storage[T any](ctx context.Context, c *conn, name string, f func(*libvirt.Libvirt) (T, error)) (T, error) {
	deadline := time.Now().Add(time.Duration(slow) * c.limit)
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		value, err := call(ctx, c, slow, name, f)
		if !busy(err) || time.Now().After(deadline) {
			return value, err
		}
		if err := sleep(ctx, wait); err != nil {
			return value, err
		}
	}
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func lookupPool(ctx context.Context, c *conn, name string) (libvirt.StoragePool, error) {
	return call(ctx, c, quick, "virStoragePoolLookupByName", func(lv *libvirt.Libvirt) (libvirt.StoragePool, error) {
		return lv.StoragePoolLookupByName(name)
	})
}

func poolActive(ctx context.Context, c *conn, p libvirt.StoragePool) (bool, error) {
	return call(ctx, c, quick, "virStoragePoolIsActive", func(lv *libvirt.Libvirt) (bool, error) {
		active, err := lv.StoragePoolIsActive(p)
		return active == 1, err
	})
}

// definePool defines a pool that starts with the host. One that is there already is somebody's, and stays as it is.
func definePool(ctx context.Context, c *conn, s plan.Step) error {
	if _, err := lookupPool(ctx, c, s.Host); gone(err) != nil || err == nil {
		return err
	}
	p, err := call(ctx, c, quick, "virStoragePoolDefineXML", func(lv *libvirt.Libvirt) (libvirt.StoragePool, error) {
		return lv.StoragePoolDefineXML(s.XML, 0)
	})
	if err != nil {
		if _, again := lookupPool(ctx, c, s.Host); again == nil {
			return nil
		}
		return err
	}
	return c.do(ctx, quick, "virStoragePoolSetAutostart", func(lv *libvirt.Libvirt) error {
		return lv.StoragePoolSetAutostart(p, 1)
	})
}

// startPool starts a pool. The folder of a dir pool is made when it is missing; no other type is built, as that can wipe
// what is there.
func startPool(ctx context.Context, c *conn, s plan.Step) error {
	p, err := lookupPool(ctx, c, s.Host)
	if err != nil {
		return err
	}
	text, err := call(ctx, c, quick, "virStoragePoolGetXMLDesc", func(lv *libvirt.Libvirt) (string, error) {
		return lv.StoragePoolGetXMLDesc(p, 0)
	})
	if err != nil {
		return err
	}
	flags := libvirt.StoragePoolCreateNormal
	if dirPool.MatchString(text) {
		flags = libvirt.StoragePoolCreateWithBuild
	}
	return toggle(func() (bool, error) { return poolActive(ctx, c, p) }, true, func() error {
		return c.do(ctx, slow, "virStoragePoolCreate", func(lv *libvirt.Libvirt) error {
			return lv.StoragePoolCreate(p, flags)
		})
	})
}

var dirPool = regexp.MustCompile(`^\s*<pool type=['"]dir['"]`)

func refreshPool(ctx context.Context, c *conn, name string) error {
	p, err := lookupPool(ctx, c, name)
	if err != nil {
		return err
	}
	_, err = storage(ctx, c, "virStoragePoolRefresh", func(lv *libvirt.Libvirt) (struct{}, error) {
		return struct{}{}, lv.StoragePoolRefresh(p, 0)
	})
	return err
}
