package virt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/digitalocean/go-libvirt"
	"github.com/google/go-cmp/cmp"

	"jeos/plan"
)

// warehouse gives a daemon a pool "p" whose volumes hold what is uploaded. An image counts as qcow2 by its first bytes.
func warehouse(d *daemon) map[string][]byte {
	volumes := map[string][]byte{}
	missing := refusal(libvirt.ErrNoStorageVol, "Storage volume not found")
	d.answer(poolByName, poolReply("p"))
	d.answer(poolRefresh, []byte(nil))
	d.answer(poolInfo, append(words(2), make([]byte, 24)...))
	d.on[volumeByName] = func(args []byte) ([]byte, error) {
		_, at := stringArg(args, 0)
		name, _ := stringArg(args, at+16)
		if _, ok := volumes[name]; !ok {
			return nil, missing
		}
		return volumeReply("p", name), nil
	}
	named := func(args []byte) (string, int) {
		_, at := stringArg(args, 0)
		name, at := stringArg(args, at)
		_, at = stringArg(args, at)
		return name, at
	}
	d.on[volumeXMLDesc] = func(args []byte) ([]byte, error) {
		name, _ := named(args)
		format := "raw"
		if bytes.HasPrefix(volumes[name], []byte("QFI\xfb")) {
			format = "qcow2"
		}
		return text(fmt.Sprintf("<volume><name>%s</name><capacity unit='bytes'>%d</capacity><target><format type='%s'/></target></volume>",
			name, len(volumes[name]), format)), nil
	}
	d.on[volumeCreate] = func(args []byte) ([]byte, error) {
		_, at := stringArg(args, 0)
		definition, _ := stringArg(args, at+16)
		_, name, _ := strings.Cut(definition, "<name>")
		name, _, _ = strings.Cut(name, "</name>")
		volumes[name] = nil
		return volumeReply("p", name), nil
	}
	d.on[volumeDelete] = func(args []byte) ([]byte, error) {
		name, _ := named(args)
		delete(volumes, name)
		return nil, nil
	}
	d.on[volumeUpload] = func(args []byte) ([]byte, error) {
		name, at := named(args)
		offset := int(binary.BigEndian.Uint64(args[at:]))
		d.stream = func(data []byte) error {
			if missing := offset + len(data) - len(volumes[name]); missing > 0 {
				volumes[name] = append(volumes[name], make([]byte, missing)...)
			}
			offset += copy(volumes[name][offset:], data)
			return nil
		}
		return nil, nil
	}
	return volumes
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

func image(size int) []byte {
	return append([]byte("QFI\xfb"), bytes.Repeat([]byte{1, 2, 3, 5, 7}, size)[:size-4]...)
}

func TestUpload(t *testing.T) {
	tests := []struct {
		name   string
		volume string
		data   []byte
		before map[string][]byte // volumes by name
		want   []string          // volumes that hold nothing
		calls  int               // of virStorageVolUpload
	}{
		{"image", "a.qcow2", image(1 << 20), nil, nil, 2},
		{"image of the head alone", "a.qcow2", image(1000), nil, nil, 1},
		{"image that was cut", "a.qcow2", image(1 << 20), map[string][]byte{"a.qcow2": make([]byte, 1<<20)}, nil, 2},
		{"image that is there", "a.qcow2", image(100), map[string][]byte{"a.qcow2": image(100)}, nil, 0},
		{"seed", "s.iso", []byte("files"), nil, []string{"s.iso.ok"}, 1},
		{"seed that was cut", "s.iso", []byte("files"), map[string][]byte{"s.iso": []byte("fi")}, []string{"s.iso.ok"}, 1},
		{"marker without its seed", "s.iso", []byte("files"), map[string][]byte{"s.iso.ok": nil}, []string{"s.iso.ok"}, 1},
		{"seed that is there", "s.iso", []byte("files"), map[string][]byte{"s.iso": []byte("files"), "s.iso.ok": nil}, []string{"s.iso.ok"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDaemon()
			volumes := warehouse(d)
			for name, data := range tt.before {
				volumes[name] = data
			}
			var last plan.Progress
			step := plan.Step{Verb: plan.UploadVolume, Pool: "p", Host: tt.volume, Content: content(tt.data)}
			if err := d.open(t).Do(context.Background(), step, func(p plan.Progress) { last = p }); err != nil {
				t.Fatal(err)
			}
			want := map[string][]byte{tt.volume: tt.data}
			for _, name := range tt.want {
				want[name] = nil
			}
			if diff := cmp.Diff(want, volumes, cmp.Comparer(bytes.Equal)); diff != "" {
				t.Errorf("volumes (-want +got):\n%.2000s", diff)
			}
			if got := d.count(volumeUpload); got != tt.calls {
				t.Errorf("%d uploads, want %d", got, tt.calls)
			}
			size := int64(len(tt.data))
			if want := (plan.Progress{Done: size, Total: size}); tt.calls > 0 && last != want {
				t.Errorf("last progress %+v, want %+v", last, want)
			}
		})
	}
}

func TestUploadFails(t *testing.T) {
	data := image(1 << 20)
	good := content(data)
	broken := errors.New("disk on fire")
	stream := func(r io.Reader) *plan.Content {
		return &plan.Content{SHA256: good.SHA256, Open: func() (io.ReadCloser, int64, error) {
			return io.NopCloser(r), int64(len(data)), nil
		}}
	}
	tests := []struct {
		name    string
		volume  string
		content *plan.Content
		setUp   func(*daemon)
		want    string
	}{
		{"host is full", "a.qcow2", good, func(d *daemon) {
			begin := d.on[volumeUpload]
			d.on[volumeUpload] = func(args []byte) ([]byte, error) {
				reply, err := begin(args)
				d.stream = func([]byte) error {
					return refusal(libvirt.ErrSystemError, "cannot write to stream: No space left on device")
				}
				return reply, err
			}
		}, `pool "p" is full: 0 bytes are free and 1048576 bytes are needed; virStorageVolUpload: `},
		{"own file cannot be read", "s.iso", stream(io.MultiReader(bytes.NewReader(data[:1000]), iotest.ErrReader(broken))), nil, "cannot read what to upload: disk on fire"},
		{"own file is another one", "a.qcow2", stream(bytes.NewReader(bytes.ToLower(bytes.Repeat([]byte("X"), len(data))))), nil, "sha256"},
		{"own file is another one, raw", "s.iso", stream(bytes.NewReader(make([]byte, len(data)))), nil, "sha256"},
		{"own file is shorter", "s.iso", stream(bytes.NewReader(data[:1000])), nil, "shorter than it said"},
		{"own file is longer", "s.iso", stream(bytes.NewReader(append(data, 0))), nil, "longer than it said"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDaemon()
			volumes := warehouse(d)
			if tt.setUp != nil {
				tt.setUp(d)
			}
			step := plan.Step{Verb: plan.UploadVolume, Pool: "p", Host: tt.volume, Content: tt.content}
			err := d.open(t).Do(context.Background(), step, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want …%s…", err, tt.want)
			}
			if len(volumes) > 0 {
				t.Errorf("%d volumes are left", len(volumes))
			}
		})
	}
}

