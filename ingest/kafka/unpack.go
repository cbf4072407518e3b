package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"
)

// unpack decompresses the records of a batch, up to most bytes. Room is asked
// for memory before it is taken, with how much it will be in all; what it says
// no with is returned. What was given for a try that came to nothing is given
// back by asking for less.
func unpack(c compress.Compression, b []byte, most int64, room func(all int64) error) ([]byte, error) {
	if c.Codec() == nil {
		return nil, fmt.Errorf("its compression %d is not known", c)
	}
	size, err := claimed(c, b)
	if err != nil {
		return nil, err
	}
	// What is claimed may be too much or too little. If it is too little, inflate
	// says how much will do, and the second time it is right.
	for range 2 {
		if size > most && c == compress.Snappy {
			break // it is exact
		}
		size = min(size, most)
		if err := room(size); err != nil {
			return nil, err
		}
		buffer := make([]byte, size)
		n, err := inflate(c, b, buffer, most)
		switch {
		case err != nil:
			return nil, fmt.Errorf("decompress it (%s): %w", c, err)
		case n <= size:
			return buffer[:n:n], nil
		}
		if size = n; size > most {
			break
		}
		if err := room(0); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("it has more than %d bytes when it is decompressed (max_decompressed)", most)
}

// inflate decompresses into a buffer, and says how large the whole is, or at
// least how large a buffer will do: more than most when it is larger than that,
// however much.
func inflate(c compress.Compression, b, buffer []byte, most int64) (int64, error) {
	switch c {
	case compress.Snappy:
		return unsnappy(b, buffer)
	case compress.Zstd:
		return unzstd(b, buffer, most)
	case compress.Lz4:
		return unlz4(b, buffer, most)
	}
	reader := c.Codec().NewReader(bytes.NewReader(b))
	defer func() { _ = reader.Close() }()
	n, err := io.ReadFull(reader, buffer)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && n < len(buffer):
		// Less than was claimed, or a stream that was cut: then there are fewer
		// records than there should be.
		return int64(n), nil
	case err != nil:
		return 0, err
	}
	more, err := io.Copy(io.Discard, io.LimitReader(reader, most+1-int64(n)))
	return int64(n) + more, err
}

// claimed is how large the whole will be, as far as b tells: about, and 0 when
// it does not.
func claimed(c compress.Compression, b []byte) (int64, error) {
	switch c {
	case compress.Snappy:
		blocks, err := snappyBlocks(b)
		var all int64
		for _, block := range blocks {
			n, err := snappy.DecodedLen(block)
			if err != nil || n > mostSnappy*len(block) {
				return 0, errors.New("decompress it (snappy): a block claims what it cannot hold")
			}
			all += int64(n)
		}
		return all, err
	case compress.Gzip:
		// The last four bytes, where it is made of one part.
		if len(b) < 4 {
			return 0, nil
		}
		return min(int64(binary.LittleEndian.Uint32(b[len(b)-4:])), mostGzip*int64(len(b))), nil
	case compress.Lz4:
		n, err := claimedLz4(b, usualLz4)
		if err != nil {
			err = fmt.Errorf("decompress it (lz4): %w", err)
		}
		return n, err
	case compress.Zstd:
		return claimedZstd(b), nil
	}
	return 0, nil
}

// mostGzip is how far gzip can expand.
const mostGzip = 1032

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
			return nil, errors.New("decompress it (snappy): a frame is cut short")
		}
		n := int(binary.BigEndian.Uint32(rest))
		blocks, rest = append(blocks, rest[4:4+n]), rest[4+n:]
	}
	return blocks, nil
}

func unsnappy(b, buffer []byte) (int64, error) {
	blocks, err := snappyBlocks(b)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, block := range blocks {
		text, err := snappy.Decode(buffer[n:], block)
		if err != nil {
			return 0, err
		}
		n += len(text) // claimed made room for all of it
	}
	return int64(n), nil
}

// unzstd decompresses without memory beside the buffer: kafka-go's decoder takes
// what a frame asks for before it gives a byte.
func unzstd(b, buffer []byte, most int64) (int64, error) {
	reader, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	out, err := reader.DecodeAll(b, buffer[:0])
	if err != nil && int64(len(buffer)) == most {
		return most + 1, nil // there was no room for more; how it fails then differs
	}
	return int64(len(out)), err
}

// mostZstdBlock is the greatest size of a block of zstd, decompressed.
const mostZstdBlock = 128 << 10

// claimedZstd is at most a block for each frame too large.
func claimedZstd(b []byte) (all int64) {
	for len(b) > 0 {
		var head zstd.Header
		rest, err := head.DecodeAndStrip(b)
		if err != nil {
			return 0
		}
		if head.Skippable {
			if uint64(head.SkippableSize) > uint64(len(rest)) {
				return 0
			}
			b = rest[head.SkippableSize:]
			continue
		}
		var frame int64
		for last := false; !last; {
			if len(rest) < 3 {
				return 0
			}
			block := int(rest[0]) | int(rest[1])<<8 | int(rest[2])<<16
			kind, size := block>>1&3, block>>3
			last, rest = block&1 != 0, rest[3:]
			switch kind {
			case 1: // a byte, repeated
				frame += int64(size)
				size = 1
			case 2:
				frame += mostZstdBlock
			default:
				frame += int64(size)
			}
			if size > len(rest) {
				return 0
			}
			rest = rest[size:]
		}
		if head.HasCheckSum {
			rest = rest[min(4, len(rest)):]
		}
		if head.HasFCS {
			frame = min(frame, int64(min(head.FrameContentSize, 1<<40)))
		}
		all, b = all+frame, rest
	}
	return all
}
