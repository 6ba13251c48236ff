package virt

import (
	"context"
	"fmt"
	"time"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

const (
	// grace is how long a copy without a marker, which libvirt does not write any more, may still get its marker. After
	// that it counts as what a maker left that was cut.
	grace = 10 * time.Second
	// rounds is how often a copy is begun. More than one is needed only where others make and delete the same one.
	rounds = 3
)

// cloneVolume has the host copy one volume into another, which gets an empty marker beside it at the end.
//
// Several jeos can make the same copy in the same pool, and need not know of each other. Libvirt gives a name to one of
// them only: that one is the maker, and the others wait for its marker. Nobody can delete a volume that libvirt still
// writes. One that it does not write any more and that gets no marker is what a maker left that was cut, and is deleted.
// The maker, in turn, makes no marker for a copy that was taken from it.
//
// Libvirt cannot delete or create on a condition. So a jeos that stands still for longer than grace before its marker, or
// for as long as a whole copy takes between a look and the deletion that follows it, can still cross another one's way.
// Everybody looks again after what it did, and makes anew what is wrong then.
func (h *Hypervisor) cloneVolume(ctx context.Context, c *conn, s plan.Step, progress func(plan.Progress)) error {
	j := &cloneJob{h: h, conn: c, pool: s.Pool, from: s.From, to: s.Host, xml: s.XML, progress: progress}
	for round := 0; ; round++ {
		complete, err := j.settle(ctx)
		if complete || err != nil {
			return err
		}
		if round == rounds {
			return fmt.Errorf("other programs make and delete volume %s of pool %q at the same time; run the same command again when they have ended", s.Host, s.Pool)
		}
		if err := j.make(ctx); err != nil && !taken(err) {
			return err
		}
	}
}

// cloneJob is one copy under way, ours or another's.
type cloneJob struct {
	h        *Hypervisor
	conn     *conn
	pool     string
	from, to string
	xml      string
	progress func(plan.Progress)

	size  uint64 // on the host's disk, when it was last looked at
	moved time.Time
}

// settle waits until the copy is complete, or until there is nothing of it, so that it can be made.
func (j *cloneJob) settle(ctx context.Context) (complete bool, err error) {
	j.size, j.moved = 0, time.Now()
	var idle time.Time // since when nobody seems to be at it
	for {
		// The marker first: if it was there and then the volume was not, then it is not the marker of a later one.
		_, _, err := lookupVolume(ctx, j.conn, j.pool, j.to+markerSuffix)
		marked := err == nil
		if gone(err) != nil {
			return false, err
		}
		there, building, err := j.look(ctx)
		switch {
		case err != nil:
			return false, err
		case marked && there && !building:
			return true, nil
		case marked: // it belongs to an earlier one
			if err := deleteOne(ctx, j.conn, j.pool, j.to+markerSuffix); err != nil {
				return false, err
			}
			continue
		case !there:
			return false, nil
		case building:
			idle = time.Time{}
			if j.stalled(ctx, "another program makes it: ") {
				return false, fmt.Errorf("another program makes volume %s of pool %q, which does not grow any more; run the same command again when it has ended", j.to, j.pool)
			}
		case idle.IsZero():
			idle = time.Now()
		case time.Since(idle) >= grace:
			idle = time.Time{}
			err := j.remove(ctx)
			if err == nil {
				continue
			}
			if !busy(err) {
				return false, err
			}
		}
		if err := sleep(ctx, pollPause); err != nil {
			return false, fmt.Errorf("waiting for volume %s of pool %q: %w", j.to, j.pool, err)
		}
	}
}

// look reports whether the copy is there, and whether libvirt still writes it. The question for that is a demand to shrink
// it to a byte: libvirt refuses that always, and has a reason of its own while it writes.
func (j *cloneJob) look(ctx context.Context) (there, building bool, err error) {
	v, err := findVolume(ctx, j.conn, j.pool, j.to)
	if err != nil {
		return false, false, gone(err)
	}
	err = j.conn.do(ctx, slow, "virStorageVolResize", func(lv *libvirt.Libvirt) error {
		return lv.StorageVolResize(v, 1, 0)
	})
	if mentions(err, "is still being allocated") {
		return true, true, nil
	}
	if err != nil && answer(err) == nil {
		return false, false, err
	}
	_, _, err = lookupVolume(ctx, j.conn, j.pool, j.to)
	return err == nil, false, gone(err)
}

// remove deletes the copy now or not at all: a call that waited would delete what became complete meanwhile.
func (j *cloneJob) remove(ctx context.Context) error {
	v, err := findVolume(ctx, j.conn, j.pool, j.to)
	if err != nil {
		return gone(err)
	}
	return gone(j.conn.do(ctx, slow, "virStorageVolDelete", func(lv *libvirt.Libvirt) error {
		return lv.StorageVolDelete(v, libvirt.StorageVolDeleteNormal)
	}))
}

// make makes the copy, and its marker if the copy is still there then. It deletes nothing: libvirt itself deletes a copy
// that fails.
func (j *cloneJob) make(ctx context.Context) error {
	from, _, err := lookupVolume(ctx, j.conn, j.pool, j.from)
	if err != nil {
		return fmt.Errorf("what to copy: %w", err)
	}
	side, err := j.h.dial(ctx)
	if err != nil {
		return err
	}
	defer side.close()
	if err := j.copy(ctx, side, from); err != nil {
		return spaceError(ctx, j.conn, j.pool, 0, err)
	}
	there, building, err := j.look(ctx)
	if err != nil || !there || building {
		return err
	}
	return makeMarker(ctx, j.conn, j.pool, j.to)
}

// copy copies on a connection of its own: libvirt answers when it is done. It fails if the name is taken, and if for some
// time the copy does not grow. A copy that is given up goes on without us.
func (j *cloneJob) copy(ctx context.Context, side *conn, from libvirt.StorageVol) error {
	const name = "virStorageVolCreateXMLFrom"
	p, err := lookupPool(ctx, side, j.pool)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		_, err := side.lv.StorageVolCreateXMLFrom(p, j.xml, from, 0)
		done <- err
	}()
	tick := time.NewTicker(pollPause)
	defer tick.Stop()
	j.size, j.moved = 0, time.Now()
	for {
		select {
		case err := <-done:
			if err != nil {
				return side.explain(name, err)
			}
			return nil
		case <-ctx.Done():
			side.abandon()
			return &LostError{Call: name, Cause: ctx.Err()}
		case <-tick.C:
		}
		if j.stalled(ctx, "") {
			side.abandon()
			return &LostError{Call: name, Cause: errSilent}
		}
	}
}

