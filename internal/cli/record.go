package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"jeos/plan"
)

// record keeps what has become of the steps of an apply, and logs it.
type record struct {
	log   zerolog.Logger
	watch *stopwatch

	done    int
	failed  []string // steps
	cut     []string // steps that an interrupt cut off
	skipped []string // steps
	errs    []error  // of the failed steps, in their order
}

func newRecord(log zerolog.Logger) record {
	return record{log: log, watch: newStopwatch(time.Now)}
}

func (r *record) event(e plan.Event) {
	switch e.Kind {
	case plan.StepStarted:
		r.watch.start(e.Step)
		r.entry(zerolog.DebugLevel, e.Step).Msg("step started")
	case plan.StepProgress:
		r.entry(zerolog.TraceLevel, e.Step).Int64("done", e.Progress.Done).Int64("total", e.Progress.Total).
			Str("text", e.Progress.Text).Msg("step goes on")
	case plan.StepDone:
		r.done++
		r.entry(zerolog.InfoLevel, e.Step).Dur("took", r.watch.stop(e.Step)).Msg("step done")
	case plan.StepFailed:
		r.entry(zerolog.InfoLevel, e.Step).Dur("took", r.watch.stop(e.Step)).Msg("step failed")
		if errors.Is(e.Err, context.Canceled) {
			r.cut = append(r.cut, stepText(e.Step))
			return
		}
		r.failed = append(r.failed, stepText(e.Step))
		r.errs = append(r.errs, e.Err)
	case plan.StepSkipped:
		r.skipped = append(r.skipped, stepText(e.Step))
	}
}

func (r *record) entry(level zerolog.Level, s plan.Step) *zerolog.Event {
	return r.log.WithLevel(level).Str("verb", string(s.Verb)).Str("address", s.Addr.String()).Str("host", s.Host)
}

// whole reports whether every step that was to be done was done.
func (r *record) whole() bool { return len(r.failed)+len(r.cut)+len(r.skipped) == 0 }

// counts words the record: "3 steps done, 1 failed, 2 not started".
func (r *record) counts() string {
	parts := []string{fmt.Sprintf("%d steps done", r.done)}
	if r.done == 1 {
		parts[0] = "1 step done"
	}
	for _, p := range []struct {
		n    int
		what string
	}{{len(r.failed), "failed"}, {len(r.cut), "cut off"}, {len(r.skipped), "not started"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
}
