package cli

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jeos/plan"
)

func step(verb plan.Verb, kind plan.Kind, name string) plan.Step {
	return plan.Step{Verb: verb, Addr: plan.Addr{Kind: kind, Name: name}}
}

func TestLines(t *testing.T) {
	upload := step(plan.UploadVolume, plan.KindImage, "base")
	start := step(plan.StartGuest, plan.KindGuest, "web")
	wait := step(plan.AwaitGuest, plan.KindGuest, "web")
	var out bytes.Buffer
	now := time.Unix(0, 0)
	l := newLines(&out, func() time.Time { return now })

	l.event(plan.Event{Kind: plan.StepStarted, Step: upload})
	for done := range int64(101) {
		l.event(plan.Event{Kind: plan.StepProgress, Step: upload, Progress: plan.Progress{Done: done << 20, Total: 100 << 20}})
	}
	now = now.Add(2500 * time.Millisecond)
	l.event(plan.Event{Kind: plan.StepDone, Step: upload})
	l.event(plan.Event{Kind: plan.StepStarted, Step: start})
	l.event(plan.Event{Kind: plan.StepDone, Step: start})
	l.event(plan.Event{Kind: plan.StepStarted, Step: wait})
	for _, text := range []string{"booting", "booting", "modules-final\x1b[2J", "modules-final\x1b[2J"} {
		l.event(plan.Event{Kind: plan.StepProgress, Step: wait, Progress: plan.Progress{Text: text}})
	}
	l.event(plan.Event{Kind: plan.StepFailed, Step: wait, Err: errors.New("told elsewhere")})
	l.end()

	var want strings.Builder
	for tens := 10; tens < 100; tens += 10 {
		fmt.Fprintf(&want, "image.base: upload volume … %d %% of 100 MiB\n", tens)
	}
	want.WriteString(`image.base: upload volume … done (3s)
guest.web: start guest … done
guest.web: wait for guest …
guest.web: wait for guest … booting
guest.web: wait for guest … modules-final\u001b[2J
guest.web: wait for guest … failed
`)
	if diff := cmp.Diff(want.String(), out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// While bars are drawn, lines for standard error go above them, and afterwards where they went before.
func TestBarsGiveLinesBack(t *testing.T) {
	var drawn, plain bytes.Buffer
	stderr := &relay{to: &plain}
	b := newBars(&drawn, stderr)
	wait := step(plan.AwaitGuest, plan.KindGuest, "web")
	b.event(plan.Event{Kind: plan.StepStarted, Step: wait})
	b.event(plan.Event{Kind: plan.StepProgress, Step: wait, Progress: plan.Progress{Text: "booting"}})
	fmt.Fprintln(stderr, "between")
	b.event(plan.Event{Kind: plan.StepDone, Step: wait})
	b.end()
	fmt.Fprintln(stderr, "after")
	for _, want := range []string{"between\n", "guest.web: wait for guest … done\n"} {
		if !strings.Contains(drawn.String(), want) {
			t.Errorf("%q is not among what was drawn:\n%q", want, drawn.String())
		}
	}
	if got := plain.String(); got != "after\n" {
		t.Errorf("lines after the end: %q", got)
	}
}

func TestRecordCounts(t *testing.T) {
	r := record{watch: newStopwatch(time.Now)}
	define := step(plan.DefineGuest, plan.KindGuest, "web")
	r.event(plan.Event{Kind: plan.StepDone, Step: define})
	if got := r.counts(); got != "1 step done" || !r.whole() {
		t.Errorf("after one step: %q, whole %t", got, r.whole())
	}
	r.event(plan.Event{Kind: plan.StepFailed, Step: define, Err: errors.New("no")})
	r.event(plan.Event{Kind: plan.StepSkipped, Step: step(plan.StartGuest, plan.KindGuest, "web")})
	if got := r.counts(); got != "1 step done, 1 failed, 1 not started" || r.whole() {
		t.Errorf("at the end: %q, whole %t", got, r.whole())
	}
}
