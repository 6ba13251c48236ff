package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"jeos/internal/config"
)

// FmtOptions are the flags of fmt.
type FmtOptions struct{ Check, Diff bool }

func newFmtCommand(p *program) *cobra.Command {
	var opt FmtOptions
	cmd := &cobra.Command{
		Use:   "fmt",
		Short: "lay out the files in the standard way",
		Long: `Lay out the *.jeos.hcl files of the folder in the standard way and print the names of those that changed.

Files in JSON form are left as they are, and so is a file with a syntax error.

EXIT STATUS
  0    all is well
  1    it failed, or with --check: a file is not laid out in the standard way
  64   the command line is wrong
  130  interrupted`,
		Example: "  jeos fmt\n  jeos fmt --check --diff",
		Args:    positional(0, 0),
		RunE:    func(*cobra.Command, []string) error { return runFmt(p, opt) },
	}
	cmd.Flags().BoolVar(&opt.Check, "check", false, "write nothing; exit 1 when a file would change")
	cmd.Flags().BoolVar(&opt.Diff, "diff", false, "print the differences")
	return cmd
}

func runFmt(p *program, opt FmtOptions) error {
	paths, err := config.Files(p.global.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return failed("No site", fmt.Errorf("there is no folder %q. Name the folder of a site with -C", p.global.Dir))
	}
	if err != nil {
		return failed("Reading the folder failed", err)
	}
	if len(paths) == 0 {
		return failed("No site", fmt.Errorf("the folder %q holds no file whose name ends in .jeos.hcl. Name the folder of a site with -C", p.global.Dir))
	}
	files := map[string]*hcl.File{}
	var diags hcl.Diagnostics
	changed := false
	for _, path := range paths {
		if strings.HasSuffix(path, ".json") {
			continue
		}
		src, err := config.ReadFile(path)
		if err != nil {
			return failed("Unreadable file", fmt.Errorf("%w. Repair it, or move it out of the folder", err))
		}
		files[path] = &hcl.File{Bytes: src}
		formatted, moreDiags := config.Format(src, path)
		diags = append(diags, moreDiags...)
		if moreDiags.HasErrors() || bytes.Equal(src, formatted) {
			continue
		}
		changed = true
		if err := p.reformat(path, src, formatted, opt); err != nil {
			return failed("Writing a file failed", err)
		}
	}
	if diags.HasErrors() {
		return &invalid{files, diags}
	}
	if changed && opt.Check {
		return errSilent
	}
	return nil
}

// reformat says which file changes, and how if that is asked for, and writes it unless it is only checked.
func (p *program) reformat(path string, src, formatted []byte, opt FmtOptions) error {
	fmt.Fprintln(p.out, path)
	if opt.Diff {
		p.out.Write(diff.Diff("old/"+path, src, "new/"+path, formatted))
	}
	if opt.Check {
		return nil
	}
	target, err := filepath.EvalSymlinks(path) // a link stays a link
	if err != nil {
		return err
	}
	return renameio.WriteFile(target, formatted, 0o644, renameio.WithExistingPermissions())
}
