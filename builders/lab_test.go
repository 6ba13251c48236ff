//go:build lab

package builders

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestSchemas has libvirt's own schemas judge every golden file. It needs virt-xml-validate, of libvirt-clients.
func TestLabSchemas(t *testing.T) {
	archives, err := filepath.Glob("testdata/golden/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			validate(t, name+"/"+f.Name, f.Data)
		}
	}
	edited, err := os.ReadFile("testdata/golden/edited.xml")
	if err != nil {
		t.Fatal(err)
	}
	validate(t, "edited.xml", edited)
}

func validate(t *testing.T, name string, xml []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "definition.xml")
	if err := os.WriteFile(path, xml, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("virt-xml-validate", path).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", name, err, strings.TrimSpace(string(out)))
	}
}
