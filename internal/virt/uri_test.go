package virt

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSockets(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/1000")
	tests := []struct {
		uri      string
		readOnly bool
		want     []string
	}{
		{"qemu:///system", false, []string{"/var/run/libvirt/virtqemud-sock", "/var/run/libvirt/libvirt-sock"}},
		{"qemu:///system", true, []string{"/var/run/libvirt/virtqemud-sock-ro", "/var/run/libvirt/libvirt-sock-ro"}},
		{"qemu+unix:///system", false, []string{"/var/run/libvirt/virtqemud-sock", "/var/run/libvirt/libvirt-sock"}},
		{"qemu+unix:///system?socket=/tmp/s", true, []string{"/tmp/s"}},
		{"qemu:///session", true, []string{"/run/user/1000/libvirt/virtqemud-sock", "/run/user/1000/libvirt/libvirt-sock"}},
		{"test:///default", false, []string{"/var/run/libvirt/libvirt-sock"}},
	}
	for _, tt := range tests {
		t.Run(tt.uri, func(t *testing.T) {
			target, err := parseURI(tt.uri)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, target.sockets(tt.readOnly)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestURIsThatAreRefused(t *testing.T) {
	tests := map[string]string{ // part of the message
		"xen:///system":                       "only QEMU is supported",
		"":                                    "only QEMU is supported",
		"qemu+ext:///system":                  "use unix, ssh, tls or tcp",
		"qemu+ssh:///system":                  "names no host",
		"qemu+unix://host/system":             "use qemu+ssh://host/system",
		"qemu:///sytem":                       "must be /system or /session",
		"qemu+tls://host/session":             "only the transports unix and ssh reach",
		"qemu:///system?sockt=/x":             "known are: socket",
		"qemu+tls://host/system?keyfile=/x":   "known are: no_verify, pkipath",
		"qemu+ssh://-oProxyCommand=x/system":  `begins with "-"`,
		"qemu+ssh://-x@host/system":           `begins with "-"`,
		"qemu+ssh://me:geheim@host/system":    "holds a password",
		"qemu:///system?%zz":                  "malformed parameters",
		"qemu+ssh://host:notaport/system":     "malformed",
		"qemu+ssh://host/system?proxy=socat":  "must be auto, native or netcat",
		"qemu+ssh://host/system?command=/bad": "known are: socket, keyfile",
	}
	for uri, want := range tests {
		t.Run(uri, func(t *testing.T) {
			_, err := Open(context.Background(), uri, Options{Dial: func(context.Context, string, string) (net.Conn, error) {
				t.Error("it is dialled")
				return nil, net.ErrClosed
			}})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want …%s…", err, want)
			}
			if err != nil && strings.Contains(err.Error(), "geheim") {
				t.Errorf("error %v shows the password", err)
			}
		})
	}
}

func TestSSHArguments(t *testing.T) {
	tests := map[string][]string{
		"qemu+ssh://host/system":                         {"--", "host"},
		"qemu+ssh://me@host:2222/system":                 {"-l", "me", "-p", "2222", "--", "host"},
		"qemu+ssh://[::1]/system?keyfile=/k&no_verify=1": {"-i", "/k", "-o", "StrictHostKeyChecking=no", "--", "::1"},
		"qemu+ssh://host/system?known_hosts=/h&no_tty=1": {"-o", "UserKnownHostsFile=/h", "-o", "BatchMode=yes", "--", "host"},
	}
	for uri, want := range tests {
		t.Run(uri, func(t *testing.T) {
			target, err := parseURI(uri)
			if err != nil {
				t.Fatal(err)
			}
			want := slices.Concat([]string{"-T", "-e", "none", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none"}, want, []string{"sh -c 'true'"})
			if diff := cmp.Diff(want, target.sshArgs("true")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestSSH puts a stand-in for ssh first on PATH: it runs the command on this machine, as the other side would.
func TestSSH(t *testing.T) {
	const standIn = `#!/bin/sh
for last; do :; done
exec sh -c "$last"
`
	tests := map[string]struct {
		programs map[string]string // beside ssh
		uri      string
		want     string // part of the error
	}{
		"helper":           {map[string]string{"virt-ssh-helper": "#!/bin/sh\necho \"helper got $*\" >&2\n"}, "qemu+ssh://host/system", "ssh says: helper got qemu:///system"},
		"nothing there":    {nil, "qemu+ssh://host/system?socket=/nonexistent/it's", "ssh says: no socket of libvirt, and no virt-ssh-helper"},
		"ssh itself fails": {map[string]string{"ssh": "#!/bin/sh\necho 'me@host: Permission denied (publickey).' >&2\nexit 255\n"}, "qemu+ssh://host/system", "Permission denied (publickey)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			programs := map[string]string{"ssh": standIn}
			for name, text := range tt.programs {
				programs[name] = text
			}
			for name, text := range programs {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			_, err := Open(context.Background(), tt.uri, Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want …%s…", err, tt.want)
			}
		})
	}
}

func TestQuote(t *testing.T) {
	for _, word := range []string{"", "plain", "it's", `a"b\c$(id)`, "a b\nc", "'", "-n"} {
		out, err := exec.Command("sh", "-c", "printf %s "+quote(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("the shell reads %s as %q (%v), want %q", quote(word), out, err, word)
		}
	}
}

func TestNoDaemon(t *testing.T) {
	empty := t.TempDir()
	tests := map[string]string{ // part of the message
		"qemu+unix:///system?socket=" + empty + "/none": "check the URI's socket parameter",
		"qemu:///session":                         "systemctl --user start virtqemud.socket",
		"qemu+tcp://127.0.0.1:1/system":           "check the host's name",
		"qemu+tls://host/system?pkipath=" + empty: "put the certificate of your authority there",
	}
	t.Setenv("XDG_RUNTIME_DIR", empty)
	for uri, want := range tests {
		t.Run(uri, func(t *testing.T) {
			_, err := Open(context.Background(), uri, Options{})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want …%s…", err, want)
			}
		})
	}
}
