package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"jeos/builders"
	"jeos/internal/config"
	"jeos/internal/images"
	"jeos/plan"
)

// ImageListOptions are the flags of image list.
type ImageListOptions struct{ JSON bool }

func newImageListCommand(p *program) *cobra.Command {
	var opt ImageListOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "show the images of the site and where they are",
		Long: `Show every image of the files: what it is made of, its version, its size, and whether it is in the cache of this machine
and in the pool of the host. Where libvirt has a read-only socket, that one is used.
` + exitStatus,
		Args: positional(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runImageList(cmd.Context(), p, opt) },
	}
	cmd.Flags().BoolVar(&opt.JSON, "json", false, "write JSON")
	return cmd
}

// imageList is the answer of image list, and its own JSON form.
type imageList struct {
	FormatVersion string        `json:"format_version"`
	Site          string        `json:"site"`
	URI           string        `json:"uri"`
	Pool          string        `json:"pool"`
	Images        []imageStatus `json:"images"` // sorted by address
}

type imageStatus struct {
	Address  string `json:"address"`
	From     string `json:"from"`                // a path, a URL, or the address of the image that it is baked from
	Version  string `json:"version,omitempty"`   // serial of the publisher or of the bake
	SHA256   string `json:"sha256,omitempty"`    // of the file
	Signer   string `json:"signer,omitempty"`    // fingerprint of the key that signed the hash
	FileSize int64  `json:"file_size,omitempty"` // bytes
	Size     int64  `json:"size"`                // bytes of the disk that a guest sees
	Cached   *bool  `json:"cached,omitempty"`    // of files from the network
	Volume   string `json:"volume"`              // its name in the pool
	InPool   string `json:"in_pool"`             // "yes", "no", "incomplete", or "unknown" while the pool is not active
}

func runImageList(ctx context.Context, p *program, opt ImageListOptions) error {
	s, err := p.load(ctx)
	if err != nil {
		return err
	}
	hv, err := p.connect(ctx, s.uri, true)
	if err != nil {
		return err
	}
	defer p.close(hv)
	inv, err := p.inventory(ctx, hv, s)
	if err != nil {
		return err
	}
	volumes, err := builders.ImageVolumes(s.Site)
	if err != nil {
		return failed("Listing images failed", err)
	}
	actual, _ := builders.Observe(s.Name, s.Pool.Name, inv)
	l := imageList{FormatVersion: plan.FormatVersion, Site: s.Name, URI: s.uri, Pool: s.Pool.Name, Images: []imageStatus{}}
	for _, i := range s.Images {
		l.Images = append(l.Images, p.imageStatus(i, volumes[i.Name], actual))
	}
	if opt.JSON {
		return p.writeJSON(l)
	}
	l.writeText(p.out, p.siteDir())
	return nil
}

func (p *program) imageStatus(i config.Image, volume string, actual *plan.Actual) imageStatus {
	st := imageStatus{
		Address: "image." + i.Name, From: i.Path, SHA256: i.SHA256, FileSize: i.FileSize, Size: i.Size,
		Volume: volume, InPool: inPool(volume, actual),
	}
	switch {
	case i.Bake != nil:
		st.From, st.Version = "image."+i.Bake.Base, strconv.Itoa(i.Bake.Serial)
	case i.Locked != nil:
		cached := p.imageCache().Has(i.SHA256, i.FileSize)
		st.From, st.Version, st.Signer, st.Cached = images.ShownURL(i.Locked.URL), i.Locked.Serial, i.Locked.Signer, &cached
	}
	return st
}

// inPool says whether the pool has a volume of that name, and all of it.
func inPool(volume string, actual *plan.Actual) string {
	if actual.VolumesUnknown {
		return "unknown"
	}
	for _, o := range actual.Objects {
		if o.Kind == plan.KindImage && o.Host == volume && o.Complete {
			return "yes"
		} else if o.Kind == plan.KindImage && o.Host == volume {
			return "incomplete"
		}
	}
	return "no"
}

func (l *imageList) writeText(w io.Writer, dir string) {
	fmt.Fprintf(w, "Site %s on %s, pool %s\n\n", l.Site, l.URI, printable(l.Pool))
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "IMAGE\tVERSION\tSIZE\tCACHED\tIN POOL\tFROM")
	for _, i := range l.Images {
		cached := "-"
		if i.Cached != nil {
			cached = map[bool]string{true: "yes", false: "no"}[*i.Cached]
		}
		size := "-"
		if i.FileSize > 0 {
			size = sizeText(i.FileSize)
		}
		from := i.From
		if inside, err := filepath.Rel(dir, from); err == nil && filepath.IsLocal(inside) {
			from = inside
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", i.Address, cmp.Or(i.Version, "-"), size, cached, i.InPool, printable(from))
	}
	t.Flush()
}
