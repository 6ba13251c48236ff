package fakevirt

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"jeos/plan"
)

// ReadVolume implements plan.Hypervisor.
func (c *Conn) ReadVolume(_ context.Context, poolName, name string, limit int64) ([]byte, error) {
	if c.readOnly {
		return nil, errors.New("the connection is read-only")
	}
	h := c.host
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.pools[poolName]
	if p == nil || p.volumes[name] == nil {
		return nil, fmt.Errorf("volume %q: %w", name, plan.ErrNotFound)
	}
	data := p.volumes[name].content
	return slices.Clone(data[:min(limit, int64(len(data)))]), nil
}
