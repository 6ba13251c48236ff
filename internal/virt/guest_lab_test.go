//go:build lab

package virt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"jeos/plan"
)

// deaf defines a guest without an operating system: it hears neither the power button nor a request to unplug.
func (l *lab) deaf(name string) plan.Step {
	l.t.Helper()
	id := "22222222-2222-4333-8444-" + fmt.Sprintf("%012d", time.Now().UnixNano()%1e12)
	s := plan.Step{Verb: plan.DefineGuest, Host: name, UUID: id, XML: fmt.Sprintf(`<domain type='qemu'>
		<name>%s</name><uuid>%s</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu>
		<os><type arch='x86_64' machine='q35'>hvm</type><bios useserial='yes'/></os><features><acpi/></features>
		<devices>
			<controller type='pci' model='pcie-root'/><controller type='pci' model='pcie-root-port'/><controller type='pci' model='pcie-root-port'/>
			<controller type='pci' model='pcie-root-port'/><controller type='pci' model='pcie-root-port'/><controller type='pci' model='pcie-root-port'/>
			<controller type='usb' model='none'/><memballoon model='none'/><video><model type='none'/></video>
			<serial type='pty'/><channel type='unix'><target type='virtio' name='org.jeos.report.0'/></channel>
		</devices></domain>`, name, id)}
	l.twice(s)
	return s
}

func TestLabGuestLife(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	name := l.prefix + "-g"
	s := l.deaf(name)
	step := func(v plan.Verb, on bool) plan.Step { return plan.Step{Verb: v, Host: name, UUID: s.UUID, On: on} }
	l.twice(step(plan.AutostartGuest, true))
	if d := l.domain(name); d == nil || d.State != plan.Off || !d.Autostart || !d.Persistent || d.LiveXML != "" || d.UUID != s.UUID {
		t.Fatalf("domain %+v", d)
	}
	l.twice(step(plan.AutostartGuest, false))
	l.twice(step(plan.StartGuest, false))
	if d := l.domain(name); d == nil || d.State != plan.Running || d.Autostart || d.LiveXML == "" {
		t.Errorf("domain %+v", d)
	}
	virsh(t, "suspend", name)
	if d := l.domain(name); d.State != plan.Paused {
		t.Errorf("state %v, want paused", d.State)
	}
	l.twice(step(plan.StartGuest, false))
	if d := l.domain(name); d.State != plan.Running {
		t.Errorf("state %v, want running", d.State)
	}
	if err := l.Do(context.Background(), step(plan.UndefineGuest, false), nil); err == nil {
		t.Error("a running guest was undefined")
	}

	virsh(t, "managedsave", name)
	if d := l.domain(name); d.State != plan.Off || !d.ManagedSave {
		t.Errorf("domain %+v, want off and saved", d)
	}
	l.twice(step(plan.StartGuest, false))
	if d := l.domain(name); d.State != plan.Running || d.ManagedSave {
		t.Errorf("domain %+v, want running and not saved", d)
	}

	stop := step(plan.StopGuest, false)
	stop.Timeout = 2 * time.Second
	if err := l.Do(context.Background(), stop, nil); err == nil || !strings.Contains(err.Error(), "--force-stop") {
		t.Errorf("error %v, want one that names --force-stop", err)
	}
	stop.Remedy = "ring the bell"
	if err := l.Do(context.Background(), stop, nil); err == nil || !strings.HasSuffix(err.Error(), "; ring the bell") {
		t.Errorf("error %v, want the step's own remedy", err)
	}
	virsh(t, "suspend", name)
	stop.On = true
	l.twice(stop)
	if d := l.domain(name); d.State != plan.Off {
		t.Errorf("state %v, want off", d.State)
	}

	rename := step(plan.RenameGuest, false)
	rename.Host += "2"
	l.twice(rename)
	if l.domain(name) != nil || l.domain(rename.Host) == nil {
		t.Error("not renamed")
	}
	l.twice(step(plan.UndefineGuest, false))
	l.twice(stop)
	if l.domain(rename.Host) != nil {
		t.Error("not undefined")
	}
}

func TestLabDetach(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	name, net := l.prefix+"-g", l.prefix+"-n"
	virshDefineNetwork(l, net)
	s := l.deaf(name)
	l.twice(plan.Step{Verb: plan.StartGuest, Host: name, UUID: s.UUID})
	virsh(t, "attach-interface", name, "network", net, "--mac", "52:54:00:11:22:33", "--model", "virtio", "--live")
	_, xml, ok := strings.Cut(l.domain(name).LiveXML, "<interface")
	if !ok {
		t.Fatal("no interface in the live definition")
	}
	xml, _, _ = strings.Cut(xml, "</interface>")
	detach := plan.Step{Verb: plan.DetachDevice, Host: name, UUID: s.UUID, XML: "<interface" + xml + "</interface>"}
	err := l.Do(context.Background(), detach, nil)
	if err == nil || !strings.Contains(err.Error(), "does not let go of the interface") {
		t.Errorf("error %v, want that the guest does not let go", err)
	}
	detach.XML = strings.ReplaceAll(detach.XML, "52:54:00:11:22:33", "52:54:00:11:22:44")
	detach.XML = strings.ReplaceAll(detach.XML, "<alias", "<other")
	l.twice(detach) // not there
}

func virshDefineNetwork(l *lab, name string) {
	xml := fmt.Sprintf("<network><name>%s</name><uuid>33333333-2222-4333-8444-%012d</uuid><bridge name='%.15s'/></network>", name, time.Now().UnixNano()%1e12, "j"+l.prefix)
	l.twice(plan.Step{Verb: plan.DefineNetwork, Host: name, XML: xml})
	l.twice(plan.Step{Verb: plan.StartNetwork, Host: name})
}

func TestLabReportOfNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	name := l.prefix + "-g"
	if _, err := l.Report(context.Background(), name); !errors.Is(err, plan.ErrNotFound) {
		t.Errorf("no domain: %v, want not found", err)
	}
	s := l.deaf(name)
	if _, err := l.Report(context.Background(), name); !errors.Is(err, plan.ErrNotFound) {
		t.Errorf("domain is off: %v, want not found", err)
	}
	l.twice(plan.Step{Verb: plan.StartGuest, Host: name, UUID: s.UUID})
	err := l.Do(context.Background(), plan.Step{Verb: plan.AwaitGuest, Host: name, Timeout: 20 * time.Second}, nil)
	var failed *GuestError
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "it did not report ready within 20s") {
		t.Fatalf("error %v, want that the guest is not ready", err)
	}
	if !strings.Contains(strings.Join(failed.Console, "\n"), "SeaBIOS") {
		t.Errorf("console %q lacks the first line of the firmware", failed.Console)
	}
}
