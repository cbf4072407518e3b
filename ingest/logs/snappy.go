package logs

import (
	"fmt"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/klauspost/compress/snappy"
)

// maxSnappyRatio is how far a snappy block can expand: a copy of 64 bytes
// takes three.
const maxSnappyRatio = 22

// Unsnappy decodes a snappy block, the form in which Loki's clients compress
// protobuf. A block that claims to decode to more than limit bytes is refused
// with [ErrTooLarge], one that claims what no block of its size can hold with
// [event.Malformed], both before memory is taken for it.
func Unsnappy(block []byte, limit int) ([]byte, error) {
	n, err := snappy.DecodedLen(block)
	if err != nil {
		return nil, fmt.Errorf("decode snappy: %w", &event.Malformed{Reason: "not a snappy block: " + err.Error()})
	}
	if n > limit {
		return nil, fmt.Errorf("decode snappy: %d bytes decoded, at most %d are taken: %w", n, limit, ErrTooLarge)
	}
	if n > maxSnappyRatio*len(block) {
		return nil, fmt.Errorf("decode snappy: %w", &event.Malformed{
			Reason: fmt.Sprintf("not a snappy block: %d bytes cannot hold %d", len(block), n)})
	}
	body, err := snappy.Decode(nil, block)
	if err != nil {
		return nil, fmt.Errorf("decode snappy: %w", &event.Malformed{Reason: "corrupt snappy block: " + err.Error()})
	}
	return body, nil
}
