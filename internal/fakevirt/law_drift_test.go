package fakevirt_test

import (
	"regexp"
	"strings"
	"testing"

	"jeos/internal/fakevirt"
	"jeos/plan"
)

var (
	oneCard   = regexp.MustCompile(`(?s)<interface .*?</interface>`)
	oneFilter = regexp.MustCompile(`<filterref filter="[^"]*">\s*</filterref>`)
)

// TestGuardDrift has somebody change by hand what guards a guest that runs. The plan says so, and apply puts it right without
// a restart.
func TestGuardDrift(t *testing.T) {
	const name = "home-web"
	device := func(edit func(card string) string) func(*testing.T, *fakevirt.Host) {
		return func(t *testing.T, host *fakevirt.Host) {
			d := domainNamed(t, host, name)
			step := plan.Step{Verb: plan.UpdateDevice, Host: name, UUID: d.UUID, XML: edit(oneCard.FindString(d.LiveXML))}
			if err := host.Open(false).Do(t.Context(), step, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	filterRef := func(with string) func(string) string {
		return func(card string) string { return oneFilter.ReplaceAllString(card, with) }
	}
	tests := map[string]struct {
		hand func(*testing.T, *fakevirt.Host)
		want []string // in the text of the plan
	}{
		"filter not at work": {
			func(_ *testing.T, host *fakevirt.Host) { host.Unbind(name) },
			[]string{"filter.lan = filter.web.lan (not at work) -> filter.web.lan"},
		},
		"card without filter":      {device(filterRef("")), []string{"filter.lan = none -> filter.web.lan"}},
		"card with another filter": {device(filterRef(`<filterref filter="clean-traffic"/>`)), []string{"filter.lan = libvirt-filter clean-traffic -> filter.web.lan"}},
		"port opened": {
			device(func(card string) string {
				return strings.Replace(card, "</interface>", `<port isolated="no"/></interface>`, 1)
			}),
			[]string{"port.lan = open"},
		},
		"filter opened": {
			func(t *testing.T, host *fakevirt.Host) {
				for _, f := range inventory(t, host).Filters {
					if f.Name == "home-web.lan" {
						define(t, host, plan.Step{Verb: plan.DefineFilter, XML: strings.Replace(f.XML, `action="drop"`, `action="accept"`, 1)})
					}
				}
			},
			[]string{"~ filter.web.lan", "- inout mac: accept (priority 1000)", "+ inout mac: drop (priority 1000)"},
		},
		"definition without filter": {
			func(t *testing.T, host *fakevirt.Host) {
				d := domainNamed(t, host, name)
				define(t, host, plan.Step{Verb: plan.DefineGuest, UUID: d.UUID, XML: oneFilter.ReplaceAllString(d.XML, "")})
			},
			[]string{"filter.lan = none -> filter.web.lan"},
		},
	}
	for test, tt := range tests {
		t.Run(test, func(t *testing.T) {
			site, _ := guardedSites()
			host := fakevirt.New()
			host.SetDevices(hostDevices())
			addForeign(t, host)
			apply(t, host.Open(false), site)
			tt.hand(t, host)

			p, err := replan(host.Open(true), site)(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			if err := p.WriteText(&text, plan.TextOptions{}); err != nil {
				t.Fatal(err)
			}
			for _, want := range append(tt.want, "Security drift", "changed by hand") {
				if !strings.Contains(text.String(), want) {
					t.Errorf("the plan does not say %q:\n%s", want, text.String())
				}
			}
			for _, s := range p.Steps {
				if s.Verb == plan.StopGuest {
					t.Errorf("the plan stops %s", s.Addr)
				}
			}
			apply(t, host.Open(false), site)
			mustBeEmpty(t, host, site)
			mustBeGuarded(t, host, site)
		})
	}
}

func domainNamed(t *testing.T, host *fakevirt.Host, name string) plan.HostDomain {
	t.Helper()
	for _, d := range inventory(t, host).Domains {
		if d.Name == name {
			return d
		}
	}
	t.Fatalf("no domain %s", name)
	return plan.HostDomain{}
}

func define(t *testing.T, host *fakevirt.Host, s plan.Step) {
	t.Helper()
	if err := host.Open(false).Do(t.Context(), s, nil); err != nil {
		t.Fatal(err)
	}
}
