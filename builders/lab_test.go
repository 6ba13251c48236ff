//go:build lab

package builders

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"jeos/plan"
)

// TestLabSchemas has libvirt's own schemas judge every golden file. It needs virt-xml-validate, of libvirt-clients.
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

// schemas are those that virt-xml-validate takes, by the root element of a document.
var schemas = map[string]string{
	"domain":  "/usr/share/libvirt/schemas/domain.rng",
	"filter":  "/usr/share/libvirt/schemas/nwfilter.rng",
	"network": "/usr/share/libvirt/schemas/network.rng",
	"pool":    "/usr/share/libvirt/schemas/storagepool.rng",
	"volume":  "/usr/share/libvirt/schemas/storagevol.rng",
}

// TestLabGeneratedSites has libvirt's schemas judge all that generated sites are built to, and what is defined when a
// host goes from one site to another: definitions that are edited. It needs xmllint, of libxml2-utils.
func TestLabGeneratedSites(t *testing.T) {
	documents := map[string]map[string]bool{} // by root element
	collect := func(t rapid.TB, xml string) {
		_, root, err := parseXML(xml)
		if err != nil {
			t.Fatal(err)
		}
		if documents[root.Tag] == nil {
			documents[root.Tag] = map[string]bool{}
		}
		documents[root.Tag][xml] = true
	}
	edited := 0
	rapid.Check(t, func(t *rapid.T) {
		a, b := siteGen().Draw(t, "A"), siteGen().Draw(t, "B")
		host := testHost()
		host.KVM["x86_64"] = rapid.Bool().Draw(t, "kvm")
		list := build(t, a, host)
		for _, r := range list {
			collect(t, r.XML)
		}
		p, _ := Plan(b, applied(list), plan.Options{}) // which may be refused, for a disk that shrinks
		if p == nil {
			t.Fatal("no plan")
		}
		for _, s := range p.Steps {
			if s.XML == "" || s.Verb == plan.DetachDevice || s.Verb == plan.UpdateDevice { // whose XML is one device's
				continue
			}
			if s.Verb == plan.DefineGuest {
				edited++
			}
			collect(t, s.XML)
		}
	})
	for root, schema := range schemas {
		judge(t, schema, documents[root])
		delete(documents, root)
	}
	if len(documents) > 0 {
		t.Errorf("documents that no schema is known for: %v", documents)
	}
	if edited < 50 {
		t.Errorf("only %d definitions of guests are for a host that had the site already", edited)
	}
}

// judge checks documents against a schema, many at once.
func judge(t *testing.T, schema string, documents map[string]bool) {
	t.Helper()
	if len(documents) == 0 {
		t.Errorf("no documents for %s", schema)
		return
	}
	dir := t.TempDir()
	args := []string{"--noout", "--relaxng", schema}
	for xml := range documents {
		path := filepath.Join(dir, fmt.Sprintf("%d.xml", len(args)))
		if err := os.WriteFile(path, []byte(xml), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	out, err := exec.Command("xmllint", args...).CombinedOutput()
	if err == nil {
		t.Logf("%d documents for %s", len(documents), schema)
		return
	}
	for line := range strings.Lines(string(out)) {
		if path, fails := strings.CutSuffix(strings.TrimSpace(line), " fails to validate"); fails {
			xml, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Errorf("%s does not accept\n%s", schema, xml)
			return // one is enough
		}
	}
	t.Errorf("xmllint: %v\n%.2000s", err, out)
}
