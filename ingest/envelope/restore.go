package envelope

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hindcast/hindcast/ingest/event"
	hindcastv1 "github.com/hindcast/hindcast/proto/hindcast/v1"
)

// Restore decodes one line of a backup, which [EncodeJSON] wrote: the fact is
// what it was, to the byte, whatever its size and with the receipt that it
// says. An envelope without an ID is a producer's, and is taken as DecodeJSON
// takes one that was received now. What is wrong with a line is an
// *event.Malformed.
func (d Decoder) Restore(line []byte, now time.Time) (event.Batch, error) {
	var env hindcastv1.Envelope
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(line, &env); err != nil {
		return event.Batch{}, &event.Malformed{Reason: fmt.Sprintf("not an envelope in JSON: %s", plain(err))}
	}
	t := taker{decoder: d, receivedAt: now.UTC(), restore: true}
	if f := t.take(&env, "", line, true); f != nil {
		return event.Batch{}, f.Malformed()
	}
	return t.batch, nil
}
