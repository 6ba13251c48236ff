package builders

import (
	"strings"
	"testing"

	"jeos/internal/config"
)

func TestWanted(t *testing.T) {
	sha := strings.Repeat("0f", 32)
	cases := map[string]bool{
		"home.web.root.qcow2":                 true,
		"home.web.seed-1.iso":                 true,
		"home.web.seed-12.iso":                true,
		"home.web.seed-1.iso.ok":              false,
		"home.web.seed-0.iso":                 false,
		"home.web.seed-01.iso":                false,
		"home.web.seed.iso":                   false,
		"home.web.seed-1.qcow2":               false,
		"home.web.data.iso":                   false,
		"home.web.qcow2":                      false,
		"home.web.data.extra.qcow2":           false,
		"home..data.qcow2":                    false,
		"home-lab.web.root.qcow2":             false,
		"homes.web.root.qcow2":                false,
		"jeos-image." + sha + ".qcow2":        true,
		"jeos-image." + sha + ".raw":          true,
		"jeos-image." + sha + ".raw.ok":       false,
		"jeos-image." + sha[2:] + ".qcow2":    false,
		"jeos-image." + sha[2:] + "zz.qcow2":  false,
		"jeos-image." + sha + "-1.qcow2":      true,
		"jeos-image." + sha + "-12.qcow2":     true,
		"jeos-image." + sha + "-12.qcow2.ok":  false,
		"jeos-image." + sha + "-1.raw":        false,
		"jeos-image." + sha + "-1.manifest":   false,
		"jeos-image." + sha + ".manifest":     false,
		"jeos-image." + sha + "-0.qcow2":      false,
		"jeos-image." + sha + "-01.qcow2":     false,
		"jeos-image." + sha + "-.qcow2":       false,
		"jeos-image." + sha + "--1.qcow2":     false,
		"jeos-image." + sha + "-1-1.qcow2":    false,
		"home.bake.root.qcow2":                true,
		"home.bake.wifi.root.qcow2":           true,
		"home.bake.wifi.seed-1.iso":           true,
		"home.bake.wifi.manifest.raw":         true,
		"home.bake.wifi.manifest.raw.ok":      false,
		"home.bake.wifi.root.raw":             false,
		"home.bake.wifi.more.root.qcow2":      false,
		"home.bake..root.qcow2":               false,
		"home.web.manifest.raw":               false,
		"lab.bake.wifi.root.qcow2":            false,
		"somebody-elses-jeos-image.raw":       false,
		"ubuntu-24.04-server-cloudimg-amd64.": false,
	}
	wanted := Wanted("home")
	for name, want := range cases {
		if got := wanted(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestNamesAreInverse(t *testing.T) {
	if v, ok := parseVolume("home", VolumeName("home", "web", "data")); !ok || v.addr().String() != "volume.web.data" || v.device() != "data" {
		t.Errorf("data disk: %+v %v", v, ok)
	}
	if v, ok := parseVolume("home", SeedVolume("home", "web", 3)); !ok || v.addr().String() != "volume.web.seed-3" || v.device() != "seed" || v.generation != 3 {
		t.Errorf("seed: %+v %v", v, ok)
	}
	if sha, ok := parseImage(fileVolume(config.Image{SHA256: testSHA, Format: "raw"})); !ok || sha.key() != testSHA {
		t.Errorf("image: %v %v", sha, ok)
	}
}

func TestBakeNamesAreInverse(t *testing.T) {
	guest := config.BakeName("wifi")
	for name, want := range map[string]string{
		VolumeName("home", guest, rootDisk): "volume.bake.wifi.root",
		SeedVolume("home", guest, 1):        "volume.bake.wifi.seed-1",
		bakeManifest("home", "wifi"):        "volume.bake.wifi.manifest",
	} {
		if v, ok := parseVolume("home", name); !ok || v.addr().String() != want || v.guest != guest {
			t.Errorf("%s: %+v %v", name, v, ok)
		}
	}
	volume := bakedVolume(testSHA, 7)
	i, ok := parseImage(volume)
	if !ok || i.digest != testSHA || i.serial != 7 || i.manifest || i.attr() != "recipe:"+testSHA+"-7" {
		t.Errorf("%s: %+v %v", volume, i, ok)
	}
	if m, ok := parseImage(ManifestVolume(volume)); !ok || !m.manifest || m.key() != i.key() {
		t.Errorf("%s: %+v %v", ManifestVolume(volume), m, ok)
	}
	for _, name := range []string{"", "jeos-image." + testSHA + ".qcow2", ManifestVolume(volume), "home.web.root.qcow2"} {
		if got := ManifestVolume(name); got != "" {
			t.Errorf("manifest of %q: %q", name, got)
		}
	}
}

func TestNextSerial(t *testing.T) {
	first, other := bakedVolume(testSHA, 1), bakedVolume(strings.Repeat("b2", 32), 9)
	ok := markerSuffix
	cases := map[string]struct {
		names []string
		want  int
	}{
		"never baked":        {nil, 2},
		"baked once":         {[]string{first, first + ok}, 2},
		"another was cut":    {[]string{first, first + ok, bakedVolume(testSHA, 2)}, 2},
		"others are there":   {[]string{first, first + ok, bakedVolume(testSHA, 4), bakedVolume(testSHA, 4) + ok}, 5},
		"of another recipe":  {[]string{other, other + ok}, 2},
		"a manifest alone":   {[]string{ManifestVolume(bakedVolume(testSHA, 6)), ManifestVolume(bakedVolume(testSHA, 6)) + ok}, 2},
		"a marker that lies": {[]string{bakedVolume(testSHA, 6) + ok}, 2},
	}
	for name, c := range cases {
		names := map[string]bool{}
		for _, n := range c.names {
			names[n] = true
		}
		if got := NextSerial(first, names); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestUUIDsAreDerived(t *testing.T) {
	// These are on hosts: another value would make every guest and network of theirs foreign.
	if got := GuestUUID("home", "web"); got != "dafb78bf-5c20-5753-a7cf-bb7c2eb2eb82" {
		t.Errorf("guest: %s", got)
	}
	if got := NetworkUUID("home", "lan"); got != "d7bc4d1b-9d14-5db5-ae7c-65f83ab53400" {
		t.Errorf("network: %s", got)
	}
}

func TestDiskSerial(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"root", "seed", "data", "exactly-15-byte", "one-more-than-15", "one-more-than-16", "one-more-than-15-and-on"} {
		serial := diskSerial(name)
		if len(serial) > maxSerial || !strings.HasPrefix(serial, "jeos-") {
			t.Errorf("%s: %s", name, serial)
		}
		if other, twice := seen[serial]; twice {
			t.Errorf("%s and %s have the serial %s", name, other, serial)
		}
		seen[serial] = name
	}
	if got := diskSerial("exactly-15-byte"); got != "jeos-exactly-15-byte" {
		t.Errorf("cut without need: %s", got)
	}
}

func TestDiskTarget(t *testing.T) {
	for n, want := range map[int]string{0: "vda", 1: "vdb", 25: "vdz", 26: "vdaa", 27: "vdab", 51: "vdaz", 52: "vdba", 701: "vdzz", 702: "vdaaa"} {
		if got := diskTarget(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestFreeTarget(t *testing.T) {
	taken := map[string]bool{"vda": true, "vdc": true, "sda": true}
	for _, want := range []string{"vdb", "vdd", "vde"} {
		if got := freeTarget(taken); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestFormatSize(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0B", 1: "1B", 1 << 10: "1KiB", 1536 << 20: "1536MiB", 1 << 30: "1GiB", 3 << 40: "3TiB", 1<<30 + 1: "1073741825B"} {
		if got := config.FormatSize(bytes); got != want {
			t.Errorf("%d: %s, want %s", bytes, got, want)
		}
	}
	for _, c := range []struct {
		number, unit string
		want         int64
	}{{"5", "bytes", 5}, {"5", "b", 5}, {"2", "KB", 2000}, {"2", "KiB", 2048}, {"2", "k", 2048}, {"1", "GiB", 1 << 30}, {" 7 ", "MiB", 7 << 20}, {"x", "KiB", 0}} {
		if got := parseSize(c.number, c.unit); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.number, c.unit, got, c.want)
		}
	}
}
