package cli

import (
	"fmt"
	"math"
	"time"

	"jeos/plan"
)

// progress shows people what an apply does. Its methods are called from one goroutine at a time.
type progress interface {
	// event shows what happened.
	event(plan.Event)
	// end takes down whatever is drawn and still moves.
	end()
}

// newProgress returns bars for a terminal and lines for everything else.
func (p *program) newProgress() progress {
	if p.draws(p.sys.ErrTerminal) {
		return newBars(p.sys.Err, p.err)
	}
	return newLines(p.err, time.Now)
}

// stopwatch knows since when each step runs.
type stopwatch struct {
	now     func() time.Time
	started map[string]time.Time
}

func newStopwatch(now func() time.Time) *stopwatch {
	return &stopwatch{now: now, started: map[string]time.Time{}}
}

func (w *stopwatch) start(s plan.Step) { w.started[stepKey(s)] = w.now() }

// stop returns how long the step took.
func (w *stopwatch) stop(s plan.Step) time.Duration {
	began, ok := w.started[stepKey(s)]
	if !ok {
		return 0
	}
	return w.now().Sub(began)
}

// stepKey tells steps apart.
func stepKey(s plan.Step) string { return string(s.Verb) + "\x00" + s.Addr.String() + "\x00" + s.Host }

// stepText names a step: "guest.web: start guest".
func stepText(s plan.Step) string { return s.Addr.String() + ": " + string(s.Verb) }

// tookText words a duration that is worth telling: " (12s)".
func tookText(d time.Duration) string {
	if d < time.Second {
		return ""
	}
	return fmt.Sprintf(" (%s)", d.Round(time.Second))
}

// percent returns how far a step that moves bytes is, from 0 to 100.
func percent(p plan.Progress) int {
	if p.Total <= 0 {
		return 0
	}
	return int(math.Floor(100 * min(1, max(0, float64(p.Done)/float64(p.Total)))))
}
