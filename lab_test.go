//go:build lab

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Tests with the tag "lab" run the command against the libvirtd of scripts/lab, with guests made from the image that
// JEOS_GUEST_IMAGE names.

// labSite is a folder with a site's files, and the command to run on it.
type labSite struct {
	t    *testing.T
	name string
	dir  string
	jeos string
}

// newLabSite makes a folder with the files, "SITE" and "IMAGE" in them filled in, and destroys the site at the end.
func newLabSite(t *testing.T, name string, files map[string]string) *labSite {
	t.Helper()
	if _, err := os.Stat("/run/jeos-lab"); err != nil {
		t.Fatal("this is no lab: run scripts/test, or see CONTRIBUTING.md")
	}
	s := &labSite{t: t, name: name, dir: t.TempDir(), jeos: filepath.Join(t.TempDir(), "jeos")}
	if out, err := exec.Command("go", "build", "-o", s.jeos, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for file, text := range files {
		s.write(file, text)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("virsh list:\n%s", virsh(t, "list", "--all"))
		}
		if out, err := s.command("destroy", "--auto-approve", "--force-stop").CombinedOutput(); err != nil {
			t.Errorf("destroy at the end: %v\n%s", err, out)
		}
	})
	return s
}

func (s *labSite) write(file, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	text = strings.NewReplacer("SITE", s.name, "IMAGE", guestImage(s.t)).Replace(text)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func guestImage(t *testing.T) string {
	t.Helper()
	path := os.Getenv("JEOS_GUEST_IMAGE")
	if path == "" {
		t.Fatal("JEOS_GUEST_IMAGE is not set: run scripts/test, or see CONTRIBUTING.md")
	}
	return path
}

func (s *labSite) command(args ...string) *exec.Cmd {
	return exec.Command(s.jeos, append([]string{"-C", s.dir}, args...)...)
}

// run runs jeos, checks its exit status and returns what it wrote to standard output.
func (s *labSite) run(status int, args ...string) string {
	s.t.Helper()
	stdout, _ := s.run2(status, args...)
	return stdout
}

// run2 runs jeos, checks its exit status and returns what it wrote to standard output and to standard error.
func (s *labSite) run2(status int, args ...string) (stdout, stderr string) {
	s.t.Helper()
	var out, errs bytes.Buffer
	cmd := s.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	begin := time.Now()
	err := cmd.Run()
	s.t.Logf("jeos %s: %s", strings.Join(args, " "), time.Since(begin).Round(time.Millisecond))
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != status {
		s.t.Fatalf("jeos %s ended with %d, want %d\n%s\n%s", strings.Join(args, " "), got, status, out.String(), errs.String())
	}
	return out.String(), errs.String()
}

// planned is what a test needs of a plan in JSON.
type planned struct {
	Changes []struct {
		Address  string
		Effect   string
		Security bool
		Disrupts []string
		Change   struct {
			Actions []string
			Before  map[string]string
			After   map[string]string
			Causes  map[string]string
		}
	} `json:"resource_changes"`
	Notices []struct{ Address, Text string }
	Pending []struct{ Address string }
}

// plan plans and returns the changes, each as "action address effect".
func (s *labSite) plan(args ...string) (planned, []string) {
	s.t.Helper()
	var p planned
	out := s.run(0, append([]string{"plan", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		s.t.Fatalf("plan --json: %v\n%s", err, out)
	}
	var list []string
	for _, c := range p.Changes {
		line := strings.Join(c.Change.Actions, "+") + " " + c.Address
		if c.Effect != "" {
			line += " " + c.Effect
		}
		list = append(list, line)
	}
	return p, list
}

// mustBeEmpty checks that there is nothing left to do.
func (s *labSite) mustBeEmpty(args ...string) {
	s.t.Helper()
	if out := s.run(0, append([]string{"plan", "--detailed-exitcode"}, args...)...); !strings.Contains(out, "No changes.") {
		s.t.Errorf("the plan does not say \"No changes.\":\n%s", out)
	}
}

// awaitReady asks for the status until every guest is ready.
func (s *labSite) awaitReady() {
	s.t.Helper()
	var out []byte
	for range 150 {
		var err error
		if out, err = s.command("status").CombinedOutput(); err == nil {
			return
		}
		time.Sleep(2 * time.Second)
	}
	s.t.Fatalf("the guests do not become ready:\n%s", out)
}

// virsh runs virsh and returns its output.
func virsh(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("virsh", append([]string{"-q", "-c", "qemu:///system"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("virsh %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// names returns the names that a virsh list command prints, one a line, sorted.
func names(t *testing.T, args ...string) []string {
	t.Helper()
	list := strings.Fields(virsh(t, args...))
	slices.Sort(list)
	return list
}

// volumes returns the names of the volumes of the pool "jeos", sorted.
func volumes(t *testing.T) []string {
	t.Helper()
	var list []string
	for line := range strings.Lines(virsh(t, "vol-list", "jeos")) {
		if fields := strings.Fields(line); len(fields) > 0 {
			list = append(list, fields[0])
		}
	}
	slices.Sort(list)
	return list
}

// shell runs commands in guests by ssh, from the host's side of a nat network.
type shell struct {
	t   *testing.T
	key string
}

// newShell makes a key pair and returns the shell and the public key.
func newShell(t *testing.T) (*shell, string) {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return &shell{t, key}, strings.TrimSpace(string(public))
}

// run runs a command as root in the guest and returns its output without the last newline.
func (s *shell) run(address, command string) string {
	s.t.Helper()
	out, err := s.try(address, command)
	if err != nil {
		s.t.Fatalf("in %s: %s: %v\n%s", address, command, err, out)
	}
	return out
}

func (s *shell) try(address, command string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ssh", "-i", s.key, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "LogLevel=ERROR", "-o", "ConnectTimeout=60", "admin@"+address, "sudo", "sh", "-c", quote(command))
	out, err := cmd.CombinedOutput()
	return strings.TrimSuffix(string(out), "\n"), err
}

// quote quotes for the two shells that ssh puts the command through.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// equal checks one fact.
func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// mustHold checks that each of some texts is in another.
func mustHold(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("want %q in:\n%s", part, text)
		}
	}
}

// sameLines checks a list, whatever its order.
func sameLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n  %s\nwant:\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
