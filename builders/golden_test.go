package builders

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"jeos/internal/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden compares the XML of sites with testdata/golden, one archive a case. The artifacts of seeds have tests of
// their own.
func TestGolden(t *testing.T) {
	cases := map[string]struct {
		host   func() Host
		change func(*config.Site)
	}{
		"full":    {testHost, func(*config.Site) {}},
		"offline": {func() Host { return Offline(testSite()) }, func(s *config.Site) { s.Guests = s.Guests[:1]; s.Networks = nil }},
		"plain network": {testHost, func(s *config.Site) {
			s.Guests, s.Networks = nil, s.Networks[2:]
			n := &s.Networks[0]
			n.CIDRs, n.Host, n.DHCP = n.CIDRs[:1], n.Host[:1], false
		}},
		"second seed": {func() Host {
			h := testHost()
			h.Guests["min"] = Kept{Accel: "tcg", Seed: 1, LastSeed: 1}
			return h
		}, func(s *config.Site) { s.Guests = s.Guests[:1]; s.Networks = nil }},
		"bake": {testHost, func(s *config.Site) {
			*s = *bakeSite()
			s.Guests, s.Networks = nil, s.Networks[2:]
		}},
		"guarded": {guardedHost, func(s *config.Site) { *s = *guardedSite() }},
		"raw image on pc": {testHost, func(s *config.Site) {
			s.Guests, s.Networks, s.Images[0].Format = s.Guests[:1], nil, "raw"
			s.Guests[0].Machine = "pc"
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			site := testSite()
			c.change(site)
			list, err := Artifacts(site, c.host())
			if err != nil {
				t.Fatal(err)
			}
			var archive txtar.Archive
			for _, a := range list {
				if strings.HasSuffix(a.Path, ".xml") {
					archive.Files = append(archive.Files, txtar.File{Name: a.Path, Data: a.Data})
				}
			}
			golden(t, strings.ReplaceAll(name, " ", "-")+".txtar", txtar.Format(&archive))
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
