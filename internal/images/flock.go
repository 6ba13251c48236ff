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

// tryLock locks a file for this process alone, until it is closed. Not locked: somebody else has it.
func tryLock(file *os.File) (locked bool, err error) {
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// openLocked opens a file, which it makes when it is missing, and waits until it has the lock on it.
func openLocked(ctx context.Context, path string) (*os.File, error) {
	for {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		if err := waitLock(ctx, file); err != nil {
			file.Close()
			return nil, err
		}
		// Whoever had the lock may have renamed or deleted the file.
		if is, err := stillAt(file, path); err != nil {
			file.Close()
			return nil, err
		} else if is {
			return file, nil
		}
		file.Close()
	}
}

func waitLock(ctx context.Context, file *os.File) error {
	for {
		if locked, err := tryLock(file); locked || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lockPoll):
		}
	}
}

func stillAt(file *os.File, path string) (bool, error) {
	opened, err := file.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(opened, there), err
}
