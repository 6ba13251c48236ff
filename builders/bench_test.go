package builders

import (
	"fmt"
	"testing"

	"jeos/plan"
)

// BenchmarkPlan plans an unchanged site of 100 guests.
func BenchmarkPlan(b *testing.B) {
	site := testSite()
	web := *testGuest(site)
	site.Guests = nil
	for i := range 100 {
		g := web
		g.Name = fmt.Sprintf("web%d", i)
		g.NICs = append(g.NICs[:0:0], web.NICs...)
		for n := range g.NICs {
			g.NICs[n].MAC = fmt.Sprintf("52:54:00:00:%02x:%02x", n, i)
		}
		g.Needs = nil
		site.Guests = append(site.Guests, g)
	}
	inv := applied(build(b, site, testHost()))
	for b.Loop() {
		if p, err := Plan(site, inv, plan.Options{}); err != nil || !p.Empty() {
			b.Fatal(err, p)
		}
	}
}
