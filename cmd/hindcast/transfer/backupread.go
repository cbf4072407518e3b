package transfer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/hindcast/hindcast/ingest/envelope"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// A piece of a backup ends when it has this many lines, log lines, or bytes.
const (
	pieceLines    = 2000
	pieceLogLines = 20_000
	pieceBytes    = 8 << 20
)

// maxLine bounds a line of a backup, in bytes. A line is a fact, or all the log
// lines of one request.
const maxLine = 512 << 20

// Backup is a backup as a [Source]: one envelope in JSON a line, plain or
// compressed with gzip or zstd.
type Backup struct {
	name    string
	in      io.ReadCloser
	decoder envelope.Decoder
	// size is the file's, in bytes; 0 when it is not known.
	size int64
	// used says that the input cannot be read from its start any more.
	used bool
}

var _ Source = (*Backup)(nil)

// OpenBackup opens the backup at path; "-" is the standard input. complete is
// called for log lines of producers' envelopes, which have no counts; see
// [envelope.Decoder].
func OpenBackup(path string, complete func(*event.Chunk)) (*Backup, error) {
	b := &Backup{name: path, in: os.Stdin, decoder: envelope.Decoder{Complete: complete}}
	if path == "-" {
		b.name = "standard input"
		return b, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open backup: %w", err)
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		b.size = info.Size()
	} else if err == nil && info.IsDir() {
		f.Close()
		return nil, fmt.Errorf("open backup: %s is a folder", path)
	}
	b.in = f
	return b, nil
}

// Identity implements [Source]. Positions themselves tell whether they are of
// this file.
func (b *Backup) Identity() string { return "backup" }

// Size implements [Source]: nothing is known but the size of the file.
func (b *Backup) Size(context.Context) (storage.ExportSize, error) { return storage.ExportSize{}, nil }

// Close implements [Source].
func (b *Backup) Close() error { return b.in.Close() }

// Export implements [Source]. A line that is no envelope is told in its piece,
// and the others are taken.
func (b *Backup) Export(ctx context.Context, position string, yield func(Piece) error) error {
	at, err := parseBackupPosition(position)
	if err != nil {
		return err
	}
	if f, ok := b.in.(*os.File); ok && b.used && b.size > 0 {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("read %s: %w", b.name, err)
		}
	}
	b.used = true
	counted := &countingReader{in: b.in}
	plain, err := decompressed(counted)
	if err != nil {
		return fmt.Errorf("read %s: %w", b.name, err)
	}
	defer plain.Close()
	r := &lineReader{in: bufio.NewReaderSize(plain, 1<<20)}
	if err := r.skipTo(ctx, at); err != nil {
		return fmt.Errorf("read %s: %w", b.name, err)
	}
	for {
		p, err := b.piece(ctx, r)
		p.Position, p.Read, p.Of = r.at.String(), counted.n.Load(), b.size
		if r.at.line > at.line {
			at = r.at
			if err := yield(p); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: after line %d: %w", b.name, r.at.line, damaged(ctx, err))
		}
	}
}

// ErrDamaged says that a backup cannot be read to its end, now or later.
var ErrDamaged = errors.New("the backup was cut short, or is damaged")

// damaged tells what is wrong with a backup from what is wrong with reading it.
func damaged(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// piece reads lines until there are enough. With an error comes what was read
// before.
func (b *Backup) piece(ctx context.Context, r *lineReader) (Piece, error) {
	var p Piece
	bytesRead, logLines := 0, 0
	for n := 0; n < pieceLines && bytesRead < pieceBytes && logLines < pieceLogLines; n++ {
		if err := ctx.Err(); err != nil {
			return p, err
		}
		line, whole, err := r.next()
		if err != nil {
			return p, err
		}
		bytesRead += len(line)
		if r.at.line == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		fact, err := b.decoder.Restore(line, time.Now())
		if err != nil {
			text := fmt.Sprintf("%s: line %d: %v", b.name, r.at.line, err)
			if !whole {
				text += " (the last line has no end: the backup was cut short)"
			}
			p.Wrong = append(p.Wrong, text)
			continue
		}
		for i := range fact.Chunks {
			logLines += len(fact.Chunks[i].Lines) + len(fact.Chunks[i].Counts)
		}
		p.Batch.Add(fact)
	}
	return p, nil
}

// backupPosition is a place between two lines: how many there are before it,
// how many bytes, and their checksum, so that another file is noticed.
type backupPosition struct {
	line, offset int64
	sum          uint32
}

func (p backupPosition) String() string { return fmt.Sprintf("%d.%d.%08x", p.line, p.offset, p.sum) }

func parseBackupPosition(text string) (p backupPosition, err error) {
	if text == "" {
		return p, nil
	}
	fields := strings.Split(text, ".")
	if len(fields) != 3 {
		return p, storage.ErrBadCursor
	}
	line, err1 := strconv.ParseInt(fields[0], 10, 64)
	offset, err2 := strconv.ParseInt(fields[1], 10, 64)
	sum, err3 := strconv.ParseUint(fields[2], 16, 32)
	if err := errors.Join(err1, err2, err3); err != nil || line < 0 || offset < 0 {
		return p, storage.ErrBadCursor
	}
	return backupPosition{line, offset, uint32(sum)}, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// lineReader reads lines and knows where it is.
type lineReader struct {
	in  *bufio.Reader
	buf []byte
	at  backupPosition
}

// next is a line without its end, valid until the next call; whole is false for
// a last one that has no end. A line that was read in part before an error is
// not given out.
func (r *lineReader) next() (line []byte, whole bool, err error) {
	r.buf = r.buf[:0]
	for {
		part, err := r.in.ReadSlice('\n')
		if len(r.buf)+len(part) > maxLine {
			return nil, false, fmt.Errorf("line %d is longer than %d bytes", r.at.line+1, maxLine)
		}
		r.buf = append(r.buf, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(r.buf) > 0:
			r.pass(r.buf)
			return r.buf, false, nil
		case err != nil:
			return nil, false, err
		}
		r.pass(r.buf)
		return r.buf[:len(r.buf)-1], true, nil
	}
}

func (r *lineReader) pass(line []byte) {
	r.at.line++
	r.at.offset += int64(len(line))
	r.at.sum = crc32.Update(r.at.sum, castagnoli, line)
}

// skipTo reads up to a position, and fails when what lies before it is not what
// did then.
func (r *lineReader) skipTo(ctx context.Context, to backupPosition) error {
	buf := make([]byte, 1<<20)
	var sum uint32
	for left := to.offset; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.in.Read(buf[:min(left, int64(len(buf)))])
		sum = crc32.Update(sum, castagnoli, buf[:n])
		left -= int64(n)
		if errors.Is(err, io.EOF) {
			return storage.ErrBadCursor
		}
		if err != nil {
			return err
		}
	}
	if sum != to.sum {
		return storage.ErrBadCursor
	}
	r.at = to
	return nil
}

// decompressed reads what is compressed with gzip or zstd, and else what is
// there.
func decompressed(in io.Reader) (io.ReadCloser, error) {
	b := bufio.NewReaderSize(in, 1<<20)
	magic, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(b)
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		d, err := zstd.NewReader(b)
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return io.NopCloser(b), nil
}
