package topology_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"jeos/internal/topology"
)

var update = flag.Bool("update", false, "rewrite what testdata expects")

const separator = "\n----\n"

// golden proves each site of an archive and compares the lines with what stands below it.
func golden(t *testing.T, path string, verdict func(t *testing.T, problems []topology.Problem)) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range archive.Files {
		t.Run(strings.ReplaceAll(f.Name, " ", "_"), func(t *testing.T) {
			text, want, _ := strings.Cut(string(f.Data), separator)
			paths, problems := topology.Prove(parseSite(t, text))
			verdict(t, problems)
			got := render(paths, problems)
			if *update {
				archive.Files[i].Data = []byte(text + separator + got)
			} else if diff := cmp.Diff(strings.TrimRight(want, "\n"), strings.TrimRight(got, "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func render(paths []topology.Path, problems []topology.Problem) string {
	var b strings.Builder
	for _, p := range paths {
		fmt.Fprintln(&b, p)
	}
	for _, p := range problems {
		fmt.Fprintf(&b, "\n%s: %s: %s\n", p.Origin, p.Summary, p.Detail)
	}
	return b.String() + "\n"
}

// TestSound is about sites that keep what is inside inside.
func TestSound(t *testing.T) {
	golden(t, "testdata/sound.txtar", func(t *testing.T, problems []topology.Problem) {
		if len(problems) > 0 {
			t.Errorf("a sound site is refused: %v", problems)
		}
	})
}

// TestRefused is about sites that do not, and about some that cannot be meant.
func TestRefused(t *testing.T) {
	golden(t, "testdata/refused.txtar", func(t *testing.T, problems []topology.Problem) {
		if len(problems) == 0 {
			t.Error("the site is accepted")
		}
		for _, p := range problems {
			if !strings.HasPrefix(p.Origin, "site:") || p.Summary == "" || !strings.HasSuffix(p.Detail, ".") {
				t.Errorf("not whole: %+v", p)
			}
		}
	})
}
