package images

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestComparePackages(t *testing.T) {
	from := []Package{{"a", "1"}, {"b", "1"}, {"d", "1"}}
	to := []Package{{"b", "2"}, {"c", "1"}, {"d", "1"}, {"e", "1"}}
	want := []PackageChange{{"a", "1", ""}, {"b", "1", "2"}, {"c", "", "1"}, {"e", "", "1"}}
	if diff := cmp.Diff(want, ComparePackages(from, to)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := ComparePackages(from, from); got != nil {
		t.Errorf("the same list differs: %v", got)
	}
}
