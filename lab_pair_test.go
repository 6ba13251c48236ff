//go:build lab

package main_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const pairFiles = `
jeos {
  site      = "SITE"
  pool      = "SITE"
  pool_path = "/var/lib/libvirt/images/SITE"
}

variable "key" { type = string }
variable "image" { default = "IMAGE" }
variable "cpus" {
  type    = number
  default = 1
}
variable "memory" { default = "384MiB" }
variable "disk" { default = "3GiB" }
variable "data" { default = "256MiB" }
variable "running" {
  type    = bool
  default = true
}
variable "autostart" {
  type    = bool
  default = true
}
variable "back" {
  type    = bool
  default = true
}
variable "packages" {
  type    = list(string)
  default = []
}
variable "motd" { default = "hello" }
variable "run" { default = "echo ran >> /var/tmp/ran" }

image "base" {
  source = var.image
}

network "wan" {
  mode  = "nat"
  cidrs = ["10.88.1.0/24"]
}

network "link" {
  cidrs = ["10.88.2.0/24", "fd64:6a65:6f73:88::/64"]
}

network "extra" {
  cidrs = ["10.88.3.0/24"]
}

guest "front" {
  image     = image.base
  cpus      = var.cpus
  memory    = var.memory
  disk      = var.disk
  running   = var.running
  autostart = var.autostart
  timezone  = "Europe/Berlin"
  ready_timeout = "1h"
  hostname  = "front-of-house"
  swap      = "64MiB"
  packages  = var.packages
  run       = [var.run, "printf '%s' \"quoted 'twice' $((40 + 2))\" > /var/tmp/quoted"]
  apt {
    proxy = "http://127.0.0.1:9"
  }
  nic "wan" {
    network = network.wan
  }
  nic "link" {
    network   = network.link
    addresses = ["10.88.2.10"]
  }
  user "admin" {
    ssh_keys = [var.key]
    sudo     = true
  }
  user "worker" {
    uid             = 4242
    gecos           = "Wörker O'Neil"
    shell           = "/bin/sh"
    groups          = ["adm", "systemd-journal"]
    hashed_password = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"
  }
  file "/etc/owned" {
    content = "mine"
    mode    = "0640"
    owner   = "worker:adm"
  }
  file "/etc/motd" {
    content = var.motd
  }
  # more of front
}

guest "back" {
  for_each = toset(var.back ? ["1"] : [])
  image    = image.base
  memory   = "384MiB"
  ready_timeout = "1h"
  nic "wan" {
    network = network.wan
  }
  nic "link" {
    network = network.link
  }
  user "admin" {
    ssh_keys = [var.key]
    sudo     = true
  }
  disk "data" {
    size  = var.data
    mount = "/srv"
    keep  = true
  }
}
`

// frontEnd marks the place in pairFiles for more blocks of the guest front.
const frontEnd = "  # more of front\n"

const (
	extraNIC = "  nic \"extra\" {\n    network = network.extra\n  }\n"
	moreDisk = "  disk \"more\" {\n    size  = \"128MiB\"\n    mount = \"/more\"\n  }\n"
)

// hostileContents are file contents that something on the way to the guest could get wrong.
func hostileContents() map[string]string {
	return map[string]string{
		"quotes":    `"double" 'single' \back\ ` + "`tick`",
		"templates": "${HOME} %{ if } {{ v1.name }} $(id)\n",
		"jinja":     "## template: jinja\n#cloud-config\n",
		"documents": "a: 1\n---\nb: 2\n...\n",
		"nel":       "a\u0085b\u2028c\u2029d\n",
		"emoji":     "🏠 é \u202e\n",
		"crlf":      "one\r\ntwo\r\n",
		"leading":   "\n\n  indented\n\ttab\n",
		"no-end":    "no newline at the end",
		"mac":       "52:54:00:12:34:56",
		"yes":       "yes",
		"octal":     "012",
		"equals":    "=",
		"sexagesim": "1:30",
		"empty":     "",
		"spaces":    "trailing   \n   \n",
	}
}

