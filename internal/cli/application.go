package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"jeos/internal/config"
	"jeos/plan"
)

// application is one apply or destroy on its way.
type application struct {
	p           *program
	options     plan.Options
	parallelism int
	verb        string // "Apply", "Destroy", "Bake" or "Prune"
	ask         question
	// approved decides in place of a person; nil asks one.
	approved func(*plan.Plan) error
	// replan makes the plan; nil compares the site with the host, with the options.
	replan func(ctx context.Context, hv plan.Reader) (*plan.Plan, error)
	// begin is called once connected, and finish when all is done; they may be nil.
	begin, finish func(ctx context.Context, hv plan.Hypervisor) error

	site     *site
	changes  map[plan.Addr]plan.Change // all that was approved
	record   record
	progress progress // while steps are done; else nil
}

func (a *application) run(ctx context.Context) error {
	p := a.p
	var err error
	load := p.load
	if a.verb == "Apply" || a.verb == "Bake" {
		load = p.loadProven
	}
	if a.site, err = load(ctx); err != nil {
		return err
	}
	if a.approved == nil && !p.canAsk() {
		return nobodyToAsk(a.verb == "Apply" || a.verb == "Destroy")
	}
	unlock, err := p.lockSite(a.site)
	if err != nil {
		return err
	}
	defer unlock()
	if p.sys.Scratch != nil {
		end, err := p.sys.Scratch()
		if err != nil {
			return failed("Making a temporary folder failed", err)
		}
		defer end()
	}
	hv, err := p.connect(ctx, a.site.uri, false)
	if err != nil {
		return err
	}
	defer p.close(hv)
	dir, err := runtimeDir(p.sys.Env)
	if err != nil {
		return failed("Locking failed", err)
	}
	return a.apply(ctx, imageLock{hv, dir, a.site.uri})
}

func (a *application) apply(ctx context.Context, hv plan.Hypervisor) error {
	a.changes = map[plan.Addr]plan.Change{}
	a.record = newRecord(a.p.log)
	if a.replan == nil {
		a.replan = func(ctx context.Context, hv plan.Reader) (*plan.Plan, error) {
			return a.p.makePlan(ctx, hv, a.site, a.options)
		}
	}
	if a.begin != nil {
		if err := a.begin(ctx, hv); err != nil {
			return err
		}
	}
	began := time.Now()
	err := plan.Apply(ctx, hv,
		func(ctx context.Context) (*plan.Plan, error) {
			a.endProgress()
			pl, err := a.replan(ctx, hv)
			if err != nil && pl != nil {
				a.p.showPlan(pl, a.site.uri)
			}
			return pl, err
		},
		func(pl *plan.Plan) error { return a.approve(ctx, pl) },
		plan.ExecuteOptions{Parallelism: a.parallelism, Stop: a.p.interrupt.stop, Events: a.event})
	a.endProgress()
	a.p.log.Info().Dur("took", time.Since(began)).Bool("complete", err == nil).Msg("apply ended")
	if err != nil {
		return a.unfinished(ctx, err)
	}
	if a.verb == "Apply" {
		if err := a.guarded(ctx, hv); err != nil {
			return err
		}
	}
	if a.finish != nil {
		if err := a.finish(ctx, hv); err != nil {
			return err
		}
	}
	a.complete()
	return nil
}

// guarded looks at the host once more when all steps are done. libvirt and other programs that work on it may have dropped a
// guard that was in place when its own step ended.
func (a *application) guarded(ctx context.Context, hv plan.Reader) error {
	pl, err := a.replan(ctx, hv)
	if err != nil {
		return failed("Looking at the guards failed", fmt.Errorf("all steps are done, and whether the guards are in place is not known: %w", err))
	}
	if open := pl.OpenGuards(); len(open) > 0 {
		return failed("Guards are missing", fmt.Errorf("all steps are done, and yet these guards are not in place: %s. Something else changes the host: "+
			"find out what, and run \"jeos apply\" again", strings.Join(open, ", ")))
	}
	return nil
}

