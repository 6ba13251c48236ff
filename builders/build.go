package builders

import (
	"cmp"
	"fmt"
	"slices"

	"jeos/internal/config"
	"jeos/plan"
)

// Build returns everything that the site is made of on that host, sorted by address: the pool, the images that guests
// use, the networks, and the guests with their volumes. It renders no seed; the contents of volumes are made when they
// are opened. An error means that a seed's digests could not be computed, or that the site breaks a rule that
// internal/config should have checked.
func Build(site *config.Site, host Host) ([]plan.Resource, error) {
	b := &builder{
		site: site, host: host, poolPath: cmp.Or(host.PoolPath, site.Pool.Path),
		images: map[string]config.Image{}, hasher: newHasher(site.Name),
	}
	if err := b.chooseImages(); err != nil {
		return nil, err
	}
	p, err := pool(site.Pool)
	if err != nil {
		return nil, err
	}
	b.list = []plan.Resource{p}
	for _, add := range []func() error{b.addImages, b.addNetworks, b.addGuests} {
		if err := add(); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(b.list, func(x, y plan.Resource) int { return x.Addr.Compare(y.Addr) })
	return b.list, nil
}

// builder builds the resources of one site.
type builder struct {
	site     *config.Site
	host     Host
	poolPath string
	images   map[string]config.Image // by the name that a guest uses: the image that stands for its content
	hasher   *hasher
	list     []plan.Resource
}

func (b *builder) pool() plan.Addr { return poolAddr(b.site.Pool.Name) }

func guestAddr(name string) plan.Addr { return plan.Addr{Kind: plan.KindGuest, Name: name} }

func networkAddr(name string) plan.Addr { return plan.Addr{Kind: plan.KindNetwork, Name: name} }

// chooseImages finds the image of each guest. Images with the same content share one volume, under the first name.
func (b *builder) chooseImages() error {
	byName := map[string]config.Image{}
	for _, i := range b.site.Images {
		byName[i.Name] = i
	}
	first := map[string]config.Image{}
	for _, g := range b.site.Guests {
		i, ok := byName[g.Image]
		if !ok {
			return fmt.Errorf("guest.%s: there is no image %q", g.Name, g.Image)
		}
		if f, ok := first[ImageVolume(i)]; !ok || i.Name < f.Name {
			first[ImageVolume(i)] = i
		}
	}
	for _, g := range b.site.Guests {
		b.images[g.Image] = first[ImageVolume(byName[g.Image])]
	}
	return nil
}

func (b *builder) addImages() error {
	done := map[string]bool{}
	for _, i := range b.images {
		if done[i.Name] {
			continue
		}
		done[i.Name] = true
		r, err := b.image(i)
		if err != nil {
			return err
		}
		b.list = append(b.list, r)
	}
	return nil
}

func (b *builder) addNetworks() error {
	for i := range b.site.Networks {
		r, err := (&network{site: b.site.Name, Network: &b.site.Networks[i]}).resource()
		if err != nil {
			return err
		}
		b.list = append(b.list, r)
	}
	return nil
}

func (b *builder) addGuests() error {
	for i := range b.site.Guests {
		g := &b.site.Guests[i]
		for _, d := range g.Disks {
			if reservedDisk(d.Name) {
				return fmt.Errorf("guest.%s: no data disk can be named %q", g.Name, d.Name)
			}
		}
		if err := b.addGuest(g); err != nil {
			return fmt.Errorf("guest.%s: %w", g.Name, err)
		}
	}
	return nil
}

// addGuest adds a guest and its volumes.
func (b *builder) addGuest(g *config.Guest) error {
	seed, err := seedAttrs(b.site, g, b.hasher)
	if err != nil {
		return err
	}
	d := &domain{
		site: b.site.Name, guest: g, poolPath: b.poolPath,
		accel: b.host.accel(g), seed: b.host.generation(g.Name, attrValues(seed)), kept: b.host.keptDisks(g),
	}
	l := attrList{list: append(d.wanted(b.images[g.Image]), seed...)}
	d.attrs = l.sorted()
	xml, err := d.build()
	if err != nil {
		return err
	}
	volumes, err := b.volumes(d)
	if err != nil {
		return err
	}
	r := plan.Resource{
		Addr:         guestAddr(g.Name),
		Host:         d.name(),
		UUID:         GuestUUID(b.site.Name, g.Name),
		Origin:       g.Origin,
		Attrs:        d.attrs,
		XML:          xml,
		Edit:         d.edit,
		Needs:        guestNeeds(g),
		Body:         volumeAddr(g.Name, rootDisk),
		Running:      g.Running,
		Autostart:    g.Autostart,
		StopTimeout:  g.StopTimeout,
		ForceStop:    g.ForceStop,
		ReadyTimeout: g.ReadyTimeout,
		Protect:      g.Protect,
	}
	for _, v := range volumes {
		r.Parts = append(r.Parts, v.Addr)
	}
	slices.SortFunc(r.Parts, plan.Addr.Compare)
	b.list = append(append(b.list, r), volumes...)
	return nil
}

// guestNeeds returns the networks of a guest and the guests that its blocks refer to, sorted.
func guestNeeds(g *config.Guest) []plan.Addr {
	var needs []plan.Addr
	for _, n := range g.NICs {
		needs = append(needs, networkAddr(n.Network))
	}
	for _, name := range g.Needs {
		needs = append(needs, guestAddr(name))
	}
	slices.SortFunc(needs, plan.Addr.Compare)
	return slices.Compact(needs)
}
