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
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jeos/plan"
)

// These tests use the libvirtd of scripts/lab: scripts/lab enter go test -tags lab ./internal/virt

const labURI = "qemu:///system"

func labOpen(t *testing.T, opt Options) *Hypervisor {
	t.Helper()
	if _, err := os.Stat("/run/jeos-lab"); err != nil {
		t.Fatal("this is no lab: run scripts/test, or see CONTRIBUTING.md")
	}
	h, err := Open(context.Background(), labURI, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// lab is a host with a pool of the test's own, which is deleted at the end like everything else with its prefix.
type lab struct {
	*Hypervisor
	t      *testing.T
	prefix string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{labOpen(t, Options{}), t, fmt.Sprintf("virt%09d", time.Now().UnixNano()%1e9)}
	t.Cleanup(func() {
		sh := fmt.Sprintf(`for d in $(virsh list --all --name | grep ^%[1]s); do virsh destroy $d; virsh undefine $d --managed-save; done
			for n in $(virsh net-list --all --name | grep ^%[1]s); do virsh net-destroy $n; virsh net-undefine $n; done
			virsh pool-destroy %[1]s; virsh pool-undefine %[1]s; rm -rf /var/lib/libvirt/images/%[1]s`, l.prefix)
		exec.Command("sh", "-c", sh).Run()
	})
	dir := "/var/lib/libvirt/images/" + l.prefix
	xml := fmt.Sprintf("<pool type='dir'><name>%s</name><target><path>%s</path></target></pool>", l.prefix, dir)
	l.twice(plan.Step{Verb: plan.DefinePool, Host: l.prefix, XML: xml})
	l.twice(plan.Step{Verb: plan.StartPool, Host: l.prefix})
	l.twice(plan.Step{Verb: plan.RefreshPool, Host: l.prefix})
	return l
}

// twice does a step two times: every verb must be idempotent.
func (l *lab) twice(s plan.Step) {
	l.t.Helper()
	for i := range 2 {
		if err := l.Do(context.Background(), s, nil); err != nil {
			l.t.Fatalf("%s %s, time %d: %v", s.Verb, s.Host, i+1, err)
		}
	}
}

func (l *lab) inventory() *plan.Inventory {
	l.t.Helper()
	return readOnlyInventory(l.t, l.prefix)
}

// readOnlyInventory is what others see, through the read-only socket.
func readOnlyInventory(t *testing.T, pool string) *plan.Inventory {
	t.Helper()
	h := labOpen(t, Options{ReadOnly: true})
	inv, err := h.Inventory(context.Background(), pool, func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func (l *lab) domain(name string) *plan.HostDomain {
	for _, d := range l.inventory().Domains {
		if d.Name == name {
			return &d
		}
	}
	return nil
}

func (l *lab) network(name string) *plan.HostNetwork {
	for _, n := range l.inventory().Networks {
		if n.Name == name {
			return &n
		}
	}
	return nil
}

func virsh(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("virsh", append([]string{"-c", labURI}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("virsh %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestLabPoolAndVolumes(t *testing.T) {
	l := newLab(t)
	pool := l.inventory().Pool
	if pool == nil || !pool.Active {
		t.Fatalf("pool %+v, want an active one", pool)
	}
	if out := virsh(t, "pool-info", l.prefix); !strings.Contains(out, "Autostart:      yes") {
		t.Errorf("pool does not start with the host:\n%s", out)
	}

	data := labImage(t)
	l.twice(plan.Step{Verb: plan.UploadVolume, Pool: l.prefix, Host: "base.qcow2", Content: content(data)})
	l.twice(plan.Step{Verb: plan.UploadVolume, Pool: l.prefix, Host: "seed.iso", Content: content([]byte("files"))})
	overlay := fmt.Sprintf(`<volume><name>root.qcow2</name><capacity unit='bytes'>%d</capacity><target><format type='qcow2'/></target>
		<backingStore><path>/var/lib/libvirt/images/%s/base.qcow2</path><format type='qcow2'/></backingStore></volume>`, 20<<20, l.prefix)
	l.twice(plan.Step{Verb: plan.CreateVolume, Pool: l.prefix, Host: "root.qcow2", XML: overlay})
	l.twice(plan.Step{Verb: plan.GrowVolume, Pool: l.prefix, Host: "root.qcow2", Size: 30 << 20})
	l.twice(plan.Step{Verb: plan.GrowVolume, Pool: l.prefix, Host: "root.qcow2", Size: 1 << 20}) // never shrinks

	inv := l.inventory()
	var names []string
	for _, v := range inv.Volumes {
		names = append(names, v.Name)
	}
	if diff := cmp.Diff([]string{"base.qcow2", "root.qcow2", "seed.iso", "seed.iso.ok"}, names); diff != "" {
		t.Fatalf("volumes (-want +got):\n%s", diff)
	}
	for i, want := range []string{"<format type='qcow2'/>", "<capacity unit='bytes'>31457280</capacity>", "<capacity unit='bytes'>5</capacity>"} {
		if !strings.Contains(inv.Volumes[i].XML, want) {
			t.Errorf("%s lacks %s:\n%s", names[i], want, inv.Volumes[i].XML)
		}
	}
	stored, err := os.ReadFile("/var/lib/libvirt/images/" + l.prefix + "/base.qcow2")
	if err != nil || !bytes.Equal(stored, data) {
		t.Errorf("what was uploaded is not what is stored: %v", err)
	}

	// A file that somebody removed is seen as missing although the pool still lists it, and can be made again.
	os.Remove("/var/lib/libvirt/images/" + l.prefix + "/root.qcow2")
	if inv := l.inventory(); len(inv.Volumes) != 3 || !inv.Names["root.qcow2"] {
		t.Errorf("volumes %v, names %v, want three volumes of four names", inv.Volumes, inv.Names)
	}
	l.twice(plan.Step{Verb: plan.CreateVolume, Pool: l.prefix, Host: "root.qcow2", XML: overlay})
	for _, name := range []string{"root.qcow2", "seed.iso", "base.qcow2"} {
		l.twice(plan.Step{Verb: plan.DeleteVolume, Pool: l.prefix, Host: name})
	}
	if inv := l.inventory(); len(inv.Names) != 0 {
		t.Errorf("left over: %v", inv.Names)
	}

	virsh(t, "pool-destroy", l.prefix)
	if inv := l.inventory(); inv.Pool == nil || inv.Pool.Active || inv.Volumes != nil {
		t.Errorf("pool %+v, volumes %v, want an inactive one and none", inv.Pool, inv.Volumes)
	}
}

// labImage is a real qcow2 of some hundred KiB.
func labImage(t *testing.T) []byte {
	t.Helper()
	path := t.TempDir() + "/x.qcow2"
	script := `qemu-img create -q -f qcow2 "$0" 10M && qemu-io -c "write -P 7 0 2M" "$0"`
	if out, err := exec.Command("sh", "-c", script, path).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img: %v\n%s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// cutReader cancels after some bytes.
type cutReader struct {
	io.Reader
	left int
	cut  func()
}

func (r *cutReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if r.left -= n; r.left <= 0 {
		r.cut()
	}
	return n, err
}

func TestLabUploadThatIsCutIsSeenIncomplete(t *testing.T) {
	l := newLab(t)
	data := labImage(t)
	for _, after := range []int{1, 300_000, 1_500_000} {
		for _, name := range []string{"base.qcow2", "seed.iso"} {
			ctx, cancel := context.WithCancel(context.Background())
			opened := false
			c := content(data)
			c.Open = func() (io.ReadCloser, int64, error) {
				opened = true
				return io.NopCloser(&cutReader{bytes.NewReader(data), after, cancel}), int64(len(data)), nil
			}
			err := l.Do(ctx, plan.Step{Verb: plan.UploadVolume, Pool: l.prefix, Host: name, Content: c}, nil)
			if err == nil {
				t.Fatalf("%s, cut after %d bytes: no error", name, after)
			}
			if !opened {
				t.Errorf("%s: the upload did not get to its content", name)
			}
			cancel()
		}
		inv := l.inventory()
		if inv.Names["seed.iso.ok"] {
			t.Errorf("cut after %d bytes: the seed is marked as complete", after)
		}
		for _, v := range inv.Volumes {
			if v.Name == "base.qcow2" && strings.Contains(v.XML, "<format type='qcow2'/>") {
				t.Errorf("cut after %d bytes: the image looks complete", after)
			}
		}
	}
	l.twice(plan.Step{Verb: plan.UploadVolume, Pool: l.prefix, Host: "base.qcow2", Content: content(data)})
	if inv := l.inventory(); !strings.Contains(inv.Volumes[0].XML, "<format type='qcow2'/>") {
		t.Errorf("after all the image is not complete:\n%s", inv.Volumes[0].XML)
	}
}

func TestLabFullPool(t *testing.T) {
	l := newLab(t)
	dir := "/var/lib/libvirt/images/" + l.prefix
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v\n%s", err, out)
	}
	defer exec.Command("umount", dir).Run()
	data := labImage(t)
	err := l.Do(context.Background(), plan.Step{Verb: plan.UploadVolume, Pool: l.prefix, Host: "base.qcow2", Content: content(data)}, nil)
	want := fmt.Sprintf("pool %q is full: 1048576 bytes are free and %d bytes are needed", l.prefix, len(data))
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want …%s…", err, want)
	}
	if inv := l.inventory(); len(inv.Names) > 0 {
		t.Errorf("left over: %v", inv.Names)
	}
}

func TestLabNetwork(t *testing.T) {
	l := newLab(t)
	name := l.prefix + "-n"
	id := "11111111-2222-4333-8444-" + fmt.Sprintf("%012d", time.Now().UnixNano()%1e12)
	xml := fmt.Sprintf("<network ipv6='yes'><name>%s</name><uuid>%s</uuid><bridge name='%.15s' stp='off'/></network>", name, id, "j"+l.prefix)
	l.twice(plan.Step{Verb: plan.DefineNetwork, Host: name, UUID: id, XML: xml})
	l.twice(plan.Step{Verb: plan.StartNetwork, Host: name, UUID: id})
	l.twice(plan.Step{Verb: plan.AutostartNetwork, Host: name, UUID: id, On: true})
	n := l.network(name)
	if n == nil || !n.Active || !n.Autostart || !n.Persistent || n.UUID != id || n.LiveXML == "" {
		t.Fatalf("network %+v", n)
	}
	l.twice(plan.Step{Verb: plan.AutostartNetwork, Host: name, UUID: id})
	l.twice(plan.Step{Verb: plan.StopNetwork, Host: name, UUID: id})
	if n := l.network(name); n == nil || n.Active || n.Autostart || n.LiveXML != "" {
		t.Errorf("network %+v", n)
	}
	l.twice(plan.Step{Verb: plan.UndefineNetwork, Host: name, UUID: id})
	l.twice(plan.Step{Verb: plan.StopNetwork, Host: name, UUID: id})
	if n := l.network(name); n != nil {
		t.Errorf("network %+v is left", n)
	}
	err := l.Do(context.Background(), plan.Step{Verb: plan.StartNetwork, Host: name, UUID: id}, nil)
	if !errors.Is(err, plan.ErrNotFound) {
		t.Errorf("starting nothing: %v, want not found", err)
	}
}

// TestLabTestDriver reads the host that libvirt's test driver makes up.
func TestLabTestDriver(t *testing.T) {
	for _, readOnly := range []bool{false, true} {
		h, err := Open(context.Background(), "test:///default", Options{ReadOnly: readOnly})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		inv, err := h.Inventory(context.Background(), "default-pool", func(string) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		if len(inv.Domains) != 1 || inv.Domains[0].Name != "test" || inv.Domains[0].State != plan.Running || inv.Pool == nil {
			t.Errorf("read-only %v: domains %+v, pool %+v", readOnly, inv.Domains, inv.Pool)
		}
	}
}
