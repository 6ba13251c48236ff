package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
)

// hashFile returns the SHA-256 of a file from its start as lower-case hex. It stops when ctx ends.
func hashFile(ctx context.Context, file *os.File) (string, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	sum := sha256.New()
	if err := copyContext(ctx, sum, file, func(int64) {}); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
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

// verifier reads a file and says at its end whether it was the expected one.
type verifier struct {
	file *os.File
	info Info
	left int64
	sum  hash.Hash
}

func newVerifier(file *os.File, info Info) *verifier {
	return &verifier{file: file, info: info, left: info.FileSize, sum: sha256.New()}
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.file.Read(p)
	v.sum.Write(p[:n])
	v.left -= int64(n)
	switch {
	case v.left < 0: // it has grown
		return 0, changedError(v.info.Path)
	case errors.Is(err, io.EOF) && (v.left > 0 || hex.EncodeToString(v.sum.Sum(nil)) != v.info.SHA256):
		return n, changedError(v.info.Path)
	}
	return n, err
}

func (v *verifier) Close() error { return v.file.Close() }
