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
// and the domains, and of each guest the seed, as its files and as the ISO image that the guest sees. Contents of images
// are left out. Seeds hold secrets: whoever writes the files must keep others from reading them.
func Artifacts(site *config.Site, host Host) ([]Artifact, error) {
	resources, err := Build(site, host)
	if err != nil {
		return nil, err
	}
	var list []Artifact
	for _, r := range resources {
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
	for i := range site.Guests {
		files, err := seedArtifacts(site, &site.Guests[i])
		if err != nil {
			return nil, err
		}
		list = append(list, files...)
	}
	slices.SortFunc(list, func(a, b Artifact) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}

// artifactPath puts each kind into a folder of its own, by libvirt's word for it.
func artifactPath(r plan.Resource, suffix string) string {
	folder := string(r.Kind)
	switch r.Kind {
	case plan.KindGuest:
		folder = "domain"
	case plan.KindImage:
		folder = "volume"
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

func seedArtifacts(site *config.Site, g *config.Guest) ([]Artifact, error) {
	s, err := renderSeed(site, g, InstanceID(site.Name, g.Name))
	if err != nil {
		return nil, err
	}
	folder := path.Join("seed", DomainName(site.Name, g.Name))
	return []Artifact{
		{path.Join(folder, "meta-data"), s.MetaData},
		{path.Join(folder, "network-config"), s.NetworkConfig},
		{path.Join(folder, "user-data"), s.UserData},
	}, nil
}
