// Command jeos makes small libvirt guests declarative: HCL files, a plan, and apply.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"jeos/internal/cli"
	"jeos/internal/virt"
	"jeos/plan"
)

func main() { os.Exit(run()) }

func run() int {
	signals := make(chan os.Signal, 4)
	ending := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}
	signal.Notify(signals, ending...)
	// A reader of the output that goes away must not end an apply: caught, the signal is an error of the write.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return cli.Main(context.Background(), os.Args[1:], cli.Process(open, signals, func() { signal.Reset(ending...) }))
}

func open(ctx context.Context, uri string, readOnly bool) (plan.Hypervisor, error) {
	hv, err := virt.Open(ctx, uri, virt.Options{ReadOnly: readOnly})
	if err != nil {
		return nil, err
	}
	return hv, nil
}
