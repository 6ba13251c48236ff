package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// VersionOptions are the flags of version.
type VersionOptions struct{ JSON bool }

// version is what this binary knows about itself.
type version struct {
	Version  string `json:"version"` // "(devel)" when it was not built from a released version
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go_version"`
	Platform string `json:"platform"`
}

func currentVersion() version {
	v := version{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "_" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Revision = s.Value
		}
	}
	return v
}

// required returns the version that required_version is compared with; "" satisfies everything. A pseudo-version of a
// tree without tags says nothing about what the binary can do.
func (v version) required() string {
	if v.Version == "(devel)" || strings.HasPrefix(v.Version, "v0.0.0-") {
		return ""
	}
	return v.Version
}

func newVersionCommand(p *program) *cobra.Command {
	var opt VersionOptions
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "show the version",
		Long:    "Show the version of jeos and of the Go that built it.\n" + exitStatus,
		Example: "  jeos version --json",
		Args:    positional(0, 0),
		RunE:    func(*cobra.Command, []string) error { return runVersion(p, opt) },
	}
	cmd.Flags().BoolVar(&opt.JSON, "json", false, "write JSON")
	return cmd
}

func runVersion(p *program, opt VersionOptions) error {
	v := currentVersion()
	if opt.JSON {
		return p.writeJSON(v)
	}
	fmt.Fprintf(p.out, "jeos %s\n%s %s\n", v.Version, v.Go, v.Platform)
	if v.Revision != "" {
		fmt.Fprintf(p.out, "revision %s\n", v.Revision)
	}
	return nil
}
