//go:build lab

package main_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The two tests of this file run side by side: most of their time goes by in guests that boot.

// frozenArchive has apt take the mirror's packages, which were signed some time ago, and no more of them than are asked for.
const frozenArchive = `  file "/etc/apt/apt.conf.d/90frozen" {
    content = <<-END
      Acquire::Check-Valid-Until "false";
      Acquire::Languages "none";
      APT::Install-Recommends "false";
    END
  }
`

const bakedFiles = `
jeos {
  site = "SITE"
  pool = "SITE"
}

image "base" {
  source = "IMAGE"
}

network "lan" {
  cidrs = ["10.97.1.0/24"]
}

image "tools" {
  base     = image.base
  packages = ["hello", "tinyproxy"]
  run = [
    "cat /etc/machine-id /etc/ssh/ssh_host_*_key.pub >/etc/identity-of-the-bake",
    "hello --greeting=run >/etc/greeting",
  ]
  apt {
    proxy = "http://100.64.7.1:PORT"
  }
` + frozenArchive + `  bake {
    cidr    = "100.64.7.0/28"
    cpus    = 1
    timeout = "25m"
  }
}

guest "g" {
  for_each = toset(["a"])
  image    = image.tools
  nic "lan" {
    network = network.lan
  }
}
`

// failingFiles is for the same site: an image that cannot be baked, with a small index so that this is soon known.
const failingFiles = `
image "broken" {
  base     = image.base
  packages = ["cowsey", "hallo"]
  agent    = false
  apt {
    proxy = "http://100.64.8.1:PORT"
  }
  file "/etc/apt/sources.list" {
    content = "deb http://archive.example/debian bookworm-updates main\n"
  }
  file "/etc/apt/apt.conf.d/90frozen" {
    content = "Acquire::Check-Valid-Until \"false\";\n"
  }
  bake {
    cidr    = "100.64.8.0/28"
    cpus    = 1
    timeout = "25m"
  }
}

guest "never" {
  image = image.broken
}
`

// TestLabBake bakes an image with packages, while the bake of another one fails, and makes a guest of it that reaches no
// network.
func TestLabBake(t *testing.T) {
	t.Parallel()
	fill := strings.NewReplacer("PORT", packageServer(t)).Replace
	pool := poolFolder("baked")
	s := newLabSite(t, "baked", map[string]string{"site.jeos.hcl": fill(bakedFiles), "failing.jeos.hcl": fill(failingFiles)})
	mustHold(t, s.run(0, "plan"), "image.tools", "image.broken", "to be baked: there is no image of this recipe and serial yet")
	_, errs := s.run2(1, "apply", "--auto-approve")
	mustHold(t, errs, "bake.broken", "its work ended in an error", "cowsey", "hallo", "correct the block of image.broken")
	if strings.Contains(errs, "tools: its work ended") {
		t.Fatalf("the bake that should work fails:\n%s", errs)
	}
	// Nothing of the failed bake is left.
	if left := slices.Concat(namesOf(t, "baked-bake.", "list", "--all", "--name"), namesOf(t, "baked-bake.", "net-list", "--all", "--name")); len(left) > 0 {
		t.Errorf("the failed bake left %q", left)
	}
	mustHold(t, s.run(0, "plan"), "image.broken", "to be baked: there is no image of this recipe and serial yet")
	if err := os.Remove(filepath.Join(s.dir, "failing.jeos.hcl")); err != nil {
		t.Fatal(err)
	}
	s.run(0, "apply", "--auto-approve")
	s.mustBeEmpty()
	s.awaitReady()
	sameLines(t, "domains", namesOf(t, "baked-", "list", "--all", "--name"), []string{"baked-g-a"})
	sameLines(t, "networks", namesOf(t, "baked-", "net-list", "--all", "--name"), []string{"baked-lan"})
	image := mustStandAlone(t, pool)
	sameLines(t, "volumes", glob(t, pool, "baked.*"), []string{"baked.g-a.root.qcow2", "baked.g-a.seed-1.iso", "baked.g-a.seed-1.iso.ok"})
	list, err := os.ReadFile(filepath.Join(pool, strings.TrimSuffix(image, ".qcow2")+".manifest"))
	if err != nil {
		t.Fatal(err)
	}
	mustHold(t, string(list), "hello", "tinyproxy", "qemu-guest-agent", "\x00")

	checkBakedGuest(t, "baked-g-a")

	// Another recipe is for guests that are made from now on.
	s.write("site.jeos.hcl", strings.Replace(fill(bakedFiles), "--greeting=run", "--greeting=again", 1))
	if _, changes := s.plan(); len(changes) > 0 {
		t.Errorf("another recipe changes guests that are there: %q", changes)
	}
	s.write("site.jeos.hcl", strings.NewReplacer("--greeting=run", "--greeting=again", `["a"]`, `["a", "b"]`).Replace(fill(bakedFiles)))
	_, changes := s.plan()
	for _, c := range changes {
		if !strings.Contains(c, "image.tools") && !strings.Contains(c, "g-b") {
			t.Errorf("a guest of another recipe changes %s", c)
		}
	}
	if !slices.Contains(changes, "create image.tools") {
		t.Errorf("no new image for a new guest of another recipe: %q", changes)
	}
}

