package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"jeos/builders"
	"jeos/plan"
)

// ShowOptions are the flags of show.
type ShowOptions struct{ JSON bool }

func newShowCommand(p *program) *cobra.Command {
	var opt ShowOptions
	cmd := &cobra.Command{
		Use:   "show [PLANFILE | ADDR]",
		Short: "show what is there, or a saved plan",
		Long: `Show what the host has of this site: networks, guests and disks, those that no file mentions any more included. With
ADDR, such as guest.web, show only that. With PLANFILE show the plan that is saved there; neither libvirt nor the files are
needed for that.

Where libvirt has a read-only socket, that one is used.
` + exitStatus,
		Example: "  jeos show\n  jeos show guest.web\n  jeos show home.plan --json",
		Args:    positional(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return runShow(cmd.Context(), p, opt, nil)
			}
			if a, err := plan.ParseAddr(args[0]); err == nil {
				return runShow(cmd.Context(), p, opt, &a)
			} else if _, missing := os.Stat(p.global.path(args[0])); missing != nil {
				return failed("Nothing to show", fmt.Errorf("there is no file %q, and %w", args[0], err))
			}
			return runShowPlan(p, opt, args[0])
		},
	}
	cmd.Flags().BoolVar(&opt.JSON, "json", false, "write JSON")
	return cmd
}

func runShowPlan(p *program, opt ShowOptions, name string) error {
	saved, err := p.readPlan(name)
	if err != nil {
		return err
	}
	if opt.JSON {
		return p.writeJSON(json.RawMessage(saved.Plan))
	}
	pl, err := saved.View()
	if err != nil {
		return failed("Reading the plan failed", err)
	}
	fmt.Fprintf(p.out, "Saved plan of site %s for %s\n\n", printable(saved.Site), printable(saved.URI))
	p.showPlan(pl, printable(saved.URI))
	return nil
}

// runShow shows what the host has, all of it or one object.
func runShow(ctx context.Context, p *program, opt ShowOptions, only *plan.Addr) error {
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
	actual, _ := builders.Observe(s.Name, s.Pool.Name, inv)
	l := newListing(s, actual)
	if only != nil {
		if l.Objects = l.only(*only); len(l.Objects) == 0 {
			return failed("No such object", fmt.Errorf("%s has no %s. \"jeos show\" lists what there is", s.uri, only))
		}
	}
	if opt.JSON {
		return p.writeJSON(l)
	}
	l.writeText(p.out, p.outColor())
	return nil
}
