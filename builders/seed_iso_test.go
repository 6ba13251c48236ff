package builders

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func sampleSeed(t testing.TB) seed {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	s, err := renderSeed(sampleSite(), sampleGuest(), "home-web-1")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestISOIsFunctionOfSeed(t *testing.T) {
	s := sampleSeed(t)
	first, err := s.iso()
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // what depends on the clock counts hundredths of a second
	second, err := s.iso()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("the same seed gives other bytes")
	}
	s.MetaData = append([]byte("# \n"), s.MetaData...)
	if other, err := s.iso(); err != nil || bytes.Equal(first, other) {
		t.Errorf("another seed gives the same bytes (%v)", err)
	}
}

func TestISOSizes(t *testing.T) {
	sampleSeed(t)
	for _, size := range []int{0, 1, sectorSize - 1, sectorSize, sectorSize + 1, maxUserData} {
		content := bytes.Repeat([]byte("u"), size)
		if _, err := (seed{UserData: content, MetaData: []byte("m")}).iso(); err != nil {
			t.Errorf("user-data of %d bytes: %v", size, err)
		}
	}
}

func TestISOCheck(t *testing.T) {
	s := sampleSeed(t)
	image, err := s.iso()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		old, new string
		want     string
	}{
		"content": {"home-web-1", "home-web-2", "not the ones"},
		"name":    {"user-data;1", "user-date;1", "not the ones"},
		"label":   {"cidata ", "cidate ", "label"},
	} {
		bad := bytes.Replace(image, []byte(c.old), []byte(c.new), 1)
		if err := s.check(bad); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	if err := s.check(image[:sectorSize*10]); err == nil {
		t.Error("a cut image passes")
	}
}
