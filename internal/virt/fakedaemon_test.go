package virt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/digitalocean/go-libvirt"
)

// Numbers of functions in libvirt's remote protocol (remote_protocol.x).
const (
	connectOpen        = 1
	connectClose       = 2
	domainGetXML       = 14
	domainByName       = 23
	domainResume       = 28
	authList           = 66
	poolRefresh        = 83
	poolByName         = 84
	poolInfo           = 87
	volumeCreate       = 93
	volumeDelete       = 94
	volumeByName       = 95
	volumeInfo         = 98
	volumeXMLDesc      = 99
	volumeCreateFrom   = 125
	domainDetach       = 161
	domainCreate       = 196
	volumeUpload       = 208
	volumeDownload     = 209
	domainGetState     = 212
	domainDestroyFlags = 234
	domainShutdown     = 258
	domainOpenChannel  = 296
)

var (
	errHang   = errors.New("never answer")
	errHangUp = errors.New("close the connection")
)

// daemon is a libvirtd that says what a test tells it to. A reply is XDR; a libvirt.Error is answered as such.
type daemon struct {
	mu    sync.Mutex
	on    map[uint32]func(args []byte) ([]byte, error)
	calls []uint32
	// stream gets the packets of an upload; its error ends the upload, as an error of the daemon, or as silence.
	stream func(data []byte) error
	// feed is sent, packet by packet, after the reply to the function of that number. An empty packet ends a download.
	feed map[uint32][]string
	// broken is sent after that, as an error of the daemon, or ends the connection.
	broken map[uint32]error
	// delay is how long the function of that number takes.
	delay map[uint32]time.Duration
}

func newDaemon() *daemon {
	empty := func([]byte) ([]byte, error) { return nil, nil }
	return &daemon{
		on: map[uint32]func([]byte) ([]byte, error){
			authList:     func([]byte) ([]byte, error) { return words(1, 0), nil },
			connectOpen:  empty,
			connectClose: empty,
		},
		feed:   map[uint32][]string{},
		broken: map[uint32]error{},
		delay:  map[uint32]time.Duration{},
	}
}

// answer has the daemon answer calls of a function with the replies in turn, the last one for ever.
func (d *daemon) answer(procedure uint32, replies ...any) {
	d.on[procedure] = func([]byte) ([]byte, error) {
		reply := replies[0]
		if len(replies) > 1 {
			replies = replies[1:]
		}
		if err, ok := reply.(error); ok {
			return nil, err
		}
		return reply.([]byte), nil
	}
}

func (d *daemon) count(procedure uint32) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, p := range d.calls {
		if p == procedure {
			n++
		}
	}
	return n
}

// index is the place of the first call of a function among all calls, -1 if there was none.
func (d *daemon) index(procedure uint32) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Index(d.calls, procedure)
}

// open connects to the daemon.
func (d *daemon) open(t *testing.T) *Hypervisor {
	t.Helper()
	h, err := d.tryOpen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func (d *daemon) tryOpen() (*Hypervisor, error) {
	return Open(context.Background(), "qemu:///system", Options{
		Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go d.serve(theirs)
			return ours, nil
		},
	})
}

func (d *daemon) serve(c net.Conn) {
	defer c.Close()
	uploads := map[uint32]bool{}
	for {
		var header [7]uint32
		if binary.Read(c, binary.BigEndian, &header) != nil {
			return
		}
		body := make([]byte, header[0]-headerSize)
		if _, err := io.ReadFull(c, body); err != nil {
			return
		}
		procedure, kind, serial, status := header[3], header[4], header[5], header[6]
		d.mu.Lock()
		const stream = 3
		if kind == stream {
			if uploads[serial] {
				uploads[serial] = d.packet(c, procedure, serial, status, body)
			}
			d.mu.Unlock()
			continue
		}
		d.calls = append(d.calls, procedure)
		handle := d.on[procedure]
		var reply []byte
		err := error(libvirt.Error{Code: uint32(libvirt.ErrNoSupport), Message: "unexpected call"})
		if handle != nil {
			reply, err = handle(body)
		}
		feed, broken, delay := d.feed[procedure], d.broken[procedure], d.delay[procedure]
		d.mu.Unlock()
		time.Sleep(delay)
		switch {
		case err == errHang:
			continue
		case err == errHangUp:
			return
		}
		uploads[serial] = procedure == volumeUpload && err == nil
		send(c, procedure, packetReply, serial, reply, err)
		if err != nil {
			continue
		}
		for _, data := range feed {
			send(c, procedure, stream, serial, []byte(data), io.ErrShortBuffer)
		}
		switch {
		case broken == errHangUp:
			return
		case broken != nil:
			send(c, procedure, stream, serial, nil, broken)
		}
	}
}

// packet takes one packet of an upload and reports whether more are welcome.
func (d *daemon) packet(c net.Conn, procedure, serial, status uint32, body []byte) bool {
	const stream, statusError, statusContinue = 3, 1, 2
	err := error(nil)
	switch status {
	case statusContinue:
		if err = d.stream(body); err == nil {
			return true
		}
	case statusError:
		err = libvirt.Error{Code: uint32(libvirt.ErrOperationAborted), Message: "stream aborted at client request"}
	}
	if err != errHang {
		go send(c, procedure, stream, serial, nil, err)
	}
	return false
}

// send writes a packet; io.ErrShortBuffer stands for "more follows".
func send(c net.Conn, procedure, kind, serial uint32, body []byte, err error) {
	status := uint32(0)
	var answer libvirt.Error
	switch {
	case err == io.ErrShortBuffer:
		status = 2
	case errors.As(err, &answer):
		status = 1
		body = slices.Concat(words(answer.Code, 0, 1), text(answer.Message), words(2))
	}
	const program, version = 0x20008086, 1
	header := words(uint32(headerSize+len(body)), program, version, procedure, kind, serial, status)
	c.Write(append(header, body...))
}

// words is XDR for numbers.
func words(numbers ...uint32) []byte {
	var b []byte
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// text is XDR for a string.
func text(s string) []byte {
	b := append(words(uint32(len(s))), s...)
	return append(b, make([]byte, -len(s)&3)...)
}

var noUUID = make([]byte, 16)

// guestReply is the answer to a lookup of a domain.
func guestReply(name string) []byte { return slices.Concat(text(name), noUUID, words(1)) }

// poolReply is the answer to a lookup of a pool.
func poolReply(name string) []byte { return slices.Concat(text(name), noUUID) }

// volumeReply is the answer to a lookup of a volume.
func volumeReply(pool, name string) []byte {
	return slices.Concat(text(pool), text(name), text("/"+pool+"/"+name))
}

func refusal(code libvirt.ErrorNumber, message string) error {
	return libvirt.Error{Code: uint32(code), Message: message}
}

// stringArg returns the string that arguments begin with after skip bytes.
func stringArg(args []byte, skip int) (string, int) {
	n := int(binary.BigEndian.Uint32(args[skip:]))
	return string(args[skip+4 : skip+4+n]), skip + 4 + n + (-n & 3)
}

func TestFakeDaemonTalks(t *testing.T) {
	if got, want := text("abcde"), []byte{0, 0, 0, 5, 'a', 'b', 'c', 'd', 'e', 0, 0, 0}; !bytes.Equal(got, want) {
		t.Errorf("text = %v, want %v", got, want)
	}
	d := newDaemon()
	h := d.open(t)
	h.Close()
	if got := d.count(connectClose); got != 1 {
		t.Errorf("%d goodbyes, want 1", got)
	}
}
