package cli

import "github.com/spf13/cobra"

func newCompletionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "print a completion script for a shell",
		Long: `Print a script that teaches a shell to complete jeos commands, flags and guests. SHELL is bash, zsh, fish or
powershell.
` + exitStatus,
		Example:   "  source <(jeos completion bash)\n  jeos completion fish > ~/.config/fish/completions/jeos.fish",
		Args:      positional(1, 1),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE:      func(cmd *cobra.Command, args []string) error { return runCompletion(cmd, args[0]) },
	}
}

func runCompletion(cmd *cobra.Command, shell string) error {
	root, out := cmd.Root(), cmd.OutOrStdout()
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(out, true)
	case "zsh":
		return root.GenZshCompletion(out)
	case "fish":
		return root.GenFishCompletion(out, true)
	case "powershell":
		return root.GenPowerShellCompletionWithDesc(out)
	}
	return misused(cmd, "There is no completion for %q. Name bash, zsh, fish or powershell.", shell)
}
