//go:build lab

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const definedFiles = `
jeos {
  site      = "SITE"
  pool      = "SITE"
  pool_path = "/var/lib/libvirt/images/SITE"
}

image "base" {
  source = "IMAGE"
}

network "lan" {
  cidrs = ["10.89.1.0/24"]
}

network "wan" {
  mode  = "nat"
  cidrs = ["10.89.2.0/24"]
}

guest "g" {
  for_each = toset(["a", "b", "c"])
  image    = image.base
  running  = false
  nic "lan" {
    network = network.lan
  }
  nic "wan" {
    network = network.wan
  }
  disk "data" {
    size  = "64MiB"
    mount = "/srv"
  }
}
`

// kill starts jeos, kills it when it has written a number of lines to standard error, and reports whether it was killed.
func (s *labSite) kill(lines int, args ...string) bool {
	s.t.Helper()
	p := s.start(args...)
	for range lines {
		if !p.next() {
			p.end(0)
			return false
		}
	}
	p.signal(os.Kill)
	for p.next() {
	}
	p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode() == -1
}

// TestLabKill kills apply at ten moments, and then has it go on.
func TestLabKill(t *testing.T) {
	s := newLabSite(t, "killed", map[string]string{"site.jeos.hcl": definedFiles})
	killed := 0
	for i := range 10 {
		if s.kill(1+2*i, "apply", "--auto-approve", "--parallelism", "1") {
			killed++
		}
		s.run(0, "apply", "--auto-approve")
		s.mustBeEmpty()
		sameLines(t, "domains", namesOf(t, "killed-", "list", "--all", "--name"), []string{"killed-g-a", "killed-g-b", "killed-g-c"})
		sameLines(t, "networks", namesOf(t, "killed-", "net-list", "--all", "--name"), []string{"killed-lan", "killed-wan"})
		var want []string
		for _, g := range []string{"a", "b", "c"} {
			for _, v := range []string{"root.qcow2", "data.qcow2", "seed-1.iso", "seed-1.iso.ok"} {
				want = append(want, fmt.Sprintf("killed.g-%s.%s", g, v))
			}
		}
		sameLines(t, "volumes", volumes(t, "killed", "killed."), want)
		// Taking away is cut too.
		s.kill(1+i, "destroy", "--auto-approve")
		s.run(0, "destroy", "--auto-approve")
		sameLines(t, "domains", namesOf(t, "killed-", "list", "--all", "--name"), nil)
	}
	if killed < 8 {
		t.Errorf("only %d of 10 runs were killed before they ended", killed)
	}
}

// TestLabFailedFirstBoot has a command fail inside a guest: apply says what the guest said, and what was on its console.
func TestLabFailedFirstBoot(t *testing.T) {
	t.Parallel()
	s := newLabSite(t, "failed", map[string]string{"site.jeos.hcl": `
jeos {
  site      = "SITE"
  pool      = "SITE"
  pool_path = "/var/lib/libvirt/images/SITE"
}

image "base" {
  source = "IMAGE"
}

guest "solo" {
  image         = image.base
  ready_timeout = "1h"
  run           = ["echo the canary sings", "exit 3"]
}
`})
	_, errs := s.run2(1, "apply", "--auto-approve")
	mustHold(t, errs, "its first boot ended in an error", "the canary sings", "--replace")
	out, err := s.command("status").CombinedOutput()
	if err == nil {
		t.Errorf("the status is fine:\n%s", out)
	}
	mustHold(t, string(out), "solo", "scripts-user")
}

// accessTime is when libvirt looked at a volume last, and so changes when somebody looks.
var accessTime = regexp.MustCompile(`<atime>.*</atime>`)

