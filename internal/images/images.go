// Package images knows image files: what their headers say, whether a guest can be made from them, and their hashes. It
// finds those that are published on the network, checks who signed them, and keeps them in a cache.
package images

import (
	"context"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Info is what is known of an image file.
type Info struct {
	Path     string // as given to Inspect
	Format   string // "qcow2" or "raw"
	SHA256   string // lower-case hex of the whole file
	Size     int64  // virtual size: bytes of the disk that a guest sees
	FileSize int64  // bytes of the file
}

// Inspect reads the image file path and refuses what no guest can be made from: what is no regular file, formats other
// than qcow2 and raw, and a qcow2 that needs other files or is not whole. Its errors name the path and say what to do.
//
// Hashing a large file takes seconds, so cacheDir, which is made when it is missing, remembers the hash for as long as
// the file stays the same by device, inode, size and times. An empty cacheDir remembers nothing; one that cannot be
// written, or that others can write to, only makes the next call slow. A file that changes while it is read is an error.
func Inspect(ctx context.Context, path, cacheDir string) (Info, error) {
	file, stat, err := openRegular(path)
	if err != nil {
		return Info{}, err
	}
	defer file.Close()
	info := Info{Path: path, FileSize: stat.Size()}
	if info.Format, info.Size, err = identify(file, stat.Size()); err != nil {
		return Info{}, fmt.Errorf("%s %w", path, err)
	}
	if info.SHA256, err = hashRemembered(ctx, file, stat, cacheDir); err != nil {
		return Info{}, err
	}
	return info, nil
}

// openRegular opens a regular file. It never waits, as opening a FIFO would.
func openRegular(path string) (*os.File, fs.FileInfo, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	stat, err := file.Stat()
	if err == nil && !stat.Mode().IsRegular() {
		err = fmt.Errorf("%s is %s, not an image file: give the path of a qcow2 or raw image", path, kindOf(stat.Mode()))
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, stat, nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeDevice != 0:
		return "a device"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	}
	return "a special file"
}
