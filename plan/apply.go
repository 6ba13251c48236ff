package plan

import (
	"context"
	"errors"
)

// rounds bounds how often Apply looks anew before it gives up on a host that keeps changing.
const rounds = 5

// Apply brings the host to what replan says. It shows each plan to approve before it acts on it, and asks again only
// when a later look finds more to do than what was approved: before its first step it has libvirt look at the pool anew,
// or starts the pool, because until then nobody knows for sure which disks exist. When there is nothing to do, approve
// sees the empty plan and Apply returns nil. An error of replan or approve ends it with nothing done.
func Apply(ctx context.Context, doer Doer, replan func(context.Context) (*Plan, error), approve func(*Plan) error, opt ExecuteOptions) error {
	var approved *Plan
	looked := false
	for range rounds {
		p, err := replan(ctx)
		if err != nil {
			return err
		}
		if approved == nil || !p.within(approved) {
			if err := approve(p); err != nil {
				return err
			}
			approved = p
		}
		if p.Empty() {
			return nil
		}
		first := p.poolSteps()
		if len(first) == 0 && !looked && !p.poolMissing {
			first = []Step{{Verb: RefreshPool, Addr: Addr{KindPool, p.Pool}, Host: p.Pool}}
		}
		if len(first) == 0 {
			return Execute(ctx, doer, p.Steps, opt)
		}
		if err := Execute(ctx, doer, first, opt); err != nil {
			return err
		}
		looked = true
	}
	return errors.New("the host keeps changing while jeos looks at it: find out what else works on it, and try again")
}

// poolSteps returns the steps that make or start the pool. They need nothing but each other and come first.
func (p *Plan) poolSteps() []Step {
	var out []Step
	for _, s := range p.Steps {
		if s.Addr.Kind == KindPool {
			out = append(out, s)
		}
	}
	return out
}

// within reports whether every change of p is one of approved's.
func (p *Plan) within(approved *Plan) bool {
	allowed := map[string]bool{}
	for _, c := range changesJSON(approved.Changes) {
		allowed[digest(c)] = true
	}
	for _, c := range changesJSON(p.Changes) {
		if !allowed[digest(c)] {
			return false
		}
	}
	return true
}
