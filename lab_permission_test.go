//go:build lab

package main_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user without rights, and its group.
const nobody = 65534

// TestLabNoPermission runs jeos as a user who may not open libvirt's sockets.
func TestLabNoPermission(t *testing.T) {
	s := newMuteSite(t, "denied")
	s.write("site.jeos.hcl", strings.NewReplacer("image.large", "image.blank", "IMAGE", "blank.qcow2").Replace(muteFiles))
	home := t.TempDir()
	if err := os.Chown(home, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Dir(s.dir), s.dir} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	before := filesIn(t, s.dir)

	// try runs jeos as that user and returns what it wrote.
	try := func(status int, args ...string) (stdout, stderr string) {
		t.Helper()
		cmd := s.command(args...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if err := cmd.Run(); cmd.ProcessState == nil {
			t.Fatal(err)
		}
		equal(t, "exit status of "+strings.Join(args, " "), cmd.ProcessState.ExitCode(), status)
		return out.String(), errs.String()
	}
	denied := func(stderr, socket string) {
		t.Helper()
		mustHold(t, stderr, "Error: Connection failed", socket, "permission denied", "group libvirt", "usermod -aG libvirt")
	}

	// As on most hosts: everybody may look, and the group libvirt may change things.
	closeSocket(t, "/run/libvirt/libvirt-sock")
	out, _ := try(0, "plan")
	mustHold(t, out, "guest.mute will be created")
	_, errs := try(1, "apply", "--auto-approve")
	denied(errs, "/run/libvirt/libvirt-sock:")
	_, errs = try(1, "destroy", "--auto-approve")
	denied(errs, "/run/libvirt/libvirt-sock:")

	closeSocket(t, "/run/libvirt/libvirt-sock-ro")
	_, errs = try(1, "plan")
	denied(errs, "/run/libvirt/libvirt-sock-ro:")

	sameLines(t, "files of the site", filesIn(t, s.dir), before)
	sameLines(t, "domains", namesOf(t, "denied-", "list", "--all", "--name"), nil)
	sameLines(t, "pools", namesOf(t, "denied", "pool-list", "--all", "--name"), nil)
}

// closeSocket keeps all but root from opening a socket, until the test ends. The other tests are root.
func closeSocket(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Chmod(path, info.Mode().Perm()); err != nil {
			t.Error(err)
		}
	})
}

func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}
