package fakevirt_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"jeos/builders"
	"jeos/internal/config"
	"jeos/internal/fakevirt"
	"jeos/plan"
)

// mustHaveNoRemains checks that nothing is left that a bake has of its own.
func mustHaveNoRemains(t tester, host *fakevirt.Host) {
	inv := inventory(t, host)
	for _, d := range inv.Domains {
		if strings.Contains(d.Name, "-bake.") {
			t.Errorf("the bake left the domain %s", d.Name)
		}
	}
	for _, n := range inv.Networks {
		if strings.Contains(n.Name, "-bake.") {
			t.Errorf("the bake left the network %s", n.Name)
		}
	}
	for _, f := range inv.Filters {
		if strings.Contains(f.Name, "-bake.") {
			t.Errorf("the bake left the filter %s", f.Name)
		}
	}
	for name := range inv.Names {
		if strings.Contains(name, ".bake.") {
			t.Errorf("the bake left the volume %s", name)
		}
	}
}

// TestBakeThatFails has a bake end badly: nothing is made from it, nothing of it is left, and the guest that would follow
// stays as it is.
func TestBakeThatFails(t *testing.T) {
	const name = "home-bake.wifi"
	tests := map[string]struct {
		fail, mend func(*fakevirt.Host)
		want       string
	}{
		"its work fails": {
			func(h *fakevirt.Host) {
				h.SetReport(name, plan.Report{Version: 1, CloudInit: "done", Errors: []string{"no package hostapd"}})
			},
			func(h *fakevirt.Host) { h.SetReport(name, plan.Report{Version: 1, CloudInit: "done"}) },
			"no package hostapd",
		},
		"it stays on": {func(h *fakevirt.Host) { h.SetDeaf(name, true) }, func(h *fakevirt.Host) { h.SetDeaf(name, false) }, "still runs"},
	}
	for test, c := range tests {
		t.Run(test, func(t *testing.T) {
			before, after := bakeSites()
			host := fakevirt.New()
			apply(t, host.Open(false), before)
			was := imageBelow(t, host, "follows")
			c.fail(host)
			if err := tryApply(host.Open(false), after); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			mustHaveWholeImages(t, host)
			mustHaveNoRemains(t, host)
			if now := imageBelow(t, host, "follows"); now != was {
				t.Errorf("the root disk of the guest was a layer over %s and is one over %s", was, now)
			}
			mustBakeAsNew(t, host, after, "wifi")
			c.mend(host)
			apply(t, host.Open(false), after)
			mustBeEmpty(t, host, after)
			mustHaveNoOrphan(t, host, before, after)
			if imageBelow(t, host, "follows") == was {
				t.Error("the guest was not made anew from the new image")
			}
		})
	}
}

// mustBakeAsNew checks that the plan bakes an image as if nobody had ever tried.
func mustBakeAsNew(t tester, host *fakevirt.Host, site *config.Site, name string) {
	p, err := replan(host.Open(true), site)(context.Background())
	if err != nil {
		t.Fatalf("plan: %v", err)
	}
	for _, c := range p.Changes {
		if c.Addr == (plan.Addr{Kind: plan.KindImage, Name: name}) && c.Reason == "to be baked: there is no image of this recipe and serial yet" {
			return
		}
	}
	t.Errorf("the plan does not bake the image as new: %+v", p.Changes)
}

// failing fails one step, before or after it has been done. Unlike a connection that is lost it goes on.
type failing struct {
	plan.Doer
	at    int // counted from 0
	after bool

	count  int
	failed plan.Step
}

func (f *failing) Do(ctx context.Context, s plan.Step, progress func(plan.Progress)) error {
	f.count++
	if f.count-1 != f.at {
		return f.Doer.Do(ctx, s, progress)
	}
	f.failed = s
	broken := errors.New("broken")
	if f.after {
		return errors.Join(broken, f.Doer.Do(ctx, s, progress))
	}
	return broken
}

