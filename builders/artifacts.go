package builders

import (
	"bytes"
	"io"
	"path"
	"slices"
	"strings"

	"jeos/internal/config"
	"jeos/plan"
)

// Artifact is a file that shows a part of what a site is built to.
type Artifact struct {
	Path string // relative, with slashes
	Data []byte
}

// Artifacts returns everything that Build makes as files, sorted by path: the XML of the pool, the volumes, the networks
// and the domains, those that bake images included, and of each domain the seed, as its files and as the ISO image that it
// sees. Contents of images are left out. Seeds hold secrets: whoever writes the files must keep others from reading them.
func Artifacts(site *config.Site, host Host) ([]Artifact, error) {
	resources, err := Build(site, host)
	if err != nil {
		return nil, err
	}
	var list []Artifact
	for _, r := range withBakes(resources) {
		list = append(list, Artifact{artifactPath(r, ".xml"), []byte(strings.TrimSpace(r.XML) + "\n")})
		if !r.Hidden {
			continue
		}
		iso, err := readContent(r.Content)
		if err != nil {
			return nil, err
		}
		list = append(list, Artifact{artifactPath(r, ""), iso})
	}
	seeds, err := seedArtifacts(site, resources)
	if err != nil {
		return nil, err
	}
	list = append(list, seeds...)
	slices.SortFunc(list, func(a, b Artifact) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}

// withBakes adds to resources those that come and go with bakes, and the manifests.
func withBakes(resources []plan.Resource) []plan.Resource {
	list := slices.Clone(resources)
	for _, r := range resources {
		if r.Bake == nil {
			continue
		}
		list = append(append(list, r.Bake.Guest), r.Bake.Volumes...)
		list = append(list, r.Bake.Filters...)
		if r.Bake.Network != nil {
			list = append(list, *r.Bake.Network)
		}
		for _, c := range r.Bake.Clones {
			if c.To != r.Host {
				list = append(list, plan.Resource{Addr: plan.Addr{Kind: plan.KindVolume}, Host: c.To, XML: c.XML})
			}
		}
	}
	return list
}

// artifactPath puts each kind into a folder of its own, by libvirt's word for it.
func artifactPath(r plan.Resource, suffix string) string {
	folder := string(r.Kind)
	switch r.Kind {
	case plan.KindGuest:
		folder = "domain"
	case plan.KindImage:
		folder = "volume"
	case plan.KindFilter:
		folder = "nwfilter"
	}
	return path.Join(folder, r.Host+suffix)
}

func readContent(c *plan.Content) ([]byte, error) {
	r, size, err := c.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	buffer := bytes.NewBuffer(make([]byte, 0, size))
	_, err = io.Copy(buffer, r)
	return buffer.Bytes(), err
}

// seedArtifacts returns the files of the seeds of all guests, and of those that bake the images among the resources.
func seedArtifacts(site *config.Site, resources []plan.Resource) ([]Artifact, error) {
	var list []Artifact
	add := func(guest string, s seed) {
		for _, f := range s.files() {
			list = append(list, Artifact{path.Join("seed", DomainName(site.Name, guest), f.name), f.content})
		}
	}
	for i := range site.Guests {
		g := &site.Guests[i]
		s, err := renderSeed(site, g, InstanceID(site.Name, g.Name))
		if err != nil {
			return nil, err
		}
		add(g.Name, s)
	}
	for i := range site.Images {
		image := &site.Images[i]
		if !slices.ContainsFunc(resources, func(r plan.Resource) bool {
			return r.Kind == plan.KindImage && r.Name == image.Name && r.Bake != nil
		}) {
			continue
		}
		s, err := renderBakeSeed(site, image)
		if err != nil {
			return nil, err
		}
		add(config.BakeName(image.Name), s)
	}
	return list, nil
}
