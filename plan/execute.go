package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
)

// Event tells what Execute does. Events come from one goroutine at a time, in the order in which things happen.
type Event struct {
	Kind     EventKind
	Step     Step
	Progress Progress // with StepProgress
	Err      error    // with StepFailed
}

// EventKind is the kind of an Event.
type EventKind int

const (
	StepStarted EventKind = iota
	StepProgress
	StepDone
	StepFailed
	StepSkipped // never started: a step that it needs failed or was skipped, or the work was stopped
)

// ExecuteOptions bound how Execute works.
type ExecuteOptions struct {
	Parallelism int             // steps at once, waiting for guests not counted; at least 1
	Stop        <-chan struct{} // closed: finish what is under way, start nothing more, give up waiting for guests
	Events      func(Event)     // may be nil
}

// ErrStopped is part of the error of Execute when Stop kept it from doing all steps.
var ErrStopped = errors.New("stopped before all steps were done")

// Doer does steps, as a Hypervisor does them.
type Doer interface {
	Do(ctx context.Context, s Step, progress func(Progress)) error
}

// Execute does all steps, each after those that it needs, side by side where their order is free. A failed step keeps
// the steps that need it from starting, in turn those that need these, and no others; but a step that is to be done always
// starts once all that it needs have ended. The error joins those of all failed steps, in the order in which they failed.
//
// Once Stop is closed or ctx has ended nothing more is started. When ctx ends, the calls under way are cut off; their outcome
// is unknown. In all cases another plan shows what is left.
func Execute(ctx context.Context, doer Doer, steps []Step, opt ExecuteOptions) error {
	x := &execution{doer: doer, steps: steps, opt: opt, slots: make(chan struct{}, max(1, opt.Parallelism)), results: make(chan result)}
	x.stop, x.cancelWaits = context.WithCancel(ctx)
	defer x.cancelWaits()
	return x.run(ctx)
}

type execution struct {
	doer        Doer
	steps       []Step
	opt         ExecuteOptions
	slots       chan struct{}
	results     chan result
	stop        context.Context // ends when waiting for guests must end
	cancelWaits context.CancelFunc
	events      sync.Mutex
}

type result struct {
	index int
	err   error
}

func (x *execution) run(ctx context.Context) error {
	order := newSchedule(x.steps)
	started := make([]bool, len(x.steps))
	running, stopped := 0, false
	begin := func(i int) {
		started[i] = true
		running++
		go func() { x.results <- result{i, x.do(ctx, x.steps[i])} }()
	}
	for i, s := range x.steps {
		if len(s.Needs) == 0 {
			begin(i)
		}
	}
	var errs []error
	stop := x.opt.Stop
	for running > 0 {
		select {
		case <-stop:
			stop, stopped = nil, true
			x.cancelWaits()
		case r := <-x.results:
			running--
			if r.err != nil {
				errs = append(errs, r.err)
			}
			for _, next := range order.end(r.index, r.err == nil) {
				if !stopped && ctx.Err() == nil {
					begin(next)
				}
			}
		}
	}
	skipped := false
	for i, s := range x.steps {
		if !started[i] {
			skipped = true
			x.send(Event{Kind: StepSkipped, Step: s})
		}
	}
	if skipped && (stopped || len(errs) == 0) {
		errs = append(errs, cmp.Or(context.Cause(ctx), ErrStopped))
	}
	return errors.Join(errs...)
}

// schedule says when steps can start.
type schedule struct {
	steps      []Step
	dependents [][]int
	missing    []int  // by step: how many that it needs have not ended yet
	spoiled    []bool // by step: one that it needs failed or was skipped
}

func newSchedule(steps []Step) *schedule {
	s := &schedule{steps, make([][]int, len(steps)), make([]int, len(steps)), make([]bool, len(steps))}
	for i, step := range steps {
		s.missing[i] = len(step.Needs)
		for _, n := range step.Needs {
			s.dependents[n] = append(s.dependents[n], i)
		}
	}
	return s
}

// end notes that a step has ended, done or not, and returns those that can start now. What must be skipped for it ends too.
func (s *schedule) end(i int, done bool) []int {
	var ready []int
	for _, d := range s.dependents[i] {
		s.missing[d]--
		s.spoiled[d] = s.spoiled[d] || !done
		switch {
		case s.missing[d] > 0:
		case s.spoiled[d] && !s.steps[d].Always:
			ready = append(ready, s.end(d, false)...)
		default:
			ready = append(ready, d)
		}
	}
	return ready
}

// do does one step, in its turn.
func (x *execution) do(ctx context.Context, s Step) error {
	if s.Verb == AwaitGuest {
		ctx = x.stop
	} else {
		x.slots <- struct{}{}
		defer func() { <-x.slots }()
	}
	select {
	case <-x.opt.Stop:
		x.send(Event{Kind: StepSkipped, Step: s})
		return fmt.Errorf("%s: %w", s, ErrStopped)
	default:
	}
	x.send(Event{Kind: StepStarted, Step: s})
	err := x.doer.Do(ctx, s, func(p Progress) { x.send(Event{Kind: StepProgress, Step: s, Progress: p}) })
	if err != nil {
		err = fmt.Errorf("%s: %w", s, err)
		x.send(Event{Kind: StepFailed, Step: s, Err: err})
		return err
	}
	x.send(Event{Kind: StepDone, Step: s})
	return nil
}

func (x *execution) send(e Event) {
	if x.opt.Events == nil {
		return
	}
	x.events.Lock()
	defer x.events.Unlock()
	x.opt.Events(e)
}