// writeHostile writes each content to a file of the site and returns the blocks that put it into the guest, one half by
// content and one half by source. It returns the sha256 of each too.
func writeHostile(t *testing.T, dir string) (blocks string, sums map[string]string) {
	t.Helper()
	sums = map[string]string{}
	add := func(name string, data []byte, how string) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
		blocks += fmt.Sprintf("  file \"/etc/hostile/%s\" {\n    %s\n  }\n", name, fmt.Sprintf(how, name))
		sum := sha256.Sum256(data)
		sums[name] = hex.EncodeToString(sum[:])
	}
	for i, name := range slices.Sorted(maps.Keys(hostileContents())) {
		how := []string{"content = file(%q)", "source = %q"}[i%2]
		add(name, []byte(hostileContents()[name]), how)
	}
	all := make([]byte, 4096)
	for i := range all {
		all[i] = byte(i * 7)
	}
	add("binary", all, "source = %q")
	add("combining", []byte("e\u0301"), "source = %q") // strings of HCL are normalised, files are not
	return blocks, sums
}

// TestLabPair is the main job: two guests on a nat and an isolated network, from nothing to nothing.
func TestLabPair(t *testing.T) {
	t.Parallel()
	sh, key := newShell(t)
	s := newLabSite(t, "pair", nil)
	blocks, sums := writeHostile(t, s.dir)
	s.write("pair.jeos.hcl", strings.Replace(pairFiles, frontEnd, blocks+frontEnd, 1))
	s.write("key.auto.jeosvars", fmt.Sprintf("key = %q\n", key))
	p := &pair{labSite: s, sh: sh, front: "10.88.1.3", back: "10.88.1.2"}

	p.firstApply()
	p.insideAsWanted(sums)
	p.effects()
	p.consoles()
	p.growLive()
	p.securityDrift()
	p.changeAll()
	p.drift()
	p.replaceAndUndefined()
	p.saved()
	p.removeAndDestroy()
}

type pair struct {
	*labSite
	sh          *shell
	front, back string // addresses on the nat network
}

// firstApply plans and applies, watched and approved by somebody at a terminal.
func (p *pair) firstApply() {
	t := p.t
	_, changes := p.plan()
	sameLines(t, "the first plan", changes, []string{
		"create pool.pair", "create image.base", "create network.extra", "create network.link", "create network.wan",
		"create volume.back-1.data", "create volume.back-1.root", "create volume.front.root", "create guest.back-1", "create guest.front",
	})
	p.run(2, "plan", "--detailed-exitcode")

	refused := p.terminal("apply")
	refused.await("Enter a value:")
	refused.typed("no\r")
	mustHold(t, refused.end(1), "Enter a value: no\n", "Not approved")
	sameLines(t, "domains", namesOf(t, "pair-", "list", "--all", "--name"), nil)

	apply := p.terminal("apply")
	apply.await("Enter a value:")
	apply.typed("yes\r")
	for _, bar := range []string{"image.base: upload volume", " MiB / 159.0 MiB", "guest.front: wait for guest", "guest.back-1: wait for guest", "cloud-init: "} {
		apply.await(bar)
	}
	screen := apply.end(0)
	_, steps, _ := strings.Cut(screen, "Enter a value: yes\n\n")
	steps, last, _ := strings.Cut(steps, "\n\n")
	equal(t, "the last line on the terminal", last, "Apply complete! Resources: 10 added, 0 changed, 0 destroyed.")
	for line := range strings.Lines(steps) {
		if !stepDone.MatchString(strings.TrimSpace(line)) {
			t.Errorf("on the terminal stays %q", line)
		}
	}
	p.mustBeEmpty()
	p.run(0, "status")
}

// stepDone is the line of a step that is done.
var stepDone = regexp.MustCompile(`^[a-z]+\.[a-z0-9.-]+: [a-z ]+ … done( \([0-9ms]+\))?$`)

