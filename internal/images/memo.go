package images

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
)

// memo remembers the hash of one file, in a JSON file named after its device and inode.
type memo struct {
	dir string // empty, or open to others: nothing is remembered
	key fileKey
}

// fileKey tells one state of a file from every other. Times are in nanoseconds since 1970; Changed is that of the inode,
// which nobody can set back.
type fileKey struct {
	Device   uint64 `json:"device"`
	Inode    uint64 `json:"inode"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"`
	Changed  int64  `json:"changed"`
}

type memoFile struct {
	fileKey
	SHA256 string `json:"sha256"`
}

// settled is how long a file must have been left alone before its hash is remembered: within the resolution of its
// times it can change again and look the same.
const settled = 2 * time.Second

func keyOf(stat fs.FileInfo) fileKey {
	sys := stat.Sys().(*syscall.Stat_t)
	return fileKey{
		Device: sys.Dev, Inode: sys.Ino, Size: sys.Size,
		Modified: sys.Mtim.Nano(), Changed: sys.Ctim.Nano(),
	}
}

func (m memo) path() string {
	return filepath.Join(m.dir, fmt.Sprintf("%x-%d.json", m.key.Device, m.key.Inode))
}

// load returns the hash, or "" when it is not known for the file in its present state.
func (m memo) load() string {
	if m.dir == "" || checkFolder(m.dir) != nil {
		return ""
	}
	content, err := os.ReadFile(m.path())
	if err != nil {
		return ""
	}
	var known memoFile
	if json.Unmarshal(content, &known) != nil || known.fileKey != m.key || !isHash(known.SHA256) {
		return ""
	}
	return known.SHA256
}

// store remembers the hash. That it cannot is no error: the next call takes longer.
func (m memo) store(sha256 string) {
	if time.Since(time.Unix(0, max(m.key.Modified, m.key.Changed))) >= settled {
		m.keep(sha256)
	}
}

// keep is store for a file that nobody writes to any more.
func (m memo) keep(sha256 string) {
	if m.dir == "" {
		return
	}
	content, err := json.Marshal(memoFile{m.key, sha256})
	if err != nil || makeFolder(m.dir) != nil {
		return
	}
	_ = renameio.WriteFile(m.path(), content, 0o600)
}
