//go:build lab

package templates_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"jeos/internal/wire"
)

// capture sees every frame that comes in by an interface: what the machine at the other end of the cable has sent.
type capture struct {
	t     *testing.T
	judge func(frame []byte) verdict
	send  int // a socket at the other end

	mu     sync.Mutex
	counts map[string]int // frames that are not allowed, by tag
	shown  []string
	good   int // frames that are
	marks  chan struct{}
}

// verdict of a frame: allowed, or the tag of the probe that it is; "other" for what is none.
type verdict struct {
	tag  string // empty: allowed
	what string
}

const markType = 0x88b6 // of frames by which the test knows that all before have been seen

// newCapture starts to look at what comes in by a device of a node, by a cable whose other end is a device of a peer. The
// kernel copies what tcpdump gets, so that nothing that is done to a packet later can show in it.
func newCapture(t *testing.T, n *node, device string, peer *node, other string, judge func([]byte) verdict) *capture {
	t.Helper()
	c := &capture{t: t, judge: judge, counts: map[string]int{}, marks: make(chan struct{}, 1)}
	peer.inside(func() (err error) {
		c.send, err = openPacketSocket(other)
		return err
	})
	cmd := n.command("tcpdump", "-i", device, "-Q", "in", "-n", "-s", "0", "-U", "--immediate-mode", "-B", "65536", "-w", "-")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var messages bytes.Buffer
	cmd.Stderr = &messages
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.read(bufio.NewReaderSize(out, 1<<20))
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGINT)
		<-done
		cmd.Wait()
		unix.Close(c.send)
		if !regexp.MustCompile(`\b0 packets dropped by kernel`).MatchString(messages.String()) {
			t.Errorf("the capture may have missed frames, so that what it says is worth nothing: %s", messages.String())
		}
	})
	c.settle()
	return c
}

// read takes frames from a capture file of pcap (https://wiki.wireshark.org/Development/LibpcapFileFormat) of this machine.
func (c *capture) read(r io.Reader) {
	if _, err := io.ReadFull(r, make([]byte, 24)); err != nil {
		return
	}
	for {
		var header [4]uint32
		if err := binary.Read(r, binary.NativeEndian, &header); err != nil {
			return
		}
		frame := make([]byte, header[2])
		if _, err := io.ReadFull(r, frame); err != nil {
			return
		}
		if len(frame) >= 14 && binary.BigEndian.Uint16(frame[12:]) == markType {
			select {
			case c.marks <- struct{}{}:
			default:
			}
			continue
		}
		c.add(frame)
	}
}

// settle waits until every frame that was sent before has been seen.
func (c *capture) settle() {
	c.t.Helper()
	select {
	case <-c.marks:
	default:
	}
	mark := wire.Ethernet([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, []byte{2, 0, 0, 0, 0, 1}, markType, make([]byte, 46))
	for range 100 {
		unix.Write(c.send, mark)
		select {
		case <-c.marks:
			return
		case <-time.After(100 * time.Millisecond): // tcpdump has not begun yet
		}
	}
	c.t.Fatal("the capture sees nothing")
}

func openPacketSocket(device string) (int, error) {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return 0, err
	}
	// No protocol: it receives nothing.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	return fd, unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: link.Index})
}

func (c *capture) add(frame []byte) {
	v := c.judge(frame)
	c.mu.Lock()
	defer c.mu.Unlock()
	if v.tag == "" {
		c.good++
		return
	}
	c.counts[v.tag]++
	if len(c.shown) < 400 {
		c.shown = append(c.shown, v.tag+": "+v.what)
	}
}

// window is what a capture has seen in some time.
type window struct {
	counts map[string]int // frames that are not allowed, by tag
	shown  []string       // some of them, for people
	good   int            // frames that are allowed
}

// total returns how many frames were not allowed, those left out whose tags are given.
func (w window) total(but ...string) (sum int) {
	for tag, n := range w.counts {
		if !slices.Contains(but, tag) {
			sum += n
		}
	}
	return sum
}

