package kafka

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka/delivery"
)

// Decoding makes facts of the records of one partition. It may be used
// concurrently.
type Decoding struct {
	// Format is what the records' values are. Signatures are not checked: who
	// may write to a topic is up to the brokers.
	Format ingest.Format
	// Defaults are labels that hold for what a record does not say.
	Defaults event.Labels
}

// Decode makes one batch of records, at least one, and dead letters, with what
// is wrong, of those of which nothing could be used. Of a record that is partly
// good the rest is among the batch's asides. It does no I/O. The records must
// be in the order of their offsets; they are not changed, and the batch may
// keep parts of them.
//
// The batch hangs on the records and the decoding alone. Log lines of all
// records are one chunk, which is received when the first record was. It has no
// ID: the caller names it by the range of offsets. Chunks that come with IDs of
// their own, in envelopes, keep them.
func (d Decoding) Decode(records []delivery.Record) (event.Batch, []delivery.DeadLetter) {
	var (
		all   event.Batch
		dead  []delivery.DeadLetter
		times = receipts(records)
	)
	for i := range records {
		batch, err := d.take(&records[i], times[i])
		if err != nil {
			dead = append(dead, delivery.DeadLetter{Error: clipped(err), Record: records[i]})
			continue
		}
		all.Add(batch)
	}
	if d.Format.Join == nil {
		all.Chunks = distinct(all.Chunks)
	} else if len(all.Chunks) > 0 {
		chunk := d.Format.Join(all.Chunks)
		chunk.ID, chunk.ReceivedAt = event.ChunkID{}, times[0]
		all.Chunks = []event.Chunk{chunk}
	}
	return all, dead
}

// take decodes a record. A decoder that panics costs the record: it would
// panic again whenever the record is delivered again.
func (d *Decoding) take(r *delivery.Record, receivedAt time.Time) (batch event.Batch, err error) {
	defer func() {
		if p := recover(); p != nil {
			batch, err = event.Batch{}, fmt.Errorf("the decoder failed, which is a fault of hindcast: %v", p)
		}
	}()
	return d.Format.Take(ingest.Input{Body: r.Value, ReceivedAt: receivedAt, Header: headerView(r.Headers), Defaults: d.Defaults})
}

// headerView is a record's headers as decoders look at them: names in any case,
// as over HTTP.
func headerView(list []delivery.Header) http.Header {
	if len(list) == 0 {
		return nil
	}
	view := make(http.Header, len(list))
	for _, h := range list {
		view.Add(h.Name, string(h.Value))
	}
	return view
}

// maxError bounds what a dead letter says is wrong, in bytes.
const maxError = 1000

func clipped(err error) string {
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), maxError)], "\uFFFD")
}

// receipts are the times of receipt of the records: theirs, as the producer or
// the broker set them. For one that has none, or one that cannot be, it is that
// of the record before it, of the first ones that of the first that has one.
// Where no record has a time it is the beginning of 1970: a time of our own
// would be another one in every delivery.
func receipts(records []delivery.Record) []time.Time {
	times := make([]time.Time, len(records))
	last, _ := event.Clamp(time.Time{})
	for i := range records {
		if hasTime(records[i].Time) {
			last = records[i].Time.UTC()
			break
		}
	}
	for i := range records {
		if hasTime(records[i].Time) {
			last = records[i].Time.UTC()
		}
		times[i] = last
	}
	return times
}

// hasTime reports whether a record's time is one. Kafka writes -1 for none, and
// some producers 0, in milliseconds since 1970.
func hasTime(at time.Time) bool { return event.InRange(at) && at.After(event.MinTime) }

// distinct leaves out chunks that came before: a forwarder that was not
// answered has written them twice.
func distinct(chunks []event.Chunk) []event.Chunk {
	seen := make(map[event.ChunkID]bool, len(chunks))
	kept := chunks[:0]
	for _, c := range chunks {
		if !seen[c.ID] {
			seen[c.ID] = true
			kept = append(kept, c)
		}
	}
	return kept
}
