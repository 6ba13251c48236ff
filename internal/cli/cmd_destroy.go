package cli

import (
	"context"

	"github.com/spf13/cobra"

	"jeos/plan"
)

// DestroyOptions are the flags of destroy.
type DestroyOptions struct {
	AutoApprove bool
	ForceStop   bool
	Parallelism int
}

func newDestroyCommand(p *program) *cobra.Command {
	var opt DestroyOptions
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "remove the site's guests, networks and disks",
		Long: `Show what goes away, ask for approval, and remove it: the guests, networks and disks of this site. Disks with
keep = true stay, and so do the pool and the images, which other sites may use. A guest with protect = true refuses.

EXIT STATUS
  0    all is done
  1    it failed, it was not approved, or something is protected
  64   the command line is wrong
  130  interrupted`,
		Example: "  jeos destroy\n  jeos destroy --auto-approve --force-stop",
		Args:    positional(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opt.Parallelism < 1 {
				return misused(cmd, "The value of --parallelism is wrong: write a whole number of at least 1.")
			}
			return runDestroy(cmd.Context(), p, opt)
		},
	}
	cmd.Flags().BoolVar(&opt.AutoApprove, "auto-approve", false, "do not ask")
	cmd.Flags().BoolVar(&opt.ForceStop, "force-stop", false, "pull the plug of guests that do not shut down in time")
	addParallelism(cmd, &opt.Parallelism)
	return cmd
}

func runDestroy(ctx context.Context, p *program, opt DestroyOptions) error {
	a := &application{
		p:           p,
		options:     plan.Options{Destroy: true, ForceStop: opt.ForceStop},
		parallelism: opt.Parallelism,
		verb:        "Destroy",
		ask: question{
			"Do you really want to destroy all of this?",
			"There is no undo.",
		},
	}
	if opt.AutoApprove {
		a.approved = func(*plan.Plan) error { return nil }
	}
	return a.run(ctx)
}
