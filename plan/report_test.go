package plan

import "testing"

func TestReportReady(t *testing.T) {
	good, bad := &Check{OK: true}, &Check{Name: "tunnel"}
	tests := map[string]struct {
		report        Report
		ready, failed bool
		probe         string
	}{
		"nothing yet":      {Report{}, false, false, ""},
		"booting":          {Report{CloudInit: "running", Guard: good}, false, false, ""},
		"done":             {Report{CloudInit: "done"}, true, false, ""},
		"guard closed":     {Report{CloudInit: "done", Guard: good}, true, false, ""},
		"guard open":       {Report{CloudInit: "done", Guard: bad}, false, false, ""},
		"error":            {Report{CloudInit: "error", Guard: good}, false, true, ""},
		"error of ours":    {Report{CloudInit: "done", Errors: []string{"no disk"}, Guard: good}, false, true, ""},
		"error, open":      {Report{CloudInit: "done", Errors: []string{"no unit"}, Guard: bad}, false, true, ""},
		"disabled":         {Report{CloudInit: "disabled", Guard: good}, false, false, ""},
		"probe":            {Report{CloudInit: "done", Probes: []Check{*good}}, true, false, ""},
		"probe that fails": {Report{CloudInit: "done", Guard: good, Probes: []Check{*good, *bad, {Name: "wifi"}}}, true, false, "tunnel"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			probe := ""
			if failed := tt.report.FailedProbe(); failed != nil {
				probe = failed.Name
			}
			if r := tt.report; r.Ready() != tt.ready || r.Failed() != tt.failed || probe != tt.probe {
				t.Errorf("ready %v, failed %v, failed probe %q", r.Ready(), r.Failed(), probe)
			}
		})
	}
}

func TestRequireProbes(t *testing.T) {
	for _, required := range []bool{false, true} {
		p, err := Diff(site(), empty(), Options{RequireProbes: required})
		if err != nil {
			t.Fatal(err)
		}
		waits := 0
		for _, s := range p.Steps {
			if s.Probes != (required && s.Verb == AwaitGuest) {
				t.Errorf("%s requires probes: %v", s, s.Probes)
			}
			if s.Verb == AwaitGuest {
				waits++
			}
		}
		if waits == 0 {
			t.Error("nobody is waited for")
		}
	}
}
