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
	v, _, err := lookupVolume(ctx, c, pool, volume)
	if err != nil {
		return nil, err
	}
	return download(ctx, c, v, limit)
}

// download fails if for some time nothing moves.
func download(ctx context.Context, c *conn, v libvirt.StorageVol, limit int64) ([]byte, error) {
	const name = "virStorageVolDownload"
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	patient := 2 * c.limit
	silent := time.AfterFunc(patient, func() { giveUp(errSilent) })
	defer silent.Stop()
	to := &sink{limit: limit, moved: func() { silent.Reset(patient) }}
	done := make(chan error, 1)
	go func() { done <- c.lv.StorageVolDownload(v, to, 0, uint64(limit), 0) }()
	select {
	case err := <-done:
		if err != nil {
			return nil, c.explain(name, err)
		}
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
}

func (s *sink) Write(p []byte) (int, error) {
	s.moved()
	room := s.limit - int64(len(s.data))
	s.data = append(s.data, p[:min(int64(len(p)), room)]...)
	return len(p), nil
}
