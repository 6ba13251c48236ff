package virt

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/digitalocean/go-libvirt"
	"github.com/google/go-cmp/cmp"

	"jeos/plan"
)

const volumeResize = 260 // in libvirt's remote protocol, as the numbers of the fake daemon

// shelf is a daemon with a warehouse that copies, with the volume "layer.qcow2" in it.
type shelf struct {
	*daemon
	t       *testing.T
	volumes map[string][]byte
	writing map[string]time.Time // until when a volume is written
	takes   time.Duration        // to copy
	begun   func()               // a copy has been begun
}

func newShelf(t *testing.T) *shelf {
	s := &shelf{daemon: newDaemon(), t: t, writing: map[string]time.Time{}, begun: func() {}}
	s.volumes = warehouse(s.daemon)
	s.volumes["layer.qcow2"] = image(1000)
	s.on[volumeCreateFrom] = s.copy
	s.on[volumeInfo] = func([]byte) ([]byte, error) { return info(0), nil }
	s.on[volumeResize] = func(args []byte) ([]byte, error) {
		if err := s.refuseWriting(volumeArg(args)); err != nil {
			return nil, err
		}
		return nil, refusal(libvirt.ErrInvalidArg, "Can't shrink capacity below current capacity unless shrink flag explicitly specified")
	}
	remove, create := s.on[volumeDelete], s.on[volumeCreate]
	s.on[volumeDelete] = func(args []byte) ([]byte, error) {
		if err := s.refuseWriting(volumeArg(args)); err != nil {
			return nil, err
		}
		return remove(args)
	}
	s.on[volumeCreate] = func(args []byte) ([]byte, error) {
		name, _ := definitionArg(args)
		if _, taken := s.volumes[name]; taken {
			return nil, refusal(libvirt.ErrStorageVolExist, "'"+name+"'")
		}
		if s.refuseWriting(strings.TrimSuffix(name, ".ok")) != nil {
			t.Error("a marker is made for a volume that is being written")
		}
		return create(args)
	}
	return s
}

// volumeArg is the name of the volume that arguments begin with.
func volumeArg(args []byte) string {
	_, at := stringArg(args, 0)
	name, _ := stringArg(args, at)
	return name
}

// definitionArg is the name in the definition that follows a pool.
func definitionArg(args []byte) (name string, at int) {
	_, at = stringArg(args, 0)
	definition, at := stringArg(args, at+16)
	_, name, _ = strings.Cut(definition, "<name>")
	name, _, _ = strings.Cut(name, "</name>")
	return name, at
}

func (s *shelf) refuseWriting(name string) error {
	if _, there := s.volumes[name]; there && time.Now().Before(s.writing[name]) {
		return refusal(libvirt.ErrOperationInvalid, "volume '"+name+"' is still being allocated.")
	}
	return nil
}

// copy answers when it has written.
func (s *shelf) copy(args []byte) ([]byte, error) {
	name, at := definitionArg(args)
	_, at = stringArg(args, at)
	from, _ := stringArg(args, at)
	if _, taken := s.volumes[name]; taken {
		return nil, refusal(libvirt.ErrInternalError, "storage volume name '"+name+"' already in use.")
	}
	if marked(s.volumes) {
		s.t.Error("a copy is begun whose marker is there")
	}
	s.volumes[name] = s.volumes[from]
	s.delay[volumeCreateFrom] = s.takes
	if s.takes > 0 {
		s.volumes[name] = image(10)
		s.writing[name] = time.Now().Add(s.takes)
		time.AfterFunc(s.takes, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.volumes[name] = s.volumes[from]
		})
	}
	s.begun()
	return volumeReply("p", name), nil
}

// info is the answer to a question for a volume's size on the host's disk.
func info(allocation uint64) []byte {
	return binary.BigEndian.AppendUint64(slices.Concat(words(0), words(0, 1<<30)), allocation)
}

var cloneStep = plan.Step{Verb: plan.CloneVolume, Pool: "p", Host: "baked.qcow2", From: "layer.qcow2",
	XML: "<volume><name>baked.qcow2</name></volume>"}

func TestClone(t *testing.T) {
	tests := []struct {
		name   string
		before map[string][]byte
		calls  int // of virStorageVolCreateXMLFrom
	}{
		{"new", nil, 1},
		{"complete", map[string][]byte{"baked.qcow2": image(1000), "baked.qcow2.ok": nil}, 0},
		{"cut", map[string][]byte{"baked.qcow2": image(10)}, 1},
		{"marker without its volume", map[string][]byte{"baked.qcow2.ok": nil}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newShelf(t)
				maps.Copy(d.volumes, tt.before)
				h := d.open(t)
				for range 2 {
					if err := h.Do(context.Background(), cloneStep, nil); err != nil {
						t.Fatal(err)
					}
				}
				d.mustBeComplete()
				if got := d.count(volumeCreateFrom); got != tt.calls {
					t.Errorf("%d copies, want %d", got, tt.calls)
				}
				if tt.calls > 0 && d.index(volumeCreateFrom) > d.index(volumeCreate) {
					t.Error("the marker was there before its volume")
				}
			})
		})
	}
}

