package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"jeos/builders"
	"jeos/internal/config"
	"jeos/internal/images"
	"jeos/plan"
)

// ImagePruneOptions are the flags of image prune.
type ImagePruneOptions struct{ AutoApprove, Cache bool }

func newImagePruneCommand(p *program) *cobra.Command {
	var opt ImagePruneOptions
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "remove images from the pool that nothing uses",
		Long: `Show which images in the pool of the site nothing uses any more, ask for approval, and remove them. An image goes only if
jeos made it, no disk of the pool is a layer over it, no domain of the host uses it, and the files of this site do not want
it. What other sites want without having made a guest from it goes as well; their next apply makes it again.

EXIT STATUS
  0    all is done
  1    it failed, or it was not approved
  64   the command line is wrong
  130  interrupted`,
		Example: "  jeos image prune\n  jeos image prune --cache",
		Args:    positional(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opt.Cache {
				return runImagePruneCache(cmd.Context(), p, opt)
			}
			return runImagePrune(cmd.Context(), p, opt)
		},
	}
	cmd.Flags().BoolVar(&opt.Cache, "cache", false, "remove files from the cache instead")
	cmd.Flags().BoolVar(&opt.AutoApprove, "auto-approve", false, "do not ask")
	return cmd
}

func runImagePrune(ctx context.Context, p *program, opt ImagePruneOptions) error {
	a := &application{
		p: p, options: plan.Options{Destroy: true}, parallelism: 1, verb: "Prune",
		ask: question{"Do you want to remove these images?", "What still needs them must be downloaded or baked again."},
	}
	a.replan = func(ctx context.Context, hv plan.Reader) (*plan.Plan, error) {
		inv, err := hv.Inventory(ctx, a.site.Pool.Name, func(string) bool { return true })
		if err != nil {
			return nil, failed("Reading the host failed", err)
		}
		pl, err := builders.Prune(a.site.Site, inv)
		return pl, failed("Planning failed", err)
	}
	if opt.AutoApprove {
		a.approved = func(*plan.Plan) error { return nil }
	}
	return a.run(ctx)
}

// runImagePruneCache removes from the cache what the lock file of the site does not pin.
func runImagePruneCache(ctx context.Context, p *program, opt ImagePruneOptions) error {
	s, err := p.load(ctx)
	if err != nil {
		return err
	}
	entries, err := p.imageCache().Entries()
	if err != nil {
		return failed("Reading the cache failed", err)
	}
	entries = slices.DeleteFunc(entries, func(e images.Entry) bool {
		return slices.ContainsFunc(s.Images, func(i config.Image) bool { return i.Locked != nil && i.SHA256 == e.SHA256 })
	})
	for _, e := range entries {
		fmt.Fprintf(p.out, "- %s  %s, of %s\n", p.imageCache().Path(e.SHA256), sizeText(e.FileSize), e.Modified.Format(time.DateOnly))
	}
	if len(entries) > 0 && !opt.AutoApprove {
		if !p.canAsk() {
			return nobodyToAsk(false)
		}
		if err := p.confirm(ctx, question{"Do you want to remove these files?", "What still needs them must be downloaded again."}); err != nil {
			return err
		}
	}
	for _, e := range entries {
		if err := p.imageCache().Remove(e.SHA256); err != nil {
			return failed("Removing a file failed", err)
		}
	}
	fmt.Fprintf(p.out, "%s removed from the cache.\n", count(len(entries), "image"))
	return nil
}
