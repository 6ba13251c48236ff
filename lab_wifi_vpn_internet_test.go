//go:build lab

package main_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What the internet of the lab has. All of these are addresses for documentation (RFC 5737, RFC 3849); the prober in the
// guests' image and the example's lock file name the same ones.
var (
	target4, target6     = netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("2001:db8:7::7") // answer by echo
	resolver4, resolver6 = netip.MustParseAddr("203.0.113.53"), netip.MustParseAddr("2001:db8:7::53")
	server4, server6     = netip.MustParseAddr("198.51.100.10"), netip.MustParseAddr("2001:db8::10") // of the VPN
	router4, router6     = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8:a::1")    // behind the access point
	spoofed4, spoofed6   = netip.MustParseAddr("192.0.2.99"), netip.MustParseAddr("2001:db8:99::99") // nobody's
	inside4, inside6     = netip.MustParseAddr("10.8.0.1"), netip.MustParseAddr("fd64:8::1")         // in the tunnel
)

// homeNetworks are those behind the access point, tunnelNetworks those in the tunnel.
var (
	homeNetworks   = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8:a::/64"), netip.MustParsePrefix("fe80::/10")}
	tunnelNetworks = []netip.Prefix{netip.MustParsePrefix("10.8.0.0/24"), netip.MustParsePrefix("fd64:8::/64")}
)

const echoPort, dnsPort, vpnPort = 7, 53, 1194

// internet is a network namespace that plays the internet: a router that gives out addresses, resolvers and targets of both
// families, and an OpenVPN server.
type internet struct {
	t    *testing.T
	name string // of the namespace
	dir  string // with the server's files
	vpn  *exec.Cmd

	mu   sync.Mutex
	seen map[visit]int
}

// visit is a request that came to one of the internet's services.
type visit struct {
	From netip.Addr
	To   netip.AddrPort
}

// newInternet makes the internet, which goes away at the end of the test. It is attached to nothing yet.
func newInternet(t *testing.T, name string) *internet {
	t.Helper()
	n := &internet{t: t, name: name, dir: t.TempDir(), seen: map[visit]int{}}
	exec.Command("ip", "link", "del", name).Run() // the kernel takes its time with namespaces that are gone
	command(t, "ip", "netns", "add", name)
	t.Cleanup(func() { command(t, "ip", "netns", "del", name) })
	n.command("ip", "link", "set", "lo", "up")
	// Services listen before their interface is there.
	n.command("sysctl", "-qw", "net.ipv4.ip_nonlocal_bind=1", "net.ipv6.ip_nonlocal_bind=1")
	for _, a := range []netip.Addr{target4, resolver4, server4, target6, resolver6, server6} {
		n.command("ip", "addr", "add", a.String(), "dev", "lo")
	}
	n.serve()
	// It waits for the interface by which it gives out addresses.
	n.daemon("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=home", "--bind-dynamic",
		"--dhcp-range=192.0.2.50,192.0.2.99,1h", "--dhcp-option=option:dns-server,"+router4.String(), "--dhcp-leasefile="+filepath.Join(n.dir, "leases"),
		"--dhcp-range=2001:db8:a::,ra-only", "--enable-ra", "--log-facility=-", "--pid-file=")
	return n
}

// command runs a command and returns its output.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// command runs a command in the internet.
func (n *internet) command(name string, args ...string) string {
	n.t.Helper()
	return command(n.t, "ip", append([]string{"netns", "exec", n.name, name}, args...)...)
}

// daemon starts a program in the internet, which runs until the end of the test. What it writes goes to a file, which a
// test that fails shows the end of.
func (n *internet) daemon(name string, args ...string) *exec.Cmd {
	n.t.Helper()
	log, err := os.Create(filepath.Join(n.dir, filepath.Base(name)+".log"))
	if err != nil {
		n.t.Fatal(err)
	}
	cmd := exec.Command("ip", append([]string{"netns", "exec", n.name, name}, args...)...) // execs the program
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		log.Close()
		if text, err := os.ReadFile(log.Name()); err == nil && n.t.Failed() {
			n.t.Logf("%s:\n%s", name, text[max(0, len(text)-4000):])
		}
	})
	return cmd
}

