package cli

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jeos/plan"
)

// reporter is a host whose guests report what it is.
type reporter struct {
	plan.Hypervisor
	report plan.Report
}

func (r reporter) Report(context.Context, string) (*plan.Report, error) { return &r.report, nil }

func TestStatusOfChecks(t *testing.T) {
	closed := &plan.Check{OK: true, Text: "all as it should be"}
	open := &plan.Check{Text: "no table\x1b inet jeos"}
	tests := map[string]struct {
		report plan.Report
		want   string // from READY on
		json   string
	}{
		"neither": {plan.Report{CloudInit: "done"}, "vpn running yes - -\n", `null []`},
		"closed": {plan.Report{CloudInit: "done", Guard: closed}, "vpn running yes - -\nguest.vpn: guard closed\n",
			`{"ok":true,"text":"all as it should be"} []`},
		"open": {plan.Report{CloudInit: "done", Guard: open}, "vpn running no (guard open) - -\nguest.vpn: guard open: no table\\u001b inet jeos\n",
			`{"ok":false,"text":"no table\u001b inet jeos"} []`},
		"open, without a word": {plan.Report{CloudInit: "done", Guard: &plan.Check{}}, "vpn running no (guard open) - -\nguest.vpn: guard open\n",
			`{"ok":false,"text":""} []`},
		"booting": {plan.Report{CloudInit: "running", Stage: "modules-final", Guard: open},
			"vpn running no (modules-final) - -\nguest.vpn: guard open: no table\\u001b inet jeos\n", `{"ok":false,"text":"no table\u001b inet jeos"} []`},
		"probes": {plan.Report{CloudInit: "done", Guard: closed, Probes: []plan.Check{{Name: "dns", OK: true}, {Name: "tunnel", OK: true, Text: "up"}, {Name: "wifi", Text: "off"}}},
			"vpn running yes - -\nguest.vpn: guard closed\nguest.vpn: dns: good\nguest.vpn: tunnel: up\nguest.vpn: wifi fails: off\n",
			`{"ok":true,"text":"all as it should be"} [{"name":"dns","ok":true,"text":""},{"name":"tunnel","ok":true,"text":"up"},{"name":"wifi","ok":false,"text":"off"}]`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			st := status{Guests: []guestStatus{{Address: "guest.vpn", State: "running", Probes: []plan.Check{}}}}
			st.Guests[0].ask(t.Context(), reporter{report: tt.report})
			var out strings.Builder
			st.writeText(&out, false)
			_, table, _ := strings.Cut(out.String(), "ADDRESSES\n")
			first, rest, _ := strings.Cut(table, "\n")
			if diff := cmp.Diff(tt.want, strings.Join(strings.FieldsFunc(first, func(r rune) bool { return r == ' ' }), " ")+"\n"+rest); diff != "" {
				t.Errorf("text: %s", diff)
			}
			guard, _ := json.Marshal(st.Guests[0].Guard)
			probes, _ := json.Marshal(st.Guests[0].Probes)
			if diff := cmp.Diff(tt.json, string(guard)+" "+string(probes)); diff != "" {
				t.Errorf("JSON: %s", diff)
			}
		})
	}
}
