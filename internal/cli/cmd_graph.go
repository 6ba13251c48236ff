package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"jeos/internal/config"
	"jeos/plan"
)

// GraphOptions are the flags of graph.
type GraphOptions struct{ Format string }

func newGraphCommand(p *program) *cobra.Command {
	var opt GraphOptions
	cmd := &cobra.Command{
		Use:   "graph",
		Short: "show what depends on what",
		Long: `Show which networks, images, disks and other guests each guest of the files needs. libvirt is not asked.
` + exitStatus,
		Example: "  jeos graph\n  jeos graph --format dot | dot -Tsvg > site.svg",
		Args:    positional(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opt.Format != "text" && opt.Format != "dot" {
				return misused(cmd, "The value of --format is wrong: write text or dot.")
			}
			return runGraph(cmd.Context(), p, opt)
		},
	}
	cmd.Flags().StringVar(&opt.Format, "format", "text", "text or dot (`FORMAT`)")
	return cmd
}

func runGraph(ctx context.Context, p *program, opt GraphOptions) error {
	s, err := p.load(ctx)
	if err != nil {
		return err
	}
	nodes := graph(s.Site)
	if opt.Format == "dot" {
		writeDot(p, s.Name, nodes)
	} else {
		writeTree(p, nodes)
	}
	return nil
}

// node is an object and what it needs.
type node struct {
	addr  plan.Addr
	needs []edge
}

type edge struct {
	to   plan.Addr
	note string
}

// graph returns the networks and images of a site, which need nothing, and then its guests.
func graph(s *config.Site) []node {
	var nodes []node
	for _, n := range s.Networks {
		nodes = append(nodes, node{addr: plan.Addr{Kind: plan.KindNetwork, Name: n.Name}})
	}
	for _, i := range s.Images {
		nodes = append(nodes, node{addr: plan.Addr{Kind: plan.KindImage, Name: i.Name}})
	}
	for _, g := range s.Guests {
		n := node{addr: plan.Addr{Kind: plan.KindGuest, Name: g.Name}}
		n.add(plan.KindImage, g.Image, "")
		for _, nic := range g.NICs {
			addresses := make([]string, len(nic.Addresses))
			for i, a := range nic.Addresses {
				addresses[i] = a.Addr().String()
			}
			n.add(plan.KindNetwork, nic.Network, strings.TrimSpace(nic.Name+" "+strings.Join(addresses, " ")))
		}
		for _, d := range g.Disks {
			n.add(plan.KindVolume, g.Name+"."+d.Name, strings.TrimSpace(config.FormatSize(d.Size)+" "+d.Mount))
		}
		for _, other := range g.Needs {
			n.add(plan.KindGuest, other, "")
		}
		nodes = append(nodes, n)
	}
	return nodes
}

func (n *node) add(kind plan.Kind, name, note string) {
	n.needs = append(n.needs, edge{plan.Addr{Kind: kind, Name: name}, note})
}

func writeTree(p *program, nodes []node) {
	for _, n := range nodes {
		fmt.Fprintln(p.out, n.addr)
		for i, e := range n.needs {
			branch := "├── "
			if i == len(n.needs)-1 {
				branch = "└── "
			}
			note := ""
			if e.note != "" {
				note = "  (" + e.note + ")"
			}
			fmt.Fprintf(p.out, "%s%s%s\n", branch, e.to, note)
		}
	}
}

// writeDot writes the language of https://graphviz.org/doc/info/lang.html.
func writeDot(p *program, name string, nodes []node) {
	fmt.Fprintf(p.out, "digraph %s {\n  rankdir = LR\n", strconv.Quote(name))
	for _, n := range nodes {
		fmt.Fprintf(p.out, "  %s\n", strconv.Quote(n.addr.String()))
		for _, e := range n.needs {
			fmt.Fprintf(p.out, "  %s -> %s", strconv.Quote(n.addr.String()), strconv.Quote(e.to.String()))
			if e.note != "" {
				fmt.Fprintf(p.out, " [label = %s]", strconv.Quote(e.note))
			}
			fmt.Fprintln(p.out)
		}
	}
	fmt.Fprintln(p.out, "}")
}
