package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"jeos/internal/config"
)

// guestNamed returns the name of the guest that the command line calls "web" or "guest.web".
func (s *site) guestNamed(text string) (string, error) {
	name := strings.TrimPrefix(text, "guest.")
	names := guestNames(s.Site)
	if slices.Contains(names, name) {
		return name, nil
	}
	known := "It has none at all"
	if len(names) > 0 {
		known = "Its guests are " + strings.Join(names, ", ")
	}
	return "", failed("No such guest", fmt.Errorf("the site has no guest %q. %s", name, known))
}

func guestNames(s *config.Site) []string {
	names := make([]string, len(s.Guests))
	for i, g := range s.Guests {
		names[i] = g.Name
	}
	return names
}

// completeGuests completes up to most names of guests from the files. Problems in the files mean no completion.
func (p *program) completeGuests(most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		s, _, _ := p.loadRaw(cmd.Context())
		if s == nil || len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names := slices.DeleteFunc(guestNames(s), func(name string) bool { return slices.Contains(args, name) })
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
