package plan

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
)

// recorder is a Doer that notes the order of steps and does what its function says.
type recorder struct {
	do func(ctx context.Context, s Step) error

	mu      sync.Mutex
	done    []string
	current int
	most    int
}

func (r *recorder) Do(ctx context.Context, s Step, _ func(Progress)) error {
	r.mu.Lock()
	r.current++
	r.most = max(r.most, r.current)
	r.mu.Unlock()
	var err error
	if r.do != nil {
		err = r.do(ctx, s)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current--
	r.done = append(r.done, s.String())
	return err
}

func steps(t *testing.T) []Step {
	t.Helper()
	p, err := Diff(site(), empty(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p.Steps
}

func TestExecuteKeepsOrder(t *testing.T) {
	list := steps(t)
	r := &recorder{}
	if err := Execute(t.Context(), r, list, ExecuteOptions{Parallelism: 3}); err != nil {
		t.Fatal(err)
	}
	if len(r.done) != len(list) {
		t.Fatalf("%d of %d steps done", len(r.done), len(list))
	}
	for _, s := range list {
		for _, n := range s.Needs {
			if slices.Index(r.done, list[n].String()) > slices.Index(r.done, s.String()) {
				t.Errorf("%q came before %q, which it needs", s, list[n])
			}
		}
	}
	if r.most > 3 {
		t.Errorf("%d steps at once, want at most 3", r.most)
	}
}

func TestExecuteFailureKeepsDependentsOut(t *testing.T) {
	broken := errors.New("disk full")
	r := &recorder{do: func(_ context.Context, s Step) error {
		if s.Verb == CreateVolume {
			return broken
		}
		return nil
	}}
	var failed, skipped []string
	err := Execute(t.Context(), r, steps(t), ExecuteOptions{Parallelism: 1, Events: func(e Event) {
		switch e.Kind {
		case StepFailed:
			failed = append(failed, e.Step.String())
		case StepSkipped:
			skipped = append(skipped, e.Step.String())
		}
	}})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if got := strings.Join(failed, ", "); got != "create volume web.data" {
		t.Errorf("failed: %s", got)
	}
	if got := strings.Join(skipped, ", "); got != "create volume web.root, start guest web, wait for guest web" {
		t.Errorf("skipped: %s", got)
	}
	if !slices.Contains(r.done, "start network lan") {
		t.Error("a step that does not need the failed one was not done")
	}
}

// TestExecuteAlways fails the first of two branches that meet.
func TestExecuteAlways(t *testing.T) {
	step := func(name string, always bool, needs ...int) Step {
		return Step{Verb: StartGuest, Addr: Addr{KindGuest, name}, Needs: needs, Always: always}
	}
	tests := map[string]struct {
		steps         []Step
		done, skipped string
	}{
		"after a failure":             {[]Step{step("fails", false), step("clears", true, 0)}, "clears fails", ""},
		"after what is skipped":       {[]Step{step("fails", false), step("x", false, 0), step("y", false, 1), step("clears", true, 2)}, "clears fails", "x y"},
		"what needs it goes on":       {[]Step{step("fails", false), step("clears", true, 0), step("rest", false, 1)}, "clears fails rest", ""},
		"what needs the failure too":  {[]Step{step("fails", false), step("clears", true, 0), step("x", false, 0, 1)}, "clears fails", "x"},
		"waits for the other branch":  {[]Step{step("fails", false), step("a", false), step("b", false, 1), step("x", false, 0, 2), step("clears", true, 3)}, "a b clears fails", "x"},
		"when all is well":            {[]Step{step("a", false), step("clears", true, 0)}, "a clears", ""},
		"one that fails is a failure": {[]Step{step("fails", true), step("x", false, 0)}, "fails", "x"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			broken := errors.New("broken")
			r := &recorder{do: func(_ context.Context, s Step) error {
				if s.Addr.Name == "fails" {
					return broken
				}
				return nil
			}}
			var skipped []string
			err := Execute(t.Context(), r, test.steps, ExecuteOptions{Events: func(e Event) {
				if e.Kind == StepSkipped {
					skipped = append(skipped, e.Step.Addr.Name)
				}
			}})
			if fails := test.steps[0].Addr.Name == "fails"; errors.Is(err, broken) != fails || errors.Is(err, ErrStopped) {
				t.Errorf("got %v", err)
			}
			for _, name := range []string{"fails", "a", "b"} {
				if cleared := slices.Index(r.done, "start guest clears"); cleared >= 0 && slices.Index(r.done, "start guest "+name) > cleared {
					t.Errorf("cleared before %s had ended", name)
				}
			}
			slices.Sort(r.done)
			got := strings.ReplaceAll(strings.Join(r.done, " "), string(StartGuest)+" ", "")
			if got != test.done || strings.Join(skipped, " ") != test.skipped {
				t.Errorf("did %q and skipped %v, want %q and %q", got, skipped, test.done, test.skipped)
			}
		})
	}
}

// TestExecuteAlwaysNotAfterTheEnd stops the work, in both ways, while a step fails.
func TestExecuteAlwaysNotAfterTheEnd(t *testing.T) {
	list := []Step{{Verb: AwaitGuest, Addr: web}, {Verb: StopGuest, Addr: web, Needs: []int{0}, Always: true}}
	for name, end := range map[string]func(stop chan struct{}, cancel func()){
		"stop":   func(stop chan struct{}, _ func()) { close(stop) },
		"cancel": func(_ chan struct{}, cancel func()) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stop := make(chan struct{})
			r := &recorder{do: func(ctx context.Context, s Step) error {
				end(stop, cancel)
				<-ctx.Done()
				return ctx.Err()
			}}
			if err := Execute(ctx, r, list, ExecuteOptions{Stop: stop}); !errors.Is(err, context.Canceled) || len(r.done) != 1 {
				t.Errorf("did %v: %v", r.done, err)
			}
		})
	}
}

