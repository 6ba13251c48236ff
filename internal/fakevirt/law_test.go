package fakevirt_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"jeos/builders"
	"jeos/internal/config"
	"jeos/internal/fakevirt"
	"jeos/plan"
)

// The law: for every site A, every site B and every cut point k: apply A; apply B and lose the connection; apply B.
// Then the plan is empty, no orphan exists, and nothing that jeos does not own has changed by a byte.

func TestLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := siteGen().Draw(t, "A")
		b := siteGen().Draw(t, "B")
		k := rapid.IntRange(0, 60).Draw(t, "k")
		how := rapid.SampledFrom([]fakevirt.Cut{fakevirt.Before, fakevirt.After, fakevirt.Silence}).Draw(t, "how")
		law(t, a, b, k, how)
	})
}

// TestLawEveryCut tries every cut point of changes that have it all.
func TestLawEveryCut(t *testing.T) {
	for name, sites := range map[string]func() (before, after *config.Site){"guests": richSites, "bakes": bakeSites, "guards": guardedSites} {
		t.Run(name, func(t *testing.T) {
			before, after := sites()
			calls := 0
			law(failer{t}, before, after, -1, fakevirt.Before, func(n int) { calls = n })
			if calls < 30 {
				t.Fatalf("the change makes only %d calls", calls)
			}
			for k := range calls {
				for _, how := range []fakevirt.Cut{fakevirt.Before, fakevirt.After, fakevirt.Silence} {
					t.Run(fmt.Sprintf("%d/%d", k, how), func(t *testing.T) {
						t.Parallel()
						law(failer{t}, before, after, k, how)
					})
				}
			}
		})
	}
}

// tester is what testing.T and rapid.T have in common.
type tester interface {
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

type failer struct{ *testing.T }

func law(t tester, a, b *config.Site, k int, how fakevirt.Cut, counts ...func(int)) {
	host := fakevirt.New()
	addForeign(t, host)
	host.SetDevices(hostDevices())
	foreign := foreignObjects(t, host)

	apply(t, host.Open(false), a)
	mustBeEmpty(t, host, a)

	cut := host.Open(false)
	cut.CutAt(k, how)
	err := tryApply(cut, b)
	for _, count := range counts {
		count(cut.Calls())
	}
	if err != nil && cut.Calls() <= k {
		t.Fatalf("apply failed without a cut: %v", err)
	}
	mustHaveWholeImages(t, host)

	apply(t, host.Open(false), b)
	mustBeEmpty(t, host, b)
	mustHaveNoOrphan(t, host, a, b)
	mustHaveWholeImages(t, host)
	mustBeGuarded(t, host, b)
	if diff := cmp.Diff(foreign, foreignObjects(t, host)); diff != "" {
		t.Errorf("something that is not jeos's changed:\n%s", diff)
	}
}

func replan(conn *fakevirt.Conn, site *config.Site, replace ...plan.Addr) func(context.Context) (*plan.Plan, error) {
	return func(ctx context.Context) (*plan.Plan, error) {
		inv, err := conn.Inventory(ctx, site.Pool.Name, builders.Wanted(site.Name))
		if err != nil {
			return nil, err
		}
		if inv.KVM, err = conn.KVM(ctx); err != nil {
			return nil, err
		}
		if builders.NeedsDevices(site, plan.Options{}) {
			if inv.Devices, err = conn.Devices(ctx); err != nil {
				return nil, err
			}
		}
		return builders.Plan(site, inv, plan.Options{Replace: replace})
	}
}

// tryApply applies a site, and makes some of its guests anew.
func tryApply(conn *fakevirt.Conn, site *config.Site, replace ...plan.Addr) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// A connection that is silent is given up by whoever made the call, here as soon as the call is made.
	conn.OnSilence(cancel)
	return plan.Apply(ctx, conn, replan(conn, site, replace...), func(*plan.Plan) error { return nil }, plan.ExecuteOptions{Parallelism: 1})
}

func apply(t tester, conn *fakevirt.Conn, site *config.Site) {
	if err := tryApply(conn, site); err != nil {
		t.Fatalf("apply: %v", err)
	}
}

// TestSavedMemory saves a guest's memory and then changes the guest: it must not come back as it was.
func TestSavedMemory(t *testing.T) {
	before, after := richSites()
	host := fakevirt.New()
	apply(t, host.Open(false), before)
	host.Save("home-stays")
	host.Save("home-replaced")
	apply(t, host.Open(false), after)
	mustBeEmpty(t, host, after)
}

// TestUnmanagedPower changes guests whose power is not managed: what ran runs again, what was off stays off.
func TestUnmanagedPower(t *testing.T) {
	before, after := richSites()
	host := fakevirt.New()
	apply(t, host.Open(false), before)
	for i := range after.Guests {
		after.Guests[i].Running = nil
	}
	apply(t, host.Open(false), after)
	mustBeEmpty(t, host, after)
	for _, d := range inventory(t, host).Domains {
		if d.State != plan.Running {
			t.Errorf("%s does not run", d.Name)
		}
	}
}

// TestForeignDisk refuses a file of a disk's name that holds something else, and leaves it alone.
func TestForeignDisk(t *testing.T) {
	site, _ := richSites()
	host := fakevirt.New()
	addForeign(t, host)
	xml := "<volume><name>home.goes.kept.qcow2</name><capacity>12345</capacity><target><format type='raw'/></target></volume>"
	if err := host.Open(false).Do(t.Context(), plan.Step{Verb: plan.CreateVolume, Pool: "jeos", XML: xml}, nil); err != nil {
		t.Fatal(err)
	}
	err := tryApply(host.Open(false), site)
	if err == nil || !strings.Contains(err.Error(), "Disk is not a qcow2 image") {
		t.Errorf("got %v", err)
	}
	if inv := inventory(t, host); !inv.Names["home.goes.kept.qcow2"] || inv.Names["home.goes.root.qcow2"] {
		t.Errorf("volumes: %v", inv.Names)
	}
}
