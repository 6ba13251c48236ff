package builders

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"jeos/internal/config"
	"jeos/plan"
)

const (
	// manifestSize is the capacity of the volume that lists what an image holds, in bytes. The list is text.
	manifestSize = 1 * config.MiB

	// bakeStopTimeout is how long a guest that has made its image may take to switch itself off.
	bakeStopTimeout = 2 * time.Minute

	// bakeSeed is the generation of the one seed that such a guest ever has.
	bakeSeed = 1
)

// bakedImage is an image that a throw-away guest makes from another one.
func (b *builder) bakedImage(i *image) (plan.Resource, error) {
	bake, err := b.bake(i)
	if err != nil {
		return plan.Resource{}, err
	}
	return plan.Resource{
		Addr:   i.addr(),
		Host:   i.id.volume,
		Origin: i.Origin,
		Attrs:  b.bakeAttrs(i),
		XML:    bake.Clones[len(bake.Clones)-1].XML,
		Needs:  []plan.Addr{b.pool(), b.images[i.Bake.Base].addr()},
		Size:   i.Size,
		Bake:   bake,
	}, nil
}

// bakeAttrs returns what people should know of a recipe. Contents are digests.
func (b *builder) bakeAttrs(i *image) []plan.Attr {
	k, l := i.Bake, attrList{}
	set := func(name, value string) {
		if value != "" {
			l.add(name, value)
		}
	}
	digest := func(name string, value []byte, secret bool) {
		a := plan.Attr{Name: name, Value: b.hasher.public(value), Secret: secret}
		if secret {
			a.Value = b.hasher.secret("recipe", value)
		}
		l.list = append(l.list, a)
	}
	setting := func(name string, t config.Text) {
		if t.Sensitive {
			digest(name, []byte(t.Value), true)
		} else {
			set(name, t.Value)
		}
	}
	l.add("base", b.images[k.Base].addr().String())
	l.add("recipe", i.id.digest)
	l.add("serial", strconv.Itoa(k.Serial))
	l.add("size", config.FormatSize(i.Size))
	l.add("kernel", k.Kernel)
	set("packages", strings.Join(k.Packages, " "))
	set("remove_packages", strings.Join(k.RemovePackages, " "))
	setting("apt.mirror", k.Apt.Mirror)
	setting("apt.proxy", k.Apt.Proxy)
	for _, f := range k.Files {
		digest("file."+f.Path, f.Content, f.Sensitive)
	}
	for n, line := range k.Run {
		digest("run."+strconv.Itoa(n+1), []byte(line.Value), line.Sensitive)
	}
	return l.sorted()
}

// bake is the throw-away guest with all that is its own, and what is cloned from it.
func (b *builder) bake(i *image) (*plan.Bake, error) {
	base, g := b.images[i.Bake.Base], bakeGuest(b.site, i.Image)
	d := &domain{
		site: b.site.Name, guest: g, poolPath: b.poolPath, image: base.id.attr(), accel: b.host.accel(g), seed: bakeSeed, manifest: true,
	}
	l := attrList{list: d.wanted()}
	d.attrs = l.sorted()
	volumes, err := b.bakeVolumes(d, i, base)
	if err != nil {
		return nil, err
	}
	guest, err := d.resource(volumes)
	if err != nil {
		return nil, err
	}
	guest.Needs = append(wayOut(b.site, g), base.addr())
	bake := &plan.Bake{Volumes: volumes}
	if bake.Filters, err = filters(b.site.Name, g); err != nil {
		return nil, err
	}
	if n := i.Bake.Network; n == nil {
		guest.Needs = append(guest.Needs, networkAddr(i.Bake.NIC.Network))
	} else {
		r, err := (&network{site: b.site.Name, Network: n, temporary: true}).resource()
		if err != nil {
			return nil, err
		}
		bake.Network = &r
	}
	bake.Guest = guest
	bake.Clones, err = bakeClones(d, i)
	return bake, err
}

