package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jeos/internal/config"
	"jeos/plan"
)

func TestExitCode(t *testing.T) {
	tests := map[string]struct {
		err  error
		want int
	}{
		"fine":               {nil, 0},
		"failed":             {errors.New("no"), 1},
		"failed, titled":     {failed("Step failed", errors.New("no")), 1},
		"said already":       {errSilent, 1},
		"changes":            {errChanges, 2},
		"security":           {errSecurity, 3},
		"misuse":             {&misuse{"jeos", "no"}, 64},
		"interrupted":        {errInterrupted, 130},
		"interrupted, added": {fmt.Errorf("start guest: %w", errInterrupted), 130},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := exitCode(tt.err); got != tt.want {
				t.Errorf("exitCode(%v) = %d, want %d", tt.err, got, tt.want)
			}
		})
	}
}

func TestFailedKeepsWhatIsShownItsOwnWay(t *testing.T) {
	for _, err := range []error{nil, errInterrupted, &invalid{}, &failure{"First", errors.New("no")}} {
		if got := failed("Second", err); got != err {
			t.Errorf("failed(%#v) = %#v", err, got)
		}
	}
}

func TestSentence(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"words":            {"cannot connect: no such file", "Cannot connect: no such file."},
		"one word":         {"no", "No."},
		"a name":           {"guest.web is off", "guest.web is off."},
		"a function":       {"virDomainCreate: no memory", "virDomainCreate: no memory."},
		"ends in a stop":   {"it broke. Repair it.", "It broke. Repair it."},
		"lines":            {"it broke:\n  [ 1.0] panic", "It broke:\n  [ 1.0] panic"},
		"nothing at all":   {"", "."},
		"begins with sign": {"\"x\" is no name", "\"x\" is no name."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := sentence(errors.New(tt.text)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSizeText(t *testing.T) {
	tests := map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536 << 10: "1.5 MiB", 8 << 30: "8 GiB", 3 << 40: "3 TiB"}
	for bytes, want := range tests {
		if got := sizeText(bytes); got != want {
			t.Errorf("sizeText(%d) = %q, want %q", bytes, got, want)
		}
	}
}

func TestConfirm(t *testing.T) {
	tests := map[string]struct {
		typed string
		ok    bool
	}{
		"yes":             {"yes\n", true},
		"yes, no newline": {"yes", true},
		"y":               {"y\n", false},
		"Yes":             {"Yes\n", false},
		"no":              {"no\n", false},
		"nothing":         {"\n", false},
		"end of input":    {"", false},
		"yes too late":    {"no\nyes\n", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var shown bytes.Buffer
			p := &program{sys: System{In: strings.NewReader(tt.typed)}, err: &relay{to: &shown}}
			err := p.confirm(t.Context(), question{"Do it?", "It is done then."})
			if (err == nil) != tt.ok {
				t.Errorf("error %v", err)
			}
			if !strings.Contains(shown.String(), "Do it?\n  It is done then.\n  Only 'yes' will be accepted to approve.") {
				t.Errorf("asked:\n%s", shown.String())
			}
		})
	}
}

// An interrupt ends a question that nobody answers.
func TestConfirmInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	in, _ := io.Pipe()
	p := &program{sys: System{In: in}, err: &relay{to: io.Discard}}
	cancel(errInterrupted)
	if err := p.confirm(ctx, question{}); !errors.Is(err, errInterrupted) {
		t.Errorf("error %v", err)
	}
}

func TestInterruption(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	gentle := 0
	released := 0
	i := newInterruption(cancel, func() { released++ })
	i.soften(func() { gentle++ })
	i.signal()
	select {
	case <-i.stop:
	default:
		t.Error("the first signal does not close stop")
	}
	if gentle != 1 || !i.pending() || ctx.Err() != nil || released != 0 {
		t.Errorf("after the first signal: gentle %d, pending %t, %v", gentle, i.pending(), ctx.Err())
	}
	i.signal()
	if gentle != 1 || context.Cause(ctx) != errInterrupted || released != 1 {
		t.Errorf("after the second signal: gentle %d, %v", gentle, context.Cause(ctx))
	}
}

func TestInterruptionAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	newInterruption(cancel, nil).signal()
	if context.Cause(ctx) != errInterrupted {
		t.Errorf("a signal does not end a command that asks for nothing else: %v", context.Cause(ctx))
	}
}

func TestAnswerNeverFails(t *testing.T) {
	tests := map[string]struct {
		err   error
		fails bool
	}{
		"reader went away": {&os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}, false},
		"disk full":        {&os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := &answer{to: failingWriter{tt.err}}
			if n, err := a.Write([]byte("hello")); n != 5 || err != nil {
				t.Errorf("Write = %d, %v", n, err)
			}
			if err := a.failure(); (err != nil) != tt.fails {
				t.Errorf("failure() = %v", err)
			}
		})
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestKeyboardEndsAtEscape(t *testing.T) {
	k := &keyboard{in: strings.NewReader("ls\n\x1dexit\n")}
	got, err := io.ReadAll(k)
	if string(got) != "ls\n" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

func environment(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { value, ok := vars[name]; return value, ok }
}

func TestPrivateDir(t *testing.T) {
	tests := map[string]struct {
		make func(path string) error
		ok   bool
	}{
		"missing":        {func(string) error { return nil }, true},
		"there":          {func(path string) error { return os.Mkdir(path, 0o700) }, true},
		"open to others": {func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, 0o755)) }, false},
		"a file":         {func(path string) error { return os.WriteFile(path, nil, 0o600) }, false},
		"a link":         {func(path string) error { return os.Symlink(filepath.Dir(path), path) }, false},
		"a link to none": {func(path string) error { return os.Symlink("nowhere", path) }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "jeos")
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			got, err := privateDir(path)
			if (err == nil) != tt.ok {
				t.Fatalf("privateDir = %q, %v", got, err)
			}
		})
	}
}

