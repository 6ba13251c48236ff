package builders

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jeos/internal/config"
)

// roleGuest is a folder in which the script of a role finds a guest's file system, and programs of testdata/bin in place
// of those that change a system.
type roleGuest struct {
	t    *testing.T
	root string
}

func newRoleGuest(t *testing.T, units ...string) *roleGuest {
	t.Helper()
	g := &roleGuest{t, t.TempDir()}
	for _, dir := range []string{"units", "accounts", "run/jeos"} {
		if err := os.MkdirAll(g.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, unit := range append(units, "jeos-role.service") {
		g.write("units/"+unit+".there", "simple")
	}
	return g
}

func (g *roleGuest) path(name string) string { return filepath.Join(g.root, name) }

func (g *roleGuest) write(name, content string) {
	g.t.Helper()
	if err := os.WriteFile(g.path(name), []byte(content), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

func (g *roleGuest) read(name string) string {
	g.t.Helper()
	data, err := os.ReadFile(g.path(name))
	if err != nil && !os.IsNotExist(err) {
		g.t.Fatal(err)
	}
	return string(data)
}

func (g *roleGuest) has(name string) bool {
	_, err := os.Lstat(g.path(name))
	return err == nil
}

// boot starts the guest with that role, and calls install, unless it is nil, where cloud-init installs packages. It
// returns what was asked of systemctl early and late, and what went wrong.
func (g *roleGuest) boot(r *config.Role, install func()) (early, late, wrong string) {
	g.t.Helper()
	os.RemoveAll(g.path("run"))
	units, err := filepath.Glob(g.path("units/*.active"))
	if err != nil || os.MkdirAll(g.path("run/jeos"), 0o755) != nil {
		g.t.Fatal(err)
	}
	for _, unit := range units {
		os.Remove(unit)
	}
	units, _ = filepath.Glob(g.path("units/*.enabled"))
	for _, unit := range units {
		if name := "units/" + strings.TrimSuffix(filepath.Base(unit), ".enabled"); !g.has(name + ".broken") {
			g.write(name+".active", "")
		}
	}
	g.write("boot", g.inside(r, guestFile("boot.sh")+rolePart(r)))
	early = g.run("boot")
	if wrong := g.read("run/jeos/errors"); wrong != "" {
		g.t.Errorf("early says %q", wrong)
	}
	if !g.has("run/jeos/role/script") {
		return early, "", ""
	}
	early = strings.TrimSuffix(early, "start jeos-role.service later\n")
	if !g.has("run/jeos/work") {
		g.t.Error("the guest is ready before the role is")
	}
	if install != nil {
		install()
	}
	late = g.run("run/jeos/role/script", "late")
	if g.has("run/jeos/work") {
		g.t.Error("the guest never gets ready")
	}
	return early, late, g.read("run/jeos/errors")
}

// inside returns the script with the places of this guest in place of real ones.
func (g *roleGuest) inside(r *config.Role, script string) string {
	bin, err := filepath.Abs("testdata/bin")
	if err != nil {
		g.t.Fatal(err)
	}
	return strings.NewReplacer(
		" /run/jeos", " "+g.root+"/run/jeos", ">/run/jeos", ">"+g.root+"/run/jeos", "=/run/jeos", "="+g.root+"/run/jeos",
		"/var/lib/jeos", g.root+"/lib", "=/usr/local/lib/jeos", "="+g.root+"/jeos", "'/usr/local/lib/jeos", "'"+g.root+"/jeos",
		"\n/usr/local/lib/jeos", "\n"+g.root+"/jeos", "PATH=/usr", "PATH="+bin+":/usr",
	).Replace(script)
}

func (g *roleGuest) run(arguments ...string) (calls string) {
	g.t.Helper()
	os.Remove(g.path("calls"))
	arguments[0] = g.path(arguments[0])
	cmd := exec.Command("sh", arguments...)
	cmd.Env = append(os.Environ(), "PATH="+g.binPath(), "UNITS="+g.path("units"), "CALLS="+g.path("calls"), "ACCOUNTS="+g.path("accounts"))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		g.t.Errorf("%v: %s", err, out)
	}
	return g.read("calls")
}

func (g *roleGuest) binPath() string {
	bin, err := filepath.Abs("testdata/bin")
	if err != nil {
		g.t.Fatal(err)
	}
	return bin + ":" + os.Getenv("PATH")
}

func (g *roleGuest) want(what, got, want string) {
	g.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		g.t.Errorf("%s (-want +got):\n%s\nlog:\n%s", what, diff, g.read("run/jeos/role/log"))
	}
}

func (g *roleGuest) file(name, content string) config.File {
	return config.File{Path: g.path(name), Content: []byte(content), Mode: 0o644, Owner: "root:root"}
}

// gateway is a role with one of everything.
func (g *roleGuest) gateway() *config.Role {
	return &config.Role{
		Name:    "gate's",
		Files:   []config.File{g.file("etc/a/rules", "rules\n"), g.file("etc/gate.service", "unit\n")},
		Enable:  []string{"gate.service", "tunnel@x.service"},
		Disable: []string{"nftables.service", "nowhere.service"},
		Apply:   []string{"cat " + g.path("etc/a/rules") + " >>" + g.path("applied"), "true"},
		Guard:   "echo 'closed'",
		Probes:  []config.Probe{{Name: "tunnel", Command: "echo up"}},
	}
}

const (
	allStarted = "disable nftables.service\nmask nftables.service\ndisable nowhere.service\nmask nowhere.service\n" +
		"enable gate.service\nenable tunnel@x.service\ndaemon-reload\nstop nftables.service\nstop nowhere.service\n" +
		"restart gate.service later\nrestart tunnel@x.service later\n"
	nothingNew      = "stop nftables.service\nstop nowhere.service\nstart gate.service\nstart tunnel@x.service\n"
	nothingNewEarly = "stop nftables.service\nstop nowhere.service\nstart gate.service later\nstart tunnel@x.service later\n"
)

func TestRole(t *testing.T) {
	g := newRoleGuest(t, "gate.service", "tunnel@x.service", "nftables.service")
	g.write("units/nftables.service.enabled", "")
	early, late, wrong := g.boot(g.gateway(), nil)
	g.want("early", early, allStarted)
	g.want("late", late, nothingNew)
	g.want("errors", wrong, "")
	g.want("applied", g.read("applied"), "rules\n")
	for path, want := range map[string]string{"jeos/guard": "closed\n", "jeos/probes/tunnel": "up\n"} {
		if out, err := exec.Command(g.path(path)).Output(); err != nil || string(out) != want {
			t.Errorf("%s says %q, %v", path, out, err)
		}
	}

	early, late, wrong = g.boot(g.gateway(), nil)
	g.want("early, second boot", early, nothingNewEarly)
	g.want("late, second boot", late, nothingNew)
	g.want("errors, second boot", wrong, "")
	g.want("applied, second boot", g.read("applied"), "rules\n")
}

// What somebody changed inside, or what another seed brings, is put right and into effect.
func TestRoleChanges(t *testing.T) {
	for name, change := range map[string]func(*roleGuest, *config.Role){
		"content":      func(g *roleGuest, r *config.Role) { r.Files[1].Content = []byte("other") },
		"mode":         func(g *roleGuest, r *config.Role) { r.Files[1].Mode = 0o600 },
		"another file": func(g *roleGuest, r *config.Role) { r.Files = append(r.Files, g.file("etc/more", "")) },
		"a file less":  func(g *roleGuest, r *config.Role) { r.Files = r.Files[:1] },
		"apply":        func(g *roleGuest, r *config.Role) { r.Apply[1] = ":" },
		"by hand":      func(g *roleGuest, r *config.Role) { g.write("etc/gate.service", "x") },
		"gone":         func(g *roleGuest, r *config.Role) { os.Remove(g.path("etc/gate.service")) },
		"a link": func(g *roleGuest, r *config.Role) {
			os.Rename(g.path("etc/gate.service"), g.path("etc/other"))
			os.Symlink("other", g.path("etc/gate.service"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRoleGuest(t, "gate.service", "tunnel@x.service")
			g.boot(g.gateway(), nil)
			r := g.gateway()
			change(g, r)
			early, late, wrong := g.boot(r, nil)
			g.want("early", early, "enable gate.service\nenable tunnel@x.service\ndaemon-reload\nstop nftables.service\nstop nowhere.service\n"+
				"restart gate.service later\nrestart tunnel@x.service later\n")
			g.want("late", late, nothingNew)
			g.want("errors", wrong, "")
			g.want("applied", g.read("applied"), "rules\nrules\n")
			for _, f := range g.gateway().Files {
				info, err := os.Lstat(f.Path)
				if name == "a file less" && strings.HasSuffix(f.Path, ".service") {
					if err == nil {
						t.Errorf("%s is still there", f.Path)
					}
				} else if err != nil || !info.Mode().IsRegular() {
					t.Errorf("%s: %v %v", f.Path, info, err)
				}
			}
		})
	}
}

// Files get exactly the bytes, mode and name that they should have, and nothing is left beside them.
func TestRoleFiles(t *testing.T) {
	g := newRoleGuest(t)
	r := &config.Role{Name: "x", Files: []config.File{g.file("dir/it's $HOME `x` \\ é", "secret")}}
	r.Files[0].Mode = 0o400
	for i, content := range []string{"", "\n\n", "no newline", "\x00\xff\r\n\x00", strings.Repeat("\x00binary\n", 40000), "JEOS\nJEOS ROLE\n"} {
		r.Files = append(r.Files, g.file("dir/"+string(rune('A'+i)), content))
	}
	if _, _, wrong := g.boot(r, nil); wrong != "" {
		t.Fatal(wrong)
	}
	for _, f := range r.Files {
		got, err := os.ReadFile(f.Path)
		if err != nil || !bytes.Equal(got, f.Content) {
			t.Errorf("%s holds %.40q, want %.40q (%v)", f.Path, got, f.Content, err)
		}
		if info, err := os.Stat(f.Path); err != nil || info.Mode().Perm() != os.FileMode(f.Mode) {
			t.Errorf("%s: mode %v, %v", f.Path, info.Mode(), err)
		}
	}
	if list, _ := os.ReadDir(g.path("dir")); len(list) != len(r.Files) {
		t.Errorf("%d files, want %d", len(list), len(r.Files))
	}
}

// Only what the role brought goes with it.
func TestRoleEnds(t *testing.T) {
	g := newRoleGuest(t, "gate.service", "tunnel@x.service")
	g.write("units/tunnel@x.service.enabled", "")
	os.Mkdir(g.path("etc"), 0o755)
	g.write("etc/gate.service", "unit\n")
	g.boot(g.gateway(), nil)
	early, late, wrong := g.boot(nil, nil)
	g.want("early", early, "disable gate.service\nunmask nftables.service\nunmask nowhere.service\ndaemon-reload\n")
	g.want("late", late, "")
	g.want("errors", wrong, "")
	for name, want := range map[string]bool{
		"etc/gate.service": true, "etc/a/rules": false, "jeos/guard": false, "jeos/probes/tunnel": false, "jeos/apply/001": false, "lib/role": false,
		"units/tunnel@x.service.enabled": true, "units/tunnel@x.service.active": true, "units/gate.service.enabled": false,
	} {
		if g.has(name) != want {
			t.Errorf("%s is there: %v", name, !want)
		}
	}
	if early, _, _ := g.boot(nil, nil); early != "" || g.has("run/jeos/role") {
		t.Errorf("a guest without a role calls %q", early)
	}
}

// At the first boot some of what a role needs comes with packages, after the boot script.
func TestRoleBeforePackages(t *testing.T) {
	g := newRoleGuest(t, "gate.service")
	r := g.gateway()
	r.Files[0].Owner = "vpn:vpn"
	r.Apply[1] = "test -e " + g.path("tool")
	_, late, wrong := g.boot(r, func() {
		g.write("accounts/vpn", "")
		g.write("tool", "")
		g.write("units/tunnel@x.service.there", "simple")
	})
	g.want("errors", wrong, "")
	g.want("late", late, "enable gate.service\nenable tunnel@x.service\ndaemon-reload\nstop nftables.service\nstop nowhere.service\n"+
		"restart gate.service\nrestart tunnel@x.service\n")
	g.want("applied", g.read("applied"), "rules\n")
	if !g.has("units/tunnel@x.service.active") {
		t.Error("the unit does not run")
	}
}

func TestRoleFails(t *testing.T) {
	const fault = "role gate's: "
	for name, c := range map[string]struct {
		change func(*roleGuest, *config.Role)
		want   string
	}{
		"no owner":   {func(g *roleGuest, r *config.Role) { r.Files[0].Owner = "vpn:vpn" }, "cannot write ROOT/etc/a/rules: chown: invalid user: 'vpn:vpn'"},
		"folder":     {func(g *roleGuest, r *config.Role) { os.MkdirAll(g.path("etc/gate.service"), 0o755) }, "cannot overwrite directory"},
		"no folder":  {func(g *roleGuest, r *config.Role) { g.write("etc", "") }, "cannot write ROOT/etc/a/rules: mkdir: "},
		"apply":      {func(g *roleGuest, r *config.Role) { r.Apply[0] = "echo one; echo two; exit 3" }, "apply 001 failed with status 3: two"},
		"apply, all": {func(g *roleGuest, r *config.Role) { r.Apply[0], r.Apply[1] = "exit 1", "exit 2" }, "apply 002 failed with status 2: "},
		"secret":     {func(g *roleGuest, r *config.Role) { r.Files[0].Sensitive, r.Apply[0] = true, "echo geheim; exit 3" }, "apply 001 failed with status 3 (its output is not shown, because it may hold a secret)"},
		"no unit":    {func(g *roleGuest, r *config.Role) { r.Enable[0] = "none.service" }, "cannot enable none.service"},
		"no start":   {func(g *roleGuest, r *config.Role) { g.write("units/gate.service.broken", "") }, "gate.service does not run; see: journalctl -u gate.service"},
		"no one-shot": {func(g *roleGuest, r *config.Role) {
			g.write("units/gate.service.broken", "")
			g.write("units/gate.service.there", "oneshot")
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRoleGuest(t, "gate.service", "tunnel@x.service")
			r := g.gateway()
			c.change(g, r)
			_, _, wrong := g.boot(r, nil)
			if c.want == "" && wrong != "" || !strings.Contains(wrong, strings.ReplaceAll(c.want, "ROOT", g.root)) {
				t.Errorf("errors %q, want %q\n%s", wrong, c.want, g.read("run/jeos/role/log"))
			}
			for line := range strings.Lines(wrong) {
				if !strings.HasPrefix(line, fault) || strings.Contains(line, "geheim") {
					t.Errorf("error %q", line)
				}
			}
			if c.want == "" {
				return
			}
			// It is not over: the next boot tries again, also with nothing new.
			early, _, again := g.boot(r, nil)
			if again != wrong || !strings.Contains(early, "daemon-reload\n") && name != "no start" {
				t.Errorf("next boot: %q, then %q", early, again)
			}
		})
	}
}
