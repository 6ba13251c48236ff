package builders

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/beevik/etree"

	"jeos/internal/config"
	"jeos/plan"
)

// Prune returns the plan that removes the images in the pool that nothing uses: those that jeos made, that no volume of the
// pool is a layer over, that no domain of the host mentions, whoever owns it, and that the site's files do not want. What
// is left of one that was never finished goes too, but for baked ones while any site of the host bakes. The inventory must
// hold the XML of all volumes; where it cannot be read, or the pool is not active, that is an error.
//
// Two uses cannot be seen: an upload that goes on at this moment, which then fails and can be repeated, and a layer in
// another pool, unless a domain that runs has it.
func Prune(site *config.Site, inv *plan.Inventory) (*plan.Plan, error) {
	if inv.Pool != nil && !inv.Pool.Active {
		return nil, fmt.Errorf("the pool %q is not active, so that nobody can tell what it holds; jeos apply starts it", inv.Pool.Name)
	}
	wanted, err := ImageVolumes(site)
	if err != nil {
		return nil, err
	}
	used, baking, err := imagesInUse(inv)
	if err != nil {
		return nil, err
	}
	for _, volume := range wanted {
		used[volume] = true
	}
	p := &plan.Plan{Pool: site.Pool.Name}
	for _, s := range storedImages(inv) {
		if used[s.volume] || baking && s.serial > 0 && !s.complete {
			continue
		}
		p.Changes = append(p.Changes, s.change())
		p.Steps = append(p.Steps, s.steps(site.Pool.Name)...)
	}
	return p, nil
}

// storedImage is what a pool has of one image: it may be the manifest or the marker alone.
type storedImage struct {
	imageName        // of the image
	manifest  string // volume; empty when there is none
	exists    bool
	complete  bool
	size      string // empty: unknown
}

func (s *storedImage) change() plan.Change {
	c := plan.Change{Addr: s.addr(), Action: plan.Delete, Reason: "nothing uses it"}
	switch {
	case !s.exists:
		c.Reason = "its image is gone"
	case !s.complete:
		c.Reason = "it was never finished"
	}
	if s.size != "" {
		c.Attrs = []plan.AttrChange{{Name: "size", From: s.size, Cause: plan.ByFiles}}
	}
	return c
}

// steps deletes the image and then the manifest, each with its marker.
func (s *storedImage) steps(pool string) []plan.Step {
	step := plan.Step{Verb: plan.DeleteVolume, Addr: s.addr(), Host: s.volume, Pool: pool}
	list := []plan.Step{step}
	if s.manifest != "" {
		step.Host = s.manifest
		list = append(list, step)
	}
	return list
}

// addr is short, because people read it: an image that no file names has no name but its digest.
func (s *storedImage) addr() plan.Addr {
	name := s.digest[:12]
	if s.serial > 0 {
		name += "-" + strconv.Itoa(s.serial)
	}
	return plan.Addr{Kind: plan.KindImage, Name: name}
}

// storedImages returns all images of a pool, sorted by name.
func storedImages(inv *plan.Inventory) []*storedImage {
	byVolume := map[string]*storedImage{}
	for name := range inv.Names {
		volume := strings.TrimSuffix(name, markerSuffix)
		i, ok := parseImage(volume)
		if !ok {
			continue
		}
		of := i
		if i.manifest {
			of, _ = parseImage(bakedVolume(i.digest, i.serial))
		}
		s := byVolume[of.volume]
		if s == nil {
			s = &storedImage{imageName: of}
			byVolume[of.volume] = s
		}
		if i.manifest {
			s.manifest = volume
		} else if name == volume {
			s.exists = true
		}
	}
	for _, v := range inv.Volumes {
		if s := byVolume[v.Name]; s != nil {
			attrs, _, complete := readVolume(v, inv.Names)
			s.size, s.complete = attrs["size"], complete
		}
	}
	var list []*storedImage
	for _, volume := range slices.Sorted(maps.Keys(byVolume)) {
		list = append(list, byVolume[volume])
	}
	return list
}

// imagesInUse returns the names of the image volumes that a domain mentions or another volume is a layer over, wherever
// their folder is said to be, and whether any guest is there to bake an image.
func imagesInUse(inv *plan.Inventory) (used map[string]bool, baking bool, err error) {
	used = map[string]bool{}
	for _, v := range inv.Volumes {
		_, root, err := parseXML(v.XML)
		if err != nil {
			return nil, false, fmt.Errorf("cannot tell which image the volume %q is a layer over: %w", v.Name, err)
		}
		if backing := root.SelectElement("backingStore"); backing != nil {
			addMentioned(used, backing)
		}
	}
	for _, d := range inv.Domains {
		for _, text := range []string{d.XML, d.LiveXML} {
			if text == "" {
				continue
			}
			_, root, err := parseXML(text)
			if err != nil {
				return nil, false, fmt.Errorf("cannot tell which images the domain %q uses: %w", d.Name, err)
			}
			addMentioned(used, root)
			if m := readMark(root, plan.KindGuest); m != nil {
				_, bakes := bakeOf(m.name)
				baking = baking || bakes
			}
		}
	}
	return used, baking, nil
}

// addMentioned adds the image volumes that an element or anything in it names, be it by path.
func addMentioned(used map[string]bool, e *etree.Element) {
	mention := func(text string) {
		if name := path.Base(strings.TrimSpace(text)); strings.HasPrefix(name, imagePrefix) {
			used[name] = true
		}
	}
	mention(e.Text())
	for _, a := range e.Attr {
		mention(a.Value)
	}
	for _, c := range e.ChildElements() {
		addMentioned(used, c)
	}
}