// attach puts the internet on a bridge, as soon as that is there.
func (n *internet) attach(ctx context.Context, bridge string) error {
	for {
		if _, err := net.InterfaceByName(bridge); err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("there is no bridge %s", bridge)
		case <-time.After(50 * time.Millisecond):
		}
	}
	for _, line := range []string{
		"-n " + n.name + " link add home type veth peer name " + n.name + " netns 1",
		"link set " + n.name + " master " + bridge + " up",
		"-n " + n.name + " addr add " + router4.String() + "/24 dev home",
		"-n " + n.name + " addr add " + router6.String() + "/64 dev home nodad",
		"-n " + n.name + " link set home up",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
	}
	return nil
}

// silence has the VPN server say nothing while it lives on, or wakes it.
func (n *internet) silence(silent bool) {
	n.t.Helper()
	signal := map[bool]os.Signal{true: syscall.SIGSTOP, false: syscall.SIGCONT}[silent]
	if err := n.vpn.Process.Signal(signal); err != nil {
		n.t.Fatal(err)
	}
}

// in runs a function in the namespace: the sockets that it opens stay there.
func (n *internet) in(f func() error) {
	n.t.Helper()
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		fd, err := unix.Open("/run/netns/"+n.name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			unix.Close(fd)
		}
		if err == nil {
			err = f()
		}
		result <- err
	}()
	if err := <-result; err != nil {
		n.t.Fatalf("in the internet: %v", err)
	}
}

// serve answers echoes and questions, by UDP and TCP.
func (n *internet) serve() {
	n.t.Helper()
	free := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) }), err)
	}}
	n.in(func() error {
		for _, a := range []netip.Addr{target4, target6, resolver4, resolver6, router4, router6, inside4, inside6} {
			port, answer := uint16(dnsPort), answerQuestion
			if a == target4 || a == target6 {
				port, answer = echoPort, func(data []byte) []byte { return data }
			}
			at := netip.AddrPortFrom(a, port).String()
			packets, err := free.ListenPacket(context.Background(), "udp", at)
			if err != nil {
				return err
			}
			listener, err := free.Listen(context.Background(), "tcp", at)
			if err != nil {
				return err
			}
			n.t.Cleanup(func() { packets.Close(); listener.Close() })
			go n.servePackets(packets, answer)
			go n.serveStreams(listener)
		}
		return nil
	})
}

func (n *internet) servePackets(conn net.PacketConn, answer func([]byte) []byte) {
	data := make([]byte, 4096)
	for {
		size, from, err := conn.ReadFrom(data)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an answer that could not be delivered
		}
		n.note(from, conn.LocalAddr())
		conn.WriteTo(answer(data[:size]), from)
	}
}

func (n *internet) serveStreams(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		n.note(conn.RemoteAddr(), conn.LocalAddr())
		go func() {
			io.Copy(conn, conn)
			conn.Close()
		}()
	}
}

func (n *internet) note(from, to net.Addr) {
	at := func(a net.Addr) netip.AddrPort {
		p := netip.MustParseAddrPort(a.String())
		return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen[visit{at(from).Addr(), at(to)}]++
}

// answerQuestion answers a probe's question of the DNS with the address of the target (RFC 1035). It knows no other names.
func answerQuestion(question []byte) []byte {
	end := 12
	for end < len(question) && question[end] != 0 {
		end += int(question[end]) + 1
	}
	end += 5 // the end of the name, type and class
	if len(question) < 12 || end > len(question) {
		return nil
	}
	answer := slices.Clone(question[:end])
	answer[2], answer[3] = 0x81, 0x80                  // an answer
	copy(answer[4:12], []byte{0, 1, 0, 0, 0, 0, 0, 0}) // to one question
	switch {
	case !probeMark.Match(question):
		answer[3] |= 3 // no such name
	case binary.BigEndian.Uint16(question[end-4:]) == 1: // type A
		answer[7] = 1
		answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
		answer = append(answer, target4.AsSlice()...)
	}
	return answer
}

// strangers returns the visits to targets and resolvers that did not come through the tunnel, each as "from → to". The
// router's own resolver is there for those who are behind the access point.
func (n *internet) strangers() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []string
	for v := range maps.Keys(n.seen) {
		atHome := v.To.Addr() == router4 || v.To.Addr() == router6
		if !within(v.From, tunnelNetworks) && !(atHome && within(v.From, homeNetworks)) {
			list = append(list, fmt.Sprintf("%s → %s", v.From, v.To))
		}
	}
	slices.Sort(list)
	return list
}

// forget begins to count visits anew.
func (n *internet) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.seen)
}

func within(a netip.Addr, prefixes []netip.Prefix) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}
