package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// canAsk reports whether there is somebody who sees a question and can answer it.
func (p *program) canAsk() bool { return p.sys.InTerminal && p.sys.ErrTerminal }

// nobodyToAsk is the error when approval is needed and canAsk says no. A plan can be saved for apply and destroy only.
func nobodyToAsk(planned bool) error {
	const text = "there is no terminal to ask for approval on, so nothing was done. "
	if planned {
		return failed("Approval needed", errors.New(text+"Look at the plan with \"jeos plan --out FILE\" and run \"jeos apply FILE\", "+
			"or run this with --auto-approve"))
	}
	return failed("Approval needed", errors.New(text+"Run this with --auto-approve if you want it done unseen"))
}

// question is what somebody must approve.
type question struct{ ask, warning string }

// confirm asks on the terminal and returns nil when the answer is yes.
func (p *program) confirm(ctx context.Context, q question) error {
	fmt.Fprintf(p.err, "\n%s\n  %s\n  Only 'yes' will be accepted to approve.\n\n  Enter a value: ", q.ask, q.warning)
	typed, err := readLine(ctx, p.sys.In)
	fmt.Fprintln(p.err)
	if err != nil {
		return err
	}
	if typed != "yes" {
		return failed("Not approved", errors.New("the answer was not 'yes', so nothing was done"))
	}
	return nil
}

// readLine reads a line until ctx ends. The end of the input counts as the end of the line.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	type result struct {
		line string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		line, err := bufio.NewReader(r).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		done <- result{strings.TrimSpace(line), err}
	}()
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case got := <-done:
		return got.line, got.err
	}
}
