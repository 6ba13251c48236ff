package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/hcl/v2"

	"jeos/internal/config"
)

// tunnelSite has guests with tunnels to the given hosts.
func tunnelSite(guests ...string) string {
	site := `jeos {
  site = "s"
}
image "noble" {
  release = "noble"
}
network "n" {
  mode  = "nat"
  cidrs = ["10.0.0.0/24"]
}
`
	for _, guest := range guests {
		name, servers, _ := strings.Cut(guest, " ")
		site += "network \"" + name + "\" {\n}\nguest \"" + name + "\" {\n  image = image.noble\n  role \"tunnel\" {\n    uplink = network.n\n" +
			"    lan = network." + name + "\n    servers = " + servers + "\n  }\n}\n"
	}
	return site
}

// TestRequestsOfHosts asks what there is to lock before anything is, and locks it.
func TestRequestsOfHosts(t *testing.T) {
	dir := writeFiles(t, map[string]string{"main.jeos.hcl": tunnelSite(
		`b ["b.example", "shared.example", "192.0.2.1"]`, `a ["shared.example", "a.example", "shared.example"]`)})
	known := config.LockedEndpoint{Host: "a.example", Addresses: addresses("192.0.2.7", "2001:db8::7")}
	gone := config.LockedEndpoint{Host: "gone.example", Addresses: addresses("192.0.2.8")}
	if _, err := writeLock(dir, config.Lock{Endpoints: []config.LockedEndpoint{known, gone}}); err != nil {
		t.Fatal(err)
	}
	opt := testOptions(dir)
	opt.Image, opt.Cached = nil, nil
	requests, lock, files, diags := config.LoadRequests(opt)
	if diags.HasErrors() {
		t.Fatal(render(t, dir, files, diags))
	}
	want := []config.HostRequest{
		{Host: "a.example", Guest: "a", Locked: &known},
		{Host: "b.example", Guest: "b"},
		{Host: "shared.example", Guest: "a"},
	}
	if d := cmp.Diff(want, requests.Hosts, cmpopts.IgnoreTypes(hcl.Range{}), cmpAddr); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if d := cmp.Diff([]config.LockedEndpoint{known}, lock.Endpoints, cmpAddr); d != "" {
		t.Errorf("endpoints that stay: -want +got:\n%s", d)
	}
	lock.SetImage(lockedImage("noble", requests.Images[0].Wants()))
	for _, r := range requests.Hosts[1:] {
		lock.SetEndpoint(config.LockedEndpoint{Host: r.Host, Addresses: addresses("198.51.100.1")})
	}
	if _, err := writeLock(dir, lock); err != nil {
		t.Fatal(err)
	}
	site, files, diags := config.Load(testOptions(dir))
	if site == nil {
		t.Fatal(render(t, dir, files, diags))
	}
	if d := cmp.Diff(lock.Endpoints, site.Lock.Endpoints, cmpAddr); d != "" {
		t.Errorf("-locked +loaded:\n%s", d)
	}
	if d := cmp.Diff(2, len(site.Guests[1].Role.Tunnels[0].Endpoints)); d != "" {
		t.Errorf("endpoints of b: -want +got:\n%s", d)
	}
}

var cmpAddr = cmpopts.EquateComparable(addresses("::")[0])

// TestHostsOfUnknownFacts checks that hosts that depend on what is to be locked first are no request.
func TestHostsOfUnknownFacts(t *testing.T) {
	dir := writeFiles(t, map[string]string{"main.jeos.hcl": tunnelSite(`a [image.noble.sha256]`)})
	requests, _, _, diags := config.LoadRequests(testOptions(dir))
	if requests != nil || len(diags.Errs()) != 1 || diags[len(diags)-1].Summary != "Unknown value" {
		t.Errorf("got %v", diags)
	}
}

