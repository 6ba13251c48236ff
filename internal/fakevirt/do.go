package fakevirt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"jeos/plan"
)

// Do implements plan.Hypervisor.
func (c *Conn) Do(ctx context.Context, s plan.Step, progress func(plan.Progress)) error {
	switch s.Verb {
	case plan.DefinePool:
		return c.call(ctx, func(h *Host) error { return h.definePool(s) })
	case plan.StartPool:
		return c.onPool(ctx, s.Host, func(p *pool) error { p.active = true; return nil })
	case plan.RefreshPool:
		return c.onPool(ctx, s.Host, func(*pool) error { return nil })
	case plan.CreateVolume:
		return c.onPool(ctx, s.Pool, func(p *pool) error { return p.create(s.XML) })
	case plan.UploadVolume:
		return c.upload(ctx, s, progress)
	case plan.CloneVolume:
		return c.clone(ctx, s)
	case plan.GrowVolume:
		return c.onPool(ctx, s.Pool, func(p *pool) error { return p.grow(s.Host, s.Size) })
	case plan.DeleteVolume:
		return errors.Join(
			c.onPool(ctx, s.Pool, func(p *pool) error { delete(p.volumes, s.Host+".ok"); return nil }),
			c.onPool(ctx, s.Pool, func(p *pool) error { delete(p.volumes, s.Host); return nil }))
	case plan.DefineNetwork, plan.StartNetwork, plan.StopNetwork, plan.UndefineNetwork, plan.AutostartNetwork:
		return c.call(ctx, func(h *Host) error { return h.doNetwork(s) })
	case plan.DefineFilter, plan.UndefineFilter:
		return c.call(ctx, func(h *Host) error { return h.doFilter(s) })
	case plan.UpdateDevice:
		return c.updateDevice(ctx, s)
	case plan.StartGuest:
		if err := c.call(ctx, func(h *Host) error { return h.startPaused(s.Host) }); err != nil {
			return err
		}
		return c.call(ctx, func(h *Host) error { return h.setState(s.Host, plan.Running) })
	case plan.AwaitGuest:
		return c.await(ctx, s, progress)
	default:
		return c.call(ctx, func(h *Host) error { return h.doGuest(s) })
	}
}

func (c *Conn) onPool(ctx context.Context, name string, f func(p *pool) error) error {
	return c.call(ctx, func(h *Host) error {
		p := h.pools[name]
		if p == nil {
			return fmt.Errorf("storage pool %q: %w", name, plan.ErrNotFound)
		}
		return f(p)
	})
}

func (h *Host) definePool(s plan.Step) error {
	id, err := identify(s.XML)
	if err != nil || h.pools[s.Host] != nil {
		return err
	}
	h.pools[id.Name] = &pool{xml: s.XML, volumes: map[string]*volume{}}
	return nil
}

func (p *pool) create(xml string) error {
	name, v, err := parseVolume(xml)
	if err != nil || p.volumes[name] != nil {
		return err
	}
	if v.backing != "" {
		if err := p.canOpen(path.Base(v.backing)); err != nil {
			return err
		}
	}
	p.volumes[name] = v
	return nil
}

func (p *pool) grow(name string, size int64) error {
	v := p.volumes[name]
	if v == nil {
		return fmt.Errorf("volume %q: %w", name, plan.ErrNotFound)
	}
	v.capacity = max(v.capacity, size)
	return nil
}

// upload goes in the three calls of a real one: make an incomplete volume, fill it, make it count.
func (c *Conn) upload(ctx context.Context, s plan.Step, progress func(plan.Progress)) error {
	data, err := readContent(s.Content)
	if err != nil {
		return err
	}
	var done bool
	err = c.onPool(ctx, s.Pool, func(p *pool) error {
		if old := p.volumes[s.Host]; old != nil && old.content != nil {
			done = true
			return nil
		}
		p.volumes[s.Host] = &volume{capacity: int64(len(data)), format: "raw"}
		return nil
	})
	if err != nil || done {
		return err
	}
	if progress != nil {
		progress(plan.Progress{Done: int64(len(data)), Total: int64(len(data))})
	}
	return c.onPool(ctx, s.Pool, func(p *pool) error {
		v := p.volumes[s.Host]
		v.content = data
		if strings.HasSuffix(s.Host, ".qcow2") {
			v.format = "qcow2"
		} else {
			p.volumes[s.Host+".ok"] = &volume{format: "raw"}
		}
		return nil
	})
}

func readContent(c *plan.Content) ([]byte, error) {
	r, size, err := c.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	if int64(len(data)) != size || c.SHA256 != "" && c.SHA256 != hex.EncodeToString(sum[:]) {
		return nil, errors.New("the content is not what it was said to be")
	}
	if data == nil {
		data = []byte{}
	}
	return data, nil
}

func (h *Host) doNetwork(s plan.Step) error {
	if s.Verb == plan.DefineNetwork {
		return h.defineNetwork(s)
	}
	n := h.networks[s.UUID]
	if n == nil {
		if s.Verb == plan.StopNetwork || s.Verb == plan.UndefineNetwork {
			return nil
		}
		return fmt.Errorf("network %q: %w", s.Host, plan.ErrNotFound)
	}
	switch s.Verb {
	case plan.StartNetwork:
		if !n.active {
			n.active, n.live = true, n.xml
		}
	case plan.StopNetwork:
		n.active, n.live = false, ""
		if !n.persistent {
			delete(h.networks, s.UUID)
		}
	case plan.AutostartNetwork:
		n.autostart = s.On
	case plan.UndefineNetwork:
		if n.active {
			n.persistent, n.autostart = false, false
		} else {
			delete(h.networks, s.UUID)
		}
	}
	return nil
}

func (h *Host) defineNetwork(s plan.Step) error {
	id, err := identify(s.XML)
	if err != nil {
		return err
	}
	if other := h.networkNamed(id.Name); other != nil && other.uuid != id.UUID {
		return fmt.Errorf("network %q already exists with uuid %s", id.Name, other.uuid)
	}
	n := h.networks[id.UUID]
	if n == nil {
		n = &network{uuid: id.UUID}
		h.networks[id.UUID] = n
	}
	if n.name != "" && n.name != id.Name {
		return fmt.Errorf("network %q is already defined with uuid %s", n.name, id.UUID)
	}
	n.name, n.xml, n.persistent = id.Name, s.XML, true
	return nil
}
