package virt

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// target is where and how to reach a libvirt daemon.
type target struct {
	driver    string // the URI that the daemon itself is given: "qemu:///system"
	transport string // "unix", "ssh", "tls" or "tcp"
	user      string
	host      string
	port      string
	session   bool
	params    map[string]string
}

// transports lists the parameters that each transport understands.
var transports = map[string][]string{
	"unix": {"socket"},
	"ssh":  {"socket", "keyfile", "known_hosts", "no_verify", "no_tty", "proxy"},
	"tls":  {"no_verify", "pkipath"},
	"tcp":  nil,
}

// parseURI understands the URIs of https://libvirt.org/uri.html for the drivers qemu and test.
func parseURI(uri string) (target, error) {
	fail := func(format string, args ...any) (target, error) {
		return target{}, fmt.Errorf("libvirt URI %q %s", uri, fmt.Sprintf(format, args...))
	}
	u, err := url.Parse(uri)
	if err != nil {
		return fail("is malformed; write it like qemu:///system or qemu+ssh://user@host/system")
	}
	driver, transport, explicit := strings.Cut(u.Scheme, "+")
	if driver != "qemu" && driver != "test" {
		return fail("is for the driver %q; only QEMU is supported: write it like qemu:///system or qemu+ssh://user@host/system", driver)
	}
	if !explicit {
		transport = "unix"
		if u.Host != "" {
			transport = "tls" // libvirt's own default for another host
		}
	}
	known, ok := transports[transport]
	if !ok {
		return fail("has the unknown transport %q; use unix, ssh, tls or tcp", transport)
	}
	switch {
	case transport == "unix" && u.Host != "":
		return fail("names a host and the transport unix; leave the host out, or use qemu+ssh://%s%s", u.Host, u.Path)
	case transport != "unix" && u.Hostname() == "":
		return fail("names no host; write it like qemu+%s://host/system", transport)
	case driver == "qemu" && u.Path != "/system" && u.Path != "/session":
		return fail("has the path %q; it must be /system or /session", u.Path)
	case u.Path == "/session" && (transport == "tls" || transport == "tcp"):
		return fail("asks for the session of another machine, which only the transports unix and ssh reach")
	}
	t := target{
		driver:    driver + "://" + u.Path,
		transport: transport,
		host:      u.Hostname(),
		port:      u.Port(),
		session:   u.Path == "/session",
		params:    map[string]string{},
	}
	if u.User != nil {
		if _, secret := u.User.Password(); secret {
			return target{}, fmt.Errorf("the libvirt URI holds a password; take it out and use ssh keys or certificates")
		}
		t.user = u.User.Username()
	}
	// ssh would take these for options.
	if strings.HasPrefix(t.host, "-") || strings.HasPrefix(t.user, "-") {
		return fail("has a host or user that begins with \"-\"; give its real name")
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fail("has malformed parameters; write them like ?socket=/path")
	}
	for name, value := range values {
		if !slices.Contains(known, name) {
			return fail("has the parameter %q, which is not known for the transport %s; known are: %s",
				name, transport, strings.Join(append([]string{}, known...), ", "))
		}
		t.params[name] = value[0]
	}
	return t, nil
}

// sockets returns the paths of the sockets to try, the best first. A host with one daemon for each driver has
// virtqemud, which passes calls for networks and storage on; others have libvirtd.
func (t target) sockets(readOnly bool) []string {
	if path := t.params["socket"]; path != "" {
		return []string{path}
	}
	dir, suffix := "/var/run/libvirt", ""
	if t.session {
		dir = sessionDir()
	} else if readOnly {
		suffix = "-ro"
	}
	names := []string{"virtqemud-sock", "libvirt-sock"}
	if strings.HasPrefix(t.driver, "test:") {
		names = names[1:]
	}
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = filepath.Join(dir, name+suffix)
	}
	return paths
}

// sessionDir is where the daemons of a user's own session have their sockets.
func sessionDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "libvirt")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "/nonexistent"
	}
	return filepath.Join(cache, "libvirt")
}
