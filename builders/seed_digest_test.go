package builders

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jeos/internal/config"
	"jeos/plan"
)

func attrsOf(t *testing.T, g *config.Guest) map[string]plan.Attr {
	t.Helper()
	list, err := seedAttrs(sampleSite(), g, newHasher("home"))
	if err != nil {
		t.Fatal(err)
	}
	attrs := map[string]plan.Attr{}
	for _, a := range list {
		attrs[a.Name] = a
	}
	return attrs
}

// Every setting changes its own attribute and no other, and only what every boot reads reaches a guest that is made.
func TestSeedAttrs(t *testing.T) {
	base := sampleGuest()
	base.Files = base.Files[:1]
	before := attrsOf(t, base)
	for name, c := range map[string]struct {
		attr   string
		change func(*config.Guest)
		secret bool
	}{
		"address":      {"seed.network", func(g *config.Guest) { g.NICs[0].Addresses = prefixes("10.64.0.3/24") }, false},
		"no card":      {"seed.network", func(g *config.Guest) { g.NICs = nil }, false},
		"mount":        {"seed.disks", func(g *config.Guest) { g.Disks[0].Mount = "/data" }, false},
		"no disk":      {"seed.disks", func(g *config.Guest) { g.Disks = nil }, false},
		"hostname":     {"seed.hostname", func(g *config.Guest) { g.Hostname = "mail" }, false},
		"timezone":     {"seed.timezone", func(g *config.Guest) { g.Timezone = "UTC" }, false},
		"locale":       {"seed.locale", func(g *config.Guest) { g.Locale = "de_DE.UTF-8" }, false},
		"packages":     {"seed.packages", func(g *config.Guest) { g.Packages = []string{"apache2"} }, false},
		"removed":      {"seed.remove_packages", func(g *config.Guest) { g.RemovePackages = []string{"vim"} }, false},
		"mirror":       {"seed.apt", func(g *config.Guest) { g.Apt.Mirror.Value = "http://x" }, false},
		"secret proxy": {"seed.apt", func(g *config.Guest) { g.Apt.Proxy.Sensitive = true }, true},
		"run":          {"seed.run", func(g *config.Guest) { g.Run = []config.Text{{Value: "true"}} }, false},
		"secret run":   {"seed.run", func(g *config.Guest) { g.Run = []config.Text{{Value: "true", Sensitive: true}} }, true},
		"swap":         {"seed.swap", func(g *config.Guest) { g.Swap *= 2 }, false},
		"cloud_config": {"seed.cloud_config", func(g *config.Guest) { g.CloudConfig = map[string]any{"x": 1} }, false},
		"secret cloud": {"seed.cloud_config", func(g *config.Guest) { g.CloudSensitive = true }, true},
		"password":     {"seed.user.admin", func(g *config.Guest) { g.Users[0].HashedPassword = "$6$other" }, true},
		"key":          {"seed.user.plain", func(g *config.Guest) { g.Users[1].SSHKeys = []string{"ssh-rsa A"} }, false},
		"role":         {"seed.role", func(g *config.Guest) { g.Role.Files[0].Content = []byte("x") }, false},
		"role's mode":  {"seed.role", func(g *config.Guest) { g.Role.Files[0].Mode = 0o644 }, false},
		"role's file":  {"seed.role", func(g *config.Guest) { g.Role.Files = nil }, false},
		"secret role":  {"seed.role", func(g *config.Guest) { g.Role.Files[0].Sensitive = true }, true},
		"enabled":      {"seed.role", func(g *config.Guest) { g.Role.Enable[0] = "other.service" }, false},
		"disabled":     {"seed.role", func(g *config.Guest) { g.Role.Disable = nil }, false},
		"applied":      {"seed.role", func(g *config.Guest) { g.Role.Apply = append(g.Role.Apply, "true") }, false},
		"guard":        {"seed.role", func(g *config.Guest) { g.Role.Guard = "true" }, false},
		"probe":        {"seed.role", func(g *config.Guest) { g.Role.Probes[0].Command = "true" }, false},
		"content":      {"seed.file./etc/hostile/A", func(g *config.Guest) { g.Files[0].Content = []byte("x") }, false},
		"mode":         {"seed.file./etc/hostile/A", func(g *config.Guest) { g.Files[0].Mode = 0o644 }, false},
		"secret file":  {"seed.file./etc/hostile/A", func(g *config.Guest) { g.Files[0].Sensitive = true }, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := sampleGuest()
			g.Files = g.Files[:1]
			c.change(g)
			after := attrsOf(t, g)
			got := after[c.attr]
			if got.Value == before[c.attr].Value || got.Value == "" {
				t.Errorf("%s is %q, as before", c.attr, got.Value)
			}
			if prefix := map[bool]string{true: "argon2id:", false: "sha256:"}[c.secret]; got.Secret != c.secret || !strings.HasPrefix(got.Value, prefix) {
				t.Errorf("%s: secret %v, value %s", c.attr, got.Secret, got.Value)
			}
			delete(after, c.attr)
			rest := map[string]plan.Attr{}
			for name, a := range before {
				if name != c.attr {
					rest[name] = a
				}
			}
			if diff := cmp.Diff(rest, after); diff != "" {
				t.Errorf("others changed: %s", diff)
			}
		})
	}
}

