package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"unicode"
)

// answer is standard output. Writing to it never fails: an apply must not stop half way because nobody reads its output
// any more. The first error is kept for the end.
type answer struct {
	to  io.Writer
	mu  sync.Mutex
	err error
}

func (a *answer) Write(data []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		_, a.err = a.to.Write(data)
	}
	return len(data), nil
}

// failure returns what kept the answer from being written. A reader that has seen enough and went away is no failure.
func (a *answer) failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil || errors.Is(a.err, syscall.EPIPE) {
		return nil
	}
	return failed("Output failed", fmt.Errorf("the output could not be written: %w", a.err))
}

// relay is standard error: a writer that never fails and whose destination can change. While bars are on the screen
// lines go above them.
type relay struct {
	mu sync.Mutex
	to io.Writer
}

func (r *relay) Write(data []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to.Write(data) // there is nobody left to tell
	return len(data), nil
}

// redirect changes where the lines go and returns where they went.
func (r *relay) redirect(to io.Writer) io.Writer {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.to
	r.to = to
	return before
}

// printable makes text from a guest or a host safe for a terminal and for one line: what is not printable is escaped.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}
