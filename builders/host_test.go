package builders

import "testing"

func TestGeneration(t *testing.T) {
	wanted := map[string]string{attrSeedNetwork: "n", attrSeedDisks: "d"}
	applied := func(network, disks string) map[string]string {
		return map[string]string{attrSeedNetwork: network, attrSeedDisks: disks}
	}
	cases := map[string]struct {
		kept Kept
		want int
	}{
		"never made":                      {Kept{}, 1},
		"domain gone, seeds left":         {Kept{LastSeed: 3}, 4},
		"unchanged":                       {Kept{Seed: 2, LastSeed: 2, Applied: applied("n", "d")}, 2},
		"unchanged, seed volume gone":     {Kept{Seed: 2, Applied: applied("n", "d")}, 2},
		"unchanged, with an unused newer": {Kept{Seed: 2, LastSeed: 5, Applied: applied("n", "d")}, 2},
		"network changed":                 {Kept{Seed: 2, LastSeed: 2, Applied: applied("other", "d")}, 3},
		"disks changed":                   {Kept{Seed: 2, LastSeed: 1, Applied: applied("n", "other")}, 3},
		"changed, with an unused newer":   {Kept{Seed: 2, LastSeed: 5, Applied: applied("other", "d")}, 6},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			host := Host{Guests: map[string]Kept{"web": c.kept}}
			if got := host.generation("web", wanted); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestAccel(t *testing.T) {
	cases := map[string]struct {
		files, kept string
		kvm         bool
		want        string
	}{
		"auto with KVM":             {"auto", "", true, "kvm"},
		"auto without":              {"auto", "", false, "tcg"},
		"auto keeps what was first": {"auto", "tcg", true, "tcg"},
		"auto keeps kvm":            {"auto", "kvm", false, "kvm"},
		"files decide":              {"tcg", "kvm", true, "tcg"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g := testGuest(testSite())
			g.Accel = c.files
			host := Host{KVM: map[string]bool{"x86_64": c.kvm}, Guests: map[string]Kept{"web": {Accel: c.kept}}}
			if got := host.accel(g); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
