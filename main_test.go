package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"jeos/internal/cli"
	"jeos/internal/fakevirt"
	"jeos/internal/images/imagestest"
	"jeos/plan"
)

// canary is the secret of all stories. No output may hold it, except of a command that asks for it by name.
const canary = "canary-7f3a91"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"jeos": func() { os.Exit(run()) }})
}

// TestScript runs the stories in testdata/script. Beside what testscript knows, they use:
//
//	exec jeos ARG…    the real program, which finds no libvirt
//	fake [FLAG…] CODE ARG…  jeos in this process on a host in memory; it must exit with CODE. Flags:
//	    -answer TEXT      on a terminal, where TEXT is typed
//	    -interrupt VERB   an interrupt comes when a step of that verb begins; twice: two of them
//	    -closed           nobody reads standard output
//	    -terminal         the output goes to a terminal
//	virsh COMMAND ARG…  what somebody does by hand to that host: destroy DOMAIN, undefine DOMAIN, edit DOMAIN OLD NEW,
//	    or define FILE
//	report DOMAIN STATE [ERROR]  the guest reports that cloud-init is in STATE from now on
//	publish RELEASE SERIAL [MANIFEST]  an image appears on a server that stands for cloud-images.ubuntu.com: $MIRROR, which
//	    signs with the keys of $KEYRING
//	dns HOST [ADDR]…  what DNS says of a host from now on; without an address: that there is no such host
//	publisher FAULT|cut BYTES|quiet  it has that fault from now on, or none ("sound"); or it cuts the next transfer; or: it
//	    must not have been asked for anything since the last such command
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup:               func(env *testscript.Env) error { return setup(t, env) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fake": fake, "virsh": virsh, "report": report, "publish": publish, "publisher": publisher,
			"dns": dns,
		},
	})
}

type hostKey struct{}

func host(ts *testscript.TestScript) *fakevirt.Host { return ts.Value(hostKey{}).(*fakevirt.Host) }

func setup(t *testing.T, env *testscript.Env) error {
	env.Values[hostKey{}] = fakevirt.New()
	env.Values[dnsKey{}] = map[string][]netip.Addr{}
	server := imagestest.NewPublisher(t)
	env.Values[publisherKey{}] = server
	env.Setenv("MIRROR", server.URL)
	env.Setenv("KEYRING", server.Keyring)
	for _, dir := range []string{"home", "run"} {
		if err := os.Mkdir(filepath.Join(env.WorkDir, dir), 0o700); err != nil {
			return err
		}
	}
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("XDG_RUNTIME_DIR", filepath.Join(env.WorkDir, "run"))
	env.Setenv("TERM", "dumb")
	env.Setenv("CANARY", canary)
	return os.WriteFile(filepath.Join(env.WorkDir, "base.img"), qcow2(), 0o600)
}

// qcow2 returns an empty image of 1 GiB (https://www.qemu.org/docs/master/interop/qcow2.html).
func qcow2() []byte {
	const cluster = 1 << 16
	image := make([]byte, 4*cluster)
	header := struct {
		Magic                           [4]byte
		Version                         uint32
		BackingOffset                   uint64
		BackingSize, ClusterBits        uint32
		Size                            uint64
		Crypt, L1Size                   uint32
		L1Offset, RefcountOffset        uint64
		RefcountClusters, Snapshots     uint32
		SnapshotsOffset                 uint64
		Incompatible, Compatible, Clear uint64
		RefcountOrder, HeaderLength     uint32
	}{
		Magic: [4]byte{'Q', 'F', 'I', 0xfb}, Version: 3, ClusterBits: 16, Size: 1 << 30, L1Size: 2,
		L1Offset: 3 * cluster, RefcountOffset: cluster, RefcountClusters: 1, RefcountOrder: 4, HeaderLength: 104,
	}
	if _, err := binary.Encode(image, binary.BigEndian, header); err != nil {
		panic(err) // the image is longer than its header
	}
	return image
}

// fakeOptions are the flags of the fake command.
type fakeOptions struct {
	answer     *string
	interrupts int
	verb       string
	closed     bool
	unbind     string // "VERB DOMAIN"
	terminal   bool
}

func parseFake(ts *testscript.TestScript, args []string) (opt fakeOptions, code int, rest []string) {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		switch args[0] {
		case "-answer":
			opt.answer, args = &args[1], args[2:]
		case "-interrupt":
			opt.verb, args = args[1], args[2:]
			opt.interrupts++
		case "-unbind": // the domain's filters, when a step of the verb is done
			opt.unbind, args = args[1], args[2:]
		case "-closed":
			opt.closed, args = true, args[1:]
		case "-terminal":
			opt.terminal, args = true, args[1:]
		default:
			ts.Fatalf("unknown flag %s of fake", args[0])
		}
	}
	if len(args) == 0 {
		ts.Fatalf("usage: fake [FLAG…] CODE ARG…")
	}
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	return opt, code, args[1:]
}

