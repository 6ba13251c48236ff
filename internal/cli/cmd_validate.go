package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

// ValidateOptions are the flags of validate.
type ValidateOptions struct{ JSON bool }

func newValidateCommand(p *program) *cobra.Command {
	var opt ValidateOptions
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "check the files alone",
		Long: `Check the files of the site: syntax, arguments, references, values, and the images that they name.

libvirt is not asked. That something is valid does not mean that the host can do it; "jeos plan" says more.
` + exitStatus,
		Example: "  jeos validate\n  jeos -C sites/home validate --json",
		Args:    positional(0, 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runValidate(cmd.Context(), p, opt) },
	}
	cmd.Flags().BoolVar(&opt.JSON, "json", false, "write the diagnostics as JSON")
	return cmd
}

func runValidate(ctx context.Context, p *program, opt ValidateOptions) error {
	_, files, diags := p.loadRaw(ctx)
	if opt.JSON {
		if err := p.writeDiagnosticsJSON(files, diags); err != nil {
			return err
		}
		if diags.HasErrors() {
			return errSilent
		}
		return nil
	}
	if diags.HasErrors() {
		return &invalid{files, diags}
	}
	p.diagnose(files, diags)
	fmt.Fprintln(p.out, "The files are valid.")
	return nil
}
