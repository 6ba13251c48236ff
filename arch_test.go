package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layers says which packages each package may import, ours by their path below the module and others by the path of
// their module. The standard library is free, but for what forbidden names.
var layers = map[string]struct{ ours, modules []string }{
	"jeos":                 {ours: []string{"internal/cli", "internal/virt", "plan"}},
	"jeos/plan":            {},
	"jeos/builders":        {ours: []string{"plan", "internal/config"}, modules: []string{"github.com/kdomanski/iso9660", "libvirt.org/go/libvirtxml", "github.com/beevik/etree", "go.yaml.in/yaml/v4", "github.com/google/uuid", "golang.org/x/crypto"}},
	"jeos/internal/config": {ours: []string{"internal/roles", "internal/openvpn", "internal/words"}, modules: []string{"github.com/hashicorp/hcl/v2", "github.com/zclconf/go-cty", "go.yaml.in/yaml/v4", "golang.org/x/crypto", "github.com/go-crypt/crypt", "github.com/google/renameio/v2", "golang.org/x/mod", "golang.org/x/sys"}},
	"jeos/internal/diag":   {modules: []string{"github.com/hashicorp/hcl/v2", "github.com/zclconf/go-cty", "github.com/apparentlymart/go-textseg/v15", "github.com/mitchellh/go-wordwrap", "golang.org/x/text"}},
	"jeos/internal/images": {modules: []string{"github.com/google/renameio/v2", "golang.org/x/sys", "github.com/ProtonMail/go-crypto"}},
	"jeos/internal/images/imagestest": {
		modules: []string{"github.com/ProtonMail/go-crypto"}},
	"jeos/internal/virt":     {ours: []string{"plan"}, modules: []string{"github.com/digitalocean/go-libvirt"}},
	"jeos/internal/fakevirt": {ours: []string{"plan"}},
	"jeos/templates":         {},
	"jeos/internal/escape":   {},
	"jeos/internal/openvpn":  {},
	"jeos/internal/topology": {ours: []string{"internal/config"}},
	"jeos/internal/roles":    {ours: []string{"internal/escape", "internal/words"}, modules: []string{"github.com/hashicorp/hcl/v2", "github.com/zclconf/go-cty"}},
	"jeos/internal/wire":     {modules: []string{"golang.org/x/sys"}},
	"jeos/internal/words":    {modules: []string{"github.com/hashicorp/hcl/v2", "github.com/zclconf/go-cty", "github.com/agext/levenshtein", "golang.org/x/text"}},
	"jeos/internal/cli": {ours: []string{"plan", "builders", "internal/config", "internal/diag", "internal/images", "internal/topology", "internal/roles", "templates"},
		modules: []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/rs/zerolog", "github.com/vbauerster/mpb/v8", "golang.org/x/term", "github.com/gofrs/flock", "github.com/google/renameio/v2", "github.com/hashicorp/hcl/v2", "github.com/zclconf/go-cty", "github.com/rogpeppe/go-internal/diff"}},
	"jeos/scripts/yardstick": {modules: []string{"github.com/digitalocean/go-libvirt"}},
}

// forbidden names packages of the standard library that a package must not use, because it would then do what another
// package is for.
var forbidden = map[string][]string{
	"jeos/plan":            {"net", "net/http", "os", "os/exec", "encoding/xml"},
	"jeos/builders":        {"net", "net/http", "os/exec"},
	"jeos/internal/config": {"net", "net/http", "os/exec"},
	"jeos/internal/diag":   {"net", "net/http", "os/exec"},
	"jeos/internal/images": {"os/exec"},
}

// TestLayers holds every package to its place in the architecture.
func TestLayers(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range goList(t) {
		seen[p.ImportPath] = true
		rule, ok := layers[p.ImportPath]
		if !ok {
			t.Errorf("package %s has no row in the table of layers", p.ImportPath)
			continue
		}
		for _, path := range p.Imports {
			if !allowed(path, rule.ours, rule.modules) || slices.Contains(forbidden[p.ImportPath], path) {
				t.Errorf("package %s must not import %s", p.ImportPath, path)
			}
		}
	}
	for path := range layers {
		if !seen[path] {
			t.Errorf("the table of layers has a row for %s, which does not exist", path)
		}
	}
}

func allowed(path string, ours, modules []string) bool {
	if rest, ok := strings.CutPrefix(path, "jeos/"); ok {
		return slices.Contains(ours, rest)
	}
	first, _, _ := strings.Cut(path, "/")
	if !strings.Contains(first, ".") {
		return true // standard library
	}
	return slices.ContainsFunc(modules, func(m string) bool { return path == m || strings.HasPrefix(path, m+"/") })
}

// TestFakeIsNotShipped keeps the host in memory, and the tests' libraries with it, out of the binary.
func TestFakeIsNotShipped(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 50 {
		t.Fatalf("go list names only %d packages", len(deps))
	}
	for _, path := range []string{"jeos/internal/fakevirt", "jeos/internal/images/imagestest", "jeos/internal/wire", "testing", "pgregory.net/rapid"} {
		if slices.Contains(deps, path) {
			t.Errorf("the binary holds %s", path)
		}
	}
}

type listed struct {
	ImportPath string
	Imports    []string
}

func goList(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []listed
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
