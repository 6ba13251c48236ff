//go:build lab

package virt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"jeos/plan"
)

// cloneLab is a lab with the volume "layer.qcow2" in its pool, over "base.qcow2", and a step that clones it.
func cloneLab(t *testing.T) (l *lab, dir string, step plan.Step) {
	t.Helper()
	l = newLab(t)
	dir = "/var/lib/libvirt/images/" + l.prefix
	l.twice(plan.Step{Verb: plan.UploadVolume, Pool: l.prefix, Host: "base.qcow2", Content: content(labImage(t))})
	l.twice(plan.Step{Verb: plan.CreateVolume, Pool: l.prefix, Host: "layer.qcow2", XML: fmt.Sprintf(
		`<volume><name>layer.qcow2</name><capacity unit='bytes'>%d</capacity><target><format type='qcow2'/></target>
		<backingStore><path>%s/base.qcow2</path><format type='qcow2'/></backingStore></volume>`, 512<<20, dir)})
	return l, dir, plan.Step{Verb: plan.CloneVolume, Pool: l.prefix, Host: "baked.qcow2", From: "layer.qcow2", XML: fmt.Sprintf(
		"<volume><name>baked.qcow2</name><capacity unit='bytes'>%d</capacity><target><format type='qcow2'/></target></volume>", 512<<20)}
}

// qemu runs a command of QEMU's on files.
func qemu(t *testing.T, command string, args ...string) string {
	t.Helper()
	out, err := exec.Command(command, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", command, args, err, out)
	}
	return string(out)
}

// TestLabClone flattens a layer, and copies and reads a raw volume.
func TestLabClone(t *testing.T) {
	l, dir, step := cloneLab(t)
	qemu(t, "qemu-io", "-c", "write -P 9 1M 1M", dir+"/layer.qcow2")
	qemu(t, "qemu-img", "convert", "-O", "raw", dir+"/layer.qcow2", dir+"/want")
	l.twice(step)
	inv := l.inventory()
	if !inv.Names["baked.qcow2"] || !inv.Names["baked.qcow2.ok"] {
		t.Fatalf("volumes %v", inv.Names)
	}
	if out := qemu(t, "qemu-img", "info", dir+"/baked.qcow2"); strings.Contains(out, "backing") || !strings.Contains(out, "file format: qcow2") {
		t.Errorf("it does not stand alone:\n%s", out)
	}
	for _, name := range []string{"layer.qcow2", "base.qcow2"} {
		l.twice(plan.Step{Verb: plan.DeleteVolume, Pool: l.prefix, Host: name})
	}
	if out := qemu(t, "qemu-img", "compare", "-f", "raw", "-F", "qcow2", dir+"/want", dir+"/baked.qcow2"); !strings.Contains(out, "identical") {
		t.Error(out)
	}

	list := bytes.Repeat([]byte("base-files 12\n"), 1000)
	l.twice(plan.Step{Verb: plan.CreateVolume, Pool: l.prefix, Host: "list.raw",
		XML: "<volume><name>list.raw</name><capacity unit='MiB'>1</capacity><target><format type='raw'/></target></volume>"})
	if err := os.WriteFile(dir+"/list.raw", append(list, make([]byte, 1<<20-len(list))...), 0o600); err != nil {
		t.Fatal(err)
	}
	l.twice(plan.Step{Verb: plan.CloneVolume, Pool: l.prefix, Host: "list", From: "list.raw",
		XML: "<volume><name>list</name><capacity unit='MiB'>1</capacity><target><format type='raw'/></target></volume>"})
	for _, limit := range []int64{100, 1 << 20, 4 << 20} {
		got, err := l.ReadVolume(t.Context(), l.prefix, "list", limit)
		if err != nil || int64(len(got)) != min(limit, 1<<20) || !bytes.HasPrefix(got, list[:min(limit, int64(len(list)))]) {
			t.Errorf("limit %d: %d bytes and the error %v", limit, len(got), err)
		}
	}
	if _, err := l.ReadVolume(t.Context(), l.prefix, "nothing", 1); !errors.Is(err, plan.ErrNotFound) {
		t.Errorf("reading nothing: %v, want not found", err)
	}
	for _, name := range []string{"list.raw", "list", "baked.qcow2"} {
		l.twice(plan.Step{Verb: plan.DeleteVolume, Pool: l.prefix, Host: name})
	}
	if inv := l.inventory(); inv.Names["list.ok"] || inv.Names["baked.qcow2.ok"] {
		t.Errorf("left over: %v", inv.Names)
	}
}

