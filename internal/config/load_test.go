package config_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"jeos/internal/config"
	"jeos/internal/diag"
)

var update = flag.Bool("update", false, "rewrite the golden parts of testdata")

// imageSHA256 is the checksum of every image in these tests.
const imageSHA256 = "0b6b8b8f1a4b8a3a6d9f2f53d5a9e7f1c3b5a7d9e1f3a5b7c9d1e3f5a7b9c1d3"

// testOptions describes a site in dir whose images are all 2 GiB. What is in files whose hash begins with aaaa is known.
func testOptions(dir string) config.Options {
	return config.Options{
		Dir:     dir,
		Home:    filepath.Join(dir, "home"),
		Version: "v0.3.1",
		Image: func(path string) (config.ImageFile, error) {
			if _, err := os.Stat(path); err != nil {
				return config.ImageFile{}, fmt.Errorf("reading: %w", err)
			}
			return config.ImageFile{Format: "qcow2", SHA256: imageSHA256, Size: 2 * config.GiB, FileSize: 200 * config.MiB}, nil
		},
		Cached: func(sha256 string) string { return "/cache/" + sha256[:8] },
		Holds: func(sha256, _ string) ([]string, bool) {
			return []string{"bash", "libc6:amd64", "snapd"}, strings.HasPrefix(sha256, "aaaa")
		},
		Roles: os.DirFS("testdata/roles"),
		Ended: func(release string) (string, bool) { return "25 January 2024", release == "lunar" },
	}
}

// writeFiles fills a new folder.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// render shows diagnostics without colour, 100 columns wide, with paths relative to dir.
func render(t *testing.T, dir string, files map[string]*hcl.File, diags hcl.Diagnostics) string {
	t.Helper()
	var b bytes.Buffer
	if err := diag.Text(&b, files, diags, diag.Options{Dir: dir, Width: 100}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// golden loads every archive of a folder and compares what show makes of the result with the file "want" in it. A file
// "vars" holds --var flags, one a line.
func golden(t *testing.T, pattern string, show func(t *testing.T, dir string, opt config.Options) string) {
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no archives in %s: %v", pattern, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string]string{}
			want := &txtar.File{Name: "want"}
			for i, f := range archive.Files {
				if f.Name == "want" {
					want = &archive.Files[i]
				} else {
					files[f.Name] = string(f.Data)
				}
			}
			dir := writeFiles(t, files)
			opt := testOptions(dir)
			for line := range strings.Lines(files["vars"]) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
				opt.Vars = append(opt.Vars, config.VarSource{Name: name, Value: value})
			}
			got := strings.ReplaceAll(show(t, dir, opt), dir, "$DIR")
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(want.Data), got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// TestSites compares whole sites, as JSON, and their lock files.
func TestSites(t *testing.T) {
	golden(t, "testdata/sites/*.txtar", func(t *testing.T, dir string, opt config.Options) string {
		site, files, diags := config.Load(opt)
		if site == nil {
			t.Fatalf("did not load:\n%s", render(t, dir, files, diags))
		}
		return render(t, dir, files, diags) + siteJSON(t, site) + string(site.Lock.Bytes())
	})
}

// TestErrors compares rendered diagnostics.
func TestErrors(t *testing.T) {
	golden(t, "testdata/errors/*.txtar", func(t *testing.T, dir string, opt config.Options) string {
		site, files, diags := config.Load(opt)
		if site != nil {
			t.Fatal("the site loads without an error")
		}
		checkDiagnostics(t, files, diags)
		return render(t, dir, files, diags)
	})
}

// checkDiagnostics checks what holds for every diagnostic: it has a sentence to read, and lies inside of its file.
func checkDiagnostics(t *testing.T, files map[string]*hcl.File, diags hcl.Diagnostics) {
	t.Helper()
	for _, d := range diags {
		if d.Summary == "" || d.Detail == "" {
			t.Errorf("diagnostic without text: %v", d)
		}
		if d.Subject == nil {
			continue
		}
		if f := files[d.Subject.Filename]; f != nil && (d.Subject.Start.Byte < 0 || d.Subject.End.Byte < d.Subject.Start.Byte ||
			d.Subject.End.Byte > len(f.Bytes)+1) {
			t.Errorf("diagnostic outside of its file of %d bytes: %v", len(f.Bytes), d)
		}
	}
}

// siteJSON writes a site without its empty parts, and its outputs.
func siteJSON(t *testing.T, site *config.Site) string {
	t.Helper()
	plain := *site
	plain.Outputs, plain.Lock = nil, config.Lock{}
	packed, err := json.Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(packed, &tree); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(prune(tree)); err != nil {
		t.Fatal(err)
	}
	for _, out := range site.Outputs {
		value, err := ctyjson.SimpleJSONValue{Value: out.Value}.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "output %s = %s\n", out.Name, value)
	}
	return b.String()
}

// prune removes what is empty; nil means that nothing is left.
func prune(tree any) any {
	switch tree := tree.(type) {
	case map[string]any:
		for key, value := range tree {
			if tree[key] = prune(value); tree[key] == nil {
				delete(tree, key)
			}
		}
		if len(tree) == 0 {
			return nil
		}
	case []any:
		empty := true
		for i := range tree {
			tree[i] = prune(tree[i])
			empty = empty && tree[i] == nil
		}
		if empty {
			return nil
		}
	case string, float64, bool:
		if tree == "" || tree == 0.0 || tree == false {
			return nil
		}
	}
	return tree
}
