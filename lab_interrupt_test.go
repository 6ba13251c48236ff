//go:build lab

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// muteFiles is a site whose guest has no system: it never reports and does not hear the power button.
const muteFiles = `
jeos {
  site      = "SITE"
  pool      = "SITE"
  pool_path = "/var/lib/libvirt/images/SITE"
}

variable "running" {
  type    = bool
  default = true
}
variable "memory" { default = "128MiB" }
variable "patience" { default = "1h" }

image "blank" {
  source = "blank.qcow2"
}

image "large" {
  source = "IMAGE"
}

guest "defined" {
  image   = image.large
  running = false
}

guest "mute" {
  image        = image.blank
  memory       = var.memory
  running      = var.running
  stop_timeout = var.patience
}
`

// newMuteSite makes a site of muteFiles.
func newMuteSite(t *testing.T, name string) *labSite {
	t.Helper()
	s := newLabSite(t, name, nil)
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", filepath.Join(s.dir, "blank.qcow2"), "16M").CombinedOutput(); err != nil {
		t.Fatalf("qemu-img: %v\n%s", err, out)
	}
	s.write("site.jeos.hcl", muteFiles)
	return s
}

// TestLabInterrupt interrupts apply while it works and while it waits, once and twice.
func TestLabInterrupt(t *testing.T) {
	s := newMuteSite(t, "interrupted")

	// Once, in the middle of an upload: what is under way is finished, and nothing else is begun.
	apply := s.start("apply", "--auto-approve", "--parallelism", "1")
	apply.until("image.large: upload volume … 10 %")
	apply.signal(os.Interrupt)
	errs := apply.end(130)
	mustHold(t, errs, "Interrupt: finishing what is under way", "image.large: upload volume … done",
		"Apply did not come to its end", "Not started:\n", "guest.mute: start guest\n", "jeos plan", "Interrupted")
	_, changes := s.plan()
	if list := strings.Join(changes, "\n"); strings.Contains(list, "image.large") || !strings.Contains(list, "create guest.mute") {
		t.Errorf("after an interrupt in the upload is left to do:\n%s", list)
	}

	// By Ctrl-C, while it waits for a guest.
	terminal := s.terminal("apply")
	terminal.await("Enter a value:")
	terminal.typed("yes\r")
	terminal.await("guest.mute: wait for guest")
	terminal.typed("\x03")
	_, steps, _ := strings.Cut(terminal.end(130), "guest.mute: start guest … done\n")
	equal(t, "the end on the terminal", regexp.MustCompile(`[0-9]+ steps`).ReplaceAllString(steps, "N steps"), `Interrupt: finishing what is under way; press again to stop at once.
guest.mute: wait for guest … failed

Apply did not come to its end: N steps done, 1 cut off.
  Cut off, outcome unknown:
    guest.mute: wait for guest

Nothing is lost: "jeos plan" shows what is left, and another run goes on from there.
Error: Interrupted

The command was ended before it was done.`)
	s.mustBeEmpty()
	equal(t, "power state", virsh(t, "domstate", "interrupted-mute"), "running")

	// Twice, while a guest is asked to shut down: the first time it goes on, the second time it stops at once.
	off := []string{"--var", "running=false", "--var", "memory=192MiB"}
	apply = s.start(append(off, "apply", "--auto-approve")...)
	apply.until("shutting down, 1 s")
	apply.signal(os.Interrupt)
	apply.until("Interrupt: finishing what is under way")
	apply.until("shutting down")
	apply.signal(os.Interrupt)
	mustHold(t, apply.end(130), "Cut off, outcome unknown:\n    guest.mute: stop guest\n", "Not started:\n", "Interrupted")
	equal(t, "power state", virsh(t, "domstate", "interrupted-mute"), "running")

	// Once, and the shutdown comes to its end.
	off = append(off, "--var", "patience=4s")
	apply = s.start(append(off, "apply", "--auto-approve", "--force-stop")...)
	apply.until("shutting down, 1 s")
	apply.signal(os.Interrupt)
	mustHold(t, apply.end(130), "guest.mute: stop guest … done", "Apply did not come to its end", "Not started:\n", "Interrupted")
	equal(t, "power state", virsh(t, "domstate", "interrupted-mute"), "shut off")

	// Another apply does the rest.
	s.run(0, append(off, "apply", "--auto-approve")...)
	s.mustBeEmpty(off...)
}
