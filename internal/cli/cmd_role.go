package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/spf13/cobra"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"jeos/internal/config"
	"jeos/internal/roles"
	"jeos/plan"
)

func newRoleCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "role COMMAND",
		Short: "list and describe the roles that guests can have",
		Long: `Roles say what a guest is for: they give it network cards, files, units and packages. jeos brings some, and a site may
declare its own.
` + exitStatus,
		Args: positionalCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRoleListCommand(p), newRoleShowCommand(p))
	return cmd
}

// RoleListOptions are the flags of role list.
type RoleListOptions struct{ JSON bool }

func newRoleListCommand(p *program) *cobra.Command {
	var opt RoleListOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "show the roles that guests can have",
		Long: `Show the roles that jeos brings, and those that the site declares.
` + exitStatus,
		Args: positional(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runRoleList(cmd.Context(), p, opt) },
	}
	cmd.Flags().BoolVar(&opt.JSON, "json", false, "write JSON")
	return cmd
}

// roleList is the answer of role list, and its own JSON form.
type roleList struct {
	FormatVersion string     `json:"format_version"`
	Roles         []roleJSON `json:"roles"` // sorted by name
}

// roleJSON is a role in JSON.
type roleJSON struct {
	Name      string         `json:"name"`
	Source    string         `json:"source,omitempty"` // folder of a role of the site's own
	Summary   string         `json:"summary"`
	Confined  bool           `json:"confined"` // its guests may reach the outside through a tunnel alone
	Arguments []argumentJSON `json:"arguments,omitempty"`
	Blocks    []blockJSON    `json:"blocks,omitempty"`
}

type argumentJSON struct {
	Name        string          `json:"name"`
	Type        string          `json:"type"`
	Description string          `json:"description,omitempty"`
	Required    bool            `json:"required"`
	Secret      bool            `json:"secret"`            // the value may be sensitive
	Default     json.RawMessage `json:"default,omitempty"` // null where the role says so; missing when required
}

type blockJSON struct {
	Type        string         `json:"type"`
	Label       string         `json:"label,omitempty"`
	Description string         `json:"description,omitempty"`
	Min         int            `json:"min"`
	Max         int            `json:"max,omitempty"` // missing: any number
	Arguments   []argumentJSON `json:"arguments,omitempty"`
}

func runRoleList(ctx context.Context, p *program, opt RoleListOptions) error {
	all, err := p.loadRoles(ctx)
	if err != nil {
		return err
	}
	if !opt.JSON {
		t := tabwriter.NewWriter(p.out, 0, 0, 3, ' ', 0)
		fmt.Fprintln(t, "ROLE\tFROM\tSUMMARY")
		for _, r := range all {
			fmt.Fprintf(t, "%s\t%s\t%s\n", r.Name, cmp.Or(printable(r.Source), "jeos"), printable(r.Summary))
		}
		return t.Flush()
	}
	l := roleList{plan.FormatVersion, []roleJSON{}}
	for _, r := range all {
		l.Roles = append(l.Roles, roleJSON{Name: r.Name, Source: r.Source, Summary: r.Summary, Confined: r.Confined})
	}
	return p.writeJSON(l)
}

// loadRoles returns the roles that guests can have, sorted by name. Warnings are shown at once.
func (p *program) loadRoles(ctx context.Context) ([]config.RoleDefinition, error) {
	all, files, diags := config.LoadRoles(p.configOptions(ctx))
	if diags.HasErrors() {
		return nil, &invalid{files, diags}
	}
	p.diagnose(files, diags)
	return all, nil
}

// RoleShowOptions are the flags of role show.
type RoleShowOptions struct{ JSON bool }

func newRoleShowCommand(p *program) *cobra.Command {
	var opt RoleShowOptions
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "show what may stand in the block of a role",
		Long: `Show the arguments and blocks that a role takes: their types, their defaults and what they are for.
` + exitStatus,
		Example: "  jeos role show workload",
		Args:    positional(1, 1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runRoleShow(cmd.Context(), p, opt, args[0]) },
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			all, _, _ := config.LoadRoles(p.configOptions(cmd.Context()))
			if len(args) > 0 {
				all = nil
			}
			return roleNames(all), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&opt.JSON, "json", false, "write JSON")
	return cmd
}

