package fakevirt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"jeos/plan"
)

// Conformance checks that a Hypervisor keeps the contract of plan.Hypervisor. It makes objects named "conf…" on the host
// of hv, among them a dir pool in poolPath, and removes all but the pool. Every step is done twice, since every verb is
// idempotent.
func Conformance(t *testing.T, hv plan.Hypervisor, poolPath string) {
	s := &suite{t: t, hv: hv}
	s.pool(poolPath)
	s.volumes()
	s.uploads()
	s.clones(poolPath)
	s.networks()
	s.guests()
	s.filters()
	s.missing()
}

const (
	confPool    = "confpool"
	confNetwork = "7d1b4ae0-0000-4000-8000-000000000001"
	confGuest   = "7d1b4ae0-0000-4000-8000-000000000002"
	confFilter  = "7d1b4ae0-0000-5000-8000-000000000003"
)

type suite struct {
	t  *testing.T
	hv plan.Hypervisor
}

// do does a step twice.
func (s *suite) do(step plan.Step) {
	s.t.Helper()
	for range 2 {
		if err := s.hv.Do(s.t.Context(), step, nil); err != nil {
			s.t.Fatalf("%s: %v", step.Verb, err)
		}
	}
}

func (s *suite) inventory() *plan.Inventory {
	s.t.Helper()
	inv, err := s.hv.Inventory(s.t.Context(), confPool, func(name string) bool { return strings.HasPrefix(name, "conf.") })
	if err != nil {
		s.t.Fatalf("inventory: %v", err)
	}
	return inv
}

func (s *suite) pool(path string) {
	if inv := s.inventory(); inv.Pool != nil || inv.Volumes != nil {
		s.t.Fatalf("there is a pool %s already", confPool)
	}
	s.do(plan.Step{Verb: plan.DefinePool, Host: confPool, XML: fmt.Sprintf("<pool type='dir'><name>%s</name><target><path>%s</path></target></pool>", confPool, path)})
	if inv := s.inventory(); inv.Pool == nil || inv.Pool.Active {
		s.t.Errorf("a defined pool is %+v, want it there and not active", inv.Pool)
	}
	s.do(plan.Step{Verb: plan.StartPool, Host: confPool})
	s.do(plan.Step{Verb: plan.RefreshPool, Host: confPool})
	if inv := s.inventory(); inv.Pool == nil || !inv.Pool.Active || !strings.Contains(inv.Pool.XML, path) {
		s.t.Errorf("a started pool is %+v", inv.Pool)
	}
}

// volume returns the capacity and format of a volume, or "" when there is none.
func (s *suite) volume(name string) (int64, string) {
	s.t.Helper()
	for _, v := range s.inventory().Volumes {
		if v.Name == name {
			_, parsed, err := parseVolume(v.XML)
			if err != nil {
				s.t.Fatal(err)
			}
			return parsed.capacity, parsed.format
		}
	}
	return 0, ""
}

func (s *suite) volumes() {
	const name = "conf.web.data.qcow2"
	s.do(plan.Step{Verb: plan.CreateVolume, Pool: confPool, Host: name, XML: "<volume><name>" + name + "</name><capacity unit='MiB'>4</capacity><target><format type='qcow2'/></target></volume>"})
	for _, step := range []struct{ ask, want int64 }{{0, 4 << 20}, {8 << 20, 8 << 20}, {4 << 20, 8 << 20}} {
		if step.ask > 0 {
			s.do(plan.Step{Verb: plan.GrowVolume, Pool: confPool, Host: name, Domain: "conf-none", Size: step.ask})
		}
		if size, format := s.volume(name); size != step.want || format != "qcow2" {
			s.t.Errorf("after asking for %d the volume has %d bytes and format %q, want %d and qcow2", step.ask, size, format, step.want)
		}
	}
	s.do(plan.Step{Verb: plan.DeleteVolume, Pool: confPool, Host: name})
	if _, format := s.volume(name); format != "" {
		s.t.Error("a deleted volume is still there")
	}
}

