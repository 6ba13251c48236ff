package config_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"jeos/internal/config"
)

func addresses(texts ...string) (out []netip.Addr) {
	for _, text := range texts {
		out = append(out, netip.MustParseAddr(text))
	}
	return out
}

// bakedSite loads a site with the given blocks beside a local image "base".
func bakedSite(t *testing.T, name, blocks string) (*config.Site, string) {
	t.Helper()
	dir := writeFiles(t, map[string]string{
		"base.img":      "",
		"main.jeos.hcl": "jeos {\n  site = \"" + name + "\"\n}\nimage \"base\" {\n  source = \"base.img\"\n}\n" + blocks,
	})
	site, files, diags := config.Load(testOptions(dir))
	return site, render(t, dir, files, diags)
}

// TestBakeNameIsFree checks that nothing of the files can be called as the guest and network of a bake are.
func TestBakeNameIsFree(t *testing.T) {
	name := config.BakeName("x")
	for _, block := range []string{
		fmt.Sprintf("network %q {\n}\n", name),
		fmt.Sprintf("guest %q {\n  image = image.base\n}\n", name),
		fmt.Sprintf("guest \"bake\" {\n  for_each = toset([%q])\n  image = image.base\n}\n", strings.TrimPrefix(name, "bake")),
	} {
		if site, shown := bakedSite(t, "s", block); site != nil || !strings.Contains(shown, "Invalid name") {
			t.Errorf("%s\nloads, or fails otherwise: %s", block, shown)
		}
	}
}

// TestBakeNetworks gives random sites many bakes: none may share an address with another one or with the site, and the
// first one must be where it is without the others.
func TestBakeNetworks(t *testing.T) {
	_, shared := netip.MustParsePrefix("198.18.0.0/15"), 0
	rapid.Check(t, func(rt *rapid.T) {
		var blocks strings.Builder
		var taken []netip.Prefix
		for i := range rapid.IntRange(0, 3).Draw(rt, "networks") {
			bits := rapid.IntRange(18, 30).Draw(rt, "bits") // three cannot cover all
			addr := netip.AddrFrom4([4]byte{198, byte(rapid.IntRange(18, 19).Draw(rt, "b")), byte(rapid.IntRange(0, 255).Draw(rt, "c")), 0})
			cidr := netip.PrefixFrom(addr, bits).Masked()
			if overlapsAny(taken, cidr) {
				continue
			}
			taken = append(taken, cidr)
			fmt.Fprintf(&blocks, "network \"n%d\" {\n  cidrs = [%q]\n}\n", i, cidr)
		}
		bakes := rapid.IntRange(1, 6).Draw(rt, "bakes")
		for i := range bakes {
			fmt.Fprintf(&blocks, "image \"b%d\" {\n  base = image.base\n}\n", i)
		}
		site, shown := bakedSite(t, rapid.StringMatching(`[a-z]{1,8}`).Draw(rt, "site"), blocks.String())
		if site == nil {
			rt.Fatal(shown)
		}
		for _, img := range site.Images {
			if img.Bake == nil {
				continue
			}
			n, nic := img.Bake.Network, img.Bake.NIC
			cidr := n.CIDRs[0]
			if cidr.Bits() != 28 || cidr != cidr.Masked() || !netip.MustParsePrefix("198.18.0.0/15").Contains(cidr.Addr()) || overlapsAny(taken, cidr) {
				rt.Fatalf("%s is baked on %s, and %v are taken", img.Name, cidr, taken)
			}
			taken = append(taken, cidr)
			shared++
			if n.Name != "bake."+img.Name || nic.Network != n.Name || nic.Addresses[0].Masked() != cidr || nic.Gateways[0] != n.Host[0] ||
				nic.Addresses[0].Addr() == n.Host[0] || n.Bridge != config.DeriveBridge(site.Name, n.Name) {
				rt.Fatalf("network %+v, nic %+v", n, nic)
			}
		}
	})
	if shared == 0 {
		t.Error("nothing was baked")
	}
}

func overlapsAny(taken []netip.Prefix, cidr netip.Prefix) bool {
	for _, other := range taken {
		if other.Overlaps(cidr) {
			return true
		}
	}
	return false
}

// TestBakeNetworkStays writes the ranges out: the hosts of users have them while something is baked.
func TestBakeNetworkStays(t *testing.T) {
	site, shown := bakedSite(t, "home", "image \"b\" {\n  base = image.base\n}\nimage \"a\" {\n  base = image.base\n}\n")
	if site == nil {
		t.Fatal(shown)
	}
	for i, want := range []string{"198.19.18.0/28", "198.19.18.16/28"} {
		if got := site.Images[i].Bake.Network.CIDRs[0].String(); got != want {
			t.Errorf("%s is baked on %s, want %s", site.Images[i].Name, got, want)
		}
	}
}

