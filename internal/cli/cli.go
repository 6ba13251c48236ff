// Package cli is the command line: commands, flags, streams, exit codes, progress and logging. It decides nothing about
// guests; that is done by config, builders and plan.
//
// Standard output is the answer. Everything else, that is diagnostics, progress, questions and the log, goes to standard
// error. Each command lives in a file of its own, cmd_NAME.go, as three things: newNameCommand makes the cobra command,
// NameOptions are its flags, and runName does it.
package cli

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"jeos/plan"
)

// Opener connects to the libvirt that uri names. Read-only connections change nothing.
type Opener func(ctx context.Context, uri string, readOnly bool) (plan.Hypervisor, error)

// System is what a run of jeos reaches outside itself.
type System struct {
	In       io.Reader
	Out, Err io.Writer
	// Which of the streams are terminals. jeos asks questions and draws bars on terminals only.
	InTerminal, OutTerminal, ErrTerminal bool

	Env  func(string) (string, bool) // as os.LookupEnv
	Open Opener
	// Resolve finds the addresses of a host, for lock alone, as net.Resolver.LookupNetIP does.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	Signals <-chan os.Signal // that ask jeos to end; nil: none come
	// Release gives signals their usual effect back, which ends the process. It is called once jeos was told to end at
	// once. Nil: nothing is to be done for that.
	Release func()
	// Scratch makes a private folder for temporary files the one that this process uses. The function that it returns
	// removes it. Nil leaves temporary files where they are.
	Scratch func() (end func(), err error)
}

// Process returns the System of this process. See System for signals and release.
func Process(open Opener, signals <-chan os.Signal, release func()) System {
	return System{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		OutTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		ErrTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		Env:         os.LookupEnv,
		Open:        open,
		Resolve: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		Signals: signals,
		Release: release,
		Scratch: func() (func(), error) { return scratch(os.LookupEnv) },
	}
}

// Main runs the command that args name and returns the exit status for the process.
func Main(ctx context.Context, args []string, sys System) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := &program{
		sys:       sys,
		out:       &answer{to: sys.Out},
		err:       &relay{to: sys.Err},
		log:       zerolog.Nop(),
		interrupt: newInterruption(cancel, sys.Release),
	}
	go p.interrupt.watch(ctx, sys.Signals)

	root := newRootCommand(p)
	if args == nil {
		args = []string{} // nil means os.Args to cobra
	}
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errInterrupted) {
		err = errInterrupted
	}
	if err == nil {
		err = p.out.failure()
	}
	p.report(err)
	return exitCode(err)
}

// program is one run of jeos, with what every command needs.
type program struct {
	sys       System
	global    globalFlags
	out       *answer
	err       *relay
	log       zerolog.Logger
	interrupt *interruption
}

// getenv returns the value of an environment variable, or "".
func (p *program) getenv(name string) string {
	value, _ := p.sys.Env(name)
	return value
}

// draws reports whether a stream, which is or is not a terminal, understands more than lines.
func (p *program) draws(terminal bool) bool { return terminal && p.getenv("TERM") != "dumb" }

// color reports whether to colour what goes to a stream that is or is not a terminal.
func (p *program) color(terminal bool) bool {
	return p.draws(terminal) && !p.global.NoColor && p.getenv("NO_COLOR") == ""
}

func (p *program) outColor() bool { return p.color(p.sys.OutTerminal) }
func (p *program) errColor() bool { return p.color(p.sys.ErrTerminal) }
