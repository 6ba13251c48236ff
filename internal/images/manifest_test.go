package images

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseManifest(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []Package
	}{
		"dpkg-query": {"zlib1g:amd64\t1:1.2.13.dfsg-1\nadduser\t3.134\n", []Package{{"adduser", "3.134"}, {"zlib1g", "1:1.2.13.dfsg-1"}}},
		"two architectures": {
			"libc6:amd64\t2.36-9+deb12u10\nlibc6:i386\t2.36-9+deb12u10\n",
			[]Package{{"libc6", "2.36-9+deb12u10"}},
		},
		"removed":          {"nano\t\nvim\t2:9.0~1\n", []Package{{"vim", "2:9.0~1"}}},
		"snap":             {"snap:lxd\t5.21/stable\t29351\ng++\t4:13.2.0-7ubuntu1\r\n", []Package{{"g++", "4:13.2.0-7ubuntu1"}}},
		"padded":           {"vim\t2:9.0\n" + strings.Repeat("\x00", 1<<10), []Package{{"vim", "2:9.0"}}},
		"no end of line":   {"vim\t2:9.0", []Package{{"vim", "2:9.0"}}},
		"empty":            {"", []Package{}},
		"nothing but NULs": {"\x00\x00", []Package{}},
	} {
		got, err := ParseManifest([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestParseManifestRefuses(t *testing.T) {
	for _, text := range []string{
		"vim", "vim 2:9.0", "Vim\t1", "vim\t1 2", "vim\t1\t2", "vim\t\x1b[2J", "v\x00m\t1", "\t1", "<!DOCTYPE html>", "vim\t1\n<html>", "-x\t1",
	} {
		if got, err := ParseManifest([]byte(text)); err == nil || !strings.Contains(err.Error(), "is no name and version") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add("libc6:amd64\t2.39\nsnap:x\ty\tz\n\x00")
	f.Fuzz(func(t *testing.T, text string) {
		packages, err := ParseManifest([]byte(text))
		if err != nil {
			return
		}
		var again strings.Builder
		for _, p := range packages {
			again.WriteString(p.Name + "\t" + p.Version + "\n")
		}
		same, err := ParseManifest([]byte(again.String()))
		if err != nil || !slices.Equal(packages, same) {
			t.Errorf("%v became %v, %v", packages, same, err)
		}
	})
}

func TestCachePackages(t *testing.T) {
	c := newCache(t)
	hash := put(t, c, "image", "")
	if got, ok := c.Packages(hash, hashData([]byte("vim\t1\n"))); ok {
		t.Errorf("without a list: %v", got)
	}
	for text, known := range map[string]bool{"vim\t1\n": true, "": true, "no list": false} {
		if err := os.WriteFile(c.Path(hash)+manifestSuffix, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		pinned := hashData([]byte(text))
		if got, ok := c.Packages(hash, pinned); ok != known {
			t.Errorf("%q: %v, %t", text, got, ok)
		}
		for _, other := range []string{"", hash, strings.ToUpper(pinned)} {
			if got, ok := c.Packages(hash, other); ok {
				t.Errorf("%q counts as the list %q: %v", text, other, got)
			}
		}
		if _, ok := c.Packages("../"+hash, pinned); ok {
			t.Error("a path is no hash")
		}
		if _, ok := (Cache{}).Packages(hash, pinned); ok {
			t.Error("there is no cache")
		}
	}
}
