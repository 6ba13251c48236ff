package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

var errChanging = errors.New("changed while it was read: wait until whatever writes it is done, and try again")

// hashRemembered returns the SHA-256 of an opened file as lower-case hex: what the memo in dir has for its state, else
// what reading it gives. A file that changes meanwhile is an errChanging.
func hashRemembered(ctx context.Context, file *os.File, stat fs.FileInfo, dir string) (string, error) {
	memo := memo{dir: dir, key: keyOf(stat)}
	if known := memo.load(); known != "" {
		return known, nil
	}
	hash, err := hashFile(ctx, file, func(int64) {})
	if err != nil {
		return "", err
	}
	after, err := file.Stat()
	if err != nil {
		return "", err
	}
	if keyOf(after) != memo.key {
		return "", fmt.Errorf("%s %w", file.Name(), errChanging)
	}
	memo.store(hash)
	return hash, nil
}

// hashFile returns the SHA-256 of a file from its start as lower-case hex. It stops when ctx ends.
func hashFile(ctx context.Context, file *os.File, progress func(done int64)) (string, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	sum := sha256.New()
	if err := copyContext(ctx, sum, file, progress); err != nil {
		return "", fmt.Errorf("reading %s: %w", file.Name(), err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// hashData returns the SHA-256 of what is in memory as lower-case hex.
func hashData(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// isHash reports whether s is a SHA-256 in lower-case hex, and so cannot lead out of a folder.
func isHash(s string) bool {
	digest, err := hex.DecodeString(s)
	return err == nil && len(digest) == sha256.Size && strings.ToLower(s) == s
}

// copyContext copies to the end and says after every few MiB how far it is. It stops when ctx ends.
func copyContext(ctx context.Context, to io.Writer, from io.Reader, progress func(done int64)) error {
	for done := int64(0); ; {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		n, err := io.CopyN(to, from, 4<<20)
		done += n
		progress(done)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
