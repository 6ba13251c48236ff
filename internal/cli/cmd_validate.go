package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"jeos/internal/diag"
)

// ValidateOptions are the flags of validate.
type ValidateOptions struct{ JSON bool }

func newValidateCommand(p *program) *cobra.Command {
	var opt ValidateOptions
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "check the files alone",
		Long: `Check the files of the site: syntax, arguments, references, values, and the images that they name.

For each guest that must reach the outside through a tunnel, a line says by which paths it does. A site that has one around
the tunnel is refused.

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
	loaded, files, diags := p.loadRaw(ctx)
	s := &site{Site: loaded, files: files}
	if !diags.HasErrors() {
		var refused *invalid
		if errors.As(p.prove(s), &refused) {
			diags = append(diags, refused.diags...)
		}
	}
	if opt.JSON {
		err := p.writeWithPaths(s.paths, func(b *bytes.Buffer) error { return diag.JSON(b, files, diags, p.diagOptions()) })
		if err == nil && diags.HasErrors() {
			return errSilent
		}
		return err
	}
	if diags.HasErrors() {
		return &invalid{files, diags}
	}
	p.diagnose(files, diags)
	fmt.Fprintln(p.out, "The files are valid.")
	p.writePaths(s.paths, "")
	return nil
}
