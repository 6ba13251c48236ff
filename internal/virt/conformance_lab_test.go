//go:build lab

package virt_test

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"jeos/internal/fakevirt"
	"jeos/internal/virt"
)

// TestLabConformance checks that a real libvirt and the fake keep the same contract.
func TestLabConformance(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/run/jeos-lab"); err != nil {
		t.Fatal("this is no lab: run scripts/test, or see CONTRIBUTING.md")
	}
	hv, err := virt.Open(context.Background(), "qemu:///system", virt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer hv.Close()
	t.Cleanup(func() {
		exec.Command("sh", "-c", "virsh pool-destroy confpool; virsh pool-undefine confpool").Run()
	})
	fakevirt.Conformance(t, hv, t.TempDir())
}
