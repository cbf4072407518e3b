package kafka

import (
	"encoding/binary"
	"errors"

	"github.com/pierrec/lz4/v4"
)

// lz4 is read block by block into the one buffer. The library's own reader takes
// two buffers of up to 4 MiB for that, which are counted nowhere.

// What the head of a frame of lz4 says.
const (
	lz4Magic          = 0x184d2204
	lz4Skippable      = 0x184d2a50 // the last four bits are free
	lz4Independent    = 0x20
	lz4BlockChecksums = 0x10
	lz4HasSize        = 0x08
	lz4HasChecksum    = 0x04
	lz4HasDictionary  = 0x01
	lz4Uncompressed   = 1 << 31
	// mostLz4 is how far a block of lz4 can expand.
	mostLz4 = 255
	// lz4Window is how far back a block refers, to blocks before it.
	lz4Window = 64 << 10
)

// lz4Block is a part of a frame.
type lz4Block struct {
	body []byte
	// most is the greatest size, decompressed.
	most        int64
	packed      bool
	independent bool
}

var errLz4 = errors.New("it is no frame of lz4, or is cut short")

// lz4Blocks gives the blocks of all frames.
func lz4Blocks(b []byte, each func(lz4Block) error) error {
	for len(b) > 0 {
		if len(b) < 8 {
			return errLz4
		}
		if magic := binary.LittleEndian.Uint32(b); magic&^0xf == lz4Skippable {
			size := uint64(binary.LittleEndian.Uint32(b[4:]))
			if size > uint64(len(b)-8) {
				return errLz4
			}
			b = b[8+size:]
			continue
		} else if magic != lz4Magic {
			return errLz4
		}
		flags, most := b[4], int64(1)<<(8+2*(b[5]>>4&7))
		head := 7
		if flags&lz4HasSize != 0 {
			head += 8
		}
		if head > len(b) || flags&lz4HasDictionary != 0 {
			return errLz4
		}
		for b = b[head:]; ; {
			if len(b) < 4 {
				return errLz4
			}
			size := int64(binary.LittleEndian.Uint32(b) &^ lz4Uncompressed)
			block := lz4Block{
				most: min(most, mostLz4*size), packed: binary.LittleEndian.Uint32(b)&lz4Uncompressed == 0,
				independent: flags&lz4Independent != 0,
			}
			if b = b[4:]; size == 0 {
				break
			}
			if size > int64(len(b)) {
				return errLz4
			}
			if block.body, b = b[:size], b[size:]; !block.packed {
				block.most = size
			}
			if flags&lz4BlockChecksums != 0 {
				b = b[min(4, len(b)):]
			}
			if err := each(block); err != nil {
				return err
			}
		}
		if flags&lz4HasChecksum != 0 {
			b = b[min(4, len(b)):]
		}
	}
	return nil
}

// usualLz4 is how far it seldom expands: some producers have blocks of 4 MiB
// for whatever they send, and memory for the most that they could hold would
// be many times too much.
const usualLz4 = 8

// claimedLz4 is how much it holds at most, when a block expands no further than
// the given times.
func claimedLz4(b []byte, times int64) (all int64, err error) {
	err = lz4Blocks(b, func(block lz4Block) error {
		all += min(block.most, times*int64(len(block.body)))
		return nil
	})
	return all, err
}

// unlz4 leaves the checksums of frames alone: the batch has one over all.
func unlz4(b, buffer []byte, most int64) (int64, error) {
	n := 0
	err := lz4Blocks(b, func(block lz4Block) error {
		rest := buffer[n:]
		if !block.packed {
			if len(block.body) > len(rest) {
				return lz4.ErrInvalidSourceShortBuffer
			}
			n += copy(rest, block.body)
			return nil
		}
		var dictionary []byte
		if !block.independent {
			dictionary = buffer[max(0, n-lz4Window):n]
		}
		size, err := lz4.UncompressBlockWithDict(block.body, rest[:min(int64(len(rest)), block.most)], dictionary)
		n += size
		return err
	})
	if err == nil {
		return int64(n), nil
	}
	if int64(len(buffer)) == most {
		return most + 1, nil // there was no room for more
	}
	if all, _ := claimedLz4(b, mostLz4); all > int64(len(buffer)) {
		return min(all, most), nil // it expands further than usual
	}
	return 0, err
}