// TestRelease checks that roles know the system in the image, before and after it is locked.
func TestRelease(t *testing.T) {
	const role = `role {
  summary = "needs a release"
  resolve = system.release == null ? [] : ["${system.release}.example"]
}
`
	for name, test := range map[string]struct{ images, want string }{
		"a release":  {`release = "noble"`, "noble.example"},
		"a file":     {`source = "i.img"`, ""},
		"a bake":     {"base = image.b\n}\nimage \"b\" {\n release = \"jammy\"", "jammy.example"},
		"two bakes":  {"base = image.b\n}\nimage \"b\" {\n base = image.c\n}\nimage \"c\" {\n release = \"jammy\"", "jammy.example"},
		"a choice":   {"base = true ? image.b : image.c\n}\nimage \"b\" {\n release = \"jammy\"\n}\nimage \"c\" {\n source = \"i.img\"", "jammy.example"},
		"a URL":      {`source = "https://host/i.img"`, ""},
		"other arch": {"release = \"noble\"\n arch = \"aarch64\"", "noble.example"}, // and an error of Load
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{
				"main.jeos.hcl": "jeos {\n  site = \"s\"\n}\nrole \"r\" {\n  source = \"r\"\n}\nguest \"g\" {\n  image = image.a\n  role \"r\" {}\n}\n" +
					"image \"a\" {\n" + test.images + "\n}\n",
				"r/role.hcl": role,
				"i.img":      "",
			})
			requests, _, files, diags := config.LoadRequests(testOptions(dir))
			if diags.HasErrors() {
				t.Fatal(render(t, dir, files, diags))
			}
			var hosts []string
			for _, r := range requests.Hosts {
				hosts = append(hosts, r.Host)
			}
			if got := strings.Join(hosts, " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestLoadRoles(t *testing.T) {
	names := func(all []config.RoleDefinition) (names []string) {
		for _, r := range all {
			names = append(names, strings.TrimSpace(r.Name+" "+r.Source))
		}
		return names
	}
	empty := writeFiles(t, map[string]string{"notes.txt": ""})
	all, _, diags := config.LoadRoles(testOptions(empty))
	if d := cmp.Diff([]string{"router", "tunnel", "workload"}, names(all)); d != "" || len(diags) > 0 {
		t.Errorf("without a site: %v\n%s", diags, d)
	}
	own := map[string]string{
		"main.jeos.hcl":    "jeos {\n  site = \"s\"\n}\nvariable \"where\" {\n  default = \"my\"\n}\nrole \"mine\" {\n  source = \"./${var.where}/role\"\n}\n",
		"my/role/role.hcl": "role {\n  summary = \"mine\"\n}\n",
	}
	all, _, diags = config.LoadRoles(testOptions(writeFiles(t, own)))
	if d := cmp.Diff([]string{"mine ./my/role", "router", "tunnel", "workload"}, names(all)); d != "" || len(diags) > 0 {
		t.Errorf("with a site: %v\n%s", diags, d)
	}
	own["my/role/role.hcl"] = "role {}\n"
	all, files, diags := config.LoadRoles(testOptions(writeFiles(t, own)))
	if all != nil || !diags.HasErrors() {
		t.Errorf("a broken role is fine: %v", names(all))
	}
	if i := slices.IndexFunc(diags, func(d *hcl.Diagnostic) bool { return d.Subject != nil && files[d.Subject.Filename] == nil }); i >= 0 {
		t.Errorf("the file of %v is not among the files", diags[i])
	}
	opt := testOptions(empty)
	opt.Roles = nil
	if all, _, diags := config.LoadRoles(opt); len(all) > 0 || diags.HasErrors() {
		t.Errorf("got %v, %v without any", names(all), diags)
	}
}

// TestSecretsOfRoles puts a canary where a role takes a secret, or does not, in ways that fail.
func TestSecretsOfRoles(t *testing.T) {
	for name, body := range map[string]string{
		"type":             "wifi \"x\" {\n psk = [\"" + canary + "\"]\n}",
		"sensitive type":   "wifi \"x\" {\n psk = [var.psk]\n}",
		"control":          "wifi \"x\" {\n psk = \"" + canary + "\\u0001\"\n}",
		"mistyped":         "wifi \"x\" {\n pks = \"" + canary + "\"\n}",
		"at the top":       "psk = \"" + canary + "\"\n",
		"twice":            "wifi \"x\" {\n psk = \"\"\n psk = \"" + canary + "\"\n}",
		"a reference":      "wifi \"x\" {\n psk = canary-1234567890\n}",
		"an attribute":     "wifi \"x\" {\n psk = canary-1234567890.x\n}",
		"an operator":      "wifi \"x\" {\n psk = 1 + \"" + canary + "\"\n}",
		"a function":       "wifi \"x\" {\n psk = tonumber(\"" + canary + "\")\n}",
		"a label":          "wifi \"${var.psk}\" {\n psk = \"x\"\n}",
		"no secret":        "manager = var.psk",
		"a device":         "card = var.psk",
		"a device by name": "card = pci(var.psk)",
		"a network":        "wan = var.psk",
		"a boolean":        "managed = var.psk",
	} {
		t.Run(name, func(t *testing.T) {
			checkSecret(t, "main.jeos.hcl", "jeos {\n  site = \"s\"\n}\nimage \"i\" {\n  source = \"i\"\n  provides = [\"nftables\", \"wpasupplicant\"]\n}\n"+
				"variable \"psk\" {\n  sensitive = true\n  default = \"x\"\n}\nnetwork \"n\" {\n  cidrs = [\"10.0.0.0/24\"]\n}\n"+
				"guest \"g\" {\n  image = image.i\n  role \"router\" {\n    lan = network.n\n"+body+"\n  }\n}\n")
		})
	}
}

// TestRolesOfJeos checks that the roles in the tests are read as those of jeos are: from any file system.
func TestRolesOfJeos(t *testing.T) {
	opt := testOptions(writeFiles(t, map[string]string{"main.jeos.hcl": "jeos {\n  site = \"s\"\n}\n"}))
	root, err := os.OpenRoot("testdata/roles")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	opt.Roles = root.FS()
	if all, _, diags := config.LoadRoles(opt); len(all) != 3 {
		t.Errorf("got %v", diags)
	}
}

// TestProfileStaysInItsFolder checks that a profile cannot reach files elsewhere through a symbolic link.
func TestProfileStaysInItsFolder(t *testing.T) {
	const canary = "CaNaRy"
	const pem = "-----BEGIN CERTIFICATE-----\n" + canary + "AA\n-----END CERTIFICATE-----\n"
	dir := writeFiles(t, map[string]string{
		"main.jeos.hcl": strings.Replace(tunnelSite(`a []`), "servers = []", `config = "p/client.ovpn"`, 1),
		"p/client.ovpn": "client\ndev tun\nremote 192.0.2.1\nauth-user-pass\nca ca.crt\n",
		"p/real.crt":    pem,
		"secret.crt":    pem,
	})
	write(t, dir, config.LockFile, string(config.Lock{Images: []config.LockedImage{lockedImage("noble", "release noble minimal x86_64")}}.Bytes()))
	for target, fine := range map[string]bool{"real.crt": true, "../secret.crt": false, filepath.Join(dir, "secret.crt"): false} {
		link := filepath.Join(dir, "p/ca.crt")
		os.Remove(link)
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		site, files, diags := config.Load(testOptions(dir))
		if (site != nil) != fine {
			t.Errorf("%s: %s", target, render(t, dir, files, diags))
		}
		checkUnseen(t, canary, dir, files, diags)
		if fine && !strings.Contains(string(site.Guests[0].Role.Files[0].Content), canary) {
			t.Errorf("the certificate is not in the file of the role:\n%s", site.Guests[0].Role.Files[0].Content)
		}
	}
}

// TestFilterWithoutGateway holds a card that has nobody to talk to: on a network with isolated ports it could pass for one
// that has.
func TestFilterWithoutGateway(t *testing.T) {
	for ports, filtered := range map[string]bool{"isolated": true, "open": false} {
		opt := testOptions(writeFiles(t, map[string]string{"base.img": "image", "main.jeos.hcl": `jeos {
  site = "s"
}
image "base" {
  source = "base.img"
}
network "n" {
  cidrs = ["10.0.0.0/24"]
  ports = "` + ports + `"
}
guest "g" {
  image = image.base
  nic "n" {
    network = network.n
  }
}
`}))
		site, files, diags := config.Load(opt)
		if diags.HasErrors() {
			t.Fatal(render(t, opt.Dir, files, diags))
		}
		filter := site.Guests[0].NICs[0].Filter
		if (filter != nil) != filtered {
			t.Errorf("ports are %s, and the filter is %v", ports, filter)
		}
		if filter != nil && (len(filter.Peers) > 0 || filter.Endpoints != nil) {
			t.Errorf("the filter lets packets through: %v", *filter)
		}
	}
}
