package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"
)

// unpack decompresses the records of a batch, up to most bytes. Room is asked
// for memory before it is taken, with how much it will be in all; what it says
// no with is returned. It may be asked for less than before: what was given for
// a try that came to nothing is given back.
//
// How large a text is can be known only by decompressing it, so it is tried with
// more and more memory, beginning with what is usual.
func unpack(c compress.Compression, b []byte, most int64, room func(all int64) error) ([]byte, error) {
	if c.Codec() == nil {
		return nil, fmt.Errorf("its compression %d is not known", c)
	}
	for size := min(guess(c, b), most); ; size = min(4*size, most) {
		if err := room(size + working(c, b)); err != nil {
			return nil, err
		}
		text, err := inflate(c, b, make([]byte, size))
		switch {
		case err == nil:
			return text, room(int64(cap(text)))
		case errors.Is(err, errLarger) && size == most:
			return nil, fmt.Errorf("it has more than %d bytes when it is decompressed (max_decompressed)", most)
		case !errors.Is(err, errLarger) && (c != compress.Zstd || size == most):
			return nil, fmt.Errorf("decompress it (%s) to at most %d bytes (max_decompressed): %w", c, most, err)
		}
		// It was too large. Zstd says so in several ways.
		if err := room(0); err != nil {
			return nil, err
		}
	}
}

// errLarger says that a text is larger than the memory that there is for it.
var errLarger = errors.New("it is larger than was thought")

// inflate decompresses into a buffer. The error is errLarger when that is too
// small.
func inflate(c compress.Compression, b, buffer []byte) ([]byte, error) {
	switch c {
	case compress.Snappy:
		return unsnappy(b, buffer)
	case compress.Zstd:
		return unzstd(b, buffer)
	}
	reader := c.Codec().NewReader(bytes.NewReader(b))
	defer func() { _ = reader.Close() }()
	n := 0
	var beyond [1]byte
	for {
		into := buffer[n:]
		if len(into) == 0 {
			into = beyond[:]
		}
		read, err := reader.Read(into)
		switch {
		case read > 0 && n == len(buffer):
			return nil, errLarger
		case errors.Is(err, io.EOF):
			return buffer[: n+read : n+read], nil
		case err != nil:
			return nil, err
		}
		n += read
	}
}

const (
	// usual is how far logs and JSON expand, about.
	usual = 8
	// leastText is tried in any case, in bytes.
	leastText = 4 << 10
)

// guess is how large a text probably is.
func guess(c compress.Compression, b []byte) int64 {
	about := max(usual*int64(len(b)), leastText)
	switch c {
	case compress.Gzip:
		// The last four bytes, where it is one part.
		if len(b) >= 4 {
			if n := int64(binary.LittleEndian.Uint32(b[len(b)-4:])); n > 0 && n <= mostGzip*int64(len(b)) {
				return n
			}
		}
	case compress.Snappy:
		if n, err := snappySize(b); err == nil {
			return n
		}
	case compress.Zstd:
		var head zstd.Header
		if head.Decode(b) == nil && head.HasFCS && head.FrameContentSize > 0 && head.FrameContentSize < 1<<40 {
			return int64(head.FrameContentSize)
		}
	}
	return about
}

// working is the memory that a decoder takes beside the text.
func working(c compress.Compression, b []byte) int64 {
	switch c {
	case compress.Lz4:
		// Two blocks, of the size that the head of the frame tells.
		if len(b) > 5 {
			return 2 << (8 + 2*(b[5]>>4&7))
		}
	case compress.Gzip, compress.Zstd:
		return 64 << 10
	}
	return 0
}

// mostGzip is how far gzip can expand.
const mostGzip = 1032

// zstdReader decodes for all partitions, as many at a time as there are processors:
// what it keeps between batches, some 100 KiB for each, is not made anew.
var zstdReader = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true))
})

// unzstd has no memory beside the buffer: kafka-go's decoder takes what a frame
// asks for before it gives a byte.
func unzstd(b, buffer []byte) ([]byte, error) {
	reader, err := zstdReader()
	if err != nil {
		return nil, err
	}
	text, err := reader.DecodeAll(b, buffer[:0])
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return nil, errLarger
	}
	return text, err
}

// xerial is how snappy that is cut into frames begins: eight bytes, and eight more
// of versions.
var xerial = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const (
	xerialHead = 16
	// mostSnappy is how far a block of snappy can expand: a copy of 64 bytes takes
	// three.
	mostSnappy = 22
)

// snappyBlocks are the blocks of snappy, with or without frames.
func snappyBlocks(b []byte) ([][]byte, error) {
	switch {
	case len(b) == 0:
		return nil, nil
	case len(b) < xerialHead || !bytes.HasPrefix(b, xerial):
		return [][]byte{b}, nil
	}
	var blocks [][]byte
	for rest := b[xerialHead:]; len(rest) > 0; {
		if len(rest) < 4 || uint64(binary.BigEndian.Uint32(rest)) > uint64(len(rest)-4) {
			return nil, errors.New("a frame is cut short")
		}
		n := int(binary.BigEndian.Uint32(rest))
		blocks, rest = append(blocks, rest[4:4+n]), rest[4+n:]
	}
	return blocks, nil
}

// snappySize is how large a text is: snappy says it in front of each block.
func snappySize(b []byte) (all int64, err error) {
	blocks, err := snappyBlocks(b)
	for _, block := range blocks {
		n, err := snappy.DecodedLen(block)
		if err != nil || n > mostSnappy*len(block) {
			return 0, errors.New("a block claims what it cannot hold")
		}
		all += int64(n)
	}
	return all, err
}

func unsnappy(b, buffer []byte) ([]byte, error) {
	size, err := snappySize(b)
	switch {
	case err != nil:
		return nil, err
	case size > int64(len(buffer)):
		return nil, errLarger
	}
	blocks, err := snappyBlocks(b)
	n := 0
	for _, block := range blocks {
		text, err := snappy.Decode(buffer[n:], block)
		if err != nil {
			return nil, err
		}
		n += len(text)
	}
	return buffer[:n:n], err
}
