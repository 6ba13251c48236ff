package cli

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"jeos/plan"
)

// bars is the progress for terminals: a bar for each step that moves bytes and a line in motion for each guest that is
// waited for, and above them a line for each step that is finished.
type bars struct {
	container *mpb.Progress
	lines     *relay    // standard error, which goes above the bars meanwhile
	before    io.Writer // where it went
	watch     *stopwatch
	moving    map[string]*movingBar
}

type movingBar struct {
	*mpb.Bar
	text atomic.Value // string
}

func newBars(terminal io.Writer, lines *relay) *bars {
	b := &bars{
		container: mpb.New(mpb.WithOutput(terminal), mpb.WithWidth(40), mpb.WithAutoRefresh()),
		lines:     lines,
		watch:     newStopwatch(time.Now),
		moving:    map[string]*movingBar{},
	}
	b.before = lines.redirect(b.container)
	return b
}

func (b *bars) event(e plan.Event) {
	key := stepKey(e.Step)
	switch e.Kind {
	case plan.StepStarted:
		b.watch.start(e.Step)
		if e.Step.Verb == plan.AwaitGuest || e.Step.Verb == plan.StopGuest {
			b.moving[key] = b.wait(e.Step)
		}
	case plan.StepProgress:
		b.progress(e.Step, e.Progress)
	case plan.StepDone:
		b.finish(e.Step, "done")
	case plan.StepFailed:
		b.finish(e.Step, "failed")
	}
}

func (b *bars) progress(s plan.Step, p plan.Progress) {
	bar := b.moving[stepKey(s)]
	if bar == nil && p.Total > 0 {
		bar = b.bytes(s)
		b.moving[stepKey(s)] = bar
	}
	if bar == nil {
		return
	}
	bar.text.Store(shorten(printable(p.Text)))
	if p.Total > 0 {
		bar.SetTotal(p.Total, false)
		bar.SetCurrent(p.Done)
	}
}

// bytes makes the bar of a step that moves bytes.
func (b *bars) bytes(s plan.Step) *movingBar {
	return &movingBar{Bar: b.container.New(0, mpb.BarStyle(), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(stepText(s)+" ")),
		mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f"), decor.AverageSpeed(decor.SizeB1024(0), "  % .1f")),
	)}
}

func (b *bars) wait(s plan.Step) *movingBar {
	bar := &movingBar{}
	bar.text.Store("")
	bar.Bar = b.container.New(0, mpb.SpinnerStyle(), mpb.BarRemoveOnComplete(), mpb.BarWidth(1),
		mpb.PrependDecorators(decor.Name(stepText(s)+" ")),
		mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_MMSS), decor.Any(func(decor.Statistics) string {
			text, _ := bar.text.Load().(string)
			return "  " + text
		})),
	)
	return bar
}

// shorten keeps text that stands beside a bar from filling the line.
func shorten(text string) string {
	const most = 50
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

func (b *bars) finish(s plan.Step, how string) {
	key := stepKey(s)
	if bar := b.moving[key]; bar != nil {
		bar.Abort(true)
		delete(b.moving, key)
	}
	fmt.Fprintf(b.lines, "%s … %s%s\n", stepText(s), how, tookText(b.watch.stop(s)))
}

func (b *bars) end() {
	for key, bar := range b.moving {
		bar.Abort(true)
		delete(b.moving, key)
	}
	b.lines.redirect(b.before)
	b.container.Wait()
}
