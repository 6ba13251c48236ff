//go:build lab

package virt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jeos/plan"
)

// seed has the guest report like a real one: not done, then done. What it says first is a line that must be dropped.
const seed = `#cloud-config
bootcmd:
  - |
    cat >/run/report <<'END'
    n=0
    while :; do
      state=running
      n=$((n+1))
      [ -e /run/cloud-init/result.json ] && [ $n -gt 8 ] && state=done
      echo '{"version":1,"sequence":'$n',"cloud_init":"'$state'","stage":"init\u001b[2J","uptime":12.5,"hostname":"real"}'
      sleep 2
    done >/dev/virtio-ports/org.jeos.report.0
    END
  - systemd-run --no-block -p DefaultDependencies=no --unit=report sh /run/report
`

// guestImage returns the image of scripts/guest-image.
func guestImage(t *testing.T) []byte {
	t.Helper()
	out, err := exec.Command("../../scripts/guest-image").Output()
	if err != nil {
		t.Fatalf("scripts/guest-image: %v", err)
	}
	data, err := os.ReadFile(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func seedISO(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"user-data": seed, "meta-data": "instance-id: virt\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("genisoimage", "-quiet", "-V", "cidata", "-r", "-J", dir).Output()
	if err != nil {
		t.Fatalf("genisoimage: %v", err)
	}
	return out
}

// terminal is somebody at a console: what is typed comes from keys, what is shown goes to screen.
type terminal struct {
	keys   io.Reader
	screen bytes.Buffer
	expect []string    // texts that will be shown, one after the other
	shown  chan string // gets each of them then; has room for all
}

func (s *terminal) Read(p []byte) (int, error) { return s.keys.Read(p) }

func (s *terminal) Write(p []byte) (int, error) {
	s.screen.Write(p)
	for len(s.expect) > 0 && strings.Contains(s.screen.String(), s.expect[0]) {
		s.shown <- s.expect[0]
		s.expect = s.expect[1:]
	}
	return len(p), nil
}

func TestLabRealGuest(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	name, net := l.prefix+"-g", l.prefix+"-n"
	virshDefineNetwork(l, net)
	l.twice(plan.Step{Verb: plan.UploadVolume, Pool: l.prefix, Host: "base.qcow2", Content: content(guestImage(t))})
	l.twice(plan.Step{Verb: plan.UploadVolume, Pool: l.prefix, Host: "seed.iso", Content: content(seedISO(t))})
	dir := "/var/lib/libvirt/images/" + l.prefix
	l.twice(plan.Step{Verb: plan.CreateVolume, Pool: l.prefix, Host: "root.qcow2", XML: fmt.Sprintf(`<volume><name>root.qcow2</name>
		<capacity unit='GiB'>4</capacity><target><format type='qcow2'/></target>
		<backingStore><path>%s/base.qcow2</path><format type='qcow2'/></backingStore></volume>`, dir)})
	s := l.deaf(name)
	s.XML = strings.Replace(s.XML, "64</memory>", "512</memory>", 1)
	s.XML = strings.Replace(s.XML, "<serial", fmt.Sprintf(`<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
		<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='%[1]s/root.qcow2'/><target dev='vda' bus='virtio'/></disk>
		<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='%[1]s/seed.iso'/><target dev='vdb' bus='virtio'/><readonly/></disk>
		<serial`, dir), 1)
	l.twice(s)

	ctx := context.Background()
	l.twice(plan.Step{Verb: plan.StartGuest, Host: name, UUID: s.UUID})
	var texts []string
	await := plan.Step{Verb: plan.AwaitGuest, Host: name, Timeout: time.Hour}
	if err := l.Do(ctx, await, func(p plan.Progress) { texts = append(texts, p.Text) }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(texts, "\n"), "cloud-init: init, 12 s") {
		t.Errorf("progress %q lacks the stage", texts)
	}

	// Two who ask at once both get an answer.
	answers := make(chan error)
	for range 2 {
		go func() {
			r, err := l.Report(ctx, name)
			if err == nil && (r.CloudInit != "done" || r.Hostname != "real") {
				err = fmt.Errorf("report %+v", r)
			}
			answers <- err
		}()
	}
	for range 2 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}

	l.twice(plan.Step{Verb: plan.GrowVolume, Pool: l.prefix, Host: "root.qcow2", Domain: name, Size: 5 << 30})
	if out := virsh(t, "domblkinfo", name, "vda"); !strings.Contains(out, "5368709120") {
		t.Errorf("the disk did not grow:\n%s", out)
	}
	virsh(t, "attach-interface", name, "network", net, "--mac", "52:54:00:11:22:33", "--model", "virtio", "--live")
	time.Sleep(2 * time.Second)
	l.twice(plan.Step{Verb: plan.DetachDevice, Host: name, UUID: s.UUID,
		XML: "<interface type='network'><mac address='52:54:00:11:22:33'/><source network='" + net + "'/><model type='virtio'/></interface>"})

	talk(t, l, name)

	l.twice(plan.Step{Verb: plan.StopGuest, Host: name, UUID: s.UUID, Timeout: time.Hour})
	if d := l.domain(name); d.State != plan.Off {
		t.Errorf("state %v, want off", d.State)
	}
	l.twice(plan.Step{Verb: plan.UndefineGuest, Host: name, UUID: s.UUID})
}

// talk types at the guest's console until it asks for a password. Who comes second is told so.
func talk(t *testing.T, l *lab, name string) {
	keys, typed := io.Pipe()
	screen := &terminal{keys: keys, expect: []string{"login:", "Password:"}, shown: make(chan string, 2)}
	ended := make(chan error, 1)
	go func() { ended <- l.Console(context.Background(), name, screen) }()
	await := func() {
		t.Helper()
		select {
		case <-screen.shown:
		case err := <-ended:
			t.Fatalf("the console has ended: %v", err)
		case <-time.After(10 * time.Minute):
			t.Fatal("the guest does not answer at its console")
		}
	}
	io.WriteString(typed, "\n")
	await()
	silent, _ := io.Pipe()
	if err := l.Console(context.Background(), name, &terminal{keys: silent}); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Errorf("second console: %v, want that it is in use", err)
	}
	io.WriteString(typed, "nobody\n")
	await()
	typed.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestLabGuestThatStops(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	name := l.prefix + "-g"
	s := l.deaf(name)
	l.twice(plan.Step{Verb: plan.StartGuest, Host: name, UUID: s.UUID})
	time.AfterFunc(time.Second, func() { exec.Command("virsh", "-c", labURI, "destroy", name).Run() })
	err := l.Do(context.Background(), plan.Step{Verb: plan.AwaitGuest, Host: name, Timeout: time.Hour}, nil)
	var failed *GuestError
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "it stopped before it was ready") {
		t.Errorf("error %v, want that it stopped", err)
	}
}
