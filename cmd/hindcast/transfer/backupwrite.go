package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/hindcast/hindcast/ingest/envelope"
	"github.com/hindcast/hindcast/ingest/event"
)

// partial is what a backup's name ends in while it is not complete.
const partial = ".partial"

// BackupFile is a backup as a [Target]. It is written beside its name, and takes
// it when it is complete: a file that has the name is whole.
//
// Every mark ends a frame of the compression, so that what was written before it
// stands by itself; readers take frames that follow one another as one.
type BackupFile struct {
	path string
	file *os.File
	// complete says that there is nothing to do: it has its name already.
	complete bool
	// synced says whether the file can be made durable, which a pipe cannot.
	synced   bool
	compress func(io.Writer) (io.WriteCloser, error)
	out      *bufio.Writer
	// frame is open between two marks.
	frame  io.WriteCloser
	offset atomic.Int64
	// broken is the first failure: what follows would not be readable.
	broken error
}

var _ Target = (*BackupFile)(nil)

// CreateBackup begins a backup at path, or goes on with it behind a mark. "-" is
// the standard output. It is compressed when path ends in .gz or .zst.
func CreateBackup(path, mark string) (*BackupFile, error) {
	b := &BackupFile{path: path, compress: compression(path)}
	if path == "-" {
		b.file = os.Stdout
	} else if err := b.open(mark); err != nil {
		return nil, fmt.Errorf("write backup: %w", err)
	}
	b.out = bufio.NewWriterSize(b, 1<<20)
	return b, nil
}

func (b *BackupFile) open(mark string) error {
	var at int64
	if mark != "" {
		var err error
		if at, err = strconv.ParseInt(mark, 10, 64); err != nil || at < 0 {
			return fmt.Errorf("mark %q: %w", mark, ErrOtherCopy)
		}
	}
	flags := os.O_RDWR
	if mark == "" {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(b.path+partial, flags, 0o600)
	if errors.Is(err, fs.ErrNotExist) && mark != "" {
		// The process may have ended right after the last step.
		if info, err := os.Stat(b.path); err == nil && info.Size() == at {
			b.complete = true
			return nil
		}
		return fmt.Errorf("%s is gone: %w", b.path+partial, ErrOtherCopy)
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() < at {
		err = fmt.Errorf("%s is shorter than it was: %w", b.path+partial, ErrOtherCopy)
	}
	if err == nil {
		err = f.Truncate(at)
	}
	if err == nil {
		_, err = f.Seek(at, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return err
	}
	b.file, b.synced = f, true
	b.offset.Store(at)
	return nil
}

// Identity implements [Target]. The file itself is compared with the mark.
func (b *BackupFile) Identity() string { return "backup" }

// Parallel implements [Target].
func (b *BackupFile) Parallel() int { return 1 }

// Append implements [Target]. After a failure the backup must be opened again
// at its last mark.
func (b *BackupFile) Append(_ context.Context, batch event.Batch) error {
	if b.broken != nil {
		return b.broken
	}
	lines, err := envelope.EncodeJSON(batch)
	if err != nil {
		b.broken = err
		return err
	}
	if b.frame == nil {
		if b.frame, err = b.compress(b.out); err != nil {
			b.broken = err
			return err
		}
	}
	if _, err := b.frame.Write(lines); err != nil {
		b.broken = err
	}
	return b.broken
}

// Write counts what comes out of the compression; it is not for callers.
func (b *BackupFile) Write(p []byte) (int, error) {
	n, err := b.file.Write(p)
	b.offset.Add(int64(n))
	return n, err
}

// Mark implements [Target].
func (b *BackupFile) Mark() (string, error) {
	if b.broken != nil {
		return "", b.broken
	}
	if b.complete {
		return strconv.FormatInt(b.size(), 10), nil
	}
	b.broken = b.flush()
	return strconv.FormatInt(b.offset.Load(), 10), b.broken
}

func (b *BackupFile) size() int64 {
	info, err := os.Stat(b.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (b *BackupFile) flush() error {
	if b.frame != nil {
		if err := b.frame.Close(); err != nil {
			return err
		}
		b.frame = nil
	}
	if err := b.out.Flush(); err != nil {
		return err
	}
	if !b.synced {
		return nil
	}
	return b.file.Sync()
}

// Finish implements [Target]: it gives the file its name.
func (b *BackupFile) Finish() error {
	if b.complete || !b.synced {
		return b.broken
	}
	if _, err := b.Mark(); err != nil {
		return err
	}
	if err := b.file.Close(); err != nil {
		return err
	}
	if err := os.Rename(b.path+partial, b.path); err != nil {
		return err
	}
	b.complete = true
	if d, err := os.Open(filepath.Dir(b.path)); err == nil {
		// Not every file system can sync a folder; those that cannot need not.
		_ = d.Sync()
		d.Close()
	}
	return nil
}

// Close implements [Target]. What was not marked is cut off when it is opened
// again.
func (b *BackupFile) Close() error {
	if b.complete {
		return nil
	}
	return b.file.Close()
}

func compression(path string) func(io.Writer) (io.WriteCloser, error) {
	switch {
	case strings.HasSuffix(path, ".gz"):
		return func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }
	case strings.HasSuffix(path, ".zst"):
		return func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }
	}
	return func(w io.Writer) (io.WriteCloser, error) { return notCompressed{w}, nil }
}

type notCompressed struct{ io.Writer }

func (notCompressed) Close() error { return nil }

// countingReader counts what was read; another goroutine may ask.
type countingReader struct {
	in io.Reader
	n  atomic.Int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	r.n.Add(int64(n))
	return n, err
}