// leaked returns how many frames could name a guest or what it does: all that were not allowed but those by which a kernel
// tells its neighbours which groups it listens to and asks for routers.
func (w window) leaked() int { return w.total("chatter") }

// take returns what was seen since the last time.
func (c *capture) take() window {
	c.t.Helper()
	c.settle()
	c.mu.Lock()
	defer c.mu.Unlock()
	w := window{c.counts, c.shown, c.good}
	c.counts, c.shown, c.good = map[string]int{}, nil, 0
	return w
}

var tagRE = regexp.MustCompile(`jeos:([A-Za-z0-9]+);`)

// endpoint is where the tunnel's packets may go.
type endpoint struct {
	addr  netip.Addr
	proto byte
	port  uint16
}

// judgeUplink returns the judge of what a gateway with these addresses sends to its router: ARP and neighbour discovery
// between the two, and packets from its own addresses to the endpoints, without any text of a probe in them.
func judgeUplink(own, router []netip.Addr, endpoints []endpoint) func([]byte) verdict {
	return func(frame []byte) verdict {
		tag := "other"
		if m := tagRE.FindSubmatch(frame); m != nil {
			tag = string(m[1])
		}
		bad := func(what string, a ...any) verdict { return verdict{tag, fmt.Sprintf(what, a...)} }
		kind, payload := binary.BigEndian.Uint16(frame[12:]), frame[14:]
		switch {
		case tag != "other":
			return bad("%x", frame)
		case kind == unix.ETH_P_ARP && len(payload) >= 28:
			sender, _ := netip.AddrFromSlice(payload[14:18])
			target, _ := netip.AddrFromSlice(payload[24:28])
			if target.String() == boundTarget {
				tag = "bound" // whose socket takes every address for a neighbour
			}
			if !slices.Contains(own, sender) || !slices.Contains(router, target) || !bytes.Equal(payload[8:14], frame[6:12]) {
				return bad("arp %v → %v", sender, target)
			}
		case kind == unix.ETH_P_IP && len(payload) >= 24 && len(payload) >= headerLength(payload)+4:
			body := payload[headerLength(payload):]
			if binary.BigEndian.Uint16(payload[6:])&0x1fff != 0 {
				body = nil // of a fragment but the first, which has no ports
			}
			return judgePacket(bad, own, endpoints, payload[9], payload[12:16], payload[16:20], body)
		case kind == unix.ETH_P_IPV6 && len(payload) >= 44:
			if payload[6] == unix.IPPROTO_ICMPV6 && (payload[40] == 135 || payload[40] == 136) {
				return verdict{}
			}
			return judgePacket(bad, own, endpoints, payload[6], payload[8:24], payload[24:40], payload[40:])
		default:
			return bad("ethertype %#04x", kind)
		}
		return verdict{}
	}
}

func judgePacket(bad func(string, ...any) verdict, own []netip.Addr, endpoints []endpoint, proto byte, from, to, body []byte) verdict {
	src, _ := netip.AddrFromSlice(from)
	dst, _ := netip.AddrFromSlice(to)
	for _, e := range endpoints {
		if slices.Contains(own, src) && e.addr == dst && e.proto == proto && (body == nil || e.port == binary.BigEndian.Uint16(body[2:])) {
			return verdict{}
		}
	}
	if dst.IsMulticast() && (proto == unix.IPPROTO_HOPOPTS || proto == unix.IPPROTO_IGMP || proto == unix.IPPROTO_ICMPV6 && len(body) > 0 && body[0] == 133) {
		return verdict{"chatter", fmt.Sprintf("the kernel's own report or solicitation: %v → %v proto %d, %x", src, dst, proto, body[:min(len(body), 40)])}
	}
	return bad("%v → %v proto %d, %x", src, dst, proto, body[:min(len(body), 40)])
}

// headerLength is that of an IPv4 packet, in bytes.
func headerLength(packet []byte) int { return int(packet[0]&15) * 4 }
