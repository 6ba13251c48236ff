package builders

import (
	"bytes"
	"encoding/base64"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"jeos/internal/config"
)

// hostile are contents that YAML writers and readers get wrong.
var hostile = []string{
	"", "\n", "\n\n lead", "trail \n\n", "\t\ttabs\n", "no newline", "\"'\\ ${x} %{y} {{ z }}\n",
	"a\u0085b\u2028c\u2029", "😀é\ufeff\u00a0\n", "one\r\ntwo\r", "52:54:00:12:34:56", "yes", "No", "~", "null", "012",
	"0x1f", "1e3", "1_000", ".inf", "2026-11-23", "=", "<<", "- a", "? b", "& c", "* d", "! e", "% f", "@ g", "` h", "#i",
	"## template: jinja\n#cloud-config\n{{ v1 }}\n", "---\n...\n# x: y\n", "%YAML 1.1\n", strings.Repeat("long ", 500),
}

func sampleSite() *config.Site {
	return &config.Site{
		Name: "home",
		Networks: []config.Network{
			{Name: "inside", Mode: config.Isolated}, {Name: "lan", Mode: config.Bridged}, {Name: "world", Mode: config.NAT},
		},
	}
}

// sampleGuest uses every setting that goes into a seed.
func sampleGuest() *config.Guest {
	uid := 1234
	g := &config.Guest{
		Name: "web", Hostname: "web.home.arpa", Timezone: "Europe/Berlin", Locale: "C.UTF-8",
		Packages: []string{"nginx"}, RemovePackages: []string{"snapd"}, Swap: 64 << 20, ConsoleLogin: true,
		Apt: config.Apt{Mirror: config.Text{Value: "http://mirror.example/debian/"}, Proxy: config.Text{Value: "http://proxy:3128"}},
		Run: []config.Text{{Value: "echo 'ran' > /root/ran"}, {Value: "a && b || c"}},
		CloudConfig: map[string]any{
			"runcmd": []any{"last"}, "ssh_pwauth": true, "final_message": "up",
			"apt": map[string]any{"conf": "x", "http_proxy": "http://other"},
		},
		NICs: []config.NIC{
			{Name: "inside", Network: "inside", MAC: "52:54:00:12:34:56", Addresses: prefixes("10.64.0.2/24")},
			{
				Name: "world", Network: "world", MAC: "52:54:00:12:34:57", Addresses: prefixes("10.65.0.2/24", "fd64:6a65::2/64"),
				Gateways: addrs("10.65.0.1", "fd64:6a65::1"), DefaultRoute: true, DNS: addrs("10.65.0.1"), MTU: 1400,
			},
		},
		Disks: []config.Disk{{Name: "data", Mount: "/srv", FS: "ext4"}, {Name: "raw"}, {Name: "more", Mount: `/my \data`, FS: "xfs"}},
		Users: []config.User{
			{
				Name: "admin", SSHKeys: []string{"ssh-ed25519 AAAA a@b"}, Sudo: true, Groups: []string{"adm", "www"},
				Shell: "/bin/bash", UID: &uid, Gecos: "Ad \"Min\"", HashedPassword: "$6$salt$hash",
			},
			{Name: "plain"},
		},
		Role: &config.Role{
			Name: "gateway", Enable: []string{"gate.service"}, Disable: []string{"nftables.service"},
			Files: []config.File{{Path: "/etc/gate.conf", Content: []byte("\x00it's\n"), Mode: 0o600, Owner: "root:root"}},
			Apply: []string{"netplan generate"}, Guard: "nft list chain inet jeos forward",
			Probes: []config.Probe{{Name: "tunnel", Command: "ip -br address show tun0"}},
		},
	}
	for i, content := range append(hostile, "\xff\xfe\x00binary") {
		path := "/etc/hostile/" + string(rune('A'+i))
		g.Files = append(g.Files, config.File{Path: path, Content: []byte(content), Mode: 0o600, Owner: "root:root"})
	}
	return g
}

