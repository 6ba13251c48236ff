package cli

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

const rootHelp = `jeos makes small libvirt guests declarative.

All *.jeos.hcl files of a folder are one site: the guests, networks and disks that should be on a libvirt host. "jeos
plan" shows what differs, and "jeos apply" makes it so. There is no state file: what is there is read from libvirt.

EXIT STATUS
  0    all is well
  1    it failed
  2    plan --detailed-exitcode: there are changes
  3    plan --detailed-exitcode: there is security drift
  64   the command line is wrong
  130  interrupted`

const rootExample = `  jeos validate
  jeos plan
  jeos apply
  jeos status --watch`

func newRootCommand(p *program) *cobra.Command {
	root := &cobra.Command{
		Use:                        "jeos",
		Short:                      "declarative guests on libvirt",
		Long:                       rootHelp,
		Example:                    rootExample,
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		CompletionOptions:          cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:                       cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return p.startLog(cmd) },
	}
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.SetFlagErrorFunc(flagError)
	p.global.add(root)
	root.AddCommand(
		newValidateCommand(p), newFmtCommand(p),
		newPlanCommand(p), newApplyCommand(p), newDestroyCommand(p), newBuildCommand(p),
		newShowCommand(p), newStatusCommand(p), newConsoleCommand(p), newGraphCommand(p), newOutputCommand(p),
		newImageCommand(p), newLockCommand(p), newRoleCommand(p),
		newCompletionCommand(), newVersionCommand(p),
	)
	root.SetHelpCommand(newHelpCommand())
	return root
}

// newHelpCommand replaces cobra's, which exits 0 when there is no such command.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "show the help of a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			named, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(cmd.Root(), args[len(args)-1])
			}
			return named.Help()
		},
	}
}

func unknownCommand(root *cobra.Command, name string) error {
	return misused(root, "There is no command %q.%s", name, didYouMean(root.SuggestionsFor(name)))
}

// didYouMean words suggestions; none give "".
func didYouMean(names []string) string {
	if len(names) == 0 {
		return ""
	}
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	return " Did you mean " + strings.Join(quoted, " or ") + "?"
}

var (
	unknownFlag     = regexp.MustCompile(`^unknown flag: --([^=\s]+)`)
	singleDashWords = regexp.MustCompile(`^unknown shorthand flag: '.' in -([^=\s]+)`)
	invalidValue    = regexp.MustCompile(`(?s)^invalid argument .* for "(-[^"]+)" flag: (.*)$`)
)

// flagError words the errors of the flag parser. Values are not repeated: they may be secrets.
func flagError(cmd *cobra.Command, err error) error {
	text := err.Error()
	if m := unknownFlag.FindStringSubmatch(text); m != nil {
		return misused(cmd, "There is no flag --%s.%s", m[1], didYouMean(flagsLike(cmd, m[1])))
	}
	if m := singleDashWords.FindStringSubmatch(text); m != nil {
		var like []string
		if len(m[1]) > 1 { // one letter is like too much
			like = flagsLike(cmd, m[1])
		}
		return misused(cmd, "There is no flag -%s.%s", m[1], didYouMean(like))
	}
	if m := invalidValue.FindStringSubmatch(text); m != nil {
		return misused(cmd, "The value of %s is wrong: %s.", m[1], wanted(m[2]))
	}
	text, _, _ = strings.Cut(text, "=")
	return misused(cmd, "%s.", strings.ToUpper(text[:1])+text[1:])
}

// wanted words what is wrong with the value of a flag; for strconv's errors, which repeat the value, what to write.
func wanted(text string) string {
	switch {
	case strings.HasPrefix(text, "strconv.ParseBool"):
		return "write true or false"
	case strings.HasPrefix(text, "strconv."):
		return "write a whole number"
	}
	return text
}
