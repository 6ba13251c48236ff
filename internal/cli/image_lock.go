package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"jeos/plan"
)

// imageLock has those who make or delete one image, which several sites of a pool may want, wait for each other: a second
// one finds the image complete, where it would otherwise take the first one's half for the rest of a dead upload. It
// reaches as far as lockSite does.
type imageLock struct {
	plan.Hypervisor
	dir, uri string
}

// Do implements plan.Hypervisor.
func (l imageLock) Do(ctx context.Context, s plan.Step, progress func(plan.Progress)) error {
	if s.Addr.Kind != plan.KindImage {
		return l.Hypervisor.Do(ctx, s, progress)
	}
	sum := sha256.Sum256([]byte(l.uri + "\x00" + s.Pool + "\x00" + s.Host))
	path := filepath.Join(l.dir, "image-"+hex.EncodeToString(sum[:8])+".lock")
	lock := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
		return fmt.Errorf("waiting for another jeos that works on the image: %w", err)
	}
	defer lock.Unlock()
	return l.Hypervisor.Do(ctx, s, progress)
}
