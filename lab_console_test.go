//go:build lab

package main_test

import "syscall"

// console opens the console of a guest on a terminal, where the login program asks for a name.
func (p *pair) console(guest, hostname string) *terminal {
	p.t.Helper()
	console := p.terminal("console", guest)
	console.await("Ctrl-] ends the connection.\r\n")
	console.typed("\r") // it asks again for every empty line
	console.await(hostname + " login:")
	if !console.isRaw() {
		p.t.Error("the terminal is not in raw mode")
	}
	return console
}

// consoles has somebody at a terminal talk with a guest.
func (p *pair) consoles() {
	console := p.console("front", "front-of-house")
	console.typed("nobody\r")
	console.await("login: nobody") // the guest's echo
	console.await("Password:")
	console.typed("\x03") // goes to the guest, and does not end jeos
	console.await("Debian GNU/Linux 12 front-of-house ttyS0")
	console.typed("\x1d")
	console.end(0)

	// The terminal is given back in whatever way jeos ends.
	console = p.console("front", "front-of-house")
	if err := console.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	console.end(130)
}

// consoleOfEnding does something that ends a guest, while somebody is at its console.
func (p *pair) consoleOfEnding(guest, hostname string, stop func()) {
	p.t.Helper()
	console := p.console(guest, hostname)
	stop()
	console.end(0)
}
