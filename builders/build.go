package builders

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"jeos/internal/config"
	"jeos/plan"
)

// Build returns everything that the site is made of on that host, sorted by address: the pool, all images, the networks,
// and the guests with their volumes. It renders no seed; the contents of volumes are made when they are opened. An error
// means that a seed's digests could not be computed, or that the site breaks a rule that internal/config should have
// checked.
func Build(site *config.Site, host Host) ([]plan.Resource, error) {
	b := &builder{
		site: site, host: host, poolPath: cmp.Or(host.PoolPath, site.Pool.Path), hasher: newHasher(site.Name),
	}
	b.recipes = newRecipes(site, b.hasher)
	b.devices = readHostDevices(host.Devices)
	b.isolates = map[string]bool{}
	for _, n := range site.Networks {
		b.isolates[n.Name] = n.IsolatedPorts
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
	hasher   *hasher
	recipes  *recipes
	images   map[string]*image // by each of its names
	isolates map[string]bool   // networks whose ports are isolated
	devices  *hostDevices
	list     []plan.Resource
}

// image is an image of the site. Several of the files with the same content are one, under the first of their names.
type image struct {
	*config.Image
	id imageName
}

func (i *image) addr() plan.Addr { return plan.Addr{Kind: plan.KindImage, Name: i.Name} }

func (b *builder) pool() plan.Addr { return poolAddr(b.site.Pool.Name) }

func guestAddr(name string) plan.Addr { return plan.Addr{Kind: plan.KindGuest, Name: name} }

func networkAddr(name string) plan.Addr { return plan.Addr{Kind: plan.KindNetwork, Name: name} }

// chooseImages finds the image that each name stands for.
func (b *builder) chooseImages() error {
	b.images = map[string]*image{}
	byVolume := map[string]*image{}
	for _, name := range slices.Sorted(maps.Keys(b.recipes.images)) {
		id, err := b.recipes.find(name)
		if err != nil {
			return err
		}
		if byVolume[id.volume] == nil {
			byVolume[id.volume] = &image{b.recipes.images[name], id}
		}
		b.images[name] = byVolume[id.volume]
	}
	return nil
}

func (b *builder) addImages() error {
	for name, i := range b.images {
		if name != i.Name {
			continue
		}
		r, err := b.image(i)
		if err != nil {
			return fmt.Errorf("image.%s: %w", name, err)
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
	base := b.images[g.Image]
	if base == nil {
		return fmt.Errorf("there is no image %q", g.Image)
	}
	seed, err := seedAttrs(b.site, g, b.hasher)
	if err != nil {
		return err
	}
	d := &domain{
		site: b.site.Name, guest: g, poolPath: b.poolPath, image: base.id.attr(),
		accel: b.host.accel(g), seed: b.host.generation(g.Name, attrValues(seed)), kept: b.host.keptDisks(g),
	}
	d.isolates, d.passed = b.isolates, b.devices.of(g)
	l := attrList{list: append(d.wanted(), seed...)}
	d.attrs = l.sorted()
	volumes, err := b.volumes(d, base)
	if err != nil {
		return err
	}
	r, err := d.resource(volumes)
	r.Edit, r.Update, r.Needs, r.Via = d.edit, d.update, guestNeeds(b.site, g), gateways(g)
	b.list = append(append(b.list, r), volumes...)
	if err != nil {
		return err
	}
	more, err := filters(b.site.Name, g)
	b.list = append(b.list, more...)
	return err
}

// filters returns the filters of a guest's network cards.
func filters(site string, g *config.Guest) ([]plan.Resource, error) {
	var list []plan.Resource
	for i := range g.NICs {
		if g.NICs[i].Filter == nil {
			continue
		}
		r, err := (&filter{site: site, guest: g.Name, NIC: &g.NICs[i]}).resource()
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}
