package cli

import (
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
)

// These errors are exit codes and nothing more: whoever returns one has said already what there was to say.
var (
	errSilent      = errors.New("failed")
	errChanges     = errors.New("there are changes")
	errSecurity    = errors.New("there is security drift")
	errInterrupted = errors.New("interrupted")
)

// misuse is a command line that makes no sense.
type misuse struct {
	command string // "jeos plan"
	text    string // ends in what to do
}

func (m *misuse) Error() string { return m.text }

func misused(cmd *cobra.Command, format string, args ...any) error {
	return &misuse{cmd.CommandPath(), fmt.Sprintf(format, args...)}
}

// invalid holds diagnostics about the user's files together with what is needed to show them.
type invalid struct {
	files map[string]*hcl.File
	diags hcl.Diagnostics
}

func (e *invalid) Error() string { return e.diags.Error() }

// failure is an error of the world with the title that it is shown under.
type failure struct {
	title string
	err   error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// failed gives an error a title, a terse and fixed one. A nil error stays nil, and what is shown in a way of its own
// already stays as it is.
func failed(title string, err error) error {
	var (
		inv   *invalid
		inner *failure
	)
	if err == nil || errors.As(err, &inv) || errors.As(err, &inner) || isSilent(err) {
		return err
	}
	return &failure{title, err}
}

func isSilent(err error) bool {
	for _, silent := range []error{errSilent, errChanges, errSecurity, errInterrupted} {
		if errors.Is(err, silent) {
			return true
		}
	}
	return false
}

// exitStatus is the section that ends every long help.
const exitStatus = `
EXIT STATUS
  0    all is well
  1    it failed
  64   the command line is wrong
  130  interrupted`

// exitCode is the only place that turns an error into an exit status.
func exitCode(err error) int {
	var wrong *misuse
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errInterrupted):
		return 130
	case errors.Is(err, errChanges):
		return 2
	case errors.Is(err, errSecurity):
		return 3
	case errors.As(err, &wrong):
		return 64
	}
	return 1
}