func (s *suite) uploads() {
	disk := qcow2Bytes(300 << 10)
	for name, data := range map[string][]byte{"conf.image.qcow2": disk, "conf.seed.iso": bytes.Repeat([]byte("seed"), 5000)} {
		damaged := content(data)
		damaged.SHA256 = strings.Repeat("0", 64)
		if err := s.hv.Do(s.t.Context(), plan.Step{Verb: plan.UploadVolume, Pool: confPool, Host: name, Content: damaged}, nil); err == nil {
			s.t.Errorf("%s: content with another hash was taken", name)
		}
		if s.complete(name) {
			s.t.Errorf("%s counts as complete after an upload that failed", name)
		}
		var last plan.Progress
		step := plan.Step{Verb: plan.UploadVolume, Pool: confPool, Host: name, Content: content(data)}
		if err := s.hv.Do(s.t.Context(), step, func(p plan.Progress) { last = p }); err != nil {
			s.t.Fatalf("upload %s: %v", name, err)
		}
		if last.Done != int64(len(data)) || last.Total != int64(len(data)) {
			s.t.Errorf("%s: the last progress was %+v, want all of %d", name, last, len(data))
		}
		s.do(step)
		if !s.complete(name) {
			s.t.Errorf("%s does not count as complete", name)
		}
		s.do(plan.Step{Verb: plan.DeleteVolume, Pool: confPool, Host: name})
		if inv := s.inventory(); inv.Names[name] || inv.Names[name+".ok"] {
			s.t.Errorf("%s left something behind: %v", name, inv.Names)
		}
	}
}

func (s *suite) complete(name string) bool {
	if strings.HasSuffix(name, ".qcow2") {
		_, format := s.volume(name)
		return format == "qcow2"
	}
	return s.inventory().Names[name+".ok"]
}

func content(data []byte) *plan.Content {
	sum := sha256.Sum256(data)
	return &plan.Content{
		SHA256: hex.EncodeToString(sum[:]),
		Open: func() (io.ReadCloser, int64, error) {
			return io.NopCloser(bytes.NewReader(data)), int64(len(data)), nil
		},
	}
}

// qcow2Bytes returns n bytes with the header of an empty qcow2 image of 64 MiB (docs/interop/qcow2.txt of QEMU).
func qcow2Bytes(n int) []byte {
	data := make([]byte, n)
	copy(data, "QFI\xfb")
	binary.BigEndian.PutUint32(data[4:], 3)
	binary.BigEndian.PutUint32(data[20:], 16)
	binary.BigEndian.PutUint64(data[24:], 64<<20)
	binary.BigEndian.PutUint32(data[36:], 1)
	binary.BigEndian.PutUint64(data[40:], 3<<16)
	binary.BigEndian.PutUint64(data[48:], 1<<16)
	binary.BigEndian.PutUint32(data[56:], 1)
	binary.BigEndian.PutUint32(data[96:], 4)
	binary.BigEndian.PutUint32(data[100:], 104)
	return data
}