func TestUploadThatIsCutStaysIncomplete(t *testing.T) {
	data := image(1 << 20) // four packets of the body and one of the head, or four of a seed
	for cut := range 5 {
		for _, name := range []string{"a.qcow2", "s.iso"} {
			t.Run(fmt.Sprintf("%s after %d packets", name, cut), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := newDaemon()
					volumes := warehouse(d)
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel()
					packets := 0
					begin := d.on[volumeUpload]
					d.on[volumeUpload] = func(args []byte) ([]byte, error) {
						reply, err := begin(args)
						write := d.stream
						d.stream = func(data []byte) error {
							if packets++; packets > cut {
								cancel()
								return errHang
							}
							return write(data)
						}
						return reply, err
					}
					step := plan.Step{Verb: plan.UploadVolume, Pool: "p", Host: name, Content: content(data)}
					h := d.open(t)
					var lost *LostError
					if err := h.Do(ctx, step, nil); packets > cut && !errors.As(err, &lost) {
						t.Errorf("error %v, want the outcome to be unknown", err)
					}
					synctest.Wait()
					if completeIn(volumes, name) && !bytes.Equal(volumes[name], data) {
						t.Error("half a volume counts as complete")
					}
					d.on[volumeUpload] = begin
					if err := h.Do(context.Background(), step, nil); err != nil || !completeIn(volumes, name) || !bytes.Equal(volumes[name], data) {
						t.Errorf("second upload: %v, %d bytes", err, len(volumes[name]))
					}
				})
			})
		}
	}
}

// completeIn is how a reader of the pool judges a volume.
func completeIn(volumes map[string][]byte, name string) bool {
	if name == "a.qcow2" {
		return bytes.HasPrefix(volumes[name], []byte("QFI"))
	}
	_, marked := volumes[name+".ok"]
	return marked
}

func TestUploadThatStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon()
		warehouse(d)
		begin := d.on[volumeUpload]
		d.on[volumeUpload] = func(args []byte) ([]byte, error) {
			reply, err := begin(args)
			d.stream = func([]byte) error { return errHang }
			return reply, err
		}
		step := plan.Step{Verb: plan.UploadVolume, Pool: "p", Host: "s.iso", Content: content([]byte("files"))}
		err := d.open(t).Do(context.Background(), step, nil)
		if !errors.Is(err, errSilent) || !strings.Contains(err.Error(), "virStorageVolUpload") {
			t.Errorf("error %v, want %v", err, errSilent)
		}
	})
}

func TestDeleteVolumeDeletesMarkerFirst(t *testing.T) {
	for _, name := range []string{"s.iso", "baked.qcow2"} {
		t.Run(name, func(t *testing.T) { deletesMarkerFirst(t, name) })
	}
}

func deletesMarkerFirst(t *testing.T, name string) {
	d := newDaemon()
	volumes := warehouse(d)
	volumes[name], volumes[name+".ok"], volumes["b.iso"] = nil, nil, nil
	var order []string
	remove := d.on[volumeDelete]
	d.on[volumeDelete] = func(args []byte) ([]byte, error) {
		_, at := stringArg(args, 0)
		name, _ := stringArg(args, at)
		order = append(order, name)
		return remove(args)
	}
	h := d.open(t)
	for range 2 { // the second time there is nothing to do
		if err := h.Do(context.Background(), plan.Step{Verb: plan.DeleteVolume, Pool: "p", Host: name}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{name + ".ok", name}, order); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
}
