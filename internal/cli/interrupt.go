package cli

import (
	"context"
	"os"
	"sync"
)

// interruption is how a user ends a command. Most commands end at once. One that has begun to change a host asks for the
// gentle way: then the first signal closes stop, and only the second ends it at once.
type interruption struct {
	stop   chan struct{}
	cancel context.CancelCauseFunc
	// release gives signals their usual effect back, so that one more ends a process that hangs; nil: it stays as it is.
	release func()

	mu      sync.Mutex
	gentle  func() // called once, by the first signal
	stopped bool
}

func newInterruption(cancel context.CancelCauseFunc, release func()) *interruption {
	return &interruption{stop: make(chan struct{}), cancel: cancel, release: release}
}

// watch turns signals into interruptions until ctx ends.
func (i *interruption) watch(ctx context.Context, signals <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			i.signal()
		}
	}
}

func (i *interruption) signal() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.gentle == nil || i.stopped {
		i.cancel(errInterrupted)
		if i.release != nil {
			i.release()
		}
		return
	}
	i.stopped = true
	close(i.stop)
	i.gentle()
}

// soften asks for the gentle way from now on. The function is called by the first signal.
func (i *interruption) soften(gentle func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.gentle = gentle
}

// pending reports whether the first signal of the gentle way has come.
func (i *interruption) pending() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.stopped
}