// clones copies a layer over another volume, and makes anew what an earlier copy seems to have left half done.
func (s *suite) clones(poolPath string) {
	const base, layer = "conf.base.qcow2", "conf.layer.qcow2"
	s.do(plan.Step{Verb: plan.CreateVolume, Pool: confPool, Host: base, XML: volumeDef(base, "qcow2", 4<<20, "")})
	s.do(plan.Step{Verb: plan.CreateVolume, Pool: confPool, Host: layer, XML: volumeDef(layer, "qcow2", 8<<20, path.Join(poolPath, base))})
	for copied, format := range map[string]string{"conf.copy.qcow2": "qcow2", "conf.copy.raw": "raw"} {
		s.do(plan.Step{Verb: plan.CreateVolume, Pool: confPool, Host: copied, XML: volumeDef(copied, format, 1<<20, "")})
		s.do(plan.Step{Verb: plan.CloneVolume, Pool: confPool, Host: copied, From: layer, XML: volumeDef(copied, format, 8<<20, "")})
		if size, got := s.volume(copied); size != 8<<20 || got != format {
			s.t.Errorf("%s has %d bytes and format %q, want those of its source in format %s", copied, size, got, format)
		}
		inv := s.inventory()
		if !inv.Names[copied+".ok"] {
			s.t.Errorf("%s has no marker", copied)
		}
		for _, v := range inv.Volumes {
			if v.Name == copied && strings.Contains(v.XML, base) {
				s.t.Errorf("%s does not stand by itself:\n%s", copied, v.XML)
			}
		}
		s.do(plan.Step{Verb: plan.DeleteVolume, Pool: confPool, Host: copied})
	}
	s.do(plan.Step{Verb: plan.DeleteVolume, Pool: confPool, Host: layer})
	s.do(plan.Step{Verb: plan.DeleteVolume, Pool: confPool, Host: base})
	if inv := s.inventory(); len(inv.Names) > 0 {
		s.t.Errorf("clones left something behind: %v", inv.Names)
	}
}

// volumeDef returns the definition of a volume, a layer over another one unless backing is empty.
func volumeDef(name, format string, capacity int64, backing string) string {
	xml := fmt.Sprintf("<volume><name>%s</name><capacity>%d</capacity><target><format type='%s'/></target>", name, capacity, format)
	if backing != "" {
		xml += "<backingStore><path>" + backing + "</path><format type='qcow2'/></backingStore>"
	}
	return xml + "</volume>"
}

func (s *suite) networks() {
	find := func() *plan.HostNetwork {
		list := s.inventory().Networks
		if i := slices.IndexFunc(list, func(n plan.HostNetwork) bool { return n.UUID == confNetwork }); i >= 0 {
			return &list[i]
		}
		return nil
	}
	base := plan.Step{Host: "conf-net", UUID: confNetwork, XML: "<network ipv6='yes'><name>conf-net</name><uuid>" + confNetwork + "</uuid><bridge name='jconf0' stp='off'/></network>"}
	with := func(verb plan.Verb, on bool) plan.Step { base.Verb, base.On = verb, on; return base }
	s.do(with(plan.DefineNetwork, false))
	s.do(with(plan.AutostartNetwork, true))
	if n := find(); n == nil || n.Active || !n.Autostart || !n.Persistent || n.LiveXML != "" {
		s.t.Fatalf("a defined network is %+v", n)
	}
	s.do(with(plan.StartNetwork, false))
	if n := find(); n == nil || !n.Active || n.LiveXML == "" {
		s.t.Errorf("a started network is %+v", n)
	}
	s.do(with(plan.DefineNetwork, false))
	s.do(with(plan.StopNetwork, false))
	if n := find(); n == nil || n.Active {
		s.t.Errorf("a stopped network is %+v", n)
	}
	s.do(with(plan.UndefineNetwork, false))
	if n := find(); n != nil {
		s.t.Errorf("an undefined network is still there: %+v", n)
	}
}

