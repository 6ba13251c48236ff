package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jeos/internal/config"
)

func TestRequiredVersion(t *testing.T) {
	for _, test := range []struct {
		version, constraint string
		ok                  bool
	}{
		{"v0.3.1", ">= 0.1", true}, {"0.3.1", ">= 0.3.1", true}, {"v0.3.1", "> 0.3.1", false}, {"v0.3.1", "< 1", true},
		{"v0.3.1", ">= 0.1, < 0.3", false}, {"v0.3.1", "0.3.1", true}, {"v0.3.1", "= 0.3.0", false},
		{"v0.3.1", "!= 0.3.1", false}, {"v0.3.1", "~> 0.3", true}, {"v0.3.1", "~> 0.2", true}, {"v0.3.1", "~> 0.2.0", false},
		{"v1.0.0", "~> 0.2", false}, {"v0.3.1", "~> 0.3.0", true}, {"v0.3.10", ">= 0.3.9", true},
		{"v0.3.1-0.20260101000000-abcdefabcdef+dirty", ">= 0.3.1", true}, {"", ">= 99", true}, {"(devel)", "= 99", true},
		{"v0.3.1", "latest", false}, {"v0.3.1", "", true}, {"v0.3.1", ">= 0.1,", false}, {"v10.0.0", "~> 1.0", false},
	} {
		t.Run(test.version+" "+test.constraint, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{
				"main.jeos.hcl": fmt.Sprintf("jeos {\n  site = \"s\"\n  required_version = %q\n}\n", test.constraint),
			})
			opt := testOptions(dir)
			opt.Version = test.version
			if site, _, diags := config.Load(opt); (site != nil) != test.ok {
				t.Errorf("got %v", diags)
			}
		})
	}
}

// TestPrecedence sets a variable in more and more ways; each must win over those before it.
func TestPrecedence(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"main.jeos.hcl": `jeos {
  site = "s"
}
variable "v" {
  type    = string
  default = "default"
}
variable "n" {
  type    = list(number)
  default = []
}
output "v" {
  value = "${var.v} ${jsonencode(var.n)}"
}
`})
	opt := testOptions(dir)
	steps := []struct {
		what string
		do   func()
		want string
	}{
		{"default", func() {}, "default []"},
		{"environment", func() {
			opt.Env = func(name string) (string, bool) {
				value, ok := map[string]string{"JEOS_VAR_v": "${env}", "JEOS_VAR_n": "[1, 2]", "JEOS_VAR_unknown": "x"}[name]
				return value, ok
			}
		}, "${env} [1,2]"},
		{"automatic file", func() { write(t, dir, "b.auto.jeosvars", "v = \"b\"\n") }, "b [1,2]"},
		{"earlier automatic file", func() { write(t, dir, "a.auto.jeosvars", "v = \"a\"\nn = [3]\n") }, "b [3]"},
		{"JSON file", func() { write(t, dir, "c.auto.jeosvars.json", `{"v": "c"}`) }, "c [3]"},
		{"flag", func() { opt.Vars = append(opt.Vars, config.VarSource{Name: "v", Value: "1e3"}) }, "1e3 [3]"},
		{"file flag", func() {
			write(t, dir, "my.vars", "v = \"file\"\n")
			opt.Vars = append(opt.Vars, config.VarSource{File: filepath.Join(dir, "my.vars")})
		}, "file [3]"},
		{"last flag", func() { opt.Vars = append(opt.Vars, config.VarSource{Name: "n", Value: "[7]"}) }, "file [7]"},
	}
	for _, step := range steps {
		step.do()
		site, files, diags := config.Load(opt)
		if site == nil || len(diags) > 0 {
			t.Fatalf("%s: %s", step.what, render(t, dir, files, diags))
		}
		if got := site.Outputs[0].Value.AsString(); got != step.want {
			t.Errorf("%s: got %q, want %q", step.what, got, step.want)
		}
	}
}

