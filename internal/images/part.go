package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// part is the file of a download that is not complete, locked by this process. Its hash is computed while it grows.
type part struct {
	path  string // without partSuffix: where the file goes once it is complete
	file  *os.File
	sum   hash.Hash
	size  int64 // bytes that are there
	state partState
	// inherited says that an earlier download has left bytes that are still there, so that they may be of another file.
	inherited bool
	away      bool // the file has left its path
}

// partState is what must be known to go on with a download, kept as JSON beside the part.
type partState struct {
	URL       string `json:"url"`
	Validator string `json:"validator"` // for If-Range; empty: the server sent none
}

// openPart waits until nobody else has the lock of the file for path, which is its part, and takes it.
func openPart(ctx context.Context, path string) (*part, error) {
	file, err := openLocked(ctx, path+partSuffix)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w: make it yours with 'chown', or set JEOS_CACHE_DIR to a folder of yours", err)
	} else if err != nil {
		return nil, err
	}
	return &part{path: path, file: file, sum: sha256.New()}, nil
}

// takeUp hashes what an earlier download has left.
func (p *part) takeUp(ctx context.Context) error {
	state, err := os.ReadFile(p.path + stateSuffix)
	if err != nil || json.Unmarshal(state, &p.state) != nil {
		p.state = partState{}
		return p.file.Truncate(0) // nobody knows what it is
	}
	if err := copyContext(ctx, p.sum, p.file, func(done int64) { p.size = done }); err != nil {
		return fmt.Errorf("reading %s: %w", p.file.Name(), err)
	}
	p.inherited = p.size > 0
	return nil
}

// restart drops what is there.
func (p *part) restart(state partState) error {
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	p.sum.Reset()
	p.size, p.inherited, p.state = 0, false, state
	data, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return p.full(renameio.WriteFile(p.path+stateSuffix, data, 0o600))
}

// checkSpace returns an error when the file system has no room for that many bytes, so that a full disk shows at once.
func (p *part) checkSpace(bytes int64) error {
	var disk unix.Statfs_t
	if err := unix.Fstatfs(int(p.file.Fd()), &disk); err != nil || int64(disk.Bavail) >= bytes/int64(disk.Bsize) {
		return nil // what cannot be asked shows while writing
	}
	return p.full(unix.ENOSPC)
}

func (p *part) Write(data []byte) (int, error) {
	n, err := p.file.Write(data)
	p.sum.Write(data[:n])
	p.size += int64(n)
	return n, p.full(err)
}

// full says what to do when there is no space left; other errors stay.
func (p *part) full(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("there is no space left in %s: free some, and run this again to go on where it stopped (%w)", filepath.Dir(p.path), err)
	}
	return err
}

// hash is that of what is there, in lower-case hex.
func (p *part) hash() string { return hex.EncodeToString(p.sum.Sum(nil)) }

// complete gives the file its name for good.
func (p *part) complete() error {
	if err := p.file.Chmod(0o444); err != nil {
		return err
	}
	if err := p.full(p.file.Sync()); err != nil {
		return err
	}
	if err := os.Rename(p.path+partSuffix, p.path); err != nil {
		return err
	}
	p.away = true
	_ = os.Remove(p.path + stateSuffix) // without a part it means nothing
	return syncFolder(filepath.Dir(p.path))
}

// discard deletes what is there, once: after that the path may be somebody else's.
func (p *part) discard() {
	if p.away {
		return
	}
	p.away = true
	_ = os.Remove(p.path + stateSuffix)
	_ = os.Remove(p.path + partSuffix)
}

// close gives the lock back. What has arrived stays for the next time.
func (p *part) close() {
	if stat, err := p.file.Stat(); err == nil && stat.Size() == 0 {
		p.discard()
	}
	p.file.Close()
}

// syncFolder makes the names in a folder last through a power cut.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
