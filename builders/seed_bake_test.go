package builders

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBakeSeed(t *testing.T) {
	site := secretBakeSite(t)
	s, err := renderBakeSeed(site, siteImage(t, site, "wifi"))
	if err != nil {
		t.Fatal(err)
	}
	data := decode(t, s.UserData)
	files := map[string]string{}
	for _, f := range data["write_files"].([]any) {
		f := f.(map[string]any)
		if f["defer"] != nil {
			t.Errorf("%s is deferred", f["path"])
		}
		content, _ := f["content"].(string)
		files[f["path"].(string)] = content
	}
	want := map[string]string{
		"/etc/motd":                 "hello\n",
		"/run/jeos/bake/first-boot": "",
		"/run/jeos/bake/packages":   "wpasupplicant\niw\nqemu-guest-agent\n",
		"/run/jeos/bake/remove":     "nano\n",
		"/run/jeos/bake/kernel":     "generic\n",
		"/run/jeos/bake/upgrade":    "",
		"/run/jeos/bake/secret":     "apt\nrun\n",
		"/run/jeos/bake/files":      "1/0600/openvpn:openvpn//etc/vpn/a key\n",
		"/run/jeos/bake/file-1":     "Z2VoZWlt/w==",
		"/run/jeos/bake/run": "set -e\necho 1 >/run/jeos/bake/line\necho 'one' >/etc/one\n" +
			"echo 2 >/run/jeos/bake/line\ncat <<X\ngeheim\nX\necho all >/run/jeos/bake/line\n",
		"/run/jeos/bake/apt.cfg": string(cloudConfigFile(map[string]any{"apt": aptConfig(siteImage(t, site, "wifi").Bake.Apt)})),
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for _, key := range []string{"packages", "runcmd", "apt", "package_update"} {
		if data[key] != nil {
			t.Errorf("%s is left to cloud-init", key)
		}
	}
	if diff := cmp.Diff([]any{""}, data["users"]); diff != "" {
		t.Errorf("users: %s", diff)
	}
	nics := decode(t, s.NetworkConfig)["ethernets"].(map[string]any)
	if len(nics) != 1 || nics["nat"] == nil {
		t.Errorf("network cards: %v", nics)
	}
}

// TestBakeSeedOfLittle has no file for what was not asked for.
func TestBakeSeedOfLittle(t *testing.T) {
	site := bakeSite()
	files := bakeFiles(siteImage(t, site, "vpn").Bake)
	if len(files) != 2 || files[0].Path != "/run/jeos/bake/first-boot" || files[1].Path != "/run/jeos/bake/packages" {
		t.Errorf("files %v", files)
	}
}

func TestBakeScript(t *testing.T) {
	check := exec.Command("sh", "-n")
	check.Stdin = strings.NewReader(bakeScript())
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	check = exec.Command("sh", "-n")
	check.Stdin = strings.NewReader(guestFile("bake.sh"))
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("bake.sh: %v: %s", err, out)
	}
	for _, f := range baking {
		if strings.Contains(guestFile(f.name), "\nJEOS\n") || !strings.HasSuffix(guestFile(f.name), "\n") {
			t.Errorf("%s cannot be a here-document", f.name)
		}
	}
}
