package virt

import (
	"context"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestOpenWithoutLibvirt checks what is said when there is nobody to talk to.
func TestOpenWithoutLibvirt(t *testing.T) {
	tests := map[string]struct {
		uri   string
		cause syscall.Errno
		want  string
	}{
		"no permission":             {"qemu:///system", syscall.EACCES, "usermod -aG libvirt"},
		"not installed":             {"qemu:///system", syscall.ENOENT, "install libvirt, or start it"},
		"not running":               {"qemu:///system", syscall.ECONNREFUSED, "systemctl start libvirtd"},
		"no session daemon":         {"qemu:///session", syscall.ENOENT, "systemctl --user start"},
		"socket parameter is wrong": {"qemu:///system?socket=/nowhere", syscall.ENOENT, "check the URI's socket parameter"},
		"host does not answer":      {"qemu+tcp://host/system", syscall.ECONNREFUSED, "check the host's name"},
	}
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Open(context.Background(), test.uri, Options{Dial: func(_ context.Context, network, addr string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", test.cause)}
			}})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.uri) {
				t.Errorf("error %v, want …%s…", err, test.want)
			}
		})
	}
}
