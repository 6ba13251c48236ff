package cli

import (
	"errors"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"jeos/internal/config"
	"jeos/plan"
)

// globalFlags are the flags that every command knows.
type globalFlags struct {
	Dir      string
	Connect  string
	LogLevel string
	NoColor  bool
	Vars     []config.VarSource // in the order given
}

func (g *globalFlags) add(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringVarP(&g.Dir, "chdir", "C", ".", "work as if started in `DIR`")
	flags.StringVar(&g.Connect, "connect", "", "libvirt `URI`, in place of the files' and of LIBVIRT_DEFAULT_URI")
	flags.StringVar(&g.LogLevel, "log-level", "warn", "log to standard error: error, warn, info, debug or trace (`LEVEL`)")
	flags.BoolVar(&g.NoColor, "no-color", false, "no colours; so does the environment variable NO_COLOR")
	flags.Var((*varFlag)(g), "var", "set a variable of the files, as `NAME=VALUE`; may be repeated")
	flags.Var((*varFileFlag)(g), "var-file", "read variables from `FILE`; may be repeated")
}

// path returns a path of the command line as seen from where the process is.
func (g *globalFlags) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(g.Dir, name)
}

// varFlag and varFileFlag share one list, because the order between the two matters.
type (
	varFlag     globalFlags
	varFileFlag globalFlags
)

func (f *varFlag) String() string { return "" }
func (f *varFlag) Type() string   { return "NAME=VALUE" }

func (f *varFlag) Set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return errors.New("write NAME=VALUE") // without the text: it may be a secret
	}
	f.Vars = append(f.Vars, config.VarSource{Name: name, Value: value})
	return nil
}

func (f *varFileFlag) String() string { return "" }
func (f *varFileFlag) Type() string   { return "FILE" }

func (f *varFileFlag) Set(path string) error {
	if path == "" {
		return errors.New("write the path of a file")
	}
	f.Vars = append(f.Vars, config.VarSource{File: path})
	return nil
}

// addrFlag collects addresses.
type addrFlag []plan.Addr

func (f *addrFlag) String() string { return "" }
func (f *addrFlag) Type() string   { return "ADDR" }

func (f *addrFlag) Set(text string) error {
	a, err := plan.ParseAddr(text)
	if err != nil {
		return err
	}
	*f = append(*f, a)
	return nil
}

// positional wants between least and most arguments.
func positional(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return misused(cmd, "An argument is missing. The form is:\n\n    %s", cmd.UseLine())
		case len(args) > most:
			return misused(cmd, "The argument %q is one too many. The form is:\n\n    %s", args[most], cmd.UseLine())
		}
		return nil
	}
}
