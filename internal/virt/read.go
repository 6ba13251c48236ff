package virt

import (
	"context"
	"time"

	"github.com/digitalocean/go-libvirt"
)

// ReadVolume implements plan.Hypervisor, on a connection of its own.
func (h *Hypervisor) ReadVolume(ctx context.Context, pool, volume string, limit int64) ([]byte, error) {
	if h.opt.ReadOnly {
		return nil, errReadOnly
	}
	c, err := h.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	v, desc, err := lookupVolume(ctx, c, pool, volume)
	if err != nil {
		return nil, err
	}
	return download(ctx, c, v, min(limit, desc.Capacity.Bytes))
}

// download returns the first bytes of a volume, limit of them if it has so many. It fails if for some time nothing moves,
// and does not wait for the end of the stream once all is there: libvirt may tell the end twice, and go-libvirt hangs then.
func download(ctx context.Context, c *conn, v libvirt.StorageVol, limit int64) ([]byte, error) {
	const name = "virStorageVolDownload"
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	patient := 2 * c.limit
	silent := time.AfterFunc(patient, func() { giveUp(errSilent) })
	defer silent.Stop()
	to := &sink{limit: limit, moved: func() { silent.Reset(patient) }, full: make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- c.lv.StorageVolDownload(v, to, 0, uint64(limit), 0) }()
	select {
	case err := <-done:
		if err != nil {
			return nil, c.explain(name, err)
		}
		return to.data, nil
	case <-to.full:
		c.abandon()
		return to.data, nil
	case <-ctx.Done():
		c.abandon()
		return nil, &LostError{Call: name, Cause: context.Cause(ctx)}
	}
}

// sink is the writer that go-libvirt gets, which stops answering on a connection whose writer fails or blocks. It does
// neither: it keeps what is within the limit and drops the rest.
type sink struct {
	data  []byte
	limit int64
	moved func()
	full  chan struct{} // closed when the limit is reached; data stays as it is from then on
}

func (s *sink) Write(p []byte) (int, error) {
	s.moved()
	room := s.limit - int64(len(s.data))
	if room == 0 {
		return len(p), nil
	}
	s.data = append(s.data, p[:min(int64(len(p)), room)]...)
	if int64(len(s.data)) == s.limit {
		close(s.full)
	}
	return len(p), nil
}