// TestLabForeign keeps jeos away from what is not its own.
func TestLabForeign(t *testing.T) {
	s := newLabSite(t, "own", map[string]string{"site.jeos.hcl": strings.ReplaceAll(definedFiles, "10.89.", "10.90.")})
	s.run(0, "apply", "--auto-approve") // makes the pool
	dir := t.TempDir()
	define := func(command, name, xml string) {
		path := filepath.Join(dir, name+".xml")
		if err := os.WriteFile(path, []byte(xml), 0o600); err != nil {
			t.Fatal(err)
		}
		virsh(t, command, path)
	}
	const domain = "<domain type='qemu'><name>%s</name><memory unit='MiB'>64</memory><os><type arch='x86_64'>hvm</type></os></domain>"
	define("define", "windows", fmt.Sprintf(domain, "windows"))
	define("define", "own-g-x", fmt.Sprintf(domain, "own-g-x"))
	define("net-define", "office", "<network><name>office</name><bridge name='office0'/></network>")
	virsh(t, "vol-create-as", "own", "diary.qcow2", "1M", "--format", "qcow2")
	virsh(t, "vol-create-as", "own", "owned.web.root.qcow2", "1M", "--format", "qcow2")
	t.Cleanup(func() {
		virsh(t, "undefine", "windows")
		virsh(t, "undefine", "own-g-x")
		virsh(t, "net-undefine", "office")
		virsh(t, "vol-delete", "--pool", "own", "diary.qcow2")
		virsh(t, "vol-delete", "--pool", "own", "owned.web.root.qcow2")
	})
	look := func() string {
		virsh(t, "pool-refresh", "own") // libvirt says more of a volume that it has looked into
		return accessTime.ReplaceAllString(strings.Join([]string{
			virsh(t, "dumpxml", "windows"), virsh(t, "dumpxml", "own-g-x"), virsh(t, "net-dumpxml", "office"),
			virsh(t, "vol-dumpxml", "--pool", "own", "diary.qcow2"), virsh(t, "vol-dumpxml", "--pool", "own", "owned.web.root.qcow2"),
		}, "\n"), "")
	}
	before := look()
	s.mustBeEmpty()

	// A guest that wants the name of another's domain is refused, before anything is made.
	s.write("site.jeos.hcl", strings.Replace(strings.ReplaceAll(definedFiles, "10.89.", "10.90."), `["a", "b", "c"]`, `["a", "b", "x"]`, 1))
	_, errs := s.run2(1, "apply", "--auto-approve")
	mustHold(t, errs, "Name is taken", "own-g-x", "site.jeos.hcl")
	sameLines(t, "domains", namesOf(t, "own-", "list", "--all", "--name"), []string{"own-g-a", "own-g-b", "own-g-c", "own-g-x"})
	s.run(0, "destroy", "--auto-approve")
	sameLines(t, "domains", namesOf(t, "own-", "list", "--all", "--name"), []string{"own-g-x"})
	if diff := cmp.Diff(before, look()); diff != "" {
		t.Errorf("what is not jeos's has changed:\n%s", diff)
	}
}

// TestLabPasswordsStay edits a guest into whose definition somebody put a password, which libvirt shows only when asked to.
func TestLabPasswordsStay(t *testing.T) {
	s := newLabSite(t, "secret", map[string]string{"site.jeos.hcl": strings.ReplaceAll(definedFiles, "10.89.", "10.96.")})
	s.run(0, "apply", "--auto-approve")
	const graphics = "<graphics type='vnc' port='-1' autoport='yes' passwd='s3cret'/>"
	path := filepath.Join(t.TempDir(), "domain.xml")
	xml := strings.Replace(virsh(t, "dumpxml", "--inactive", "secret-g-a"), "</devices>", graphics+"</devices>", 1)
	if err := os.WriteFile(path, []byte(xml), 0o600); err != nil {
		t.Fatal(err)
	}
	virsh(t, "define", path)
	s.mustBeEmpty()
	s.write("site.jeos.hcl", strings.Replace(strings.ReplaceAll(definedFiles, "10.89.", "10.96."), "  running  = false\n", "  running  = false\n  memory   = \"256MiB\"\n", 1))
	out, errs := s.run2(0, "--log-level", "trace", "apply", "--auto-approve")
	s.mustBeEmpty()
	mustHold(t, virsh(t, "dumpxml", "--inactive", "--security-info", "secret-g-a"), "passwd='s3cret'", "262144")
	if strings.Contains(out+errs, "s3cret") {
		t.Error("the password is shown")
	}
}