// checkBakedGuest looks into a guest, through the agent that is in its image.
func checkBakedGuest(t *testing.T, domain string) {
	t.Helper()
	const state = "systemctl is-system-running --wait; systemctl --failed --no-legend --plain"
	sh := func(command string) string { return agent(t, domain, command) }
	equal(t, "state", sh(state), "running")
	equal(t, "program", sh("hello"), "Hello, world!")
	equal(t, "service", sh("systemctl is-active tinyproxy"), "active")
	equal(t, "what was run", sh("cat /etc/greeting"), "run")
	equal(t, "left of the proxy", sh("grep -rsl '100[.]64[.]7[.]1:' /etc /var/log /var/lib /root /usr/local; true"), "")
	equal(t, "left of the bake", sh("find / -xdev -path /proc -prune -o -name '*jeos-bake*' -print -o -path '/usr/local/lib/jeos/*bake*' -print; ls -d /run/jeos/bake /run/jeos/work 2>/dev/null; true"), "")
	equal(t, "archives and lists", sh("find /var/cache/apt/archives /var/lib/apt/lists -type f ! -name lock; true"), "")
	equal(t, "host name", sh("hostname"), strings.TrimPrefix(domain, "baked-"))
	ids := append(strings.Fields(sh("cat /etc/machine-id")), keys(sh("cat /etc/ssh/ssh_host_*_key.pub"))...)
	bake := sh("cat /etc/identity-of-the-bake")
	if len(ids) < 2 || len(keys(bake)) == 0 {
		t.Fatalf("the guest has the identities %q, the bake had %q", ids, bake)
	}
	for _, id := range ids {
		if strings.Contains(bake, id) {
			t.Errorf("the guest has an identity of the bake: %s", id)
		}
	}
}

// keys returns what differs in lines of public keys.
func keys(text string) []string {
	return regexp.MustCompile(`AAAA[A-Za-z0-9+/=]+`).FindAllString(text, -1)
}

const cutFiles = `
jeos {
  site = "SITE"
  pool = "SITE"
}

image "base" {
  source = "IMAGE"
}

image "small" {
  base  = image.base
  agent = false
  run   = ["echo baked >/etc/baked"]
  bake {
    cidr    = "100.64.9.0/28"
    cpus    = 1
    timeout = "25m"
  }
}

guest "g" {
  image   = image.small
  running = false
}
`

