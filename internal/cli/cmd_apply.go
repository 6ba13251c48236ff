package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"jeos/plan"
)

// ApplyOptions are the flags of apply.
type ApplyOptions struct {
	AutoApprove     bool
	NoWait          bool
	RequireProbes   bool
	NoRestart       bool
	ForceStop       bool
	Parallelism     int
	Replace, Target addrFlag
}

func newApplyCommand(p *program) *cobra.Command {
	var opt ApplyOptions
	cmd := &cobra.Command{
		Use:   "apply [PLANFILE]",
		Short: "make the host what the files say",
		Long: `Show the plan, ask for approval, and do it. With PLANFILE, which "jeos plan --out" wrote, do exactly that plan and ask
nothing; it is refused when anything has changed since.

Started guests are waited for until they report ready, which a guest with a guard is when that is closed. What their probes
say counts with --require-probes alone: a wrong passphrase need not keep other guests from being made. The first interrupt lets what is under way finish and says where
things stand; the second stops at once. In all cases "jeos plan" shows what is left, and another apply goes on from there.

EXIT STATUS
  0    all is done
  1    it failed, it was not approved, or the plan must not be applied
  64   the command line is wrong
  130  interrupted`,
		Example: "  jeos apply\n  jeos apply --auto-approve --no-wait\n  jeos plan --out home.plan && jeos apply home.plan",
		Args:    positional(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if opt.Parallelism < 1 {
				return misused(cmd, "The value of --parallelism is wrong: write a whole number of at least 1.")
			}
			if opt.RequireProbes && opt.NoWait {
				return misused(cmd, "--require-probes cannot stand beside --no-wait: the one asks to wait for more, the other for nothing.")
			}
			if len(args) == 0 {
				return runApply(cmd.Context(), p, opt)
			}
			for _, name := range []string{"replace", "target"} {
				if cmd.Flags().Changed(name) {
					return misused(cmd, "--%s cannot stand beside a saved plan, which holds what it was made with. Give it to \"jeos plan --out\".", name)
				}
			}
			return runApplySaved(cmd.Context(), p, opt, args[0])
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&opt.AutoApprove, "auto-approve", false, "do not ask")
	flags.BoolVar(&opt.NoWait, "no-wait", false, "do not wait until started guests are ready")
	flags.BoolVar(&opt.RequireProbes, "require-probes", false, "wait until the probes of started guests succeed, too")
	flags.BoolVar(&opt.NoRestart, "no-restart", false, "restart no guest; what needs a restart stays pending")
	flags.BoolVar(&opt.ForceStop, "force-stop", false, "pull the plug of guests that do not shut down in time")
	addParallelism(cmd, &opt.Parallelism)
	addSelection(cmd, &opt.Replace, &opt.Target)
	return cmd
}

func addParallelism(cmd *cobra.Command, n *int) {
	cmd.Flags().IntVar(n, "parallelism", 4, "do at most `N` things at once")
}

func runApply(ctx context.Context, p *program, opt ApplyOptions) error {
	a := &application{
		p: p,
		options: plan.Options{
			Replace: opt.Replace, Target: opt.Target,
			NoRestart: opt.NoRestart, ForceStop: opt.ForceStop, NoWait: opt.NoWait, RequireProbes: opt.RequireProbes,
		},
		parallelism: opt.Parallelism,
		verb:        "Apply",
		ask: question{
			"Do you want to perform these actions?",
			"jeos will perform the actions described above.",
		},
	}
	if opt.AutoApprove {
		a.approved = func(*plan.Plan) error { return nil }
	}
	return a.run(ctx)
}

// runApplySaved does what the plan in a file says. Whoever made the plan has approved it.
func runApplySaved(ctx context.Context, p *program, opt ApplyOptions, name string) error {
	saved, err := p.readPlan(name)
	if err != nil {
		return err
	}
	options := saved.Options
	options.NoRestart, options.ForceStop = opt.NoRestart, opt.ForceStop
	options.NoWait, options.RequireProbes = opt.NoWait, opt.RequireProbes
	a := &application{p: p, options: options, parallelism: opt.Parallelism, verb: "Apply"}
	if saved.Options.Destroy {
		a.verb = "Destroy"
	}
	a.approved = func(pl *plan.Plan) error {
		return failed("Plan is stale", saved.Check(pl, a.site.uri))
	}
	return a.run(ctx)
}

// readPlan reads a saved plan.
func (p *program) readPlan(name string) (*plan.Saved, error) {
	f, err := os.Open(p.global.path(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, failed("No such plan", fmt.Errorf("there is no file %q. \"jeos plan --out %s\" makes one", name, printable(name)))
	}
	if err != nil {
		return nil, failed("Reading the plan failed", err)
	}
	defer f.Close()
	saved, err := plan.ReadSaved(f)
	if err != nil {
		return nil, failed("Reading the plan failed", fmt.Errorf("%s: %w", printable(name), err))
	}
	return saved, nil
}