// approve shows a plan and has it approved. From then on an interrupt lets the steps under way finish.
func (a *application) approve(ctx context.Context, pl *plan.Plan) error {
	if a.p.interrupt.pending() {
		return errInterrupted
	}
	if a.approved != nil {
		if err := a.approved(pl); err != nil {
			return err
		}
	}
	a.p.showSitePlan(pl, a.site, false)
	if a.approved == nil && !pl.Empty() {
		if err := a.p.confirm(ctx, a.ask); err != nil {
			return err
		}
	}
	if err := a.p.fetchFor(ctx, a.site, pl); err != nil {
		return err
	}
	if !a.options.Destroy {
		if err := a.lockAddresses(); err != nil {
			return err
		}
	}
	for _, c := range pl.Changes {
		a.changes[c.Addr] = c
	}
	a.p.interrupt.soften(func() {
		if a.p.sys.ErrTerminal {
			fmt.Fprint(a.p.sys.Err, "\r") // over the ^C that the terminal shows, which moves what is drawn
		}
		fmt.Fprintln(a.p.err, "Interrupt: finishing what is under way; press again to stop at once.")
	})
	return nil
}

// lockAddresses writes down the addresses that the site's guests get. Images and endpoints that were locked anew since the
// plan was made are a reason to plan again.
func (a *application) lockAddresses() error {
	_, err := config.UpdateLock(a.p.global.Dir, func(now *config.Lock) error {
		for _, i := range a.site.Lock.Images {
			if entry, ok := now.Image(i.Name); !ok || entry != i {
				return fmt.Errorf("another jeos has locked image.%s meanwhile, so that the plan is not what was shown. Run the same command again", i.Name)
			}
		}
		for _, e := range a.site.Lock.Endpoints {
			if entry, ok := now.Endpoint(e.Host); !ok || !slices.Equal(entry.Addresses, e.Addresses) {
				return fmt.Errorf("another jeos has locked %s meanwhile, so that the plan is not what was shown. Run the same command again", e.Host)
			}
		}
		now.Addresses = a.site.Lock.Addresses
		return nil
	})
	return failed("Writing the lock file failed", err)
}

// event passes on what happens to whoever shows or keeps it.
func (a *application) event(e plan.Event) {
	if a.progress == nil {
		a.progress = a.p.newProgress()
	}
	a.progress.event(e)
	a.record.event(e)
}

func (a *application) endProgress() {
	if a.progress != nil {
		a.progress.end()
		a.progress = nil
	}
}

// complete says what was done and what is worth knowing now.
func (a *application) complete() {
	done := &plan.Plan{}
	for _, c := range a.changes {
		done.Changes = append(done.Changes, c)
	}
	sum := done.Summary()
	if a.verb == "Destroy" || a.verb == "Prune" {
		fmt.Fprintf(a.p.out, "\n%s complete! Resources: %d destroyed.\n", a.verb, sum.Destroy)
		return
	}
	fmt.Fprintf(a.p.out, "\n%s complete! Resources: %d added, %d changed, %d destroyed.\n", a.verb, sum.Add, sum.Change, sum.Destroy)
	if a.verb == "Apply" && len(a.site.Outputs) > 0 {
		fmt.Fprint(a.p.out, "\nOutputs:\n\n")
		a.p.writeOutputs(a.site.Outputs)
	}
}

// unfinished says where things stand after an apply that did not come to its end, and returns the error to show.
func (a *application) unfinished(ctx context.Context, err error) error {
	interrupted := a.p.interrupt.pending() || errors.Is(context.Cause(ctx), errInterrupted)
	if a.record.whole() {
		if interrupted {
			return errInterrupted
		}
		return failed(a.verb+" failed", err)
	}
	for _, e := range a.record.errs {
		a.p.report(failed("Step failed", e))
	}
	fmt.Fprintf(a.p.err, "\n%s did not come to its end: %s.\n", a.verb, a.record.counts())
	a.p.list("Failed", a.record.failed)
	a.p.list("Cut off, outcome unknown", a.record.cut)
	a.p.list("Not started", a.record.skipped)
	fmt.Fprintln(a.p.err, "\nNothing is lost: \"jeos plan\" shows what is left, and another run goes on from there.")
	if interrupted {
		return errInterrupted
	}
	return errSilent
}

// list writes a heading and the names of steps.
func (p *program) list(heading string, steps []string) {
	if len(steps) == 0 {
		return
	}
	fmt.Fprintf(p.err, "  %s:\n", heading)
	for _, s := range steps {
		fmt.Fprintf(p.err, "    %s\n", s)
	}
}