func (s *shelf) mustBeComplete() {
	s.t.Helper()
	want := map[string][]byte{"layer.qcow2": image(1000), "baked.qcow2": image(1000), "baked.qcow2.ok": nil}
	if diff := cmp.Diff(want, s.volumes, cmp.Comparer(bytes.Equal)); diff != "" {
		s.t.Errorf("volumes (-want +got):\n%.2000s", diff)
	}
}

func TestCloneFails(t *testing.T) {
	full := refusal(libvirt.ErrInternalError, "Child process (qemu-img convert) unexpected exit status 1: qemu-img: error while writing: No space left on device")
	tests := []struct {
		name  string
		setUp func(*shelf)
		want  string
	}{
		{"host is full", func(d *shelf) { d.answer(volumeCreateFrom, full) }, `pool "p" is full: 0 bytes are free; virStorageVolCreateXMLFrom: `},
		{"nothing to copy", func(d *shelf) { delete(d.volumes, "layer.qcow2") }, "what to copy: virStorageVolLookupByName: "},
		{"marker cannot be made", func(d *shelf) { d.answer(volumeCreate, full) }, `pool "p" is full`},
		{"deleted again and again", func(d *shelf) {
			d.begun = func() { delete(d.volumes, "baked.qcow2") }
		}, `other programs make and delete volume baked.qcow2 of pool "p"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newShelf(t)
			tt.setUp(d)
			err := d.open(t).Do(context.Background(), cloneStep, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want …%s…", err, tt.want)
			}
			if marked(d.volumes) || d.count(volumeDelete) > 0 {
				t.Errorf("it counts as complete, or something is deleted: %v", d.volumes)
			}
		})
	}
}

func marked(volumes map[string][]byte) bool {
	_, ok := volumes["baked.qcow2.ok"]
	return ok
}

// TestCloneThatIsCut gives up a copy, which goes on for a while, and makes it anew.
func TestCloneThatIsCut(t *testing.T) {
	tests := []struct {
		name  string
		cut   error // what the daemon does
		cause error
	}{
		{"by the user", errHang, context.Canceled},
		{"by the daemon", errHangUp, nil},
		{"by silence", errHang, errSilent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newShelf(t)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				d.on[volumeCreateFrom] = func(args []byte) ([]byte, error) {
					d.volumes["baked.qcow2"] = image(10)
					d.writing["baked.qcow2"] = time.Now().Add(9 * time.Minute)
					if tt.cause == context.Canceled {
						time.AfterFunc(time.Minute, cancel)
					}
					return nil, tt.cut
				}
				h := d.open(t)
				begin := time.Now()
				if err := h.Do(ctx, cloneStep, nil); !lostBy(err, tt.cause) || marked(d.volumes) {
					t.Fatalf("error %v, want one of a lost connection by %v", err, tt.cause)
				}
				if took := time.Since(begin); tt.cause == errSilent && (took < 5*time.Minute || took > 6*time.Minute) {
					t.Errorf("gave up after %v", took)
				}
				d.on[volumeCreateFrom] = d.copy
				d.on[volumeInfo] = func([]byte) ([]byte, error) { return info(uint64(time.Since(begin))), nil }
				if err := d.open(t).Do(context.Background(), cloneStep, nil); err != nil {
					t.Error(err)
				}
				if took := time.Since(begin); took < 9*time.Minute+grace || took > 10*time.Minute {
					t.Errorf("made anew after %v", took)
				}
				d.mustBeComplete()
			})
		})
	}
}

// TestCloneThatTakesLong copies for longer than any call may take, and says how far it is.
func TestCloneThatTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newShelf(t)
		begin := time.Now()
		d.takes = time.Hour
		d.on[volumeInfo] = func([]byte) ([]byte, error) {
			return info(uint64(time.Since(begin)/(2*time.Minute)) << 20), nil
		}
		var texts []string
		err := d.open(t).Do(context.Background(), cloneStep, func(p plan.Progress) { texts = append(texts, p.Text) })
		if err != nil {
			t.Fatal(err)
		}
		if len(texts) < 25 || texts[20] != "21 MiB written" {
			t.Errorf("progress: %q", texts)
		}
	})
}