func runRoleShow(ctx context.Context, p *program, opt RoleShowOptions, name string) error {
	all, err := p.loadRoles(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(r config.RoleDefinition) bool { return r.Name == name })
	if i < 0 {
		return failed("No such role", fmt.Errorf("there is no role %q. There are %s", name, strings.Join(roleNames(all), ", ")))
	}
	if !opt.JSON {
		writeRole(p.out, all[i])
		return nil
	}
	r := roleJSON{Name: all[i].Name, Source: all[i].Source, Summary: all[i].Summary, Confined: all[i].Confined}
	if r.Arguments, err = argumentsJSON(all[i].Arguments); err != nil {
		return err
	}
	for _, b := range all[i].Blocks {
		arguments, err := argumentsJSON(b.Arguments)
		if err != nil {
			return err
		}
		r.Blocks = append(r.Blocks, blockJSON{b.Type, b.Label, b.Description, b.Min, b.Max, arguments})
	}
	return p.writeJSON(struct {
		FormatVersion string `json:"format_version"`
		roleJSON
	}{plan.FormatVersion, r})
}

func roleNames(all []config.RoleDefinition) []string {
	names := make([]string, len(all))
	for i, r := range all {
		names[i] = r.Name
	}
	return names
}

func argumentsJSON(arguments []roles.Argument) ([]argumentJSON, error) {
	var out []argumentJSON
	for _, a := range arguments {
		j := argumentJSON{Name: a.Name, Type: string(a.Type), Description: a.Description, Required: a.Required, Secret: a.Secret}
		if !a.Required {
			value, _ := a.Default.UnmarkDeep()
			var err error
			if j.Default, err = (ctyjson.SimpleJSONValue{Value: value}).MarshalJSON(); err != nil {
				return nil, err
			}
		}
		out = append(out, j)
	}
	return out, nil
}

// writeRole describes a role in the form of the block that it is used by.
func writeRole(w io.Writer, r config.RoleDefinition) {
	fmt.Fprintf(w, "%s: %s\n", r.Name, printable(r.Summary))
	if r.Source != "" {
		fmt.Fprintf(w, "\nIt is a role of the site's own, from %s.\n", printable(r.Source))
	}
	if r.Confined {
		fmt.Fprint(w, "\nIts guests may reach the outside through a tunnel alone.\n")
	}
	fmt.Fprintf(w, "\nrole %q {\n", r.Name)
	writeArguments(w, r.Arguments, "  ")
	for _, b := range r.Blocks {
		label := ""
		if b.Label != "" {
			label = fmt.Sprintf(" %q", strings.ToUpper(b.Label))
		}
		fmt.Fprintf(w, "\n  # %s\n  %s%s {\n", strings.TrimPrefix(printable(b.Description)+", "+howMany(b), ", "), b.Type, label)
		writeArguments(w, b.Arguments, "    ")
		fmt.Fprint(w, "  }\n")
	}
	fmt.Fprint(w, "}\n")
}

// howMany says how many blocks of a kind a role takes.
func howMany(b roles.NestedBlock) string {
	switch {
	case b.Max == 1 && b.Min == 1:
		return "exactly one"
	case b.Max == 1:
		return "at most one"
	case b.Max > 0:
		return fmt.Sprintf("%d to %d", b.Min, b.Max)
	case b.Min > 0:
		return fmt.Sprintf("%d or more", b.Min)
	}
	return "any number"
}

func writeArguments(w io.Writer, arguments []roles.Argument, indent string) {
	for i, a := range arguments {
		if i > 0 {
			fmt.Fprintln(w)
		}
		notes := []string{string(a.Type), "required"}
		if !a.Required {
			value, _ := a.Default.UnmarkDeep()
			notes[1] = "default " + string(hclwrite.TokensForValue(value).Bytes())
		}
		if a.Secret {
			notes = append(notes, "may be secret")
		}
		if a.Description != "" {
			fmt.Fprintf(w, "%s# %s\n", indent, printable(a.Description))
		}
		fmt.Fprintf(w, "%s%s = %s # %s\n", indent, a.Name, written(a.Type), printable(strings.Join(notes, ", ")))
	}
}

// written shows how a value of a type is written.
func written(t roles.Type) string {
	switch t {
	case roles.Network:
		return "network.NAME"
	case roles.Guest:
		return "guest.NAME"
	case roles.PCI:
		return `pci("…")`
	case roles.OpenVPN:
		return `"FILE.ovpn"`
	case roles.StringList:
		return `["…"]`
	case roles.Number:
		return "0"
	case roles.Bool:
		return "true"
	}
	return `"…"`
}