var originRE = regexp.MustCompile(`[0-9].jeos.hcl:[0-9]+`)

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestURIs(t *testing.T) {
	for uri, ok := range map[string]bool{
		"qemu:///system": true, "qemu:///session": true, "qemu+ssh://root@host:22/system": true,
		"qemu+ssh://host/session?socket=/run/x": true, "qemu+tls://host/system": true,
		"qemu+unix:///system?socket=/tmp/a/libvirt-sock": true, "test:///default": true, "test:////tmp/node.xml": true,
		"": true, "qemu": false, "qemu://host/system": false, "qemu+unix://host/system": false, "qemu://": false, "qemu:///": false, "xen:///system": false, "qemu+ssh:///system": false,
		"qemu+ssh://user:pass@host/system": false, "qemu+ssh://-oProxyCommand=x/system": false,
		"qemu+ssh://-l@host/system": false, "qemu+tcp://host/system": false, "qemu:///system\n": false, ":": false,
		"qemu:system": false,
	} {
		t.Run(uri, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{"main.jeos.hcl": fmt.Sprintf("jeos {\n  site = \"s\"\n  uri  = %q\n}\n", uri)})
			if uri == "" {
				write(t, dir, "main.jeos.hcl", "jeos {\n  site = \"s\"\n}\n")
			}
			site, _, diags := config.Load(testOptions(dir))
			if (site != nil) != ok {
				t.Errorf("got %v", diags)
			}
		})
	}
}

// TestOrderDoesNotMatter splits a site over files and blocks in another order.
func TestOrderDoesNotMatter(t *testing.T) {
	blocks := []string{
		"jeos {\n  site = \"s\"\n}\n",
		"image \"i\" {\n  source = \"i\"\n}\n",
		"network \"n\" {\n  cidrs = [local.range]\n}\n",
		"locals {\n  range = \"10.0.0.0/24\"\n}\n",
		"guest \"a\" {\n  image = image.i\n  nic \"n\" {\n    network = network.n\n  }\n  run = [guest.b.addresses[0]]\n}\n",
		"guest \"b\" {\n  image = image.i\n  nic \"n\" {\n    network = network.n\n  }\n}\n",
		"output \"o\" {\n  value = guest.a.addresses\n}\n",
	}
	var want string
	for shift := range blocks {
		files := map[string]string{"i": ""}
		for i := range blocks {
			files[fmt.Sprintf("%d.jeos.hcl", i%3)] += blocks[(i+shift)%len(blocks)]
		}
		dir := writeFiles(t, files)
		site, parsed, diags := config.Load(testOptions(dir))
		if site == nil {
			t.Fatal(render(t, dir, parsed, diags))
		}
		got := originRE.ReplaceAllString(strings.ReplaceAll(siteJSON(t, site), dir, "$DIR"), "FILE")
		if want == "" {
			want = got
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("shifted by %d: -want +got:\n%s", shift, d)
		}
	}
}

// TestManyGuests loads the largest site that people are promised.
func TestManyGuests(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"i": "",
		"main.jeos.hcl": `jeos {
  site = "s"
}
image "i" {
  source = "i"
}
network "n" {
  mode  = "nat"
  cidrs = ["10.0.0.0/16", "fd00::/64"]
}
guest "g" {
  for_each = { for i in range(1000) : format("%03d", i) => i }
  image    = image.i
  nic "n" {
    network = network.n
    mac     = format("52:54:01:00:%02x:%02x", floor(each.value / 256), each.value % 256)
  }
  run = ["echo ${each.key}"]
}
`})
	site, files, diags := config.Load(testOptions(dir))
	if site == nil {
		t.Fatal(render(t, dir, files, diags))
	}
	if last := site.Guests[999].NICs[0].Addresses[0].String(); last != "10.0.3.233/16" {
		t.Errorf("the last guest has %s", last)
	}
}
