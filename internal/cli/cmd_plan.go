package cli

import (
	"bytes"
	"context"
	"fmt"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"jeos/plan"
)

// PlanOptions are the flags of plan.
type PlanOptions struct {
	Out              string
	JSON             bool
	DetailedExitCode bool
	Destroy          bool
	Replace, Target  addrFlag
}

func newPlanCommand(p *program) *cobra.Command {
	var opt PlanOptions
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "show what differs between the files and the host",
		Long: `Compare the files with what the host has and show what apply would do. Nothing is changed; where libvirt has a
read-only socket, that one is used.

The paths by which guests behind a tunnel can reach the outside come first. A site that has one around the tunnel is refused.

What was done by hand to the network cards, networks and devices of a guest is security drift. It is shown first.

EXIT STATUS
  0    all is well; with --detailed-exitcode: there is nothing to do
  1    it failed, or the plan must not be applied
  2    with --detailed-exitcode: there are changes
  3    with --detailed-exitcode: there are changes, and security drift is among them
  64   the command line is wrong
  130  interrupted`,
		Example: "  jeos plan\n  jeos plan --out home.plan && jeos apply home.plan\n  jeos plan --replace guest.web",
		Args:    positional(0, 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runPlan(cmd.Context(), p, opt) },
	}
	flags := cmd.Flags()
	flags.StringVar(&opt.Out, "out", "", "save the plan in `FILE`, for apply")
	flags.BoolVar(&opt.JSON, "json", false, "write the plan as JSON")
	flags.BoolVar(&opt.DetailedExitCode, "detailed-exitcode", false, "exit 2 when there are changes, 3 with security drift")
	flags.BoolVar(&opt.Destroy, "destroy", false, "plan to destroy everything")
	addSelection(cmd, &opt.Replace, &opt.Target)
	return cmd
}

// addSelection adds the flags that choose objects.
func addSelection(cmd *cobra.Command, replace, target *addrFlag) {
	cmd.Flags().Var(replace, "replace", "make the guest `ADDR` anew; may be repeated")
	cmd.Flags().Var(target, "target", "only `ADDR` and what it needs; may be repeated")
}

func runPlan(ctx context.Context, p *program, opt PlanOptions) error {
	load := p.loadProven
	if opt.Destroy {
		load = p.load // whatever is wrong with a site, it can be taken down
	}
	s, err := load(ctx)
	if err != nil {
		return err
	}
	hv, err := p.connect(ctx, s.uri, true)
	if err != nil {
		return err
	}
	defer p.close(hv)
	options := plan.Options{Destroy: opt.Destroy, Replace: opt.Replace, Target: opt.Target}
	pl, err := p.makePlan(ctx, hv, s, options)
	if pl != nil {
		p.showSitePlan(pl, s, opt.JSON)
	}
	if err != nil {
		return err
	}
	if opt.Out != "" {
		if err := p.savePlan(pl, s, options, opt.Out); err != nil {
			return failed("Saving the plan failed", err)
		}
	}
	switch {
	case !opt.DetailedExitCode || pl.Empty():
		return nil
	case pl.Security():
		return errSecurity
	}
	return errChanges
}

// showSitePlan writes the paths of confined guests and the plan to standard output.
func (p *program) showSitePlan(pl *plan.Plan, s *site, asJSON bool) {
	if asJSON {
		p.writeWithPaths(s.paths, func(b *bytes.Buffer) error { return pl.WriteJSON(b, s.uri) }) // p.out never fails
		return
	}
	if len(s.paths) > 0 {
		p.writePathsBlock(s.paths)
		fmt.Fprintln(p.out)
	}
	p.showPlan(pl, s.uri)
}

// showPlan writes the plan to standard output.
func (p *program) showPlan(pl *plan.Plan, uri string) {
	pl.WriteText(p.out, plan.TextOptions{URI: uri, Color: p.outColor()}) // p.out never fails
}

// savePlan writes the plan to a file that only this user can read, whole or not at all.
func (p *program) savePlan(pl *plan.Plan, s *site, options plan.Options, out string) error {
	saved, err := plan.NewSaved(pl, currentVersion().Version, s.Name, s.uri, options)
	if err != nil {
		return err
	}
	var data bytes.Buffer
	if err := saved.Write(&data); err != nil {
		return err
	}
	path := p.global.path(out)
	if err := renameio.WriteFile(path, data.Bytes(), 0o600, renameio.WithStaticPermissions(0o600)); err != nil {
		return err
	}
	fmt.Fprintf(p.err, "\nThe plan is saved in %s. To do exactly this, run:\n\n    jeos apply %s\n", printable(path), printable(out))
	return nil
}
