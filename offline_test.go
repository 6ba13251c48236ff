package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jeos/internal/cli"
	"jeos/internal/fakevirt"
	"jeos/internal/images/imagestest"
	"jeos/plan"
)

// TestPlanAsksNoNetwork plans a site with twenty images that are locked and cached, and nothing of the network is asked.
func TestPlanAsksNoNetwork(t *testing.T) {
	publisher := imagestest.NewPublisher(t)
	dir, cache := t.TempDir(), t.TempDir()
	var site strings.Builder
	site.WriteString("jeos {\n  site = \"home\"\n}\n")
	for n := range 20 {
		url := publisher.Publish(imagestest.Image{Release: "noble", Serial: fmt.Sprintf("202610%02d", n+1), Content: imagestest.QCOW2(256<<10, byte(n))})
		fmt.Fprintf(&site, "image \"i%d\" {\n  source  = %q\n  keyring = %q\n}\nguest \"g%d\" {\n  image = image.i%d\n}\n", n, url, publisher.Keyring, n, n)
	}
	if err := os.WriteFile(filepath.Join(dir, "site.jeos.hcl"), []byte(site.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	host, run := fakevirt.New(), t.TempDir()
	jeos := func(want int, args ...string) string {
		t.Helper()
		var out, errs buffer
		env := map[string]string{"HOME": dir, "JEOS_CACHE_DIR": cache, "XDG_RUNTIME_DIR": run}
		got := cli.Main(context.Background(), append([]string{"-C", dir}, args...), cli.System{
			In: strings.NewReader(""), Out: &out, Err: &errs, Signals: make(chan os.Signal),
			Env: func(name string) (string, bool) { value, ok := env[name]; return value, ok },
			Open: func(_ context.Context, _ string, readOnly bool) (plan.Hypervisor, error) {
				return host.Open(readOnly), nil
			},
		})
		if got != want {
			t.Fatalf("jeos %s ended with %d, want %d\n%s", strings.Join(args, " "), got, want, errs.String())
		}
		return out.String()
	}
	jeos(0, "lock")
	if asked := publisher.Requests(); len(asked) < 20 {
		t.Fatalf("lock asked for %d files", len(asked))
	}
	if out := jeos(2, "plan", "--detailed-exitcode"); strings.Count(out, "+ image.i") != 20 {
		t.Errorf("the plan does not have twenty images:\n%s", out)
	}
	jeos(0, "apply", "--auto-approve")
	jeos(0, "plan", "--detailed-exitcode")
	if asked := publisher.Requests(); len(asked) > 0 {
		t.Errorf("the network was asked for %q", asked)
	}
}