// clears reports whether a step takes away something that a bake has of its own.
func clears(s plan.Step) bool {
	return strings.Contains(s.Host, "bake.") && (s.Verb == plan.StopGuest && s.On ||
		slices.Contains([]plan.Verb{plan.UndefineGuest, plan.DeleteVolume, plan.StopNetwork, plan.UndefineNetwork, plan.UndefineFilter}, s.Verb))
}

// TestEveryFailureOfBakes fails each step of a change that bakes. What bakes have of their own goes all the same, unless its
// going is what fails.
func TestEveryFailureOfBakes(t *testing.T) {
	before, after := bakeSites()
	run := func(t *testing.T, at int, late bool) (count int) {
		host := fakevirt.New()
		apply(t, host.Open(false), before)
		conn := host.Open(false)
		doer := &failing{Doer: conn, at: at, after: late}
		err := plan.Apply(t.Context(), doer, replan(conn, after), func(*plan.Plan) error { return nil }, plan.ExecuteOptions{Parallelism: 1, Stop: nil})
		if at < 0 {
			return doer.count
		}
		if err == nil || !strings.HasPrefix(err.Error(), doer.failed.String()+": broken") {
			t.Errorf("got %v", err)
		}
		if !clears(doer.failed) {
			mustHaveNoRemains(t, host)
		}
		mustHaveWholeImages(t, host)
		apply(t, host.Open(false), after)
		mustBeEmpty(t, host, after)
		mustHaveNoOrphan(t, host, before, after)
		mustHaveWholeImages(t, host)
		return doer.count
	}
	for at := range run(t, -1, false) {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d/%v", at, late), func(t *testing.T) {
				t.Parallel()
				run(t, at, late)
			})
		}
	}
}

// loseImages deletes the baked images of which lose is true from the host, as somebody's hand would.
func loseImages(t tester, host *fakevirt.Host, lose func(volume string) bool) {
	for _, v := range inventory(t, host).Volumes {
		if bakedVolume(v.Name) && lose(v.Name) {
			if err := host.Open(false).Do(context.Background(), plan.Step{Verb: plan.DeleteVolume, Pool: "jeos", Host: v.Name}, nil); err != nil {
				t.Fatalf("%v", err)
			}
		}
	}
}

// TestLawLostImages loses images between A and B. B may be refused then; else it comes to its end, and in no case is a disk
// put over another image than it was made from, which the host sees to.
func TestLawLostImages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := siteGen().Draw(t, "A"), siteGen().Draw(t, "B")
		host := fakevirt.New()
		host.SetDevices(hostDevices())
		apply(t, host.Open(false), a)
		loseImages(t, host, func(volume string) bool { return rapid.Bool().Draw(t, "lose "+volume) })
		if len(b.Guests) > 0 && rapid.Bool().Draw(t, "replace") {
			mayBeRefused(t, tryApply(host.Open(false), b, plan.Addr{Kind: plan.KindGuest, Name: b.Guests[0].Name}))
		}
		if mayBeRefused(t, tryApply(host.Open(false), b)) {
			mustBeEmpty(t, host, b)
		}
	})
}

// mayBeRefused reports whether an apply was done, and not refused.
func mayBeRefused(t tester, err error) bool {
	if _, refused := errors.AsType[*plan.Refusal](err); err != nil && !refused {
		t.Fatalf("apply: %v", err)
	}
	return err == nil
}

// lostSites applies two sites whose guests have disks over the same baked image, which then is gone from their pool. It
// returns the first site with one more guest that is made from it.
func lostSites(t tester, host *fakevirt.Host) (home, lab *config.Site) {
	home, lab = newSite(), newSite()
	home.Images = append(home.Images, baked("wifi", 202, "noble", nil, "iw"))
	lab.Name, lab.Images = "lab", home.Images
	web, mail := guest("web"), guest("mail")
	web.Image, mail.Image = "wifi", "wifi"
	home.Guests, lab.Guests = []config.Guest{web}, []config.Guest{mail}
	apply(t, host.Open(false), home)
	apply(t, host.Open(false), lab)
	loseImages(t, host, func(string) bool { return true })
	comes := guest("comes")
	comes.Image = "wifi"
	home.Guests = []config.Guest{comes, web}
	return home, lab
}

