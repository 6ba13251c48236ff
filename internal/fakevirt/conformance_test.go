package fakevirt_test

import (
	"testing"

	"jeos/internal/fakevirt"
	"jeos/plan"
)

func TestConformance(t *testing.T) {
	fakevirt.Conformance(t, fakevirt.New().Open(false), "/confpool")
}

func TestReadOnlyRefusesEveryVerb(t *testing.T) {
	conn := fakevirt.New().Open(true)
	for _, verb := range []plan.Verb{plan.DefinePool, plan.RefreshPool, plan.CreateVolume, plan.DefineNetwork, plan.DefineGuest, plan.StartGuest, plan.UndefineGuest} {
		if err := conn.Do(t.Context(), plan.Step{Verb: verb}, nil); err == nil {
			t.Errorf("%s: no error", verb)
		}
	}
}