// TestLabBakeKilled kills apply at five moments of one bake. Each run has to come further than the one before, and so
// has to cope with what that left; the last comes to the end.
func TestLabBakeKilled(t *testing.T) {
	t.Parallel()
	pool := poolFolder("cut")
	s := newLabSite(t, "cut", map[string]string{"site.jeos.hcl": cutFiles})
	there := func(pattern string) bool { return len(glob(t, pool, pattern)) > 0 }
	moments := []struct {
		name string
		now  func(said string) bool // looked at all the time, with what is on standard error
		done bool                   // the image is complete by then
	}{
		{"its disk is made", func(string) bool { return there("cut.bake.small.root.qcow2") }, false},
		{"its guest boots", func(said string) bool { return strings.Contains(said, "wait for guest … no report yet") }, false},
		{"the image is being copied", func(string) bool { return there("jeos-image.*-1.qcow2") }, false},
		{"the image is complete", func(string) bool { return there("jeos-image.*-1.qcow2.ok") }, true},
		{"the bake is cleared away", func(said string) bool { return strings.Contains(said, "bake.small: stop network") }, true},
	}
	slow := slowLibvirt(t) // else the last of them is over before anybody has seen it
	for _, m := range moments {
		args := []string{"apply", "--auto-approve", "--parallelism", "1"}
		if m.done {
			args = append(args, "--connect", slow)
		}
		s.killWhen(m.name, m.now, args...)
		equal(t, m.name+": the image is complete", there("jeos-image.*-1.qcow2.ok"), m.done)
		if there("cut.g.root.qcow2") && !m.done {
			t.Errorf("%s: there is a disk over half an image", m.name)
		}
	}
	s.run(0, "apply", "--auto-approve")
	s.mustBeEmpty()
	sameLines(t, "domains", namesOf(t, "cut-", "list", "--all", "--name"), []string{"cut-g"})
	sameLines(t, "networks", namesOf(t, "cut-", "net-list", "--all", "--name"), nil)
	sameLines(t, "volumes", glob(t, pool, "cut.*"), []string{"cut.g.root.qcow2", "cut.g.seed-1.iso", "cut.g.seed-1.iso.ok"})
	mustStandAlone(t, pool)
}

// killWhen starts jeos and kills it when now says so.
func (s *labSite) killWhen(moment string, now func(said string) bool, args ...string) {
	s.t.Helper()
	var said safeBuffer
	cmd := s.command(args...)
	cmd.Stderr = &said
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for !now(said.String()) {
		select {
		case err := <-ended:
			s.t.Fatalf("jeos %s ended before this: %s: %v\n%s", strings.Join(args, " "), moment, err, said.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	<-ended
	s.t.Logf("jeos %s killed when %s: %s", strings.Join(args, " "), moment, time.Since(begin).Round(time.Millisecond))
}

// slowLibvirt returns the URI of libvirt by a way on which everything that is asked takes a while.
func slowLibvirt(t *testing.T) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "slow")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", "/run/libvirt/libvirt-sock")
			if err != nil {
				t.Errorf("libvirt: %v", err)
				client.Close()
				continue
			}
			go func() {
				io.Copy(client, server)
				client.Close()
			}()
			go func() {
				io.Copy(delayed{server}, client)
				server.Close()
			}()
		}
	}()
	return "qemu+unix:///system?socket=" + socket
}

type delayed struct{ io.Writer }

func (d delayed) Write(p []byte) (int, error) {
	time.Sleep(50 * time.Millisecond)
	return d.Writer.Write(p)
}

// safeBuffer is written to and read at the same time.
type safeBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// poolFolder is where the pool of a test's site lies. The site removes it at the end.
func poolFolder(name string) string { return "/var/lib/libvirt/images/" + name }

// glob returns the names of the files in a folder that fit, sorted.
func glob(t *testing.T, dir, pattern string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		list[i] = filepath.Base(list[i])
	}
	return list
}

// mustStandAlone checks the one baked image in a pool's folder: it is whole, complete and a layer over nothing. It returns
// its name.
func mustStandAlone(t *testing.T, pool string) string {
	t.Helper()
	images := glob(t, pool, "jeos-image.*-1.qcow2")
	if len(images) != 1 {
		t.Fatalf("baked images: %q, want one", images)
	}
	key := strings.TrimSuffix(images[0], ".qcow2")
	sameLines(t, "baked image", glob(t, pool, key+"*"), []string{key + ".qcow2", key + ".qcow2.ok", key + ".manifest", key + ".manifest.ok"})
	for _, command := range []string{"check", "info"} {
		out, err := exec.Command("qemu-img", command, filepath.Join(pool, images[0])).CombinedOutput()
		if err != nil || strings.Contains(string(out), "backing") {
			t.Errorf("qemu-img %s: %v\n%s", command, err, out)
		}
	}
	return images[0]
}

// packageServer answers, as a proxy of apt's does, for every host with the files of scripts/package-mirror. It returns its
// port.
func packageServer(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("JEOS_PACKAGE_MIRROR")
	if dir == "" {
		t.Fatal("JEOS_PACKAGE_MIRROR is not set: run scripts/test, or see CONTRIBUTING.md")
	}
	listener, err := net.Listen("tcp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(dir))}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
