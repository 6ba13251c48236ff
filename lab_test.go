//go:build lab

package main_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Tests with the tag "lab" run the command against the libvirtd of scripts/lab, with guests made from the image that
// JEOS_GUEST_IMAGE names.

// jeosBinary is where the command is: where JEOS_BINARY says that it is already, or where buildJeos puts it: in the lab, with
// which it goes, and where every user may run it.
var jeosBinary = cmp.Or(os.Getenv("JEOS_BINARY"), "/run/jeos-test/jeos")

// buildJeos makes the command, once.
var buildJeos = sync.OnceValue(func() error {
	if os.Getenv("JEOS_BINARY") != "" {
		return nil
	}
	if out, err := exec.Command("go", "build", "-o", jeosBinary, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
})

// labSite is a folder with a site's files, to run the command on.
//
// Tests run side by side, each with a site, networks and a pool of its own: what one looks at the others do not change.
type labSite struct {
	t    *testing.T
	name string
	dir  string
}

// newLabSite makes a folder with the files, "SITE" and "IMAGE" in them filled in, and destroys the site at the end, and
// its pool if that has the name of the site.
func newLabSite(t *testing.T, name string, files map[string]string) *labSite {
	t.Helper()
	s := lastingLabSite(t, name, files)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("virsh list:\n%s", virsh(t, "list", "--all"))
		}
		if out, err := s.command("destroy", "--auto-approve", "--force-stop").CombinedOutput(); err != nil {
			t.Errorf("destroy at the end: %v\n%s", err, out)
		}
		if slices.Contains(names(t, "pool-list", "--name"), name) {
			removePool(t, name)
		}
	})
	return s
}

// lastingLabSite is newLabSite for a site that outlives the test.
func lastingLabSite(t *testing.T, name string, files map[string]string) *labSite {
	t.Helper()
	if _, err := os.Stat("/run/jeos-lab"); err != nil {
		t.Fatal("this is no lab: run scripts/test, or see CONTRIBUTING.md")
	}
	if err := buildJeos(); err != nil {
		t.Fatal(err)
	}
	s := &labSite{t: t, name: name, dir: t.TempDir()}
	for file, text := range files {
		s.write(file, text)
	}
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

// replace replaces a text in a file of the site, which has it so many times.
func (s *labSite) replace(file, from, to string, times int) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, file))
	if err != nil {
		s.t.Fatal(err)
	}
	if n := strings.Count(string(text), from); n != times {
		s.t.Fatalf("%q is in %s %d times, want %d", from, file, n, times)
	}
	s.write(file, strings.ReplaceAll(string(text), from, to))
}

func (s *labSite) command(args ...string) *exec.Cmd {
	return exec.Command(jeosBinary, append([]string{"-C", s.dir}, args...)...)
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
	for range 30 * 30 {
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
	out, err := virshCommand(args...).CombinedOutput()
	if err != nil {
		t.Fatalf("virsh %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func virshCommand(args ...string) *exec.Cmd {
	return exec.Command("virsh", append([]string{"-q", "-c", "qemu:///system"}, args...)...)
}

// names returns the names that a virsh list command prints, one a line, sorted.
func names(t *testing.T, args ...string) []string {
	t.Helper()
	list := strings.Fields(virsh(t, args...))
	slices.Sort(list)
	return list
}

// namesOf returns those of the names that have a prefix.
func namesOf(t *testing.T, prefix string, args ...string) []string {
	t.Helper()
	return slices.DeleteFunc(names(t, args...), func(name string) bool { return !strings.HasPrefix(name, prefix) })
}

// volumes returns the names of the volumes of a pool that have a prefix, sorted.
func volumes(t *testing.T, pool, prefix string) []string {
	t.Helper()
	var list []string
	for line := range strings.Lines(virsh(t, "vol-list", pool)) {
		if fields := strings.Fields(line); len(fields) > 0 && strings.HasPrefix(fields[0], prefix) {
			list = append(list, fields[0])
		}
	}
	slices.Sort(list)
	return list
}

// removePool removes a pool and all that is in it.
func removePool(t *testing.T, pool string) {
	t.Helper()
	for _, v := range volumes(t, pool, "") {
		virsh(t, "vol-delete", "--pool", pool, v)
	}
	virsh(t, "pool-destroy", pool)
	virsh(t, "pool-undefine", pool)
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
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ssh", "-i", s.key, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "LogLevel=ERROR", "-o", "ConnectTimeout=60",
		// The next command takes the same connection, unless the guest has had the time to be restarted.
		"-o", "ControlMaster=auto", "-o", "ControlPersist=5", "-o", "ControlPath="+s.key+".%h", "admin@"+address, "sudo", "sh", "-c", quote(command))
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

// process is a jeos at work.
type process struct {
	t      *testing.T
	what   string
	cmd    *exec.Cmd
	begin  time.Time
	lines  *bufio.Scanner // of standard error
	stderr strings.Builder
}

// start starts jeos, for a test that does something meanwhile.
func (s *labSite) start(args ...string) *process {
	s.t.Helper()
	p := &process{t: s.t, what: "jeos " + strings.Join(args, " "), cmd: s.command(args...), begin: time.Now()}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	p.lines = bufio.NewScanner(stderr)
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// next waits for a line on standard error, and returns false when no more come.
func (p *process) next() bool {
	if !p.lines.Scan() {
		return false
	}
	p.stderr.WriteString(p.lines.Text() + "\n")
	return true
}

// until waits for a line on standard error that holds a text.
func (p *process) until(text string) {
	p.t.Helper()
	for p.next() {
		if strings.Contains(p.lines.Text(), text) {
			return
		}
	}
	p.cmd.Wait()
	p.t.Fatalf("%s ended without %q:\n%s", p.what, text, p.stderr.String())
}

func (p *process) signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// end waits for the end and returns what was written to standard error. The exit status of a process that was killed is
// -1.
func (p *process) end(status int) string {
	p.t.Helper()
	for p.next() {
	}
	p.cmd.Wait() // how it ended is in ProcessState
	p.t.Logf("%s: %s", p.what, time.Since(p.begin).Round(time.Millisecond))
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		p.t.Errorf("%s ended with %d, want %d:\n%s", p.what, got, status, p.stderr.String())
	}
	return p.stderr.String()
}
