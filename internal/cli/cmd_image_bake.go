package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"jeos/builders"
	"jeos/internal/config"
	"jeos/internal/images"
	"jeos/plan"
)

// ImageBakeOptions are the flags of image bake.
type ImageBakeOptions struct{ Upgrade, AutoApprove bool }

func newImageBakeCommand(p *program) *cobra.Command {
	var opt ImageBakeOptions
	cmd := &cobra.Command{
		Use:   "bake [IMAGE]…",
		Short: "bake images, whether guests need them yet or not",
		Long: `Bake the images of the files that are baked from others, all of them or the named ones, as far as they are not there. apply
does the same for the images that new guests need; nothing else of the site is touched here.

With --upgrade bake them again from the same recipe, so that newer packages come in. The new image stands beside the old
one, whose guests keep it, and the lock file says that new guests are made from the new one.

EXIT STATUS
  0    all is done
  1    it failed, or it was not approved
  64   the command line is wrong
  130  interrupted`,
		Example: "  jeos image bake\n  jeos image bake --upgrade wifi",
		RunE:    func(cmd *cobra.Command, args []string) error { return runImageBake(cmd.Context(), p, opt, args) },
	}
	cmd.Flags().BoolVar(&opt.Upgrade, "upgrade", false, "bake again, with the newest packages")
	cmd.Flags().BoolVar(&opt.AutoApprove, "auto-approve", false, "do not ask")
	return cmd
}

func runImageBake(ctx context.Context, p *program, opt ImageBakeOptions, args []string) error {
	b := &baking{application: application{
		p: p, parallelism: 4, verb: "Bake",
		ask: question{"Do you want to bake these images?", "jeos will perform the actions described above."},
	}, args: args, upgrade: opt.Upgrade}
	if opt.AutoApprove {
		b.approved = func(*plan.Plan) error { return nil }
	}
	b.begin, b.finish = b.choose, b.conclude
	return b.run(ctx)
}

// baking is one image bake on its way.
type baking struct {
	application
	args    []string
	upgrade bool
	names   []string          // of the images
	before  map[string]string // by name: the volume of the image that an upgrade comes after
}

// choose decides what is baked, and under which serials.
func (b *baking) choose(ctx context.Context, hv plan.Hypervisor) error {
	var all []string
	for _, i := range b.site.Images {
		if i.Bake != nil {
			all = append(all, i.Name)
		}
	}
	var err error
	if b.names, err = chosenNames("baked image", all, b.args); err != nil {
		return err
	}
	if len(b.names) == 0 {
		return failed("Nothing to bake", errors.New("no image of the site is baked from another one. Give an image block a base and packages"))
	}
	for _, name := range b.names {
		b.options.Images = append(b.options.Images, plan.Addr{Kind: plan.KindImage, Name: name})
	}
	if !b.upgrade {
		return nil
	}
	inv, err := b.p.inventory(ctx, hv, b.site)
	if err != nil {
		return err
	}
	if b.before, err = builders.ImageVolumes(b.site.Site); err != nil {
		return failed("Planning failed", err)
	}
	for k, i := range b.site.Images {
		if slices.Contains(b.names, i.Name) {
			next := *i.Bake
			next.Serial = builders.NextSerial(b.before[i.Name], inv.Names)
			b.site.Images[k].Bake = &next
		}
	}
	return nil
}

// conclude writes down what new guests are made from now, and shows what an upgrade changed.
func (b *baking) conclude(ctx context.Context, hv plan.Hypervisor) error {
	if !b.upgrade {
		return nil
	}
	_, err := config.UpdateLock(b.p.global.Dir, func(l *config.Lock) error {
		for _, i := range b.site.Images {
			if slices.Contains(b.names, i.Name) {
				l.SetBake(config.LockedBake{Image: i.Name, Serial: i.Bake.Serial})
			}
		}
		return nil
	})
	if err != nil {
		return failed("Writing the lock file failed", err)
	}
	after, err := builders.ImageVolumes(b.site.Site)
	if err != nil {
		return failed("Reading packages failed", err)
	}
	for _, name := range b.names {
		old, err := b.p.packagesOf(ctx, hv, b.site, b.before[name])
		if errors.Is(err, plan.ErrNotFound) {
			continue // it was never baked, or removed
		}
		if err != nil {
			return err
		}
		now, err := b.p.packagesOf(ctx, hv, b.site, after[name])
		if err != nil {
			return err
		}
		b.p.writePackageChanges(name, images.ComparePackages(old, now))
	}
	return nil
}
