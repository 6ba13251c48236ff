package virt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"sync"
	"time"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

const (
	// headSize is how much of a qcow2 image is uploaded last: its header, and with it the magic number.
	headSize = 64 << 10
	// pieceSize is how much goes into one packet, as with libvirt's own client.
	pieceSize = 256 << 10
)

// complete reports whether a volume that was uploaded holds all that it should.
func complete(ctx context.Context, c *conn, pool, name string) (bool, error) {
	_, desc, err := lookupVolume(ctx, c, pool, name)
	if err != nil {
		return false, gone(err)
	}
	if !needsMarker(name) {
		return desc.Target.Format.Type == "qcow2", nil
	}
	_, _, err = lookupVolume(ctx, c, pool, name+markerSuffix)
	return err == nil, gone(err)
}

// needsMarker reports whether an uploaded volume of that name is complete only with a marker. A qcow2 image is
// recognised as one by its first bytes, which are uploaded last.
func needsMarker(name string) bool { return path.Ext(name) != ".qcow2" }

// uploadVolume makes the volume as a raw one and fills it. What makes it complete comes last: the head of a qcow2
// image, the marker of anything else.
func (h *Hypervisor) uploadVolume(ctx context.Context, c *conn, s plan.Step, progress func(plan.Progress)) error {
	if ok, err := complete(ctx, c, s.Pool, s.Host); ok || err != nil {
		return err
	}
	if err := deleteVolume(ctx, c, s.Pool, s.Host); err != nil {
		return err
	}
	stream, size, err := s.Content.Open()
	if err != nil {
		return fmt.Errorf("cannot read what to upload: %w", err)
	}
	defer stream.Close()
	text, err := rawVolume(s.Host, size)
	if err != nil {
		return err
	}
	v, err := makeVolume(ctx, c, s.Pool, text)
	if err != nil {
		return spaceError(ctx, c, s.Pool, size, err)
	}
	up, err := h.dial(ctx)
	if err != nil {
		return err
	}
	defer up.close()
	u := &upload{conn: up, volume: v, size: size, stream: stream, hash: sha256.New(), progress: progress}
	if err := u.run(ctx, s.Content.SHA256); err != nil {
		up.abandon()
		if ctx.Err() == nil && !c.lost() {
			deleted := deleteVolume(ctx, c, s.Pool, s.Host)
			err = errors.Join(spaceError(ctx, c, s.Pool, size, err), deleted)
		}
		return err
	}
	if needsMarker(s.Host) {
		return makeMarker(ctx, c, s.Pool, s.Host)
	}
	return seeFormat(ctx, c, s)
}

// seeFormat has libvirt look at an uploaded image anew, so that its description says what it is.
func seeFormat(ctx context.Context, c *conn, s plan.Step) error {
	if err := refreshPool(ctx, c, s.Pool); err != nil {
		return err
	}
	ok, err := complete(ctx, c, s.Pool, s.Host)
	if err == nil && !ok {
		return fmt.Errorf("volume %s is no qcow2 image; check the image's file and its format", s.Host)
	}
	return err
}

// upload is one volume on its way.
type upload struct {
	conn     *conn
	volume   libvirt.StorageVol
	size     int64
	stream   io.Reader
	hash     hash.Hash
	progress func(plan.Progress)

	sent int64
}

// run sends everything, in an order that leaves a cut upload incomplete, and checks the hash, if one is given, before
// it is complete.
func (u *upload) run(ctx context.Context, want string) error {
	var head []byte
	if !needsMarker(u.volume.Name) {
		head = make([]byte, min(headSize, u.size))
		if _, err := io.ReadFull(u.stream, head); err != nil {
			return fmt.Errorf("cannot read what to upload: %w", err)
		}
		u.hash.Write(head)
	}
	begin := int64(len(head))
	if begin < u.size {
		if err := u.send(ctx, io.TeeReader(u.stream, u.hash), begin, u.size-begin); err != nil {
			return err
		}
	}
	if n, _ := u.stream.Read(make([]byte, 1)); n > 0 {
		return errors.New("what to upload is longer than it said; it changed meanwhile: run the same command again")
	}
	if got := hex.EncodeToString(u.hash.Sum(nil)); want != "" && got != want {
		return fmt.Errorf("what was uploaded has the sha256 %s and not %s; its file changed meanwhile: run the same command again", got, want)
	}
	if begin > 0 {
		return u.send(ctx, bytes.NewReader(head), 0, begin)
	}
	return nil
}

// send uploads length bytes to the place offset. It fails if for some time nothing moves.
func (u *upload) send(ctx context.Context, from io.Reader, offset, length int64) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	limit := 2 * u.conn.limit
	silent := time.AfterFunc(limit, func() { giveUp(errSilent) })
	defer silent.Stop()
	source := &source{reader: io.LimitReader(from, length)}
	source.moved = func(n int) {
		silent.Reset(limit)
		u.sent += int64(n)
		u.progress(plan.Progress{Done: u.sent, Total: u.size})
	}
	done := make(chan error, 1)
	go func() { done <- u.conn.lv.StorageVolUpload(u.volume, source, uint64(offset), uint64(length), 0) }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		u.conn.abandon()
	}
	total, readErr := source.result()
	switch {
	case readErr != nil:
		return fmt.Errorf("cannot read what to upload: %w", readErr)
	case ctx.Err() != nil:
		return &LostError{Call: "virStorageVolUpload", Cause: context.Cause(ctx)}
	case err != nil:
		return u.conn.explain("virStorageVolUpload", err)
	case total != length:
		return fmt.Errorf("what to upload is %d bytes shorter than it said; it changed meanwhile: run the same command again", length-total)
	}
	return nil
}

// source is the reader that go-libvirt gets. It remembers its own error, which go-libvirt loses, and after result it
// reads no more: go-libvirt may still be reading when the upload has failed.
type source struct {
	reader io.Reader
	moved  func(n int)

	mu    sync.Mutex
	total int64
	err   error
	done  bool
}

func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return 0, io.ErrClosedPipe
	}
	n, err := s.reader.Read(p[:min(len(p), pieceSize)])
	s.total += int64(n)
	if n > 0 {
		s.moved(n)
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

func (s *source) result() (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = true
	return s.total, s.err
}
