package cli

import (
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagsLike returns the flags of a command whose names are near to name, with their dashes, sorted.
func flagsLike(cmd *cobra.Command, name string) []string {
	// cobra compares names of commands; flags are compared by making commands of them.
	names := &cobra.Command{SuggestionsMinimumDistance: 2}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		names.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	out := names.SuggestionsFor(name)
	for i := range out {
		out[i] = "--" + out[i]
	}
	slices.Sort(out)
	return slices.Compact(out)
}
