package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"jeos/builders"
	"jeos/plan"
)

func newConsoleCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "console GUEST",
		Short: "connect the terminal with the serial console of a guest",
		Long: `Connect the terminal with the serial console of a running guest. Ctrl-] ends the connection; every other key goes to
the guest. This needs a connection to libvirt that is not read-only.
` + exitStatus,
		Example:           "  jeos console web",
		Args:              positional(1, 1),
		RunE:              func(cmd *cobra.Command, args []string) error { return runConsole(cmd.Context(), p, args[0]) },
		ValidArgsFunction: p.completeGuests(1),
	}
}

func runConsole(ctx context.Context, p *program, name string) error {
	s, err := p.load(ctx)
	if err != nil {
		return err
	}
	guest, err := s.guestNamed(name)
	if err != nil {
		return err
	}
	hv, err := p.connect(ctx, s.uri, false)
	if err != nil {
		return err
	}
	defer p.close(hv)
	return p.attach(ctx, hv, s, guest)
}

// attach connects the streams with the console until one side ends.
func (p *program) attach(ctx context.Context, hv plan.Hypervisor, s *site, guest string) error {
	if in, ok := p.sys.In.(*os.File); ok && p.sys.InTerminal {
		before, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return failed("Preparing the terminal failed", err)
		}
		defer term.Restore(int(in.Fd()), before)
	}
	fmt.Fprintf(p.err, "Connecting with the console of guest.%s on %s. Ctrl-] ends the connection.\r\n", guest, s.uri)
	err := hv.Console(ctx, builders.DomainName(s.Name, guest), &keyboard{in: p.sys.In, out: p.out})
	fmt.Fprint(p.err, "\r\n")
	if errors.Is(err, plan.ErrNotFound) {
		err = fmt.Errorf("guest.%s is not running on %s: start it with \"jeos apply\", or look at \"jeos status\"", guest, s.uri)
	}
	return failed("Console failed", err)
}

// escapeKey is Ctrl-], as in telnet and virsh.
const escapeKey = 0x1d

// keyboard is a console's other side: reading ends at the escape key.
type keyboard struct {
	in    io.Reader
	out   io.Writer
	ended bool
}

func (k *keyboard) Read(data []byte) (int, error) {
	if k.ended {
		return 0, io.EOF
	}
	n, err := k.in.Read(data)
	if i := bytes.IndexByte(data[:n], escapeKey); i >= 0 {
		k.ended = true
		return i, io.EOF
	}
	return n, err
}

func (k *keyboard) Write(data []byte) (int, error) { return k.out.Write(data) }
