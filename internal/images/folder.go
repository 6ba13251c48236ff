package images

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// makeFolder makes a folder of the cache for this user alone. One that is there already must be as checkFolder wants it.
func makeFolder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("images cannot be kept in %s: %w: set JEOS_CACHE_DIR to a folder of yours", path, err)
	}
	return checkFolder(path)
}

// checkFolder returns an error when somebody else could change what is in a folder. Root, whom sudo may leave with the
// folder of another user, takes it whoever owns it. A folder that is not there is an error with fs.ErrNotExist.
func checkFolder(path string) error {
	stat, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("images cannot be kept in %s: %w: set JEOS_CACHE_DIR to a folder of yours", path, err)
	}
	return checkOwner(path, stat, os.Geteuid())
}

// checkOwner is checkFolder for the user with that number.
func checkOwner(path string, stat fs.FileInfo, user int) error {
	owner := stat.Sys().(*syscall.Stat_t).Uid
	switch {
	case !stat.IsDir():
		return fmt.Errorf("images cannot be kept in %s, which is no folder: set JEOS_CACHE_DIR to a folder of yours", path)
	case user != 0 && owner != uint32(user):
		return fmt.Errorf("images cannot be kept in %s, which belongs to another user (%d): "+
			"make it yours with 'chown -R', or set JEOS_CACHE_DIR to a folder of yours", path, owner)
	case stat.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("images cannot be kept in %s, to which others can write: "+
			"close it with 'chmod go-w', or set JEOS_CACHE_DIR to a folder of yours", path)
	}
	return nil
}
