package fakevirt

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"jeos/plan"
)

// clone goes in the calls of a real one: take away what an earlier one left, make an incomplete volume, fill it, mark it as
// complete. A copy has what its source shows, also from the volumes below it, and stands by itself. Unlike a real one it refuses
// to put something else below a disk that was a layer over an earlier volume of that name.
func (c *Conn) clone(ctx context.Context, s plan.Step) error {
	var done bool
	err := c.onPool(ctx, s.Pool, func(p *pool) error {
		done = p.volumes[s.Host] != nil && p.volumes[s.Host+".ok"] != nil
		if !done {
			delete(p.volumes, s.Host+".ok")
			delete(p.volumes, s.Host)
		}
		return nil
	})
	if err != nil || done {
		return err
	}
	for _, call := range []func(p *pool) error{
		func(p *pool) error { return p.create(s.XML) },
		func(p *pool) error { return p.fill(s.Host, s.From) },
		func(p *pool) error { p.volumes[s.Host+".ok"] = &volume{format: "raw"}; return nil },
	} {
		err := c.call(ctx, func(h *Host) error {
			p := h.pools[s.Pool]
			if h.writes(p, s.From) {
				return fmt.Errorf("volume %q is in use by a running domain", s.From)
			}
			if layer := p.layerOver(s.Host); layer != "" {
				return fmt.Errorf("volume %q is a layer over %q, which must never have another content", layer, s.Host)
			}
			return call(p)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fill copies into a volume what another one shows.
func (p *pool) fill(name, from string) error {
	to := p.volumes[name]
	if to == nil {
		return errors.New("the definition of the copy has another name")
	}
	if err := p.canOpen(from); err != nil {
		return err
	}
	to.capacity = max(to.capacity, p.volumes[from].capacity)
	to.content = slices.Clone(p.volumes[from].content)
	return nil
}

// layerOver returns the name of a volume that is a layer over the one of that name, or "". Those of guests that bake do not
// count: nothing in them does.
func (p *pool) layerOver(name string) string {
	for layer, v := range p.volumes {
		if v.backing != "" && path.Base(v.backing) == name && !strings.Contains(layer, ".bake.") {
			return layer
		}
	}
	return ""
}

// writes reports whether a running domain has the volume open.
func (h *Host) writes(p *pool, volume string) bool {
	for _, d := range h.domains {
		for _, name := range p.volumesIn(d.live) {
			if name == volume {
				return true
			}
		}
	}
	return false
}

// volumesIn returns the names of the pool's volumes in the definition of a domain.
func (p *pool) volumesIn(xml string) []string {
	id, _ := identify(p.xml) // it was parsed when it was defined
	var names []string
	for _, rest := range strings.Split(xml, id.Path+"/")[1:] {
		names = append(names, rest[:strings.IndexAny(rest, `"'<`)])
	}
	return names
}

// canOpen refuses a volume that is missing or not what its name says, or lies over such a one.
func (p *pool) canOpen(name string) error {
	v := p.volumes[name]
	if v == nil {
		return fmt.Errorf("cannot access storage file %q: %w", name, plan.ErrNotFound)
	}
	if path.Ext(name) == ".qcow2" && v.format != "qcow2" {
		return fmt.Errorf("storage file %q is not in qcow2 format", name)
	}
	if v.backing != "" {
		return p.canOpen(path.Base(v.backing))
	}
	return nil
}
