//go:build lab

package templates_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"jeos/internal/roles"
)

// node is a machine of the lab: a network namespace, and a view of the file system in which /etc, /usr/local and /run can
// be written without touching anything outside. It ends with the test.
type node struct {
	t    *testing.T
	name string
	pid  int
	end  func() // turns it off, as one pulls a plug
}

func newNode(t *testing.T, name string) *node {
	t.Helper()
	keeper := exec.Command("unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", "echo; exec cat")
	in, err := keeper.StdinPipe() // which ends it when this process dies
	if err != nil {
		t.Fatal(err)
	}
	out, err := keeper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		in.Close()
		keeper.Wait()
	})
	t.Cleanup(end)
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	n := &node{t, name, keeper.Process.Pid, end}
	n.sh(`
		mount -t sysfs sysfs /sys
		mount -t tmpfs tmpfs /run
		for dir in etc usr/local; do
			mkdir -p /run/upper/$dir /run/scratch/$dir
			mount -t overlay overlay -o "lowerdir=/$dir,upperdir=/run/upper/$dir,workdir=/run/scratch/$dir" /$dir
		done
		rm -f /etc/protocols /etc/services # which minimal images do not have
		ip link set lo up
		sysctl -q -w net.ipv4.ip_forward=0 net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.default.rp_filter=2 \
			net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.default.arp_ignore=0 net.ipv4.ping_group_range="0 2147483647" \
			net.ipv6.conf.all.forwarding=0 net.ipv6.conf.default.accept_dad=0 net.ipv4.icmp_ratelimit=0`)
	return n
}

// command prepares a program to run in the node.
func (n *node) command(arg ...string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{"--target", strconv.Itoa(n.pid), "--net", "--mount", "--"}, arg...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// try runs a program in the node and returns what it says.
func (n *node) try(arg ...string) (string, error) {
	out, err := n.command(arg...).CombinedOutput()
	return string(out), err
}

func (n *node) run(arg ...string) string {
	n.t.Helper()
	out, err := n.try(arg...)
	if err != nil {
		n.t.Fatalf("%s: %s: %v\n%s", n.name, strings.Join(arg, " "), err, out)
	}
	return out
}

// sh runs lines of shell in the node, the first of which that fails ends the test.
func (n *node) sh(script string) string {
	n.t.Helper()
	return n.run("sh", "-euc", script)
}

// write puts the files of a role into the node, as a boot does.
func (n *node) write(files []roles.File) {
	n.t.Helper()
	for _, f := range files {
		cmd := n.command("sh", "-euc", `mkdir -p "${1%/*}"; rm -f "$1"; cat >"$1"; chmod "$2" "$1"`, "sh", f.Path, strconv.FormatUint(uint64(f.Mode), 8))
		cmd.Stdin = strings.NewReader(string(f.Content))
		if out, err := cmd.CombinedOutput(); err != nil {
			n.t.Fatalf("%s: %s: %v\n%s", n.name, f.Path, err, out)
		}
	}
}

// inside calls f in the network namespace of the node: the sockets that it opens stay there. The thread comes back: if it
// ended, so would the programs that it has started.
func (n *node) inside(f func() error) {
	n.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	if err != nil {
		n.t.Fatal(err)
	}
	defer home.Close()
	there, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", n.pid))
	if err != nil {
		n.t.Fatal(err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		n.t.Fatal(err)
	}
	err = f()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		panic(err) // the rest of the test would run in the wrong place
	}
	if err != nil {
		n.t.Fatalf("%s: %v", n.name, err)
	}
}

// connect lays a cable between two nodes.
func connect(a *node, nameA, macA string, b *node, nameB, macB string) {
	a.t.Helper()
	a.run("ip", "link", "add", nameA, "address", macA, "type", "veth", "peer", "name", nameB, "address", macB, "netns", strconv.Itoa(b.pid))
	a.run("ip", "link", "set", nameA, "up")
	b.run("ip", "link", "set", nameB, "up")
}

func (n *node) address(device string, prefixes ...string) {
	n.t.Helper()
	for _, p := range prefixes {
		n.run("ip", "address", "add", p, "dev", device, "nodad")
	}
}

// unit is a systemd unit that a role has written.
type unit map[string][]string

// unit reads a unit in the node. Keys of all sections are put together.
func (n *node) unit(name string) unit {
	n.t.Helper()
	u := unit{}
	for line := range strings.Lines(n.run("cat", "/etc/systemd/system/"+name)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			u[key] = append(u[key], value)
		}
	}
	return u
}

