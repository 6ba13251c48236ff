package images

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is how often a file that is locked by somebody else is tried again.
const lockPoll = 100 * time.Millisecond

// openLocked opens a file, which it makes when it is missing, and waits until it is locked for this process alone, which
// it then is until it is closed.
func openLocked(ctx context.Context, path string) (*os.File, error) {
	for {
		if file, err := tryOpenLocked(path); file != nil || err != nil {
			return file, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(lockPoll):
		}
	}
}

// tryOpenLocked is openLocked without the wait. Nil: somebody else has the file.
func tryOpenLocked(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	locked := err == nil
	if locked {
		// Whoever had the lock may have renamed or deleted the file.
		locked, err = stillAt(file, path)
	} else if errors.Is(err, unix.EWOULDBLOCK) {
		err = nil
	}
	if !locked {
		file.Close()
		return nil, err
	}
	return file, nil
}

func stillAt(file *os.File, path string) (bool, error) {
	opened, err := file.Stat()
	if err != nil {
		return false, err
	}
	return isAt(opened, path)
}

// isAt reports whether a file that was opened is the one at a path.
func isAt(opened fs.FileInfo, path string) (bool, error) {
	there, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(opened, there), err
}