// insideAsWanted looks at everything of the configuration inside the guests.
func (p *pair) insideAsWanted(sums map[string]string) {
	t := p.t
	for line := range strings.Lines(p.sh.run(p.front, "cd /etc/hostile && sha256sum *")) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		equal(t, "content of "+name, sum, sums[name])
		delete(sums, name)
	}
	if len(sums) > 0 {
		t.Errorf("files that are not in the guest: %v", slices.Sorted(maps.Keys(sums)))
	}
	equal(t, "owner and mode of a file", p.sh.run(p.front, "stat -c '%U:%G %a' /etc/owned"), "worker:adm 640")
	equal(t, "a user", p.sh.run(p.front, "getent passwd worker"), "worker:x:4242:4242:Wörker O'Neil:/home/worker:/bin/sh")
	mustHold(t, p.sh.run(p.front, "id worker"), "(adm)", "(systemd-journal)")
	mustHold(t, p.sh.run(p.front, "getent shadow worker"), "worker:$6$saltsalt$qFmFH.bQ")
	equal(t, "hostname", p.sh.run(p.front, "hostname"), "front-of-house")
	mustHold(t, p.sh.run(p.front, "readlink /etc/localtime"), "Europe/Berlin")
	mustHold(t, p.sh.run(p.front, "cat /proc/swaps"), "/swap")
	mustHold(t, p.sh.run(p.front, "cat /etc/apt/apt.conf.d/*"), `http://127.0.0.1:9`)
	equal(t, "commands of run", p.sh.run(p.front, "cat /var/tmp/ran /var/tmp/quoted"), "ran\nquoted 'twice' 42")
	equal(t, "an unwanted account", p.sh.run(p.front, "getent passwd debian || echo none"), "none")
	mustHold(t, p.sh.run(p.back, "findmnt -no FSTYPE,SOURCE /srv"), "ext4")
	p.sh.run(p.back, "echo precious > /srv/diary && echo here > /root/diary && sync")
	p.sh.run(p.front, "echo there > /root/diary && sync")

	mustHold(t, p.addresses(p.front), "wan 10.88.1.3/24", "link 10.88.2.10/24", "link fd64:6a65:6f73:88::2/64")
	mustHold(t, p.addresses(p.back), "wan 10.88.1.2/24", "link 10.88.2.1/24", "link fd64:6a65:6f73:88::1/64")
	p.sh.run(p.front, "ping -c 2 -W 5 10.88.2.1 && ping -c 2 -W 5 fd64:6a65:6f73:88::1")
	p.sh.run(p.back, "ping -c 2 -W 5 10.88.2.10")
	mustHold(t, p.sh.run(p.front, "ip route show default"), "via 10.88.1.1 dev wan")
}

// addresses returns "nic address/length" lines of a guest.
func (p *pair) addresses(guest string) string {
	p.t.Helper()
	var links []struct {
		Name  string `json:"ifname"`
		Infos []struct {
			Local  string `json:"local"`
			Length int    `json:"prefixlen"`
		} `json:"addr_info"`
	}
	if err := json.Unmarshal([]byte(p.sh.run(guest, "ip -j addr")), &links); err != nil {
		p.t.Fatal(err)
	}
	var out strings.Builder
	for _, l := range links {
		for _, a := range l.Infos {
			fmt.Fprintf(&out, "%s %s/%d\n", l.Name, a.Local, a.Length)
		}
	}
	return out.String()
}

// with has f run while the guest front has more blocks.
func (p *pair) with(blocks string, f func()) {
	p.t.Helper()
	before := p.read()
	p.edit(frontEnd, blocks+frontEnd)
	f()
	p.write("pair.jeos.hcl", before)
}

func (p *pair) read() string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "pair.jeos.hcl"))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// edit replaces a text in the site's file for good.
func (p *pair) edit(from, to string) {
	p.t.Helper()
	text := p.read()
	if !strings.Contains(text, from) {
		p.t.Fatalf("%q is not in the files", from)
	}
	p.write("pair.jeos.hcl", strings.Replace(text, from, to, 1))
}

