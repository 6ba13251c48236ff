package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"jeos/internal/config"
)

// OutputOptions are the flags of output.
type OutputOptions struct{ JSON bool }

func newOutputCommand(p *program) *cobra.Command {
	var opt OutputOptions
	cmd := &cobra.Command{
		Use:   "output [NAME]",
		Short: "show the outputs of the files",
		Long: `Show the outputs of the site, or the one of that name. A string that is asked for by name is printed as it is.
Sensitive outputs are shown only when they are asked for by name.

Outputs are made from the files and the lock file; libvirt is not asked.
` + exitStatus,
		Example: "  jeos output\n  jeos output addresses --json | jq .",
		Args:    positional(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return runOutputs(cmd.Context(), p, opt)
			}
			return runOutput(cmd.Context(), p, opt, args[0])
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			s, _, _ := p.loadRaw(cmd.Context())
			if s == nil || len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return outputNames(s.Outputs), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&opt.JSON, "json", false, "write JSON")
	return cmd
}

// outputJSON is one output in the form of Terraform.
type outputJSON struct {
	Sensitive bool            `json:"sensitive"`
	Type      json.RawMessage `json:"type"`
	Value     json.RawMessage `json:"value,omitempty"` // missing when sensitive
}

func runOutputs(ctx context.Context, p *program, opt OutputOptions) error {
	s, err := p.load(ctx)
	if err != nil {
		return err
	}
	if !opt.JSON {
		p.writeOutputs(s.Outputs)
		return nil
	}
	all := map[string]outputJSON{}
	for _, o := range s.Outputs {
		j := outputJSON{Sensitive: o.Sensitive}
		if j.Type, err = ctyjson.MarshalType(o.Value.Type()); err != nil {
			return err
		}
		if !o.Sensitive {
			if j.Value, err = ctyjson.Marshal(o.Value, o.Value.Type()); err != nil {
				return err
			}
		}
		all[o.Name] = j
	}
	return p.writeJSON(all)
}

// runOutput shows one output; sensitive or not, since it was asked for.
func runOutput(ctx context.Context, p *program, opt OutputOptions, name string) error {
	s, err := p.load(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(s.Outputs, func(o config.Output) bool { return o.Name == name })
	if i < 0 {
		return failed("No such output", fmt.Errorf("the files have no output %q. \"jeos output\" lists those that there are", name))
	}
	value := s.Outputs[i].Value
	switch {
	case opt.JSON:
		data, err := ctyjson.Marshal(value, value.Type())
		if err != nil {
			return err
		}
		return p.writeJSON(json.RawMessage(data))
	case value.Type() == cty.String && !value.IsNull():
		fmt.Fprintln(p.out, value.AsString())
	default:
		fmt.Fprintf(p.out, "%s\n", hclwrite.TokensForValue(value).Bytes())
	}
	return nil
}

// writeOutputs lists outputs the way they stand in files.
func (p *program) writeOutputs(outputs []config.Output) {
	for _, o := range outputs {
		text := "(sensitive)"
		if !o.Sensitive {
			text = string(hclwrite.TokensForValue(o.Value).Bytes())
		}
		fmt.Fprintf(p.out, "%s = %s\n", o.Name, text)
	}
}

func outputNames(outputs []config.Output) []string {
	names := make([]string, len(outputs))
	for i, o := range outputs {
		names[i] = o.Name
	}
	return names
}