// foreignFolder returns a folder that belongs to another user.
func foreignFolder(t *testing.T) string {
	if os.Geteuid() != 0 {
		return "/usr"
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestForeignFolder(t *testing.T) {
	dir := foreignFolder(t)
	if ownFolder(dir) {
		t.Errorf("%s counts as this user's", dir)
	}
	if got, err := privateDir(dir); err == nil || !strings.Contains(err.Error(), "another user") {
		t.Errorf("privateDir = %q, %v", got, err)
	}
}

func TestRuntimeDir(t *testing.T) {
	dir := t.TempDir()
	got, err := runtimeDir(environment(map[string]string{"XDG_RUNTIME_DIR": dir}))
	if want := filepath.Join(dir, "jeos"); got != want || err != nil {
		t.Errorf("runtimeDir = %q, %v; want %q", got, err, want)
	}
}

func TestScratch(t *testing.T) {
	parent := t.TempDir()
	t.Setenv("TMPDIR", parent) // so that it is what it was afterwards
	env := environment(map[string]string{"XDG_RUNTIME_DIR": parent})
	stale := filepath.Join(parent, "jeos", "tmp-4194305") // no process has a number above the kernel's greatest
	if err := os.MkdirAll(stale, 0o700); err != nil {
		t.Fatal(err)
	}
	end, err := scratch(env)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of a process that is gone is still there: %v", err)
	}
	info, err := os.Stat(os.TempDir())
	if err != nil || info.Mode().Perm() != 0o700 || filepath.Dir(os.TempDir()) != filepath.Join(parent, "jeos") {
		t.Errorf("temporary files go to %s (%v, %v)", os.TempDir(), info, err)
	}
	end()
	if _, err := os.Stat(os.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestLockSite(t *testing.T) {
	p := &program{sys: System{Env: environment(map[string]string{"XDG_RUNTIME_DIR": t.TempDir()})}}
	named := func(name, uri string) *site { return &site{Site: &config.Site{Name: name}, uri: uri} }
	unlock, err := p.lockSite(named("home", "qemu:///system"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.lockSite(named("home", "qemu:///system"))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d since ", os.Getpid())) {
		t.Errorf("a second lock: %v", err)
	}
	for _, other := range []*site{named("work", "qemu:///system"), named("home", "qemu:///session")} {
		unlockOther, err := p.lockSite(other)
		if err != nil {
			t.Fatalf("another site is locked, too: %v", err)
		}
		unlockOther()
	}
	unlock()
	unlock, err = p.lockSite(named("home", "qemu:///system"))
	if err != nil {
		t.Fatalf("still locked after unlocking: %v", err)
	}
	unlock()
}

func TestStatusText(t *testing.T) {
	yes := true
	st := &status{Site: "home", URI: "qemu:///system", Guests: []guestStatus{
		{Address: "guest.db", State: "off", ShouldRun: nil},
		{Address: "guest.web", State: "running", ShouldRun: &yes, Stage: "init\x1b", Uptime: 3725.4, Addresses: []string{"lan 10.0.0.2/24"}, Errors: []string{"apt\x1b[31m"}},
	}}
	var out bytes.Buffer
	st.writeText(&out, false)
	want := `Site home on qemu:///system

GUEST   POWER     READY             UPTIME   ADDRESSES
db      off       -                 -        -
web     running   no (init\u001b)   1h2m5s   lan 10.0.0.2/24
guest.web: apt\u001b[31m
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	if st.verdict() == nil {
		t.Error("a guest that should run and is not ready is no failure")
	}
	st.Guests[1].Ready = true
	if err := st.verdict(); err != nil {
		t.Errorf("verdict %v", err)
	}
}

func TestRefusalPointsAtItsLine(t *testing.T) {
	p := &program{global: globalFlags{Dir: "sites/home"}}
	s := &site{Site: &config.Site{}, files: nil}
	err := p.refused(s, &plan.Refusal{Problems: []plan.Problem{
		{Addr: plan.Addr{Kind: plan.KindGuest, Name: "web"}, Origin: "main.jeos.hcl:12", Summary: "S", Detail: "guest.web: no."},
		{Addr: plan.Addr{Kind: plan.KindGuest, Name: "db"}, Summary: "S", Detail: "No."},
	}})
	var inv *invalid
	if !errors.As(err, &inv) || len(inv.diags) != 2 {
		t.Fatalf("error %v", err)
	}
	if r := inv.diags[0].Subject; r == nil || r.Filename != "sites/home/main.jeos.hcl" || r.Start.Line != 12 {
		t.Errorf("range %v", r)
	}
	if d := inv.diags[1]; d.Subject != nil || d.Detail != "This is about guest.db. No." {
		t.Errorf("diagnostic %v", d)
	}
}