func TestSeedAttrsEffects(t *testing.T) {
	for name, a := range attrsOf(t, sampleGuest()) {
		want := plan.OnCreate
		if name == "seed.network" || name == "seed.disks" || name == "seed.hostname" || name == "seed.role" {
			want = plan.Restart
		}
		if got := plan.RuleFor(plan.KindGuest, a.Name).Effect; got != want {
			t.Errorf("%s has effect %v, want %v", name, got, want)
		}
	}
}

func TestSeedAttrsOfBareGuest(t *testing.T) {
	attrs := attrsOf(t, &config.Guest{Name: "web", Hostname: "web"})
	if len(attrs) != 2 || attrs["seed.network"].Value == "" || attrs["seed.disks"].Value == "" {
		t.Errorf("attributes %v, want the network and the disks alone", attrs)
	}
}

// Where something is declared in the files is no part of it.
func TestSeedAttrsIgnoreOrigin(t *testing.T) {
	g := sampleGuest()
	g.Users[0].Origin, g.Files[0].Origin, g.NICs[0].Origin, g.Disks[0].Origin = "a:1", "a:2", "a:3", "a:4"
	g.Role.Origin, g.Role.Files[0].Origin = "a:5", "a:6"
	if diff := cmp.Diff(attrsOf(t, sampleGuest()), attrsOf(t, g)); diff != "" {
		t.Error(diff)
	}
}

// A role that does nothing inside the guest restarts nobody, and an empty list is as good as none.
func TestSeedAttrsOfRole(t *testing.T) {
	g := &config.Guest{Name: "web", Hostname: "web", Role: &config.Role{Name: "workload", Confined: true}}
	if attr, ok := attrsOf(t, g)["seed.role"]; ok {
		t.Errorf("attribute %v", attr)
	}
	g.Role.Guard = "true"
	none := attrsOf(t, g)["seed.role"]
	g.Role.Files, g.Role.Enable, g.Role.Disable = []config.File{}, []string{}, []string{}
	g.Role.Apply, g.Role.Probes = []string{}, []config.Probe{}
	if diff := cmp.Diff(none, attrsOf(t, g)["seed.role"]); diff != "" {
		t.Error(diff)
	}
}

func TestHasher(t *testing.T) {
	h := newHasher("home")
	secret := h.secret("seed", []byte("geheim"))
	if secret != newHasher("home").secret("seed", []byte("geheim")) || secret != h.secret("seed", []byte("geheim")) {
		t.Error("the same secret has two digests")
	}
	for name, other := range map[string]string{
		"site":  newHasher("work").secret("seed", []byte("geheim")),
		"kind":  h.secret("psk", []byte("geheim")),
		"value": h.secret("seed", []byte("geheim2")),
	} {
		if other == secret {
			t.Errorf("another %s has the same digest", name)
		}
	}
	if len(h.done) != 3 {
		t.Errorf("%d digests are remembered, want 3", len(h.done))
	}
}
