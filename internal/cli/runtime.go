package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/gofrs/flock"
)

// runtimeDir returns jeos's own private folder for locks and temporary files, and makes it if it is missing:
// $XDG_RUNTIME_DIR/jeos, for root without one /run/jeos, else a folder in the user's cache. sudo may leave root with
// another user's $XDG_RUNTIME_DIR, which does not count.
func runtimeDir(env func(string) (string, bool)) (string, error) {
	if dir, _ := env("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) && ownFolder(dir) {
		return privateDir(filepath.Join(dir, "jeos"))
	}
	if os.Geteuid() == 0 {
		return privateDir("/run/jeos")
	}
	dir, _ := env("XDG_CACHE_HOME")
	if !filepath.IsAbs(dir) {
		home, _ := env("HOME")
		if !filepath.IsAbs(home) {
			return "", errors.New("there is no place for temporary files: set XDG_RUNTIME_DIR or HOME to a folder of yours")
		}
		dir = filepath.Join(home, ".cache")
	}
	if err := os.MkdirAll(filepath.Join(dir, "jeos"), 0o700); err != nil {
		return "", err
	}
	return privateDir(filepath.Join(dir, "jeos", "run"))
}

// ownFolder reports whether a folder belongs to this user.
func ownFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir() && owned(info)
}

func owned(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == uint32(os.Geteuid())
}

// privateDir makes a folder that only this user can enter. One that is there already must be such a folder.
func privateDir(path string) (string, error) {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	switch {
	case !info.IsDir():
		return "", fmt.Errorf("%s is not a folder: find out who put it there, and remove it", path)
	case !owned(info):
		return "", fmt.Errorf("%s belongs to another user: find out who put it there, and remove it", path)
	case info.Mode().Perm()&0o077 != 0:
		return "", fmt.Errorf("%s is open to other users: run \"chmod 700 %s\" if you trust what is in it", path, path)
	}
	return path, nil
}

const scratchPrefix = "tmp-"

// scratch makes a private folder for temporary files and sets TMPDIR to it, because seeds with secrets pass through
// temporary files. Folders that killed processes left are removed. The returned function removes this one.
func scratch(env func(string) (string, bool)) (end func(), err error) {
	parent, err := runtimeDir(env)
	if err != nil {
		return nil, err
	}
	sweep(parent)
	path, err := privateDir(filepath.Join(parent, scratchPrefix+strconv.Itoa(os.Getpid())))
	if err != nil {
		return nil, err
	}
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	if _, err := lock.TryLock(); err != nil {
		return nil, err
	}
	if err := os.Setenv("TMPDIR", path); err != nil {
		return nil, err
	}
	return func() {
		os.RemoveAll(path) // what is left is swept by the next run
		lock.Unlock()
	}, nil
}

// sweep removes the temporary folders of processes that are gone: nobody holds their lock, and no process here has
// their number.
func sweep(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), scratchPrefix)
		pid, err := strconv.Atoi(digits)
		if !ok || err != nil || pid <= 0 || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		path := filepath.Join(parent, e.Name())
		lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
		if held, err := lock.TryLock(); err == nil && held {
			os.RemoveAll(path)
			lock.Unlock()
		}
	}
}
