package cli

import (
	"fmt"
	"io"
	"time"

	"jeos/plan"
)

// lines is the progress for files and pipes: one line a finished step, a line each ten percent of an upload, and a line
// whenever a guest that is waited for says something new.
type lines struct {
	to    io.Writer
	watch *stopwatch
	tens  map[string]int    // by step: how many tens of percent were told
	said  map[string]string // by step: the text told last
}

func newLines(to io.Writer, now func() time.Time) *lines {
	return &lines{to: to, watch: newStopwatch(now), tens: map[string]int{}, said: map[string]string{}}
}

func (l *lines) event(e plan.Event) {
	switch e.Kind {
	case plan.StepStarted:
		l.watch.start(e.Step)
		if e.Step.Verb == plan.AwaitGuest || e.Step.Verb == plan.StopGuest {
			fmt.Fprintf(l.to, "%s …\n", stepText(e.Step))
		}
	case plan.StepProgress:
		l.progress(e)
	case plan.StepDone:
		fmt.Fprintf(l.to, "%s … done%s\n", stepText(e.Step), tookText(l.watch.stop(e.Step)))
	case plan.StepFailed:
		fmt.Fprintf(l.to, "%s … failed%s\n", stepText(e.Step), tookText(l.watch.stop(e.Step)))
	}
}

func (l *lines) progress(e plan.Event) {
	key := stepKey(e.Step)
	if text := e.Progress.Text; text != "" && l.said[key] != text {
		l.said[key] = text
		fmt.Fprintf(l.to, "%s … %s\n", stepText(e.Step), printable(text))
	}
	if tens := percent(e.Progress) / 10; tens > l.tens[key] && tens < 10 {
		l.tens[key] = tens
		fmt.Fprintf(l.to, "%s … %d %% of %s\n", stepText(e.Step), 10*tens, sizeText(e.Progress.Total))
	}
}

func (l *lines) end() {}
