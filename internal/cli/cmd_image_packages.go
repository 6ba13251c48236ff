package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"jeos/builders"
	"jeos/internal/config"
	"jeos/internal/images"
	"jeos/plan"
)

// maxManifest is the greatest size of a list of packages in bytes.
const maxManifest = 4 << 20

// ImagePackagesOptions are the flags of image packages.
type ImagePackagesOptions struct{ JSON bool }

func newImagePackagesCommand(p *program) *cobra.Command {
	var opt ImagePackagesOptions
	cmd := &cobra.Command{
		Use:   "packages IMAGE",
		Short: "show which packages an image holds",
		Long: `Show the packages in an image and their versions: from the list that its publisher signed, or from the one that its bake
left in the pool.

For a baked image this needs a connection to libvirt that is not read-only.
` + exitStatus,
		Example: "  jeos image packages wifi",
		Args:    positional(1, 1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runImagePackages(cmd.Context(), p, opt, args[0]) },
	}
	cmd.Flags().BoolVar(&opt.JSON, "json", false, "write JSON")
	return cmd
}

func runImagePackages(ctx context.Context, p *program, opt ImagePackagesOptions, arg string) error {
	s, err := p.load(ctx)
	if err != nil {
		return err
	}
	names, err := chosenNames("image", imageNames(s.Images), []string{arg})
	if err != nil {
		return err
	}
	packages, err := p.packages(ctx, s, names[0])
	if err != nil {
		return err
	}
	if opt.JSON {
		return p.writeJSON(packages)
	}
	t := tabwriter.NewWriter(p.out, 0, 0, 3, ' ', 0)
	for _, pkg := range packages {
		fmt.Fprintf(t, "%s\t%s\n", printable(pkg.Name), printable(pkg.Version))
	}
	return t.Flush()
}

func imageNames(all []config.Image) []string {
	names := make([]string, len(all))
	for i, image := range all {
		names[i] = image.Name
	}
	return names
}

// packages returns what an image of the site holds.
func (p *program) packages(ctx context.Context, s *site, name string) ([]images.Package, error) {
	i := s.Images[slices.IndexFunc(s.Images, func(i config.Image) bool { return i.Name == name })]
	if i.Bake == nil {
		var packages []images.Package
		ok := false
		if i.Locked != nil {
			packages, ok = p.imageCache().Packages(i.SHA256, i.Locked.ManifestSHA256)
		}
		if !ok {
			return nil, failed("Packages are not known", fmt.Errorf("there is no list of the packages in image.%s. If its publisher has one, "+
				"\"jeos image pull %s\" fetches it", name, name))
		}
		return packages, nil
	}
	volumes, err := builders.ImageVolumes(s.Site)
	if err != nil {
		return nil, failed("Reading packages failed", err)
	}
	hv, err := p.connect(ctx, s.uri, false)
	if err != nil {
		return nil, err
	}
	defer p.close(hv)
	packages, err := p.packagesOf(ctx, hv, s, volumes[name])
	if errors.Is(err, plan.ErrNotFound) {
		return nil, failed("Packages are not known", fmt.Errorf("image.%s has not been baked yet. \"jeos image bake %s\" does it", name, name))
	}
	return packages, err
}

// packagesOf returns what a baked image holds, by the list beside it in the pool.
func (p *program) packagesOf(ctx context.Context, hv plan.Hypervisor, s *site, volume string) ([]images.Package, error) {
	data, err := hv.ReadVolume(ctx, s.Pool.Name, builders.ManifestVolume(volume), maxManifest)
	if err != nil {
		return nil, failed("Reading packages failed", err)
	}
	packages, err := images.ParseManifest(data)
	return packages, failed("Reading packages failed", err)
}

// writePackageChanges says what is in an image that was not in the one before it.
func (p *program) writePackageChanges(name string, changes []images.PackageChange) {
	if len(changes) == 0 {
		fmt.Fprintf(p.out, "\nimage.%s: the same packages as before.\n", name)
		return
	}
	fmt.Fprintf(p.out, "\nimage.%s: packages that changed:\n", name)
	for _, c := range changes {
		switch {
		case c.From == "":
			fmt.Fprintf(p.out, "  + %s %s\n", printable(c.Name), printable(c.To))
		case c.To == "":
			fmt.Fprintf(p.out, "  - %s %s\n", printable(c.Name), printable(c.From))
		default:
			fmt.Fprintf(p.out, "  ~ %s %s -> %s\n", printable(c.Name), printable(c.From), printable(c.To))
		}
	}
}
