package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"jeos/internal/config"
)

// FuzzLoad checks that no file makes Load panic, that every diagnostic lies inside of a file and can be shown, and that
// nothing is both right and wrong. The seeds are the archives of the other tests.
func FuzzLoad(f *testing.F) {
	paths, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(paths) == 0 {
		f.Fatal("no seeds")
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			switch filepath.Ext(file.Name) {
			case ".hcl":
				f.Add(file.Data, false)
			case ".json":
				f.Add(file.Data, true)
			}
		}
	}
	dir := f.TempDir()
	for _, name := range []string{"debian.qcow2", "t.tpl"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("${name}"), 0o644); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte, json bool) {
		names := []string{"main.jeos.hcl", "main.jeos.hcl.json", config.LockFile, "x.auto.jeosvars"}
		for _, name := range names {
			os.Remove(filepath.Join(dir, name))
		}
		used := []string{names[0], names[2], names[3]}
		if json {
			used = []string{names[1]}
		}
		for i, name := range used {
			if i > 0 && len(src)%2 == 0 {
				break // every other input is a lock file and a variable file, too
			}
			if err := os.WriteFile(filepath.Join(dir, name), src, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		opt := testOptions(dir)
		site, files, diags := config.Load(opt)
		if (site == nil) != diags.HasErrors() {
			t.Fatalf("site %v, diagnostics %v", site, diags)
		}
		checkDiagnostics(t, files, diags)
		shown := render(t, dir, files, diags)
		for _, r := range shown {
			if r < ' ' && r != '\n' {
				t.Fatalf("control character %q reaches the terminal:\n%s", r, shown)
			}
		}
		if formatted, diags := config.Format(src, used[0]); !diags.HasErrors() {
			again, diags := config.Format(formatted, used[0])
			if diags.HasErrors() || string(again) != string(formatted) {
				t.Fatalf("formatting twice gives %q, once %q: %v", again, formatted, diags)
			}
		}
	})
}

// FuzzLock checks that no lock file makes loading panic, and that what is read from one comes back when it is written.
func FuzzLock(f *testing.F) {
	paths, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if file.Name == config.LockFile {
				f.Add(file.Data)
			}
		}
	}
	dir := f.TempDir()
	const site = `jeos {
  site = "s"
}
image "noble" {
  release = "noble"
}
image "signed" {
  source = "https://images.example/a/b.img"
}
image "wifi" {
  base = image.noble
}
`
	if err := os.WriteFile(filepath.Join(dir, "main.jeos.hcl"), []byte(site), 0o644); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if err := os.WriteFile(filepath.Join(dir, config.LockFile), src, 0o644); err != nil {
			t.Fatal(err)
		}
		opt := testOptions(dir)
		_, files, diags := config.Load(opt)
		checkDiagnostics(t, files, diags)
		render(t, dir, files, diags)
		requests, lock, files, diags := config.LoadRequests(opt)
		checkDiagnostics(t, files, diags)
		if (requests == nil) != diags.HasErrors() {
			t.Fatalf("requests %v, diagnostics %v", requests, diags)
		}
		if diags.HasErrors() {
			return
		}
		if err := os.WriteFile(filepath.Join(dir, config.LockFile), lock.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		_, again, _, diags := config.LoadRequests(opt)
		if diags.HasErrors() || string(again.Bytes()) != string(lock.Bytes()) {
			t.Fatalf("wrote\n%s\nread\n%s\n%v", lock.Bytes(), again.Bytes(), diags)
		}
	})
}
