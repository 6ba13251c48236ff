package virt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
)

// dial connects to the daemon and says what to do when that fails.
func (t target) dial(ctx context.Context, opt Options) (net.Conn, error) {
	switch t.transport {
	case "ssh":
		return t.dialSSH(ctx, opt.ReadOnly)
	case "tls":
		return t.dialTLS(ctx, opt)
	case "tcp":
		return dialTCP(ctx, opt, t.host, t.port, "16509")
	}
	return t.dialUnix(ctx, opt)
}

func dialTCP(ctx context.Context, opt Options, host, port, standard string) (net.Conn, error) {
	if port == "" {
		port = standard
	}
	c, err := opt.Dial(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("%w; check the host's name, that its libvirt listens on port %s, and firewalls between", err, port)
	}
	return c, nil
}

// dialUnix tries the sockets in turn. A socket that is there but denied ends the search: its daemon is the right one.
func (t target) dialUnix(ctx context.Context, opt Options) (net.Conn, error) {
	var last error
	paths := t.sockets(opt.ReadOnly)
	for _, path := range paths {
		c, err := opt.Dial(ctx, "unix", path)
		if err == nil {
			return c, nil
		}
		if errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("%w; add yourself to the group libvirt (usermod -aG libvirt USER, then log in anew) or run as root", err)
		}
		if last == nil || !errors.Is(err, fs.ErrNotExist) {
			last = err
		}
	}
	switch {
	case t.session:
		return nil, fmt.Errorf("%w; start your session's libvirt: systemctl --user start virtqemud.socket, or libvirtd -d", last)
	case t.params["socket"] != "":
		return nil, fmt.Errorf("%w; check the URI's socket parameter and that its libvirt runs", last)
	case errors.Is(last, fs.ErrNotExist), errors.Is(last, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w; install libvirt, or start it: systemctl start libvirtd (or virtqemud.socket)", last)
	}
	return nil, last
}