// stalled tells how far the copy is, and reports whether it has not grown for long. What is not written, because it is
// empty, takes time as well, and so that time is long.
func (j *cloneJob) stalled(ctx context.Context, whose string) bool {
	if now, ok := j.allocation(ctx); ok && now != j.size {
		j.size, j.moved = now, time.Now()
		j.progress(plan.Progress{Text: fmt.Sprintf("%s%d MiB written", whose, now>>20)})
	}
	return time.Since(j.moved) > time.Duration(slow)*j.conn.limit
}

// allocation is how much the copy takes on the host's disk by now, if that can be told.
func (j *cloneJob) allocation(ctx context.Context) (uint64, bool) {
	v, err := findVolume(ctx, j.conn, j.pool, j.to)
	if err != nil {
		return 0, false
	}
	size, err := call(ctx, j.conn, quick, "virStorageVolGetInfo", func(lv *libvirt.Libvirt) (uint64, error) {
		_, _, allocation, err := lv.StorageVolGetInfo(v)
		return allocation, err
	})
	return size, err == nil
}

// taken reports whether a volume was not made because there is one of its name. The copying call has no code for that.
func taken(err error) bool {
	e := answer(err)
	return e != nil && e.Code == libvirt.ErrStorageVolExist || mentions(err, "already in use")
}
