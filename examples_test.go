package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jeos/internal/fakevirt"
	"jeos/plan"
)

// wifiCard is the card of the host, set aside for guests.
const wifiCard = `<device>
  <name>pci_0000_03_00_0</name>
  <driver><name>vfio-pci</name></driver>
  <capability type='pci'>
    <class>0x028000</class>
    <domain>0</domain><bus>3</bus><slot>0</slot><function>0</function>
    <product id='0x2723'>Wi-Fi 6 AX200</product>
    <vendor id='0x8086'>Intel Corporation</vendor>
    <iommuGroup number='12'><address domain='0x0000' bus='0x03' slot='0x00' function='0x0'/></iommuGroup>
  </capability>
</device>`

// TestExamples validates, builds, plans and applies every example, on a host in memory.
func TestExamples(t *testing.T) {
	examples, err := filepath.Glob("examples/*")
	if err != nil || len(examples) < 2 {
		t.Fatalf("examples: %v, %v", examples, err)
	}
	for _, example := range examples {
		t.Run(filepath.Base(example), func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(example)); err != nil {
				t.Fatal(err)
			}
			image := filepath.Join(t.TempDir(), "base.img")
			if err := os.WriteFile(image, qcow2(), 0o600); err != nil {
				t.Fatal(err)
			}
			built := filepath.Join(t.TempDir(), "built")
			host := fakevirt.New()
			host.SetDevices([]plan.HostDevice{{Name: "pci_0000_03_00_0", XML: wifiCard}})
			for _, command := range []string{"validate", "fmt --check", "build " + built, "plan", "apply --auto-approve"} {
				if !strings.HasPrefix(command, "fmt") {
					command = "--var image=" + image + " " + command
				}
				runExample(t, host, dir, command)
			}
			if out := runExample(t, host, dir, "--var image="+image+" plan"); !strings.Contains(out, "No changes.") {
				t.Errorf("after apply the plan is not empty:\n%s", out)
			}
			for _, folder := range []string{"domain", "network", "pool", "seed", "volume"} {
				if files, err := os.ReadDir(filepath.Join(built, folder)); err != nil || len(files) == 0 {
					t.Errorf("build made no %s: %v", folder, err)
				}
			}
		})
	}
}
