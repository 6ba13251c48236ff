//go:build lab

package builders

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jeos/internal/config"
)

// inGuestImage runs a command in the file tree of the test guest, with dir at /mnt.
func inGuestImage(t *testing.T, dir string, command ...string) []byte {
	t.Helper()
	cmd := exec.Command("../scripts/guest-image", append([]string{"chroot", dir}, command...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(command, " "), err, out, stderr.Bytes())
	}
	return out
}

func writeSeed(t *testing.T, s seed) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, f := range s.files() {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// seeds are those of guests that use every setting, few and none.
func seeds(t *testing.T) map[string]seed {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	dhcp := &config.Guest{Name: "dhcp", Hostname: "dhcp", NICs: []config.NIC{
		{Name: "lan", Network: "lan", MAC: "52:54:00:12:34:56", DHCP: true, DefaultRoute: true},
		{Name: "a-second-one-on-the-lan", Network: "lan", MAC: "52:54:00:12:34:57", DHCP: true},
		{Name: "quiet", Network: "inside", MAC: "52:54:00:12:34:58"},
	}}
	rendered := map[string]seed{}
	for name, g := range map[string]*config.Guest{
		"full": sampleGuest(), "dhcp": dhcp, "bare": {Name: "web", Hostname: "web"},
	} {
		s, err := renderSeed(sampleSite(), g, "home-web-1")
		if err != nil {
			t.Fatal(err)
		}
		rendered[name] = s
	}
	return rendered
}

// TestLabSeedIsAccepted has the guest's own cloud-init and netplan judge the seeds.
func TestLabSeedIsAccepted(t *testing.T) {
	for name, s := range seeds(t) {
		t.Run(name, func(t *testing.T) {
			dir := writeSeed(t, s)
			inGuestImage(t, dir, "cloud-init", "schema", "--config-file", "/mnt/user-data")
			inGuestImage(t, dir, "sh", "-euc", `
				mkdir -p /tmp/root/etc/netplan
				{ echo network:; sed 's/^/  /' /mnt/network-config; } >/tmp/root/etc/netplan/50-cloud-init.yaml
				/usr/libexec/netplan/generate --root-dir /tmp/root || /usr/lib/netplan/generate --root-dir /tmp/root`)
		})
	}
}

// TestLabPyYAML has the YAML reader of cloud-init read hostile strings.
func TestLabPyYAML(t *testing.T) {
	want := map[string]any{}
	for i, s := range hostile {
		want[s] = map[string]any{"value": s, "list": []any{s, float64(i), true, nil, 1e21, 0.5}}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "document"), encodeYAML(want), 0o600); err != nil {
		t.Fatal(err)
	}
	out := inGuestImage(t, dir, "python3", "-c",
		`import json, yaml; print(json.dumps(yaml.safe_load(open("/mnt/document", "rb"))))`)
	var got map[string]any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestLabReport has the guest's python3 judge the report service.
func TestLabReport(t *testing.T) {
	tests, err := os.ReadFile("testdata/report_test.py")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"report": []byte(guestFile("report")), "report_test.py": tests} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inGuestImage(t, dir, "python3", "/mnt/report_test.py", "/mnt")
}

// TestLabISO has independent readers read the image: isoinfo of genisoimage, and xorriso.
func TestLabISO(t *testing.T) {
	s := seeds(t)["full"]
	image, err := s.iso()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "seed.iso")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("isoinfo", "-d", "-i", path).Output(); err != nil || !bytes.Contains(out, []byte("Volume id: cidata\n")) {
		t.Errorf("%v: %s", err, out)
	}
	extract := exec.Command("xorriso", "-osirrox", "on", "-indev", path, "-extract", "/", filepath.Join(dir, "all"))
	if out, err := extract.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, f := range s.files() {
		out, err := exec.Command("isoinfo", "-i", path, "-x", "/"+f.name+";1").Output()
		if err != nil || !bytes.Equal(out, f.content) {
			t.Errorf("isoinfo reads %d bytes of %s, not %d (%v)", len(out), f.name, len(f.content), err)
		}
		got, err := os.ReadFile(filepath.Join(dir, "all", f.name))
		if err != nil || !bytes.Equal(got, f.content) {
			t.Errorf("xorriso reads %d bytes of %s, not %d (%v)", len(got), f.name, len(f.content), err)
		}
	}
}