func TestExecuteStop(t *testing.T) {
	stop := make(chan struct{})
	var once sync.Once
	r := &recorder{do: func(ctx context.Context, s Step) error {
		if s.Verb == AwaitGuest {
			once.Do(func() { close(stop) })
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}}
	err := Execute(t.Context(), r, steps(t), ExecuteOptions{Parallelism: 2, Stop: stop})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for the guest did not end: %v", err)
	}
}

func TestExecuteStopStartsNothingMore(t *testing.T) {
	stop := make(chan struct{})
	r := &recorder{do: func(_ context.Context, s Step) error {
		if s.Verb == DefinePool {
			close(stop)
		}
		return nil
	}}
	err := Execute(t.Context(), r, steps(t), ExecuteOptions{Parallelism: 1, Stop: stop})
	if !errors.Is(err, ErrStopped) {
		t.Errorf("got %v, want ErrStopped", err)
	}
	if slices.Contains(r.done, "start pool jeos") {
		t.Errorf("went on after the stop: %v", r.done)
	}
}

// planner gives the plans of a list, one after the other, and then the last one again.
func planner(plans ...*Plan) func(context.Context) (*Plan, error) {
	i := -1
	return func(context.Context) (*Plan, error) {
		i = min(i+1, len(plans)-1)
		return plans[i], nil
	}
}

func TestApplyAsksOnlyForMore(t *testing.T) {
	small := &Plan{Pool: "jeos", Changes: []Change{{Addr: web, Action: Update}}, Steps: []Step{{Verb: StartGuest, Addr: web}}}
	large := &Plan{Pool: "jeos", Changes: []Change{{Addr: web, Action: Update}, {Addr: lan, Action: Create}}, Steps: small.Steps}
	tests := map[string]struct {
		plans []*Plan
		asked int
		done  string
	}{
		"nothing to do":     {[]*Plan{{}}, 1, ""},
		"the same twice":    {[]*Plan{small, small}, 1, "refresh pool jeos, start guest web"},
		"less after a look": {[]*Plan{large, small}, 1, "refresh pool jeos, start guest web"},
		"more after a look": {[]*Plan{small, large}, 2, "refresh pool jeos, start guest web"},
		"none after a look": {[]*Plan{small, {}}, 1, "refresh pool jeos"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			asked := 0
			r := &recorder{}
			err := Apply(t.Context(), r, planner(test.plans...), func(*Plan) error { asked++; return nil }, ExecuteOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(r.done, ", "); asked != test.asked || got != test.done {
				t.Errorf("asked %d times and did %q, want %d and %q", asked, got, test.asked, test.done)
			}
		})
	}
}

func TestApplyStartsThePoolFirst(t *testing.T) {
	p, err := Diff(site(), empty(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	rest := &Plan{Pool: "jeos", Changes: p.Changes[1:], Steps: []Step{{Verb: StartGuest, Addr: web}}}
	r := &recorder{}
	asked := 0
	if err := Apply(t.Context(), r, planner(p, rest), func(*Plan) error { asked++; return nil }, ExecuteOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(r.done, ", "), "define pool jeos, start pool jeos, start guest web"; got != want || asked != 1 {
		t.Errorf("asked %d times and did %q, want once and %q", asked, got, want)
	}
}

func TestApplyRefused(t *testing.T) {
	p := &Plan{Changes: []Change{{Addr: web, Action: Update}}, Steps: []Step{{Verb: StartGuest, Addr: web}}}
	no := errors.New("no")
	r := &recorder{}
	if err := Apply(t.Context(), r, planner(p), func(*Plan) error { return no }, ExecuteOptions{}); !errors.Is(err, no) || len(r.done) > 0 {
		t.Errorf("got %v after %v", err, r.done)
	}
}
