package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"jeos/internal/cli"
	"jeos/internal/fakevirt"
	"jeos/plan"
)

var updateReadme = flag.Bool("update-readme", false, "write the outputs and the table in README.md anew")

var fence = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

// TestReadme keeps the README true: every command in it is run on a host in memory, one after the other, on examples/single
// unless it names another one, and must write what the README shows; the table of effects is the one in the code.
func TestReadme(t *testing.T) {
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	host, dir := fakevirt.New(), copyExample(t, "examples/single")
	commands := 0
	readme := fence.ReplaceAllStringFunc(string(data), func(block string) string {
		parts := fence.FindStringSubmatch(block)
		if parts[1] != "console" {
			return block
		}
		var out strings.Builder
		for line := range strings.Lines(parts[2]) {
			command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ jeos ")
			if !ok {
				continue
			}
			commands++
			folder, rest := dir, command
			if example, after, ok := strings.Cut(strings.TrimPrefix(command, "-C "), " "); ok && strings.HasPrefix(command, "-C ") {
				folder, rest = copyExample(t, example), after
			}
			fmt.Fprintf(&out, "$ jeos %s\n%s", command, runExample(t, host, folder, rest))
		}
		return "```console\n" + sameOrder(parts[2], out.String()) + "```"
	})
	readme = effectsTable.ReplaceAllLiteralString(readme, writeEffects())
	if commands < 4 {
		t.Errorf("the README runs only %d commands", commands)
	}
	if *updateReadme {
		if err := os.WriteFile("README.md", []byte(readme), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(data), readme); diff != "" {
		t.Errorf("README.md is not true (-README +real); go test -run TestReadme -update-readme . mends it:\n%s", diff)
	}
}

// copyExample returns a copy of a folder of an example, with an image in it.
func copyExample(t *testing.T, example string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(example)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ubuntu-24.04-minimal-cloudimg-amd64.img"), qcow2(), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// sameOrder returns shown when it has the same lines as real in another order: steps run side by side.
func sameOrder(shown, real string) string {
	a, b := strings.Split(shown, "\n"), strings.Split(real, "\n")
	slices.Sort(a)
	slices.Sort(b)
	if slices.Equal(a, b) {
		return shown
	}
	return real
}

// runExample runs a command as somebody at a terminal would, and returns what they see.
func runExample(t *testing.T, host *fakevirt.Host, dir, command string) string {
	t.Helper()
	var seen buffer
	env := map[string]string{"HOME": dir, "XDG_RUNTIME_DIR": t.TempDir()}
	code := cli.Main(context.Background(), append([]string{"-C", dir}, strings.Fields(command)...), cli.System{
		In: strings.NewReader(""), Out: &seen, Err: &seen, Signals: make(chan os.Signal),
		Env: func(name string) (string, bool) { value, ok := env[name]; return value, ok },
		Open: func(_ context.Context, _ string, readOnly bool) (plan.Hypervisor, error) {
			return host.Open(readOnly), nil
		},
	})
	if code != 0 {
		t.Errorf("jeos %s ended with %d:\n%s", command, code, seen.String())
	}
	return seen.String()
}

var effectsTable = regexp.MustCompile(`(?s)<!-- effects -->\n.*<!-- end of effects -->`)

// writeEffects writes the rules of the engine as a table.
func writeEffects() string {
	var b bytes.Buffer
	b.WriteString("<!-- effects -->\n| of | attribute | a change costs | security | what it is |\n|---|---|---|---|---|\n")
	for _, r := range plan.Rules() {
		security := ""
		if r.Security {
			security = "yes"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n", r.Kind, r.Name, r.Effect, security, r.Text)
	}
	b.WriteString("<!-- end of effects -->")
	return b.String()
}

// TestDocumentedHCL parses every HCL block in the documents.
func TestDocumentedHCL(t *testing.T) {
	blocks := 0
	for _, name := range []string{"README.md", "CONTRIBUTING.md"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, parts := range fence.FindAllStringSubmatch(string(data), -1) {
			if parts[1] != "hcl" {
				continue
			}
			blocks++
			if _, diags := hclsyntax.ParseConfig([]byte(parts[2]), name, hcl.InitialPos); diags.HasErrors() {
				t.Errorf("%v\n%s", diags, parts[2])
			}
		}
	}
	if blocks == 0 {
		t.Error("the documents show no HCL")
	}
}

// TestReadmeShowsTheExample keeps the example in the README the one in the folder.
func TestReadmeShowsTheExample(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("examples/single/single.jeos.hcl")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(readme, example) {
		t.Error("README.md does not show examples/single/single.jeos.hcl as it is")
	}
}
