package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"jeos/internal/words"
)

const (
	maxFile = 1 << 20  // bytes of one file
	maxSite = 32 << 20 // bytes of all files of a folder
)

// Files returns the paths of the files that make up the site in dir, *.jeos.hcl and *.jeos.hcl.json, sorted. Hidden
// files are left out. The error is that of reading the folder.
func Files(dir string) ([]string, error) {
	return filesWith(dir, ".jeos.hcl", ".jeos.hcl.json")
}

func filesWith(dir string, suffixes ...string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		matches := slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(e.Name(), s) })
		if matches && !strings.HasPrefix(e.Name(), ".") {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, nil // ReadDir sorts
}

// readFile reads a regular file of at most limit bytes; symbolic links are followed. It never blocks on a FIFO or a
// device. The error is a clause for people that names the path as it is given in shown.
func readFile(path, shown string, limit int64) ([]byte, error) {
	return readRegular(os.Stat, os.OpenFile, path, shown, limit)
}

// readBeside is readFile for a file in a folder. Neither the name nor symbolic links lead out of the folder.
func readBeside(folder, name string, limit int64) ([]byte, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fileError(name, err)
	}
	defer root.Close()
	return readRegular(root.Stat, root.OpenFile, name, name, limit)
}

func readRegular(
	stat func(path string) (fs.FileInfo, error),
	open func(path string, flag int, mode fs.FileMode) (*os.File, error),
	path, shown string, limit int64,
) ([]byte, error) {
	info, err := stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is %s, not a file", words.Quote(shown), kindOf(info.Mode()))
	}
	if err != nil {
		return nil, fileError(shown, err)
	}
	f, err := open(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // it may have become a FIFO since
	if err != nil {
		return nil, fileError(shown, err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fileError(shown, err)
	}
	if int64(len(src)) > limit {
		return nil, fmt.Errorf("%s is larger than %s", words.Quote(shown), FormatSize(limit))
	}
	return src, nil
}

// ReadFile reads one of the site's files. It refuses, without ever waiting, what Load refuses: what is no regular file,
// larger than 1 MiB, not UTF-8, or holds NUL. The error is a clause for people that names the path.
func ReadFile(path string) ([]byte, error) { return readText(path, path, maxFile) }

// readText is readFile for text: the result is valid UTF-8 without NUL and without a byte order mark.
func readText(path, shown string, limit int64) ([]byte, error) {
	src, err := readFile(path, shown, limit)
	if err != nil {
		return nil, err
	}
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	switch {
	case !utf8.Valid(src):
		return nil, fmt.Errorf("%s is not UTF-8 text", words.Quote(shown))
	case bytes.IndexByte(src, 0) >= 0:
		return nil, fmt.Errorf("%s is not text: it holds a NUL byte", words.Quote(shown))
	}
	return src, nil
}

// fileError words an error of the file system without the path that it was reached by.
func fileError(shown string, err error) error {
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %s", words.Quote(shown))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s may not be read by this user", words.Quote(shown))
	case errors.As(err, &pathErr):
		return fmt.Errorf("%s cannot be read: %w", words.Quote(shown), pathErr.Err)
	}
	return fmt.Errorf("%s cannot be read: %w", words.Quote(shown), err)
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeDevice != 0:
		return "a device"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "something special"
}
