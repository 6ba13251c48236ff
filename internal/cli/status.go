package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"jeos/builders"
	"jeos/internal/config"
	"jeos/plan"
)

// reportLimit bounds the wait for one guest. A guest speaks every two seconds, and its first line may be an old one.
const reportLimit = 10 * time.Second

// status is what the guests of a site say of themselves, and its own JSON form.
type status struct {
	FormatVersion string        `json:"format_version"`
	Site          string        `json:"site"`
	URI           string        `json:"uri"`
	Guests        []guestStatus `json:"guests"`
}

type guestStatus struct {
	Address   string   `json:"address"`
	Domain    string   `json:"domain"`
	State     string   `json:"state"`      // "running", "paused", "off" or "missing"
	ShouldRun *bool    `json:"should_run"` // null: not managed
	Ready     bool     `json:"ready"`
	Uptime    float64  `json:"uptime,omitempty"` // seconds
	CloudInit string   `json:"cloud_init,omitempty"`
	Stage     string   `json:"stage,omitempty"`
	Addresses []string `json:"addresses"`
	HostKeys  []string `json:"host_keys"`
	Errors    []string `json:"errors"`

	Guard  *plan.Check  `json:"guard"` // null: it has none, or nobody knows
	Probes []plan.Check `json:"probes"`
}

// askGuests asks the named guests, all at once.
func (p *program) askGuests(ctx context.Context, hv plan.Hypervisor, s *site, names []string) (*status, error) {
	inv, err := p.inventory(ctx, hv, s)
	if err != nil {
		return nil, err
	}
	actual, _ := builders.Observe(s.Name, s.Pool.Name, inv)
	st := &status{FormatVersion: plan.FormatVersion, Site: s.Name, URI: s.uri, Guests: []guestStatus{}}
	for _, g := range s.Guests {
		if slices.Contains(names, g.Name) {
			st.Guests = append(st.Guests, newGuestStatus(s, g, actual))
		}
	}
	var all sync.WaitGroup
	for i := range st.Guests {
		if g := &st.Guests[i]; g.State == "running" {
			all.Go(func() { g.ask(ctx, hv) })
		}
	}
	all.Wait()
	return st, context.Cause(ctx)
}

func newGuestStatus(s *site, g config.Guest, actual *plan.Actual) guestStatus {
	addr := plan.Addr{Kind: plan.KindGuest, Name: g.Name}
	st := guestStatus{
		Address: addr.String(), Domain: builders.DomainName(s.Name, g.Name), ShouldRun: g.Running,
		State: "missing", Addresses: []string{}, HostKeys: []string{}, Errors: []string{}, Probes: []plan.Check{},
	}
	if obj := actual.Objects[addr]; obj != nil {
		st.State, st.Domain = stateText(obj.State), obj.Host
	} else if why, taken := actual.Foreign[plan.Addr{Kind: plan.KindGuest, Name: st.Domain}]; taken {
		st.Errors = append(st.Errors, "a domain of this name is not this site's: "+why)
	}
	return st
}

// ask gets the report of a running guest.
func (g *guestStatus) ask(ctx context.Context, hv plan.Hypervisor) {
	ctx, cancel := context.WithTimeout(ctx, reportLimit)
	defer cancel()
	r, err := hv.Report(ctx, g.Domain)
	switch {
	case errors.Is(err, plan.ErrNotFound):
		g.State = "off"
	case err != nil:
		g.Errors = append(g.Errors, "no report: "+err.Error())
	default:
		g.Ready, g.Uptime, g.CloudInit, g.Stage = r.Ready(), r.Uptime, r.CloudInit, r.Stage
		g.Addresses = append(g.Addresses, r.Addresses...)
		g.HostKeys = append(g.HostKeys, r.HostKeys...)
		g.Errors = append(g.Errors, r.Errors...)
		g.Guard, g.Probes = r.Guard, append(g.Probes, r.Probes...)
	}
}

// verdict returns an error when a guest that should run is not ready.
func (s *status) verdict() error {
	for _, g := range s.Guests {
		if g.ShouldRun != nil && *g.ShouldRun && !g.Ready {
			return errSilent
		}
	}
	return nil
}

func (s *status) writeText(w io.Writer, color bool) {
	fmt.Fprintf(w, "Site %s on %s\n\n", s.Site, s.URI)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "GUEST\tPOWER\tREADY\tUPTIME\tADDRESSES")
	for _, g := range s.Guests {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", strings.TrimPrefix(g.Address, "guest."), g.State, g.readiness(), g.uptime(),
			cmp.Or(printable(strings.Join(g.Addresses, ", ")), "-"))
	}
	t.Flush()
	for _, g := range s.Guests {
		g.writeChecks(w, color)
		for _, e := range g.Errors {
			fmt.Fprintln(w, paint(color, red, g.Address+": "+printable(e)))
		}
	}
}

// writeChecks writes a line for the guard and one for each probe: "guest.vpn: guard closed", "guest.vpn: tunnel: up".
func (g *guestStatus) writeChecks(w io.Writer, color bool) {
	good := func(text string) { fmt.Fprintln(w, g.Address+": "+text) }
	bad := func(text, why string) {
		if why != "" {
			text += ": " + printable(why)
		}
		fmt.Fprintln(w, paint(color, red, g.Address+": "+text))
	}
	switch {
	case g.Guard == nil:
	case g.Guard.OK:
		good("guard closed")
	default:
		bad("guard open", g.Guard.Text)
	}
	for _, p := range g.Probes {
		if p.OK {
			good(printable(p.Name) + ": " + cmp.Or(printable(p.Text), "good"))
		} else {
			bad(printable(p.Name)+" fails", p.Text)
		}
	}
}

// readiness words whether the guest is ready: "yes", "no", "no (modules-final)", or "-" when nobody can know.
func (g *guestStatus) readiness() string {
	switch {
	case g.State != "running":
		return "-"
	case g.Ready:
		return "yes"
	case g.Guard != nil && !g.Guard.OK && g.CloudInit == "done":
		return "no (guard open)"
	case g.Stage != "":
		return "no (" + printable(g.Stage) + ")"
	}
	return "no"
}

func (g *guestStatus) uptime() string {
	if g.Uptime <= 0 {
		return "-"
	}
	return (time.Duration(g.Uptime) * time.Second).String()
}

func stateText(s plan.State) string {
	switch s {
	case plan.Running:
		return "running"
	case plan.Paused:
		return "paused"
	}
	return "off"
}
