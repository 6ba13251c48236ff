package virt

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/digitalocean/go-libvirt"
	"github.com/google/go-cmp/cmp"

	"jeos/plan"
)

// cloner gives a daemon a warehouse that copies, with the volume "layer.qcow2" in it.
func cloner(d *daemon) map[string][]byte {
	volumes := warehouse(d)
	volumes["layer.qcow2"] = image(1000)
	d.on[volumeCreateFrom] = func(args []byte) ([]byte, error) {
		_, at := stringArg(args, 0)
		definition, at := stringArg(args, at+16)
		_, at = stringArg(args, at)
		from, _ := stringArg(args, at)
		_, name, _ := strings.Cut(definition, "<name>")
		name, _, _ = strings.Cut(name, "</name>")
		if _, taken := volumes[name]; taken {
			return nil, refusal(libvirt.ErrStorageVolExist, "storage volume name '"+name+"' already in use.")
		}
		volumes[name] = volumes[from]
		return volumeReply("p", name), nil
	}
	d.on[volumeInfo] = func([]byte) ([]byte, error) { return info(0), nil }
	return volumes
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
			d := newDaemon()
			volumes := cloner(d)
			for name, data := range tt.before {
				volumes[name] = data
			}
			h := d.open(t)
			for range 2 {
				if err := h.Do(context.Background(), cloneStep, nil); err != nil {
					t.Fatal(err)
				}
			}
			want := map[string][]byte{"layer.qcow2": image(1000), "baked.qcow2": image(1000), "baked.qcow2.ok": nil}
			if diff := cmp.Diff(want, volumes, cmp.Comparer(bytes.Equal)); diff != "" {
				t.Errorf("volumes (-want +got):\n%.2000s", diff)
			}
			if got := d.count(volumeCreateFrom); got != tt.calls {
				t.Errorf("%d copies, want %d", got, tt.calls)
			}
			if tt.calls > 0 && d.index(volumeCreateFrom) > d.index(volumeCreate) {
				t.Error("the marker was there before its volume")
			}
		})
	}
}

func TestCloneFails(t *testing.T) {
	tests := []struct {
		name  string
		setUp func(*daemon, map[string][]byte)
		want  string
	}{
		{"host is full", func(d *daemon, volumes map[string][]byte) {
			d.on[volumeCreateFrom] = func([]byte) ([]byte, error) {
				volumes["baked.qcow2"] = image(10)
				return nil, refusal(libvirt.ErrInternalError, "Child process (qemu-img convert) unexpected exit status 1: qemu-img: error while writing: No space left on device")
			}
		}, `pool "p" is full: 0 bytes are free; virStorageVolCreateXMLFrom: `},
		{"nothing to copy", func(_ *daemon, volumes map[string][]byte) { delete(volumes, "layer.qcow2") }, "what to copy: virStorageVolLookupByName: "},
		{"marker cannot be made", func(d *daemon, _ map[string][]byte) {
			d.answer(volumeCreate, refusal(libvirt.ErrSystemError, "No space left on device"))
		}, `pool "p" is full`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDaemon()
			volumes := cloner(d)
			tt.setUp(d, volumes)
			err := d.open(t).Do(context.Background(), cloneStep, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want …%s…", err, tt.want)
			}
			if marked(volumes) {
				t.Error("it counts as complete")
			}
			if !bytes.Equal(volumes["baked.qcow2"], nil) && !bytes.Equal(volumes["baked.qcow2"], volumes["layer.qcow2"]) {
				t.Error("half a copy is left")
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
				d := newDaemon()
				volumes := cloner(d)
				whole := d.on[volumeCreateFrom]
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				d.on[volumeCreateFrom] = func([]byte) ([]byte, error) {
					volumes["baked.qcow2"] = image(10)
					if tt.cause == context.Canceled {
						time.AfterFunc(time.Minute, cancel)
					}
					return nil, tt.cut
				}
				h := d.open(t)
				begin := time.Now()
				if err := h.Do(ctx, cloneStep, nil); !lostBy(err, tt.cause) || marked(volumes) {
					t.Fatalf("error %v, want one of a lost connection by %v", err, tt.cause)
				}
				if took := time.Since(begin); tt.cause == errSilent && (took < 5*time.Minute || took > 6*time.Minute) {
					t.Errorf("gave up after %v", took)
				}
				d.on[volumeCreateFrom] = whole
				remove, refused := d.on[volumeDelete], 0
				d.on[volumeDelete] = func(args []byte) ([]byte, error) {
					if refused++; refused < 20 {
						return nil, refusal(libvirt.ErrOperationInvalid, "volume 'baked.qcow2' is still being allocated.")
					}
					return remove(args)
				}
				if err := h.Do(context.Background(), cloneStep, nil); err != nil || !marked(volumes) || !bytes.Equal(volumes["baked.qcow2"], image(1000)) {
					t.Errorf("second copy: %v, %d bytes", err, len(volumes["baked.qcow2"]))
				}
			})
		})
	}
}

// TestCloneThatTakesLong copies for longer than any call may take, and says how far it is.
func TestCloneThatTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon()
		cloner(d)
		begin := time.Now()
		d.delay[volumeCreateFrom] = time.Hour
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