// effects plans each change by itself and looks at what it is said to cost.
func (p *pair) effects() {
	tests := []struct {
		name   string
		change string // a variable, or blocks
		want   []string
	}{
		{"cpus", "cpus=2", []string{"update guest.front restart"}},
		{"memory", "memory=512MiB", []string{"update guest.front restart"}},
		{"disk size", "disk=4GiB", []string{"update volume.front.root live"}},
		{"new nic", extraNIC, []string{"update guest.front restart"}},
		{"new disk", moreDisk, []string{"create volume.front.more", "update guest.front restart"}},
		{"running", "running=false", []string{"update guest.front live"}},
		{"autostart", "autostart=false", []string{"update guest.front live"}},
		{"guest gone", "back=false", []string{"delete guest.back-1 data loss", "delete volume.back-1.root data loss"}},
		{"packages", `packages=["nginx"]`, nil},
		{"files", "motd=other", nil},
		{"run", "run=true", nil},
	}
	for _, test := range tests {
		check := func(args ...string) {
			plan, changes := p.plan(args...)
			sameLines(p.t, "changes for "+test.name, changes, test.want)
			if test.want != nil {
				return
			}
			if len(plan.Notices) != 1 || !strings.Contains(plan.Notices[0].Text, "not applied") {
				p.t.Errorf("%s: notices are %v, want one that says what is not applied", test.name, plan.Notices)
			}
			p.mustBeEmpty(args...)
		}
		if strings.HasPrefix(test.change, " ") {
			p.with(test.change, func() { check() })
		} else {
			check("--var", test.change)
		}
	}
}

var pciAddress = regexp.MustCompile(`<address type='pci'[^>]*>`)

