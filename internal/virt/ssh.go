package virt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// dialSSH runs the system's ssh, so that the user's ~/.ssh/config, agent, keys and jump hosts count, and on the other
// side libvirt's own helper, or netcat where there is none.
func (t target) dialSSH(ctx context.Context, readOnly bool) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	script, err := t.remoteScript(readOnly)
	if err != nil {
		return nil, err
	}
	if _, err := exec.LookPath("ssh"); err != nil {
		return nil, fmt.Errorf("cannot run ssh: %w; install the OpenSSH client", err)
	}
	return startProcess(exec.Command("sh", append([]string{"-c", shielded, "sh"}, t.sshArgs(script)...)...))
}

// shielded keeps an interrupt of the terminal, or its end, which all its processes get, from ending the connection at once.
const shielded = `trap "" INT HUP; exec ssh "$@"`

// sshArgs returns the arguments of ssh for running script on the host.
func (t target) sshArgs(script string) []string {
	args := []string{"-T", "-e", "none", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none"}
	option := func(flag, value string) {
		if value != "" {
			args = append(args, flag, value)
		}
	}
	option("-l", t.user)
	option("-p", t.port)
	option("-i", t.params["keyfile"])
	if path := t.params["known_hosts"]; path != "" {
		option("-o", "UserKnownHostsFile="+path)
	}
	if t.params["no_verify"] == "1" {
		option("-o", "StrictHostKeyChecking=no")
	}
	if t.params["no_tty"] == "1" {
		option("-o", "BatchMode=yes")
	}
	return append(args, "--", t.host, "sh -c "+quote(script))
}

// remoteScript connects its standard streams with the daemon. It must not depend on the user's login shell.
func (t target) remoteScript(readOnly bool) (string, error) {
	helper := "virt-ssh-helper "
	if readOnly && !t.session {
		helper += "-r "
	}
	helper += quote(t.driver)
	netcat := new(strings.Builder)
	// netcat that would outlive the end of its input is told not to.
	netcat.WriteString(`arg=; if nc -q 2>&1 | grep "requires an argument" >/dev/null 2>&1; then arg=-q0; fi; `)
	for _, path := range t.remoteSockets(readOnly) {
		fmt.Fprintf(netcat, `if test -S %s; then exec nc $arg -U %s; fi; `, path, path)
	}
	netcat.WriteString(`echo "no socket of libvirt, and no virt-ssh-helper" >&2; exit 1`)
	switch t.params["proxy"] {
	case "", "auto":
		if t.params["socket"] != "" {
			return netcat.String(), nil
		}
		return "if command -v virt-ssh-helper >/dev/null 2>&1; then exec " + helper + "; fi; " + netcat.String(), nil
	case "native":
		return "exec " + helper, nil
	case "netcat":
		return netcat.String(), nil
	}
	return "", fmt.Errorf("libvirt URI has proxy=%q; it must be auto, native or netcat", t.params["proxy"])
}

// remoteSockets returns the socket paths on the other side, quoted for its shell.
func (t target) remoteSockets(readOnly bool) []string {
	if t.session && t.params["socket"] == "" {
		dir := `"${XDG_RUNTIME_DIR:-$HOME/.cache}"/libvirt/`
		return []string{dir + "virtqemud-sock", dir + "libvirt-sock"}
	}
	paths := t.sockets(readOnly)
	for i, path := range paths {
		paths[i] = quote(path)
	}
	return paths
}

// quote makes s one word for a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// process is a connection to the standard streams of a child.
type process struct {
	net.Conn
	cmd    *exec.Cmd
	stderr *tail
	done   chan struct{} // closed when the child has ended and its standard error is read
	once   sync.Once
}

func startProcess(cmd *exec.Cmd) (net.Conn, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a pair of sockets: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ssh"), os.NewFile(uintptr(fds[1]), "ssh")
	defer ours.Close() // net.FileConn has a descriptor of its own
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, fmt.Errorf("cannot use a pair of sockets: %w", err)
	}
	p := &process{Conn: conn, cmd: cmd, stderr: newTail(4 << 10), done: make(chan struct{})}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, p.stderr
	cmd.WaitDelay = time.Second // a process that shares connections may keep standard error open
	if err := cmd.Start(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("cannot run ssh: %w", err)
	}
	go func() {
		cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Close ends the child.
func (p *process) Close() error {
	p.once.Do(func() {
		p.Conn.Close()
		p.cmd.Process.Kill()
	})
	return nil
}

// failure returns what the child had to say about its end, nil if nothing.
func (p *process) failure() error {
	select {
	case <-p.done:
	case <-time.After(time.Second): // a child of its own holds its standard error open
	}
	text := oneLine(string(p.stderr.bytes()))
	if text == "" {
		return nil
	}
	return errors.New("ssh says: " + text)
}
