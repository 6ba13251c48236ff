package roles_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jeos/internal/config"
)

// TestOwnRole runs the script that the example's role writes, with an rsync that says what it was asked to do. The
// folders have names that a shell would take for something else.
func TestOwnRole(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples/own-role")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "own-role.jeos.hcl")
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	hostile := strings.Replace(string(src), `"/home/Bob's photos"`, `"/a'; touch x #", "/$(id) \"b\"\\"`, 1)
	if err := os.WriteFile(path, []byte(hostile), 0o600); err != nil {
		t.Fatal(err)
	}
	site, _, diags := config.Load(config.Options{Dir: dir, Image: func(string) (config.ImageFile, error) {
		return config.ImageFile{Format: "qcow2", SHA256: strings.Repeat("a", 64), Size: config.GiB, FileSize: config.MiB}, nil
	}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	web := site.Guests[2]
	files := map[string]config.File{}
	for _, f := range web.Role.Files {
		files[f.Path] = f
	}
	if password := files["/etc/backup.password"]; !password.Sensitive || password.Mode != 0o600 || string(password.Content) != "change me, please\n" {
		t.Errorf("the file of the password: sensitive %v, mode %o, %d bytes", password.Sensitive, password.Mode, len(password.Content))
	}
	if script := files["/usr/local/sbin/backup"]; script.Sensitive || script.Mode != 0o755 {
		t.Errorf("the script: sensitive %v, mode %o", script.Sensitive, script.Mode)
	}
	bin := t.TempDir()
	const rsync = "#!/bin/sh\nfor a; do printf '<%s>\\n' \"$a\"; done\n"
	if err := os.WriteFile(filepath.Join(bin, "rsync"), []byte(rsync), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-s")
	cmd.Stdin = strings.NewReader(string(files["/usr/local/sbin/backup"].Content))
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, folder := range []string{"/srv", "/a'; touch x #", `/$(id) "b"\`} {
		want.WriteString("<--archive>\n<--relative>\n<--delete>\n<--password-file=/etc/backup.password>\n<-->\n<" + folder +
			">\n<rsync://backup@" + siteAddress(site, "store") + "/backup/web/>\n")
	}
	if d := cmp.Diff(want.String(), string(out)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func siteAddress(site *config.Site, guest string) string {
	for _, g := range site.Guests {
		if g.Name == guest {
			return g.NICs[0].Addresses[0].Addr().String()
		}
	}
	return ""
}