// TestLabCloneThatIsCut gives up a copy that libvirt goes on with. What is left does not count, and the next run waits for
// its end and makes it anew.
func TestLabCloneThatIsCut(t *testing.T) {
	l, dir, step := cloneLab(t)
	qemu(t, "qemu-io", "-c", "write -P 9 0 200M", dir+"/layer.qcow2")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { // as soon as there is something
		for ctx.Err() == nil {
			if info, err := os.Stat(dir + "/baked.qcow2"); err == nil && info.Size() > 0 {
				cancel()
			}
			time.Sleep(time.Millisecond)
		}
	}()
	var lost *LostError
	if err := l.Do(ctx, step, nil); !errors.As(err, &lost) {
		t.Fatalf("error %v, want the outcome to be unknown", err)
	}
	if l.inventory().Names["baked.qcow2.ok"] {
		t.Error("it counts as complete")
	}
	l.twice(step)
	if !l.inventory().Names["baked.qcow2.ok"] {
		t.Error("it does not count as complete")
	}
	if out := qemu(t, "qemu-img", "compare", dir+"/layer.qcow2", dir+"/baked.qcow2"); !strings.Contains(out, "identical") {
		t.Error(out)
	}
}

// TestLabCloneByTwo has two jeos that know nothing of each other make one copy.
func TestLabCloneByTwo(t *testing.T) {
	l, dir, step := cloneLab(t)
	qemu(t, "qemu-io", "-c", "write -P 9 0 400M", dir+"/layer.qcow2")
	list := plan.Step{Verb: plan.CloneVolume, Pool: l.prefix, Host: "list", From: "list.raw",
		XML: "<volume><name>list</name><capacity unit='MiB'>1</capacity><target><format type='raw'/></target></volume>"}
	l.twice(plan.Step{Verb: plan.CreateVolume, Pool: l.prefix, Host: "list.raw",
		XML: "<volume><name>list.raw</name><capacity unit='MiB'>1</capacity><target><format type='raw'/></target></volume>"})
	if err := os.WriteFile(dir+"/list.raw", bytes.Repeat([]byte("abcdefgh"), 1<<17), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{0, 20 * time.Millisecond, 200 * time.Millisecond, time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			both := []*Hypervisor{labOpen(t, Options{}), labOpen(t, Options{})}
			var group sync.WaitGroup
			for i, h := range both {
				group.Go(func() {
					time.Sleep(time.Duration(i) * after)
					for _, s := range []plan.Step{step, list} {
						err := h.Do(t.Context(), s, nil)
						if names := l.inventory().Names; err != nil || !names[s.Host] || !names[s.Host+".ok"] {
							t.Errorf("%s by %d: %v; %v", s.Host, i, err, names)
						}
					}
				})
			}
			group.Wait()
			for original, copied := range map[string]string{"layer.qcow2": "baked.qcow2", "list.raw": "list"} {
				if out := qemu(t, "qemu-img", "compare", dir+"/"+original, dir+"/"+copied); !strings.Contains(out, "identical") {
					t.Error(out)
				}
				l.twice(plan.Step{Verb: plan.DeleteVolume, Pool: l.prefix, Host: copied})
			}
		})
	}
}

// TestLabCloneIntoAFullPool leaves nothing of the copy.
func TestLabCloneIntoAFullPool(t *testing.T) {
	l, dir, step := cloneLab(t)
	qemu(t, "qemu-io", "-c", "write -P 9 0 32M", dir+"/layer.qcow2")
	small := dir + "/small"
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", small).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v\n%s", err, out)
	}
	defer exec.Command("umount", small).Run()
	qemu(t, "cp", dir+"/base.qcow2", dir+"/layer.qcow2", small)
	qemu(t, "qemu-img", "rebase", "-u", "-F", "qcow2", "-b", small+"/base.qcow2", small+"/layer.qcow2")
	pool := l.prefix + "s"
	l.twice(plan.Step{Verb: plan.DefinePool, Host: pool, XML: fmt.Sprintf("<pool type='dir'><name>%s</name><target><path>%s</path></target></pool>", pool, small)})
	l.twice(plan.Step{Verb: plan.StartPool, Host: pool})
	defer func() { virsh(t, "pool-destroy", pool); virsh(t, "pool-undefine", pool) }()
	step.Pool = pool
	err := l.Do(t.Context(), step, nil)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("pool %q is full: ", pool)) {
		t.Errorf("error %v, want that the pool is full", err)
	}
	if entries, _ := os.ReadDir(small); len(entries) != 2 {
		t.Errorf("in the pool: %v", entries)
	}
}