// oneshot runs command lines of a unit one after the other, as systemd does: the first that fails is the last.
func (n *node) oneshot(name, key string) (string, error) {
	n.t.Helper()
	lines := n.unit(name)[key]
	if len(lines) == 0 {
		n.t.Fatalf("%s has no %s", name, key)
	}
	var all strings.Builder
	for _, line := range lines {
		out, err := n.try(strings.Fields(line)...)
		all.WriteString(out)
		if err != nil {
			return all.String(), fmt.Errorf("%s: %w: %s", line, err, out)
		}
	}
	return all.String(), nil
}

// start runs a unit of the type oneshot.
func (n *node) start(name string) {
	n.t.Helper()
	if _, err := n.oneshot(name, "ExecStart"); err != nil {
		n.t.Fatalf("%s: %v", name, err)
	}
}

// service is a program that runs in a node.
type service struct {
	n    *node
	name string
	cmd  *exec.Cmd
	log  string // path of its output
	done chan struct{}
}

// service starts what a unit says, with the user and the capabilities that it says, and more arguments.
func (n *node) service(name string, more ...string) *service {
	n.t.Helper()
	u := n.unit(name)
	arg := strings.Fields(u["ExecStart"][0])
	for _, dir := range u["RuntimeDirectory"] {
		n.run("mkdir", "-p", "/run/"+dir)
	}
	return n.daemon(name, append(append(privileges(u), arg...), more...)...)
}

// privileges are the words that take away from a program what its unit takes away.
func privileges(u unit) []string {
	set := func(key string) string {
		words := []string{"-all"}
		for _, value := range u[key] {
			for _, capability := range strings.Fields(strings.ToLower(value)) {
				words = append(words, "+"+strings.TrimPrefix(capability, "cap_"))
			}
		}
		return strings.Join(words, ",")
	}
	words := []string{"setpriv", "--no-new-privs", "--bounding-set", set("CapabilityBoundingSet")}
	if u["DynamicUser"] != nil {
		words = append(words, "--reuid", "61234", "--regid", "61234", "--clear-groups",
			"--inh-caps", set("AmbientCapabilities"), "--ambient-caps", set("AmbientCapabilities"))
	}
	return words
}

// daemon starts a program that runs until it is stopped.
func (n *node) daemon(name string, arg ...string) *service {
	n.t.Helper()
	log := filepath.Join(n.t.TempDir(), "log")
	file, err := os.Create(log)
	if err != nil {
		n.t.Fatal(err)
	}
	defer file.Close()
	s := &service{n: n, name: name, cmd: n.command(arg...), log: log, done: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = file, file
	if err := s.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	go func() {
		s.cmd.Wait()
		close(s.done)
	}()
	n.t.Cleanup(func() {
		s.stop(syscall.SIGKILL)
		if n.t.Failed() {
			out, _ := os.ReadFile(log)
			if len(out) > 3000 {
				out = out[len(out)-3000:]
			}
			n.t.Logf("end of the log of %s: %s", s.name, out)
		}
	})
	return s
}

func (s *service) signal(signal syscall.Signal) { s.cmd.Process.Signal(signal) }

// stop sends a signal and waits for the end.
func (s *service) stop(signal syscall.Signal) {
	s.signal(signal)
	select {
	case <-s.done:
	case <-time.After(5 * time.Second):
		s.signal(syscall.SIGKILL)
		<-s.done
	}
}

// running reports whether the program has not ended yet.
func (s *service) running() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// said waits until the log of a program holds a text more than a number of times.
func (s *service) said(text string, before int) {
	s.n.t.Helper()
	s.n.until(20*time.Second, s.name+" says "+text, func() bool { return s.count(text) > before })
}

func (s *service) count(text string) int {
	out, _ := os.ReadFile(s.log)
	return strings.Count(string(out), text)
}

// until waits for something to become true.
func (n *node) until(limit time.Duration, what string, f func() bool) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for !f() {
		select {
		case <-ctx.Done():
			n.t.Fatalf("%s: not within %v: %s", n.name, limit, what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