func TestLostImageIsNotBakedAgain(t *testing.T) {
	web := plan.Addr{Kind: plan.KindGuest, Name: "web"}
	host := fakevirt.New()
	home, lab := lostSites(t, host)
	refused := func(want string, replace ...plan.Addr) {
		t.Helper()
		err := tryApply(host.Open(false), home, replace...)
		if _, ok := errors.AsType[*plan.Refusal](err); !ok || !strings.Contains(err.Error(), "image.wifi: Image is in use") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	refused("of guest.web, domain lab-mail.")
	refused("of domain lab-mail.", web)
	home.Guests[1].Image = "noble" // the disk that is there is a layer over the lost one all the same
	refused("of guest.web, domain lab-mail.")
	home.Guests = home.Guests[:1]
	refused("of domain lab-mail.")

	lab.Guests = nil
	apply(t, host.Open(false), lab)
	apply(t, host.Open(false), home)
	mustBeEmpty(t, host, home)
	mustHaveWholeImages(t, host)
}

// TestLostImageEveryCut makes a guest anew whose image is lost, in the run that bakes the image again, and cuts that at every
// point. What comes after may ask for it once more or not.
func TestLostImageEveryCut(t *testing.T) {
	web := plan.Addr{Kind: plan.KindGuest, Name: "web"}
	run := func(t *testing.T, at int, how fakevirt.Cut, again bool) int {
		host := fakevirt.New()
		home, lab := lostSites(t, host)
		lab.Guests = nil
		apply(t, host.Open(false), lab)
		cut := host.Open(false)
		cut.CutAt(at, how)
		err := tryApply(cut, home, web)
		if err != nil && cut.Calls() <= at {
			t.Fatalf("apply failed without a cut: %v", err)
		}
		if !again && !mayBeRefused(t, tryApply(host.Open(false), home)) {
			again = true
		}
		if again {
			if err := tryApply(host.Open(false), home, web); err != nil {
				t.Fatalf("apply: %v", err)
			}
		}
		mustBeEmpty(t, host, home)
		mustHaveNoOrphan(t, host, home, home)
		mustHaveWholeImages(t, host)
		return cut.Calls()
	}
	for at := range run(t, -1, fakevirt.Before, false) {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d/%v", at, again), func(t *testing.T) {
				t.Parallel()
				run(t, at, fakevirt.After, again)
			})
		}
	}
}

// TestPruneLooksAgain has another site make a disk over an image while jeos asks whether it may go.
func TestPruneLooksAgain(t *testing.T) {
	for name, used := range map[string]bool{"nobody uses it": false, "somebody uses it meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			host := fakevirt.New()
			site := newSite()
			site.Guests = []config.Guest{guest("web")}
			apply(t, host.Open(false), site)
			image := imageBelow(t, host, "web")
			apply(t, host.Open(false), &config.Site{Name: site.Name, Pool: site.Pool})

			site.Images, site.Guests = nil, nil
			conn := host.Open(false)
			prune := func(context.Context) (*plan.Plan, error) { return builders.Prune(site, inventory(t, host)) }
			asked := 0
			approve := func(p *plan.Plan) error {
				asked++
				if len(p.Changes) != 1 {
					t.Errorf("changes: %+v", p.Changes)
				}
				if !used {
					return nil
				}
				xml := "<volume><name>lab.web.root.qcow2</name><capacity>5</capacity><target><format type='qcow2'/></target><backingStore><path>/pool/" + image + "</path></backingStore></volume>"
				return host.Open(false).Do(t.Context(), plan.Step{Verb: plan.CreateVolume, Pool: "jeos", XML: xml}, nil)
			}
			if err := plan.Apply(t.Context(), conn, prune, approve, plan.ExecuteOptions{}); err != nil || asked != 1 {
				t.Errorf("asked %d times: %v", asked, err)
			}
			if inventory(t, host).Names[image] != used {
				t.Errorf("the image is there: %v, want %v", !used, used)
			}
		})
	}
}