// TestImageChoice chooses between images of different forms, whose values have different attributes.
func TestImageChoice(t *testing.T) {
	site, shown := bakedSite(t, "s", `image "baked" {
  base = image.base
}
variable "bake" {
  default = true
}
guest "a" {
  image = var.bake ? image.baked : image.base
}
guest "b" {
  image = [image.base, image.baked][1]
}
guest "c" {
  image = image["baked"]
}
`)
	if site == nil {
		t.Fatal(shown)
	}
	for _, g := range site.Guests {
		if g.Image != "baked" {
			t.Errorf("guest %s is made from %q", g.Name, g.Image)
		}
	}
}

// TestSecretInImage allows sensitive values in images, with a warning that does not show them.
func TestSecretInImage(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"base.img": "",
		"main.jeos.hcl": `jeos {
  site = "s"
}
image "base" {
  source = "base.img"
}
image "baked" {
  base = image.base
  run  = ["echo", "echo ${sensitive("` + canary + `")}"]
  file "/a" {
    content = sensitive("` + canary + `")
  }
  file "/b" {
    content = "plain"
  }
  apt {
    mirror = sensitive("http://` + canary + `/")
    proxy  = sensitive("http://` + canary + `/")
  }
}
`})
	site, files, diags := config.Load(testOptions(dir))
	if site == nil {
		t.Fatal(render(t, dir, files, diags))
	}
	checkUnseen(t, canary, dir, files, diags)
	var lines []int
	for _, d := range diags {
		if d.Summary != "Secret in an image" {
			t.Errorf("got %v", d)
		}
		lines = append(lines, d.Subject.Start.Line)
	}
	if fmt.Sprint(lines) != "[9 11 17 18]" {
		t.Errorf("warnings in lines %v", lines)
	}
	if bake := site.Images[0].Bake; !bake.Run[1].Sensitive || bake.Run[0].Sensitive || !bake.Files[0].Sensitive || !bake.Apt.Proxy.Sensitive {
		t.Errorf("got %+v", bake)
	}
}

// TestSecretsOfImages puts a canary into image blocks that are wrong.
func TestSecretsOfImages(t *testing.T) {
	for _, body := range []string{
		"source = var.psk",
		"release = var.psk",
		"base = var.psk",
		"source = \"https://user:" + canary + "@host/x\"",
		"source = \"https://" + canary + "@host/x\"",
		"source = \"https://user:one two " + canary + "@host/x\"",
		"source = \"https://user:1/" + canary + "@host/x\"",
		"source = \"https://user:" + canary + "@host/${local.none}\"",
		"source = [\"https://user:" + canary + "@host/x\"]",
		"source = \"ftp://user:" + canary + "@host/x\"",
		"sorce = \"https://user:" + canary + "@host/x\"",
		"release = \"noble\"\n  source = \"https://user:" + canary + "@host/x\"",
		"release = \"noble\"\n  mirror = \"https://user:" + canary + "@host/x\"",
		"release = \"noble\"\n  keyring = \"https://user:" + canary + "@host/x\"",
		"release = \"noble\"\n  mirror = var.psk",
		"source = \"https://host/x\"\n  checksum = var.psk",
		"base = image.base\n  packages = [var.psk]",
		"base = image.base\n  kernel = var.psk",
		"base = image.base\n  run = [var.psk, 1]",
		"base = image.base\n  bake {\n    cidr = var.psk\n  }",
		"base = image.base\n  bake {\n    network = var.psk\n  }",
		"base = image.base\n  bake {\n    network = network.n\n    via = var.psk\n  }\n}\nnetwork \"n\" {\n  cidrs = [\"10.0.0.0/24\"]",
		"base = image.base\n  file \"/x\" {\n    source = \"http://user:" + canary + "@host/x\"\n  }",
	} {
		t.Run(body, func(t *testing.T) {
			checkSecret(t, "main.jeos.hcl", "jeos {\n  site = \"s\"\n}\nvariable \"psk\" {\n  sensitive = true\n}\nimage \"base\" {\n  source = \"i\"\n}\n"+
				"image \"i\" {\n  "+body+"\n}\n")
		})
	}
}

// TestBakeStaysOutOfDHCP bakes on a network whose upper half a DHCP server gives away.
func TestBakeStaysOutOfDHCP(t *testing.T) {
	site, shown := bakedSite(t, "s", `network "n" {
  mode  = "nat"
  cidrs = ["10.0.0.0/28"]
  dhcp  = true
}
image "a" {
  base = image.base
  bake {
    network = network.n
  }
}
guest "g" {
  image = image.base
  nic "n" {
    network   = network.n
    addresses = ["10.0.0.7"]
  }
}
`)
	if site == nil {
		t.Fatal(shown)
	}
	if nic := site.Images[0].Bake.NIC; len(nic.Addresses) != 1 || nic.Addresses[0].String() != "10.0.0.6/28" || nic.DHCP {
		t.Errorf("got %+v", nic)
	}
}