func (s *suite) guests() {
	find := func() *plan.HostDomain {
		list := s.inventory().Domains
		if i := slices.IndexFunc(list, func(d plan.HostDomain) bool { return d.UUID == confGuest }); i >= 0 {
			return &list[i]
		}
		return nil
	}
	step := func(verb plan.Verb, name string) plan.Step {
		return plan.Step{Verb: verb, Host: name, UUID: confGuest, XML: guestXML(name), On: true, Timeout: 200 * time.Millisecond}
	}
	s.do(step(plan.DefineGuest, "conf-old"))
	s.do(step(plan.RenameGuest, "conf-guest"))
	s.do(step(plan.AutostartGuest, "conf-guest"))
	if d := find(); d == nil || d.Name != "conf-guest" || d.State != plan.Off || !d.Autostart || !d.Persistent || d.LiveXML != "" {
		s.t.Fatalf("a defined guest is %+v", d)
	}
	s.do(step(plan.StartGuest, "conf-guest"))
	if d := find(); d == nil || d.State != plan.Running || d.LiveXML == "" {
		s.t.Errorf("a started guest is %+v", d)
	}
	s.do(step(plan.DefineGuest, "conf-guest"))
	// There is no system in it, so it does not answer; the plug is pulled only where the step allows.
	gentle := step(plan.StopGuest, "conf-guest")
	gentle.On = false
	if err := s.hv.Do(s.t.Context(), gentle, nil); err == nil {
		s.t.Error("a guest that does not shut down counts as stopped")
	}
	if d := find(); d == nil || d.State != plan.Running {
		s.t.Errorf("a guest that does not shut down, and may run on, is %+v", d)
	}
	s.do(step(plan.StopGuest, "conf-guest"))
	if d := find(); d == nil || d.State != plan.Off {
		s.t.Errorf("a stopped guest is %+v", d)
	}
	s.do(step(plan.UndefineGuest, "conf-guest"))
	if d := find(); d != nil {
		s.t.Errorf("an undefined guest is still there: %+v", d)
	}
}

func guestXML(name string) string {
	return "<domain type='qemu'>\n  <name>" + name + "</name>\n  <uuid>" + confGuest + "</uuid>\n  <memory unit='MiB'>64</memory>\n  <vcpu>1</vcpu>\n" +
		"  <os><type arch='x86_64' machine='q35'>hvm</type></os>\n" +
		"  <devices>\n    <serial type='pty'/>\n    <channel type='unix'><target type='virtio' name='org.jeos.report.0'/></channel>\n  </devices>\n</domain>\n"
}

func (s *suite) missing() {
	// What is to go away may be gone.
	s.do(plan.Step{Verb: plan.StopGuest, Host: "conf-none", UUID: confGuest, On: true})
	s.do(plan.Step{Verb: plan.StopGuest, Host: "conf-none", UUID: confGuest, Timeout: time.Minute})
	s.do(plan.Step{Verb: plan.UndefineGuest, Host: "conf-none", UUID: confGuest})
	s.do(plan.Step{Verb: plan.StopNetwork, Host: "conf-none", UUID: confNetwork})
	s.do(plan.Step{Verb: plan.UndefineNetwork, Host: "conf-none", UUID: confNetwork})
	s.do(plan.Step{Verb: plan.UndefineFilter, Host: "conf.none", UUID: confFilter})
	s.do(plan.Step{Verb: plan.UpdateDevice, Host: "conf-none", UUID: confGuest, XML: "<interface type='ethernet'/>"})
	s.do(plan.Step{Verb: plan.DeleteVolume, Pool: confPool, Host: "conf.none.qcow2"})
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for _, step := range []plan.Step{
		{Verb: plan.StartGuest, Host: "conf-none", UUID: confGuest},
		{Verb: plan.StartNetwork, Host: "conf-none", UUID: confNetwork},
		{Verb: plan.GrowVolume, Pool: confPool, Host: "conf.none.qcow2", Size: 1 << 20},
		{Verb: plan.CloneVolume, Pool: confPool, Host: "conf.none.qcow2", From: "conf.missing.qcow2", XML: volumeDef("conf.none.qcow2", "qcow2", 1, "")},
		{Verb: plan.CreateVolume, Pool: "conf-none", Host: "x", XML: "<volume><name>x</name><capacity>1</capacity></volume>"},
	} {
		if err := s.hv.Do(ctx, step, nil); !errors.Is(err, plan.ErrNotFound) {
			s.t.Errorf("%s of something that is not there: %v, want plan.ErrNotFound", step.Verb, err)
		}
	}
	if _, err := s.hv.Report(ctx, "conf-none"); !errors.Is(err, plan.ErrNotFound) {
		s.t.Errorf("report of a guest that is not there: %v, want plan.ErrNotFound", err)
	}
}