func prefixes(list ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, s := range list {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

func addrs(list ...string) []netip.Addr {
	var all []netip.Addr
	for _, s := range list {
		all = append(all, netip.MustParseAddr(s))
	}
	return all
}

// decode reads YAML with a reader that is not the writer's inverse by construction.
func decode(t *testing.T, document []byte) map[string]any {
	t.Helper()
	var got map[string]any
	if err := yaml.Load(document, &got); err != nil {
		t.Fatalf("%v in\n%s", err, document)
	}
	return got
}

func TestRenderSeed(t *testing.T) {
	site, g := sampleSite(), sampleGuest()
	got, err := renderSeed(site, g, "home-web-1")
	if err != nil {
		t.Fatal(err)
	}
	again, err := renderSeed(sampleSite(), sampleGuest(), "home-web-1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, again); diff != "" {
		t.Errorf("the same guest gives other bytes: %s", diff)
	}
	if !bytes.HasPrefix(got.UserData, []byte("#cloud-config\n\"")) {
		t.Errorf("user-data begins with %.40q", got.UserData)
	}
	want := map[string]any{"instance-id": "home-web-1", "local-hostname": "web.home.arpa"}
	if diff := cmp.Diff(want, decode(t, got.MetaData)); diff != "" {
		t.Error(diff)
	}
}

func TestRenderSeedLeavesGuestAlone(t *testing.T) {
	g := sampleGuest()
	if _, err := renderSeed(sampleSite(), g, "i"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sampleGuest(), g, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestRenderSeedTooLarge(t *testing.T) {
	file := config.File{Path: "/big", Content: bytes.Repeat([]byte("x"), maxUserData)}
	for want, g := range map[string]*config.Guest{
		` KiB, more than the 1024 KiB that`:                          {Files: []config.File{file}},
		` KiB of it for its role "vpn", more than the 1024 KiB that`: {Role: &config.Role{Name: "vpn", Files: []config.File{file}}},
	} {
		g.Name = "web"
		if _, err := renderSeed(sampleSite(), g, "i"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestUserData(t *testing.T) {
	got := decode(t, userData(sampleGuest(), ":"))
	delete(got, "bootcmd")
	delete(got, "write_files")
	source := func(uri string) []any {
		return []any{map[string]any{"arches": []any{"default"}, "uri": uri}}
	}
	want := map[string]any{
		"disable_root": true, "preserve_hostname": false, "manage_etc_hosts": "localhost",
		"hostname": "web", "fqdn": "web.home.arpa", "timezone": "Europe/Berlin", "locale": "C.UTF-8",
		"updates": map[string]any{"network": map[string]any{"when": []any{"boot"}}},
		"users": []any{
			map[string]any{
				"name": "admin", "ssh_authorized_keys": []any{"ssh-ed25519 AAAA a@b"}, "sudo": "ALL=(ALL) NOPASSWD:ALL",
				"groups": []any{"adm", "www"}, "shell": "/bin/bash", "uid": 1234, "gecos": "Ad \"Min\"",
				"hashed_passwd": "$6$salt$hash", "lock_passwd": false,
			},
			map[string]any{"name": "plain", "lock_passwd": true},
		},
		"apt": map[string]any{
			"preserve_sources_list": false,
			"primary":               source("http://mirror.example/debian/"),
			"security":              source("http://mirror.example/debian-security"),
			"http_proxy":            "http://other", // of cloud_config
			"https_proxy":           "http://proxy:3128",
			"conf":                  "x",
		},
		"packages": []any{"nginx", "snapd-"}, "package_update": true,
		"swap":       map[string]any{"filename": "/swap.img", "size": 64 << 20, "maxsize": 64 << 20},
		"ssh_pwauth": true, "final_message": "up",
		"runcmd": []any{
			"set -e", "systemctl daemon-reload", "systemctl restart serial-getty@ttyS0.service",
			"echo 'ran' > /root/ran", "a && b || c", "last",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUserDataOfBareGuest(t *testing.T) {
	got := decode(t, userData(&config.Guest{Name: "web", Hostname: "web"}, ":"))
	delete(got, "bootcmd")
	want := map[string]any{
		"disable_root": true, "preserve_hostname": false, "manage_etc_hosts": "localhost", "hostname": "web",
		"ssh_pwauth": false, "users": []any{""},
		"updates": map[string]any{"network": map[string]any{"when": []any{"boot"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWriteFiles(t *testing.T) {
	g := sampleGuest()
	list, ok := decode(t, userData(g, ":"))["write_files"].([]any)
	if !ok || len(list) != len(g.Files)+1 {
		t.Fatalf("%d files, want %d and the console's", len(list), len(g.Files))
	}
	for i, f := range g.Files {
		got := list[i].(map[string]any)
		content := []byte(got["content"].(string))
		if got["encoding"] == "b64" {
			content, _ = base64.StdEncoding.DecodeString(string(content))
		}
		if !bytes.Equal(content, f.Content) || got["path"] != f.Path || got["permissions"] != "0600" || got["owner"] != "root:root" {
			t.Errorf("%q became %v", f.Content, got)
		}
	}
}

func TestWriteFileForm(t *testing.T) {
	for name, c := range map[string]struct {
		file           config.File
		plain, delayed bool
	}{
		"text":    {config.File{Path: "/etc/motd", Content: []byte("a\tä 😀\n"), Owner: "root:root"}, true, false},
		"crlf":    {config.File{Path: "/etc/motd", Content: []byte("a\r\n"), Owner: "root:root"}, false, false},
		"binary":  {config.File{Path: "/etc/motd", Content: []byte("\xff"), Owner: "root:root"}, false, false},
		"owner":   {config.File{Path: "/etc/motd", Owner: "admin:admin"}, true, true},
		"group":   {config.File{Path: "/etc/motd", Owner: "root:www"}, true, true},
		"in home": {config.File{Path: "/home/admin/x", Owner: "root:root"}, true, true},
	} {
		got := writeFile(&c.file)
		if _, encoded := got["encoding"]; encoded == c.plain {
			t.Errorf("%s: encoded: %v", name, encoded)
		}
		if _, deferred := got["defer"]; deferred != c.delayed {
			t.Errorf("%s: deferred: %v", name, deferred)
		}
	}
}

func TestMergeCloudConfig(t *testing.T) {
	base := map[string]any{"o": map[string]any{"a": 1, "b": 2}, "l": []any{1}, "s": "x", "t": []any{1}, "keep": true}
	over := map[string]any{"o": map[string]any{"b": 3, "c": 4}, "l": []any{2}, "s": nil, "t": "text", "new": []any{}}
	want := map[string]any{
		"o": map[string]any{"a": 1, "b": 3, "c": 4}, "l": []any{1, 2}, "s": nil, "t": "text", "new": []any{}, "keep": true,
	}
	if diff := cmp.Diff(want, mergeCloudConfig(base, over)); diff != "" {
		t.Error(diff)
	}
}

func TestBootScript(t *testing.T) {
	list, ok := decode(t, userData(sampleGuest(), bootScript(sampleGuest())))["bootcmd"].([]any)
	if !ok || len(list) != 1 {
		t.Fatalf("bootcmd %v", list)
	}
	for _, script := range []string{list[0].(string), roleScript(sampleGuest().Role), roleScript(&config.Role{})} {
		check := exec.Command("sh", "-n")
		check.Stdin = strings.NewReader(script)
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
	if strings.Contains(guestFile("role.sh"), "\n"+roleEnd+"\n") {
		t.Error("role.sh cannot be a here-document")
	}
	for _, f := range installed {
		if strings.Contains(guestFile(f.name), "\nJEOS\n") || !strings.HasSuffix(guestFile(f.name), "\n") {
			t.Errorf("%s cannot be a here-document", f.name)
		}
	}
}

func TestFstab(t *testing.T) {
	const options = "defaults,nofail,x-systemd.growfs,x-systemd.device-timeout=30s,x-jeos 0 2\n"
	want := `/dev/disk/by-id/virtio-jeos-more /my\040\134data xfs ` + options +
		"/dev/disk/by-id/virtio-jeos-data /srv ext4 " + options
	if diff := cmp.Diff(want, fstab(sampleGuest().Disks)); diff != "" {
		t.Error(diff)
	}
}
