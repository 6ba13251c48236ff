//go:build lab

package main_test

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// terminal is a pseudo terminal with jeos on it, and what a person sees there.
type terminal struct {
	t      *testing.T
	what   string
	cmd    *exec.Cmd
	master *os.File
	tty    *os.File
	before unix.Termios // how the terminal treated what is typed before jeos began
	after  unix.Termios // and when it had ended
	took   time.Duration
	ended  chan struct{} // closed when jeos has ended and all that it wrote is on the screen

	mu      sync.Mutex
	written strings.Builder // all that jeos wrote
	screen  screen
}

// terminal starts jeos on a terminal of its own, of 24 lines and 100 columns.
func (s *labSite) terminal(args ...string) *terminal {
	s.t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		s.t.Fatal(err)
	}
	size := pty.Winsize{Rows: 24, Cols: 100}
	t := &terminal{
		t: s.t, what: "jeos " + strings.Join(args, " "), cmd: s.command(args...), master: master, tty: tty,
		ended: make(chan struct{}), screen: screen{width: int(size.Cols)},
	}
	if err := pty.Setsize(master, &size); err != nil {
		s.t.Fatal(err)
	}
	t.before = t.settings()
	t.cmd.Env = append(os.Environ(), "TERM=xterm")
	t.cmd.Stdin, t.cmd.Stdout, t.cmd.Stderr = tty, tty, tty
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := t.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	begin := time.Now()
	go t.show()
	go func() {
		t.cmd.Wait() // how it ended is in ProcessState
		t.took = time.Since(begin)
		t.after = t.settings()
		tty.Close() // the last one: no more comes
	}()
	s.t.Cleanup(func() {
		t.cmd.Process.Kill() // it has ended, unless the test failed
		<-t.ended
		master.Close()
	})
	return t
}

// show brings to the screen what jeos writes, until nobody has the terminal open any more.
func (t *terminal) show() {
	defer close(t.ended)
	data := make([]byte, 32<<10)
	for {
		n, err := t.master.Read(data)
		t.mu.Lock()
		t.written.Write(data[:n])
		t.screen.write(data[:n])
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// settings returns how the terminal treats what is typed.
func (t *terminal) settings() unix.Termios {
	settings, err := unix.IoctlGetTermios(int(t.tty.Fd()), unix.TCGETS)
	if err != nil {
		t.t.Errorf("settings of the terminal: %v", err)
		return unix.Termios{}
	}
	return *settings
}

// isRaw reports whether every key goes to jeos as it is, unseen, and without a meaning for the terminal.
func (t *terminal) isRaw() bool {
	return t.settings().Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) == 0
}

// look returns the lines on the screen and those that have left it at the top, without spaces at their ends.
func (t *terminal) look() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.screen.String()
}

// typed types a text.
func (t *terminal) typed(text string) {
	t.t.Helper()
	if _, err := t.master.WriteString(text); err != nil {
		t.t.Fatalf("%s: typing %q: %v", t.what, text, err)
	}
}

// await waits until a text has been on the screen.
func (t *terminal) await(text string) {
	t.t.Helper()
	for range 30 * 60 * 20 {
		if t.wrote(text) {
			return
		}
		select {
		case <-t.ended:
			if !t.wrote(text) {
				t.t.Fatalf("%s ended without %q on the screen:\n%s", t.what, text, t.look())
			}
			return
		case <-time.After(time.Second / 20):
		}
	}
	t.t.Fatalf("%s does not bring %q to the screen:\n%s", t.what, text, t.look())
}

// wrote reports whether jeos has written a text.
func (t *terminal) wrote(text string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Contains(t.written.String(), text)
}

// end waits until jeos has ended, and checks its exit status, and that the terminal is as it was.
func (t *terminal) end(status int) string {
	t.t.Helper()
	<-t.ended
	text := t.look()
	t.t.Logf("%s, on a terminal: %s", t.what, t.took.Round(time.Millisecond))
	if got := t.cmd.ProcessState.ExitCode(); got != status {
		t.t.Errorf("%s ended with %d, want %d:\n%s", t.what, got, status, text)
	}
	if t.after != t.before {
		t.t.Errorf("%s left the terminal with other settings: %+v, not %+v", t.what, t.after, t.before)
	}
	return text
}
