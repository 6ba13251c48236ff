package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// lockSite keeps two applies of one site on one host apart, per user and machine: those of other users and from other
// machines it knows nothing of. The kernel releases the lock when the process ends, however it ends, so a lock is never stale and its file is
// never removed. The file says who holds the lock.
func (p *program) lockSite(s *site) (unlock func(), err error) {
	dir, err := runtimeDir(p.sys.Env)
	if err != nil {
		return nil, failed("Locking failed", err)
	}
	sum := sha256.Sum256([]byte(s.uri + "\x00" + s.Name))
	path := filepath.Join(dir, "apply-"+hex.EncodeToString(sum[:8])+".lock")
	lock := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err != nil {
		return nil, failed("Locking failed", err)
	}
	if !held {
		return nil, failed("Site is locked", fmt.Errorf("another jeos%s works on the site %q on %s. Wait until it is done, and try again",
			holder(path), s.Name, s.uri))
	}
	note := fmt.Sprintf("process %d since %s\n", os.Getpid(), time.Now().Format(time.RFC3339))
	if err := os.WriteFile(path, []byte(note), 0o600); err != nil {
		lock.Unlock()
		return nil, failed("Locking failed", err)
	}
	return func() { lock.Unlock() }, nil
}

// holder words who holds a lock, " (process 12 since …)", or returns "" when that cannot be told.
func holder(path string) string {
	note, err := os.ReadFile(path)
	if text := strings.TrimSpace(string(note)); err == nil && text != "" {
		return " (" + printable(text) + ")"
	}
	return ""
}
