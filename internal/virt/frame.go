package virt

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// frameConn checks what it passes on, because go-libvirt panics on a packet that is shorter than its own header and
// believes every length. Packets are those of https://libvirt.org/kbase/internals/rpc.html: a length, which counts
// itself, six words of header, then the payload.
type frameConn struct {
	net.Conn
	header  [headerSize]byte
	pending []byte // of header, not yet passed on
	left    uint32 // of the payload, not yet read

	ended atomic.Bool // reading has failed

	mu      sync.Mutex
	garbage error
	waiting map[uint32]chan struct{} // by procedure: closed with its first good reply
}

const (
	headerSize = 28
	// maxPacket is libvirt's own limit (VIR_NET_MESSAGE_MAX and the length).
	maxPacket = 32<<20 + 4

	packetReply = 1
	statusOK    = 0
)

func newFrameConn(raw net.Conn) *frameConn {
	return &frameConn{Conn: raw, waiting: map[uint32]chan struct{}{}}
}

// replied returns a channel that is closed when the first reply to the procedure of that number arrives that is no
// error. go-libvirt tells the end of a stream but not its beginning.
func (c *frameConn) replied(procedure uint32) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan struct{})
	c.waiting[procedure] = ch
	return ch
}

// cause returns what was wrong with the data, nil if the connection just ended.
func (c *frameConn) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.garbage
}

// Read implements io.Reader. It is called from one goroutine.
func (c *frameConn) Read(p []byte) (int, error) {
	n, err := c.read(p)
	if err != nil {
		c.ended.Store(true)
	}
	return n, err
}

func (c *frameConn) read(p []byte) (int, error) {
	if len(c.pending) == 0 && c.left == 0 {
		if _, err := io.ReadFull(c.Conn, c.header[:]); err != nil {
			return 0, err
		}
		if err := c.inspect(); err != nil {
			return 0, err
		}
	}
	if len(c.pending) > 0 {
		n := copy(p, c.pending)
		c.pending = c.pending[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p[:min(len(p), int(c.left))])
	c.left -= uint32(n)
	return n, err
}

// inspect checks the header that was just read.
func (c *frameConn) inspect() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	word := func(i int) uint32 { return binary.BigEndian.Uint32(c.header[4*i:]) }
	length := word(0)
	if length < headerSize || length > maxPacket {
		c.garbage = fmt.Errorf("what came back is not libvirt's protocol: a packet of %d bytes", length)
		return c.garbage
	}
	c.pending, c.left = c.header[:], length-headerSize
	procedure, kind, status := word(3), word(4), word(6)
	if ch := c.waiting[procedure]; ch != nil && kind == packetReply && status == statusOK {
		close(ch)
		delete(c.waiting, procedure)
	}
	return nil
}
