package config_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"jeos/internal/config"
)

// writeLock has the lock file in dir say this and nothing else.
func writeLock(dir string, lock config.Lock) (changed bool, err error) {
	return config.UpdateLock(dir, func(l *config.Lock) error {
		*l = lock
		return nil
	})
}

// TestUpdateLockKeepsOthersChanges has many change the file at the same time, each its own entry.
func TestUpdateLockKeepsOthersChanges(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			_, err := config.UpdateLock(dir, func(l *config.Lock) error {
				l.SetBake(config.LockedBake{Image: fmt.Sprintf("i%d", n), Serial: n + 2})
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	refused := errors.New("no")
	if _, err := config.UpdateLock(dir, func(l *config.Lock) error {
		if len(l.Bakes) != 20 {
			t.Errorf("%d entries, want 20", len(l.Bakes))
		}
		l.Bakes = nil
		return refused
	}); !errors.Is(err, refused) {
		t.Errorf("got %v, want the error of the change", err)
	}
	if _, err := config.UpdateLock(dir, func(l *config.Lock) error {
		if len(l.Bakes) != 20 {
			t.Errorf("%d entries after a refused change, want 20", len(l.Bakes))
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, config.LockFile), []byte("bake {"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := writeLock(dir, config.Lock{}); err == nil {
		t.Error("a broken lock file is overwritten")
	}
}

func TestUpdateLock(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, config.LockFile)
	lock := config.Lock{Addresses: []config.LockedAddress{
		{Guest: "a", NIC: "lan", Network: "n", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")}},
	}}
	for i, step := range []struct {
		lock    config.Lock
		changed bool
	}{{config.Lock{}, false}, {lock, true}, {lock, false}, {config.Lock{}, true}, {config.Lock{}, false}} {
		changed, err := writeLock(dir, step.lock)
		if err != nil || changed != step.changed {
			t.Errorf("step %d: changed = %t, %v", i, changed, err)
		}
		got, err := os.ReadFile(path)
		if i > 0 && (err != nil || string(got) != string(step.lock.Bytes())) {
			t.Errorf("step %d: the file holds %q, %v", i, got, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("got %v, %v", info, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("got %v, %v, want the lock file alone", entries, err)
	}
	if _, err := writeLock(filepath.Join(dir, "gone"), lock); err == nil {
		t.Error("writes into a folder that is not there")
	}
}

// TestLockRoundTrip reads back what it wrote.
func TestLockRoundTrip(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"i": "",
		"main.jeos.hcl": `jeos {
  site = "s"
}
image "i" {
  source = "i"
}
network "n" {
  cidrs = ["10.0.0.0/24", "fd00::/64"]
}
guest "b" {
  image = image.i
  nic "x" {
    network = network.n
  }
  nic "a" {
    network = network.n
  }
}
guest "a" {
  image = image.i
  nic "x" {
    network   = network.n
    addresses = ["10.0.0.1"]
  }
}
`})
	first, _, diags := config.Load(testOptions(dir))
	if first == nil {
		t.Fatal(diags)
	}
	if _, err := writeLock(dir, first.Lock); err != nil {
		t.Fatal(err)
	}
	second, _, diags := config.Load(testOptions(dir))
	if second == nil {
		t.Fatal(diags)
	}
	if d := cmp.Diff(first, second, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); d != "" {
		t.Errorf("-first +second:\n%s", d)
	}
	if n := len(second.Lock.Addresses); n != 3 {
		t.Errorf("the lock holds %d entries, want 3", n)
	}
}