func fake(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("name the exit code in place of !")
	}
	opt, code, rest := parseFake(ts, args)
	var out, stderr buffer
	signals := make(chan os.Signal, 2)
	sys := cli.System{
		In: strings.NewReader(""), Out: &out, Err: &stderr, Signals: signals,
		OutTerminal: opt.terminal, ErrTerminal: opt.terminal,
		Env: func(name string) (string, bool) { value := ts.Getenv(name); return value, value != "" },
		Open: func(_ context.Context, _ string, readOnly bool) (plan.Hypervisor, error) {
			return &interrupter{Conn: host(ts).Open(readOnly), host: host(ts), opt: opt, signals: signals, stderr: &stderr}, nil
		},
		Resolve: func(_ context.Context, name string) ([]netip.Addr, error) {
			if addresses, ok := ts.Value(dnsKey{}).(map[string][]netip.Addr)[name]; ok {
				return addresses, nil
			}
			return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
		},
	}
	if opt.answer != nil {
		sys.In, sys.InTerminal, sys.ErrTerminal = strings.NewReader(*opt.answer+"\n"), true, true
	}
	if opt.closed {
		pipe, w, err := os.Pipe()
		ts.Check(err)
		ts.Check(pipe.Close())
		defer w.Close()
		sys.Out = w
	}
	got := cli.Main(context.Background(), append([]string{"-C", ts.MkAbs(".")}, rest...), sys)
	io.WriteString(ts.Stdout(), out.String())
	io.WriteString(ts.Stderr(), stderr.String())
	if strings.Contains(out.String()+stderr.String(), canary) && !slices.Contains(rest, "secret") {
		ts.Fatalf("the secret was shown")
	}
	if got != code {
		ts.Logf("[stdout]\n%s[stderr]\n%s", out.String(), stderr.String())
		ts.Fatalf("jeos exited with %d, not %d", got, code)
	}
}

// interrupter is a connection on which an interrupt comes when a step begins, or filters go when it ends.
type interrupter struct {
	*fakevirt.Conn
	host    *fakevirt.Host
	opt     fakeOptions
	signals chan<- os.Signal
	stderr  *buffer
	once    sync.Once
}

func (i *interrupter) Do(ctx context.Context, s plan.Step, progress func(plan.Progress)) error {
	if string(s.Verb) == i.opt.verb {
		i.once.Do(func() {
			for range i.opt.interrupts {
				i.signals <- os.Interrupt
			}
			for !strings.Contains(i.stderr.String(), "Interrupt: ") {
				time.Sleep(time.Millisecond)
			}
		})
		if i.opt.interrupts > 1 {
			<-ctx.Done()
			return fmt.Errorf("the call was given up: %w", ctx.Err())
		}
	}
	err := i.Conn.Do(ctx, s, progress)
	if verb, ok := strings.CutSuffix(i.opt.unbind, " "+s.Host); ok && verb == string(s.Verb) {
		i.host.Unbind(s.Host)
	}
	return err
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// virsh does by hand what jeos must notice.
func virsh(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: virsh COMMAND …")
	}
	conn := host(ts).Open(false)
	ctx := context.Background()
	if args[0] == "define" {
		ts.Check(conn.Do(ctx, plan.Step{Verb: plan.DefineGuest, XML: ts.ReadFile(args[1])}, nil))
		return
	}
	inv, err := conn.Inventory(ctx, "", func(string) bool { return false })
	ts.Check(err)
	i := slices.IndexFunc(inv.Domains, func(d plan.HostDomain) bool { return d.Name == args[1] })
	if i < 0 {
		ts.Fatalf("there is no domain %s", args[1])
	}
	d := inv.Domains[i]
	step := plan.Step{Host: d.Name, UUID: d.UUID}
	switch args[0] {
	case "destroy":
		step.Verb = plan.StopGuest
	case "undefine":
		step.Verb = plan.UndefineGuest
	case "edit":
		step.Verb, step.XML = plan.DefineGuest, strings.Replace(d.XML, args[2], args[3], 1)
		if step.XML == d.XML {
			ts.Fatalf("there is no %q in\n%s", args[2], d.XML)
		}
	default:
		ts.Fatalf("unknown command %s of virsh", args[0])
	}
	ts.Check(conn.Do(ctx, step, nil))
}

// report sets what a guest says.
func report(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: report DOMAIN STATE [ERROR]")
	}
	host(ts).SetReport(args[0], plan.Report{Version: 1, Sequence: 1, Uptime: 61, CloudInit: args[1], Stage: "modules-final", Errors: args[2:]})
}

type dnsKey struct{}

func dns(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: dns HOST [ADDR]…")
	}
	names := ts.Value(dnsKey{}).(map[string][]netip.Addr)
	delete(names, args[0])
	for _, text := range args[1:] {
		addr, err := netip.ParseAddr(text)
		ts.Check(err)
		names[args[0]] = append(names[args[0]], addr)
	}
}

type publisherKey struct{}

func publish(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: publish RELEASE SERIAL [MANIFEST]")
	}
	image := imagestest.Image{Release: args[0], Serial: args[1], Content: imagestest.QCOW2(1<<20, args[1][len(args[1])-1])}
	if len(args) == 3 {
		image.Manifest = ts.ReadFile(args[2])
	}
	ts.Value(publisherKey{}).(*imagestest.Publisher).Publish(image)
}

func publisher(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: publisher FAULT|sound|cut BYTES|quiet")
	}
	p := ts.Value(publisherKey{}).(*imagestest.Publisher)
	asked := p.Requests()
	switch args[0] {
	case "quiet":
		if len(asked) > 0 {
			ts.Fatalf("the publisher was asked for:\n%s", strings.Join(asked, "\n"))
		}
	case "cut":
		bytes, err := strconv.ParseInt(args[1], 10, 64)
		ts.Check(err)
		p.Cut(1, bytes)
	case "sound":
		p.Set("")
	default:
		p.Set(imagestest.Fault(strings.Join(args, " ")))
	}
}