// wayOut returns the gateways of a guest that bakes, and their filters towards it, which name it as a peer.
func wayOut(site *config.Site, g *config.Guest) []plan.Addr {
	list := gateways(g)
	for _, own := range g.NICs {
		for _, gateway := range site.Guests {
			for _, n := range gateway.NICs {
				if gateway.Name == own.Via && n.Network == own.Network && n.Gateway && n.Filter != nil {
					list = append(list, filterAddr(gateway.Name, n.Name))
				}
			}
		}
	}
	return list
}

// bakeVolumes are the disks of the guest: root, a layer over the other image, one for the manifest, and the seed.
func (b *builder) bakeVolumes(d *domain, i, base *image) ([]plan.Resource, error) {
	root, err := b.rootVolume(d.guest, base)
	if err != nil {
		return nil, err
	}
	name := bakeManifest(d.site, i.Name)
	xml, err := volumeXML(name, "raw", manifestSize, nil)
	if err != nil {
		return nil, err
	}
	manifest := plan.Resource{
		Addr:   volumeAddr(d.guest.Name, manifestDisk),
		Host:   name,
		Origin: d.guest.Origin,
		Parent: guestAddr(d.guest.Name),
		Attrs:  []plan.Attr{{Name: "size", Value: config.FormatSize(manifestSize)}},
		XML:    xml,
		Needs:  []plan.Addr{b.pool()},
		Size:   manifestSize,
	}
	seed, err := b.seedVolume(d, func() (seed, error) { return renderBakeSeed(b.site, i.Image) })
	return []plan.Resource{root, manifest, seed}, err
}

// bakeClones are what outlives the bake: the manifest, and the image last.
func bakeClones(d *domain, i *image) ([]plan.Clone, error) {
	manifest := plan.Clone{From: bakeManifest(d.site, i.Name), To: ManifestVolume(i.id.volume)}
	disk := plan.Clone{From: VolumeName(d.site, d.guest.Name, rootDisk), To: i.id.volume}
	var err error
	if manifest.XML, err = volumeXML(manifest.To, "raw", manifestSize, nil); err != nil {
		return nil, err
	}
	disk.XML, err = volumeXML(disk.To, "qcow2", i.Size, nil)
	return []plan.Clone{manifest, disk}, err
}

// bakeGuest returns the guest that bakes an image. Nobody can log in to it, and its seed holds nothing of the site but the
// recipe.
func bakeGuest(site *config.Site, i *config.Image) *config.Guest {
	b := i.Bake
	g := &config.Guest{
		Name:         config.BakeName(i.Name),
		Image:        b.Base,
		CPUs:         b.CPUs,
		Memory:       b.Memory,
		Disk:         i.Size,
		Arch:         bakeArch(site, i),
		Machine:      "q35",
		Firmware:     "bios",
		Accel:        accelAuto,
		Hostname:     "bake",
		StopTimeout:  bakeStopTimeout,
		ForceStop:    true,
		ReadyTimeout: b.Timeout,
		NICs:         []config.NIC{b.NIC},
		Files:        bakeFiles(b),
		Origin:       i.Origin,
		// Few and quick ones: they are thrown away.
		CloudConfig: map[string]any{"ssh_genkeytypes": []any{"ed25519"}},
	}
	if g.Arch == "aarch64" {
		g.Machine, g.Firmware = "virt", "uefi"
	}
	return g
}

// bakeArch returns the architecture of an image, which is that of the one that it is baked from.
func bakeArch(site *config.Site, i *config.Image) string {
	for range site.Images { // bounds the search, should an image be baked from itself
		if i.Arch != "" || i.Bake == nil {
			break
		}
		at := slices.IndexFunc(site.Images, func(o config.Image) bool { return o.Name == i.Bake.Base })
		if at < 0 {
			break
		}
		i = &site.Images[at]
	}
	return cmp.Or(i.Arch, "x86_64")
}

// bakingSite returns the site with the guests that bake these images, and their networks, as if they were of the files.
func bakingSite(site *config.Site, bakes ...*config.Image) *config.Site {
	s := *site
	s.Guests, s.Networks = slices.Clone(s.Guests), slices.Clone(s.Networks)
	for _, i := range bakes {
		s.Guests = append(s.Guests, *bakeGuest(site, i))
		if n := i.Bake.Network; n != nil {
			s.Networks = append(s.Networks, *n)
		}
	}
	return &s
}
