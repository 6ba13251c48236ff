package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"jeos/internal/topology"
)

// GraphOptions are the flags of graph.
type GraphOptions struct {
	Format string
	JSON   bool
}

func newGraphCommand(p *program) *cobra.Command {
	var opt GraphOptions
	cmd := &cobra.Command{
		Use:   "graph",
		Short: "show what depends on what, and where packets go",
		Long: `Show which networks, images, disks and other guests each guest of the files needs; what guests with a role forward, and
over which tunnels; which networks are inside, so that the guests on them must use a tunnel, and which lead to the
outside; and by which paths those guests reach it. libvirt is not asked.

With --format dot, solid lines are needs and dashed ones the ways of packets from network to network: bold ones go into
a tunnel, dotted ones are what nothing rules out.
` + exitStatus,
		Example: "  jeos graph\n  jeos graph --format dot | dot -Tsvg > site.svg",
		Args:    positional(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opt.Format != "text" && opt.Format != "dot" {
				return misused(cmd, "The value of --format is wrong: write text or dot.")
			}
			if opt.JSON && cmd.Flags().Changed("format") {
				return misused(cmd, "--json and --format cannot stand together: each says how the graph is written.")
			}
			return runGraph(cmd.Context(), p, opt)
		},
	}
	cmd.Flags().StringVar(&opt.Format, "format", "text", "text or dot (`FORMAT`)")
	cmd.Flags().BoolVar(&opt.JSON, "json", false, "write JSON")
	return cmd
}

// runGraph shows the graph of a site, also of one that no other command takes: to see what is wrong with it.
func runGraph(ctx context.Context, p *program, opt GraphOptions) error {
	s, err := p.load(ctx)
	if err != nil {
		return err
	}
	refused := p.prove(s)
	t := topology.New(s.Site)
	nodes := graph(s.Site, t)
	switch {
	case opt.JSON:
		if err := p.writeJSON(newGraphJSON(nodes, t, s.paths)); err != nil {
			return err
		}
	case opt.Format == "dot":
		writeDot(p, s.Name, nodes, t.Links())
	default:
		writeTree(p, nodes)
		if len(s.paths) > 0 {
			fmt.Fprintln(p.out)
			p.writePathsBlock(s.paths)
		}
	}
	return refused
}
