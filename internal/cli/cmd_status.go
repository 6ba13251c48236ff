package cli

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"
)

// StatusOptions are the flags of status.
type StatusOptions struct{ JSON, Watch bool }

const watchInterval = 2 * time.Second

func newStatusCommand(p *program) *cobra.Command {
	var opt StatusOptions
	cmd := &cobra.Command{
		Use:   "status [GUEST]…",
		Short: "show power and readiness of guests",
		Long: `Show which guests of the site run, and ask those that do whether they are ready, how long they are up and which
addresses they have. A guest says so every two seconds, on a port of its own and without a network.

This needs a connection to libvirt that is not read-only.

EXIT STATUS
  0    every guest that should run is ready
  1    it failed, or a guest that should run is not ready
  64   the command line is wrong
  130  interrupted`,
		Example:           "  jeos status\n  jeos status web --json\n  jeos status --watch",
		RunE:              func(cmd *cobra.Command, args []string) error { return runStatus(cmd.Context(), p, opt, args) },
		ValidArgsFunction: p.completeGuests(math.MaxInt),
	}
	cmd.Flags().BoolVar(&opt.JSON, "json", false, "write JSON, with --watch a document a line")
	cmd.Flags().BoolVar(&opt.Watch, "watch", false, "ask again every two seconds until interrupted")
	return cmd
}

func runStatus(ctx context.Context, p *program, opt StatusOptions, names []string) error {
	s, err := p.load(ctx)
	if err != nil {
		return err
	}
	for i, name := range names {
		if names[i], err = s.guestNamed(name); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		names = guestNames(s.Site)
	}
	hv, err := p.connect(ctx, s.uri, false)
	if err != nil {
		return err
	}
	defer p.close(hv)
	for {
		st, err := p.askGuests(ctx, hv, s, names)
		if err != nil {
			return err
		}
		if err := p.showStatus(st, opt); err != nil {
			return err
		}
		if !opt.Watch {
			return st.verdict()
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(watchInterval):
		}
	}
}

func (p *program) showStatus(st *status, opt StatusOptions) error {
	switch {
	case opt.JSON && opt.Watch:
		return p.writeJSONLine(st)
	case opt.JSON:
		return p.writeJSON(st)
	case opt.Watch && p.draws(p.sys.OutTerminal):
		fmt.Fprint(p.out, "\x1b[H\x1b[2J") // the cursor to the corner, and nothing on the screen
	}
	st.writeText(p.out, p.outColor())
	if opt.Watch {
		fmt.Fprintln(p.out)
	}
	return nil
}