// changeAll changes what needs a restart in one apply: the guest stays the one that it was.
func (p *pair) changeAll() {
	t := p.t
	virsh(t, "desc", "pair-front", "--config", "--title", "made by hand")
	watchdog := filepath.Join(t.TempDir(), "watchdog.xml")
	if err := os.WriteFile(watchdog, []byte("<watchdog model='i6300esb' action='reset'/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	virsh(t, "attach-device", "pair-front", "--config", watchdog)
	p.mustBeEmpty()
	uuid, before := virsh(t, "domuuid", "pair-front"), virsh(t, "dumpxml", "--inactive", "pair-front")
	boot := p.sh.run(p.front, "cat /proc/sys/kernel/random/boot_id")
	other := p.sh.run(p.back, "cat /proc/sys/kernel/random/boot_id")

	p.edit("default = 1\n", "default = 2\n")
	p.edit(`variable "memory" { default = "384MiB" }`, `variable "memory" { default = "448MiB" }`)
	p.edit(`variable "disk" { default = "3GiB" }`, `variable "disk" { default = "4GiB" }`)
	p.edit("autostart = var.autostart", "autostart = false")
	p.edit(frontEnd, extraNIC+moreDisk+frontEnd)

	// Without a restart the definition changes and the rest waits.
	p.run(0, "apply", "--auto-approve", "--no-restart")
	plan, _ := p.plan()
	if len(plan.Pending) != 1 || plan.Pending[0].Address != "guest.front" {
		t.Errorf("pending: %v, want guest.front", plan.Pending)
	}
	p.mustBeEmpty()
	equal(t, "boot id after --no-restart", p.sh.run(p.front, "cat /proc/sys/kernel/random/boot_id"), boot)
	// One more change that needs a restart takes the pending ones along.
	p.edit(`default = "448MiB"`, `default = "416MiB"`)
	p.run(0, "apply", "--auto-approve")
	p.mustBeEmpty()

	if again := p.sh.run(p.front, "cat /proc/sys/kernel/random/boot_id"); again == boot {
		t.Error("the guest was not restarted")
	}
	equal(t, "boot id of the other guest", p.sh.run(p.back, "cat /proc/sys/kernel/random/boot_id"), other)
	equal(t, "uuid", virsh(t, "domuuid", "pair-front"), uuid)
	equal(t, "title that was set by hand", virsh(t, "desc", "pair-front", "--title"), "made by hand")
	after := virsh(t, "dumpxml", "--inactive", "pair-front")
	mustHold(t, after, "<watchdog model='i6300esb'")
	for _, address := range pciAddress.FindAllString(before, -1) {
		mustHold(t, after, address)
	}
	equal(t, "cpus", p.sh.run(p.front, "nproc"), "2")
	equal(t, "how often the first boot ran its commands", p.sh.run(p.front, "cat /var/tmp/ran"), "ran")
	mustHold(t, p.addresses(p.front), "extra 10.88.3.1/24", "wan 10.88.1.3/24")
	mustHold(t, p.sh.run(p.front, "findmnt -no FSTYPE /more"), "ext4")
	mustHold(t, p.sh.run(p.front, "df -BM --output=size / | tail -1"), "39") // of 4096 MiB, less the file system's own
	mustHold(t, virsh(t, "dominfo", "pair-front"), "disable")
}

// growLive grows a disk of a running guest.
func (p *pair) growLive() {
	t := p.t
	boot := p.sh.run(p.back, "cat /proc/sys/kernel/random/boot_id")
	p.edit(`variable "data" { default = "256MiB" }`, `variable "data" { default = "512MiB" }`)
	p.run(0, "apply", "--auto-approve")
	p.mustBeEmpty()
	equal(t, "boot id after a disk grew", p.sh.run(p.back, "cat /proc/sys/kernel/random/boot_id"), boot)
	equal(t, "size of the disk", p.sh.run(p.back, "lsblk -bno SIZE /dev/disk/by-id/virtio-jeos-data"), "536870912")
	// The guest notices by itself, after a moment.
	p.sh.run(p.back, "for i in $(seq 60); do [ $(df -BM --output=size /srv | tail -1 | tr -dc 0-9) -gt 400 ] && exit 0; sleep 1; done; df -BM /srv; exit 1")
	_, errs := p.run2(1, "plan", "--var", "data=128MiB")
	mustHold(t, errs, "Disk cannot shrink", "pair.jeos.hcl")
}

// securityDrift plugs devices in by hand.
func (p *pair) securityDrift() {
	t := p.t
	const mac = "52:54:00:de:ad:01"
	virsh(t, "attach-interface", "pair-front", "network", "pair-extra", "--model", "virtio", "--mac", mac, "--live")
	out := p.run(3, "plan", "--detailed-exitcode")
	mustHold(t, out, "Security drift", "nic."+mac, "changed by hand")
	p.run(0, "apply", "--auto-approve")
	p.mustBeEmpty()
	if strings.Contains(virsh(t, "dumpxml", "pair-front"), mac) {
		t.Error("the nic is still in the running guest")
	}

	virsh(t, "attach-interface", "pair-front", "network", "pair-extra", "--model", "virtio", "--mac", mac, "--config")
	device := filepath.Join(t.TempDir(), "card.xml")
	if err := os.WriteFile(device, []byte("<hostdev mode='subsystem' type='pci' managed='no'><source><address domain='0' bus='0x7f' slot='0' function='0'/></source></hostdev>"), 0o600); err != nil {
		t.Fatal(err)
	}
	virsh(t, "attach-device", "pair-back-1", "--config", device)
	out = p.run(3, "plan", "--detailed-exitcode")
	mustHold(t, out, "Security drift", "nic."+mac, "hostdev.")
	p.run(0, "apply", "--auto-approve")
	p.mustBeEmpty()
}

// drift breaks a guest by hand, in every way at once, and has apply repair it.
func (p *pair) drift() {
	t := p.t
	mac := regexp.MustCompile(`52:54:00:[0-9a-f:]+`).FindString(virsh(t, "domiflist", "pair-front"))
	p.sh.run(p.front, "sync")
	p.consoleOfEnding("front", "front-of-house", func() { virsh(t, "destroy", "pair-front") })
	virsh(t, "setmaxmem", "pair-front", "1G", "--config")
	virsh(t, "detach-interface", "pair-front", "network", "--mac", mac, "--config")
	virsh(t, "autostart", "pair-front")
	plan, changes := p.plan()
	sameLines(t, "drift", changes, []string{"update guest.front restart"})
	for _, name := range []string{"memory", "running", "autostart", "nic.wan"} {
		equal(t, "cause of "+name, plan.Changes[0].Change.Causes[name], "hand")
	}
	p.run(0, "apply", "--auto-approve", "--no-wait")
	p.mustBeEmpty()
	equal(t, "power state", virsh(t, "domstate", "pair-front"), "running")
	mustHold(t, virsh(t, "dumpxml", "pair-front"), mac, "<memory unit='KiB'>425984</memory>")
	mustHold(t, virsh(t, "dominfo", "pair-front"), "disable")
}

// generation is the part of a seed's name that counts them.
var generation = regexp.MustCompile(`seed-[0-9]+`)

// replaceAndUndefined has one guest made anew, its kept disk stays and all else is new, and another one, which somebody
// has undefined, made again around its disks. Both in one apply, which is killed in the middle of the first boot, and one
// more, which goes on.
func (p *pair) replaceAndUndefined() {
	t := p.t
	key := p.sh.run(p.back, "cat /etc/ssh/ssh_host_ed25519_key.pub")
	uuid := virsh(t, "domuuid", "pair-front")
	virsh(t, "destroy", "pair-front")
	virsh(t, "undefine", "pair-front")
	plan, changes := p.plan("--replace", "guest.back-1")
	sameLines(t, "replace", changes, []string{
		"delete+create volume.back-1.root data loss", "delete+create guest.back-1 replace", "create guest.front",
	})
	for _, c := range plan.Changes {
		if c.Address == "guest.back-1" {
			equal(t, "disrupted", strings.Join(c.Disrupts, " "), "guest.back-1")
		}
	}
	apply := p.start("apply", "--auto-approve", "--replace", "guest.back-1")
	apply.until("guest.back-1: wait for guest … cloud-init")
	apply.signal(os.Kill)
	apply.end(-1)

	p.run(0, "apply", "--auto-approve")
	p.mustBeEmpty()
	sameLines(t, "domains", namesOf(t, "pair-", "list", "--all", "--name"), []string{"pair-back-1", "pair-front"})
	var files []string
	for _, v := range volumes(t, "pair", "pair.") {
		files = append(files, generation.ReplaceAllString(v, "seed-N"))
	}
	sameLines(t, "volumes", files, []string{
		"pair.back-1.data.qcow2", "pair.back-1.root.qcow2", "pair.back-1.seed-N.iso", "pair.back-1.seed-N.iso.ok",
		"pair.front.more.qcow2", "pair.front.root.qcow2", "pair.front.seed-N.iso", "pair.front.seed-N.iso.ok",
	})
	p.awaitReady()
	equal(t, "what was on the kept disk", p.sh.run(p.back, "cat /srv/diary; ls /root/diary 2>&1 || true"),
		"precious\nls: cannot access '/root/diary': No such file or directory")
	if p.sh.run(p.back, "cat /etc/ssh/ssh_host_ed25519_key.pub") == key {
		t.Error("the guest has the ssh host key of the one that it replaced")
	}
	equal(t, "uuid", virsh(t, "domuuid", "pair-front"), uuid)
	equal(t, "what was on the disk", p.sh.run(p.front, "cat /root/diary /var/tmp/ran"), "there\nran")
}

// saved has a guest saved and restored by hand: then it reports again.
func (p *pair) saved() {
	t := p.t
	state := filepath.Join(t.TempDir(), "state")
	virsh(t, "save", "pair-back-1", state)
	mustHold(t, p.run(0, "plan"), "running", "false -> true", "changed by hand")
	virsh(t, "restore", state)
	p.mustBeEmpty()
	p.awaitReady()
}

// removeAndDestroy takes a guest out of the files, and then everything.
func (p *pair) removeAndDestroy() {
	t := p.t
	p.edit("toset(var.back ?", "toset(!var.back ?")
	p.run(0, "apply", "--auto-approve")
	p.mustBeEmpty()
	sameLines(t, "domains", namesOf(t, "pair-", "list", "--all", "--name"), []string{"pair-front"})
	if !slices.Contains(volumes(t, "pair", "pair."), "pair.back-1.data.qcow2") {
		t.Error("the kept disk is gone")
	}
	// A guest of that name takes the disk up again.
	_, changes := p.plan("--var", "back=false")
	if slices.Contains(changes, "create volume.back-1.data") {
		t.Error("the kept disk is not taken up again")
	}
	// Switched off in the files, it is shut down, not pulled.
	p.edit("running   = var.running", "running   = false")
	p.run(0, "apply", "--auto-approve")
	p.mustBeEmpty()
	equal(t, "power state", virsh(t, "domstate", "--reason", "pair-front"), "shut off (shutdown)")
	p.run(0, "destroy", "--auto-approve")
	sameLines(t, "domains", namesOf(t, "pair-", "list", "--all", "--name"), nil)
	sameLines(t, "networks", namesOf(t, "pair-", "net-list", "--all", "--name"), nil)
	left := volumes(t, "pair", "")
	if len(left) != 2 || !strings.HasPrefix(left[0], "jeos-image.") || left[1] != "pair.back-1.data.qcow2" {
		t.Errorf("the pool has %v, want the image and the kept disk", left)
	}
}