// TestLabTwoSites has two sites in one pool, with one image.
func TestLabTwoSites(t *testing.T) {
	files := func(net string) map[string]string {
		return map[string]string{"site.jeos.hcl": strings.NewReplacer("10.89.", net, `pool      = "SITE"`, `pool      = "one"`).Replace(definedFiles)}
	}
	one := newLabSite(t, "one", files("10.91."))
	two := newLabSite(t, "two", files("10.92."))
	// Both at once: one uploads the image, the other waits for it.
	first := one.command("apply", "--auto-approve")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	two.run(0, "apply", "--auto-approve")
	if err := first.Wait(); err != nil {
		t.Errorf("the first apply: %v", err)
	}
	two.mustBeEmpty()
	two.run(0, "destroy", "--auto-approve")
	_, changes := two.plan()
	for _, c := range changes {
		if strings.Contains(c, "image.") || strings.Contains(c, "pool.") {
			t.Errorf("the second site makes what the first has made: %s", c)
		}
	}
	two.run(0, "apply", "--auto-approve")
	one.mustBeEmpty()
	one.run(0, "destroy", "--auto-approve")
	two.mustBeEmpty()
	sameLines(t, "what is left of the first site", volumes(t, "one", "one."), nil)
	equal(t, "images", len(volumes(t, "one", "jeos-image.")), 1)
}

// TestLabPoolFull runs out of space in the middle of an upload, and goes on when there is more.
func TestLabPoolFull(t *testing.T) {
	dir := filepath.Join("/run", "jeos-full")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mount := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("mount", append([]string{"-t", "tmpfs"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("mount: %v\n%s", err, out)
		}
	}
	mount("-o", "size=32m", "tmpfs", dir)
	s := newLabSite(t, "full", map[string]string{
		"site.jeos.hcl": strings.NewReplacer("10.89.", "10.93.", "/var/lib/libvirt/images/SITE", dir).Replace(definedFiles),
	})
	t.Cleanup(func() {
		s.run(0, "destroy", "--auto-approve")
		removePool(t, "full")
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	_, errs := s.run2(1, "apply", "--auto-approve")
	mustHold(t, errs, "full")
	mustHold(t, strings.ToLower(errs), "space")
	mount("-o", "remount,size=512m", "tmpfs", dir)
	s.run(0, "apply", "--auto-approve")
	s.mustBeEmpty()
}

// TestLabConnection shows what happens when libvirt is not there, or not as it should be.
func TestLabConnection(t *testing.T) {
	s := newLabSite(t, "conn", map[string]string{"site.jeos.hcl": strings.ReplaceAll(definedFiles, "10.89.", "10.94.")})
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"no such socket":       {[]string{"plan", "--connect", "qemu:///system?socket=/nowhere/libvirt-sock"}, []string{"/nowhere/libvirt-sock"}},
		"unknown transport":    {[]string{"plan", "--connect", "qemu+pigeon://host/system"}, []string{"pigeon", "ssh"}},
		"read-only connection": {[]string{"apply", "--auto-approve", "--connect", "qemu:///system?socket=/run/libvirt/libvirt-sock-ro"}, []string{"join the group libvirt"}},
		"nobody listens":       {[]string{"plan", "--connect", "qemu+tls://127.0.0.1:1/system"}, []string{"127.0.0.1:1"}},
	} {
		_, errs := s.run2(1, test.args...)
		if len(errs) == 0 || strings.Contains(errs, "goroutine") {
			t.Errorf("%s: %q", name, errs)
		}
		for _, want := range test.want {
			if !strings.Contains(errs, want) {
				t.Errorf("%s: want %q in:\n%s", name, want, errs)
			}
		}
	}
	sameLines(t, "domains", namesOf(t, "conn-", "list", "--all", "--name"), nil)
}

// TestLabTwoApplies keeps a second apply of the same site out, and says who is in.
func TestLabTwoApplies(t *testing.T) {
	s := newLabSite(t, "twice", map[string]string{"site.jeos.hcl": strings.ReplaceAll(definedFiles, "10.89.", "10.95.")})
	first := s.start("apply", "--auto-approve")
	if !first.next() {
		t.Fatal("apply says nothing")
	}
	first.signal(syscall.SIGSTOP)
	_, errs := s.run2(1, "apply", "--auto-approve")
	mustHold(t, errs, fmt.Sprint(first.cmd.Process.Pid))
	first.signal(syscall.SIGCONT)
	first.end(0)
	s.mustBeEmpty()
}
