package virt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

// cloneVolume has the host copy one volume into another, on a connection of its own: libvirt answers when it is done.
// The empty marker beside the copy comes last. A copy that is given up goes on without us; the next one waits until it
// has ended, and deletes what it has made.
func (h *Hypervisor) cloneVolume(ctx context.Context, c *conn, s plan.Step, progress func(plan.Progress)) error {
	ok, err := cloned(ctx, c, s.Pool, s.Host)
	if ok || err != nil {
		return err
	}
	if err := deleteVolume(ctx, c, s.Pool, s.Host); err != nil {
		return err
	}
	from, _, err := lookupVolume(ctx, c, s.Pool, s.From)
	if err != nil {
		return fmt.Errorf("what to copy: %w", err)
	}
	side, err := h.dial(ctx)
	if err != nil {
		return err
	}
	defer side.close()
	j := &cloneJob{side: side, main: c, from: from, pool: s.Pool, to: s.Host, xml: s.XML, progress: progress}
	if err := j.run(ctx); err != nil {
		if ctx.Err() == nil && !c.lost() && answer(err) != nil {
			deleted := deleteVolume(ctx, c, s.Pool, s.Host)
			err = errors.Join(spaceError(ctx, c, s.Pool, 0, err), deleted)
		}
		return err
	}
	return makeMarker(ctx, c, s.Pool, s.Host)
}

// cloned reports whether a volume that was cloned is complete.
func cloned(ctx context.Context, c *conn, pool, name string) (bool, error) {
	for _, n := range []string{name + markerSuffix, name} {
		if _, _, err := lookupVolume(ctx, c, pool, n); err != nil {
			return false, gone(err)
		}
	}
	return true, nil
}

// cloneJob is one copy under way.
type cloneJob struct {
	side, main *conn // for the copy itself, and for looking at it
	from       libvirt.StorageVol
	pool, to   string
	xml        string
	progress   func(plan.Progress)
}

// run fails if for some time the copy does not grow. What is not written, because it is empty, takes time as well, and
// so that time is long.
func (j *cloneJob) run(ctx context.Context) error {
	const name = "virStorageVolCreateXMLFrom"
	p, err := lookupPool(ctx, j.side, j.pool)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		_, err := j.side.lv.StorageVolCreateXMLFrom(p, j.xml, j.from, 0)
		done <- err
	}()
	tick := time.NewTicker(pollPause)
	defer tick.Stop()
	var size uint64
	moved := time.Now()
	for {
		select {
		case err := <-done:
			if err != nil {
				return j.side.explain(name, err)
			}
			return nil
		case <-ctx.Done():
			j.side.abandon()
			return &LostError{Call: name, Cause: ctx.Err()}
		case <-tick.C:
		}
		if now, ok := j.size(ctx); ok && now != size {
			size, moved = now, time.Now()
			j.progress(plan.Progress{Text: fmt.Sprintf("%d MiB written", size>>20)})
		}
		if time.Since(moved) > time.Duration(slow)*j.side.limit {
			j.side.abandon()
			return &LostError{Call: name, Cause: errSilent}
		}
	}
}

// size is how much the copy takes on the host's disk by now, if that can be told.
func (j *cloneJob) size(ctx context.Context) (uint64, bool) {
	v, err := findVolume(ctx, j.main, j.pool, j.to)
	if err != nil {
		return 0, false
	}
	size, err := call(ctx, j.main, quick, "virStorageVolGetInfo", func(lv *libvirt.Libvirt) (uint64, error) {
		_, _, allocation, err := lv.StorageVolGetInfo(v)
		return allocation, err
	})
	return size, err == nil
}
