package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage/internal/facts"
)

// Append implements [storage.Facts]. Encoding and compressing is done here, by
// the caller; what waits for the writer is ready to be inserted. A batch of
// chunks alone waits behind all others.
func (s *Store) Append(ctx context.Context, batch event.Batch) error {
	w, err := encodeBatch(&batch)
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	if w.bytes == 0 {
		return ctx.Err()
	}
	j := &job{class: urgent, bytes: w.bytes, apply: w.apply}
	if len(w.chunks) > 0 && len(w.events)+len(w.observations)+len(w.asides) == 0 {
		j.class = bulk
	}
	if err := s.writer.do(ctx, j); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	return nil
}

// encodedBatch is a batch as it is stored.
type encodedBatch struct {
	events       []eventRow
	observations []event.Observation
	chunks       []chunkRow
	asides       []event.Aside
	bytes        int64
}

type eventRow struct {
	id                     event.ID
	occurredAt, receivedAt int64
	strays                 bool
	body                   string
	raw                    []byte
}

type chunkRow struct {
	id         event.ChunkID
	road       event.Road
	receivedAt int64
	pieces     []piece
}

// rowOverhead is about what a row takes beside its content, in bytes.
const rowOverhead = 200

func encodeBatch(b *event.Batch) (*encodedBatch, error) {
	w := &encodedBatch{observations: facts.JoinObservations(b.Observations), asides: b.Asides}
	for i := range b.Events {
		row, err := encodeEvent(&b.Events[i])
		if err != nil {
			return nil, err
		}
		w.events = append(w.events, row)
		w.bytes += int64(len(row.body) + len(row.raw) + rowOverhead)
	}
	for i := range w.observations {
		w.bytes += int64(1000 + len(w.observations[i].Raw))
	}
	for i := range b.Chunks {
		c := &b.Chunks[i]
		pieces, err := split(c)
		if err != nil {
			return nil, err
		}
		w.chunks = append(w.chunks, chunkRow{id: c.ID, road: c.Road, receivedAt: nanos(c.ReceivedAt), pieces: pieces})
		w.bytes += rowOverhead
		for i := range pieces {
			w.bytes += pieces[i].size()
		}
	}
	for i := range b.Asides {
		w.bytes += int64(len(b.Asides[i].Raw) + rowOverhead)
	}
	return w, nil
}

func encodeEvent(e *event.Event) (eventRow, error) {
	bare := *e
	bare.Raw = nil
	body, err := json.Marshal(&bare)
	if err != nil {
		return eventRow{}, fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	return eventRow{
		id: e.ID, occurredAt: nanos(e.OccurredAt), receivedAt: nanos(e.ReceivedAt),
		strays: floorDiv(nanos(e.OccurredAt), 1e6) != e.ID.Time().UnixMilli(),
		body:   string(body), raw: pack(e.Raw),
	}, nil
}

func decodeEvent(body []byte, receivedAt int64, raw []byte) (event.Event, error) {
	var e event.Event
	if err := json.Unmarshal(body, &e); err != nil {
		return e, fmt.Errorf("decode event: %w", err)
	}
	e.ReceivedAt = timeOf(receivedAt)
	var err error
	if e.Raw, err = unpack(raw); err != nil {
		return e, fmt.Errorf("decode payload of event %s: %w", e.ID, err)
	}
	return e, nil
}

func (w *encodedBatch) apply(t *tx) error {
	for i := range w.events {
		if err := t.putEvent(&w.events[i]); err != nil {
			return err
		}
	}
	for i := range w.observations {
		if err := t.putObservation(w.observations[i]); err != nil {
			return err
		}
	}
	for i := range w.asides {
		if err := t.putAside(&w.asides[i]); err != nil {
			return err
		}
	}
	for i := range w.chunks {
		c := &w.chunks[i]
		if err := t.putChunk(c.id, c.road, c.receivedAt, c.pieces); err != nil {
			return fmt.Errorf("chunk %s: %w", c.id, err)
		}
	}
	return nil
}

// putEvent inserts an event. One that is known keeps its content and takes the
// smaller time of receipt; then it appears in the feed again.
func (t *tx) putEvent(e *eventRow) error {
	seq := t.next()
	n, err := t.exec(`INSERT INTO events (seq, id, occurred_at, received_at, strays, body, raw)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
		seq, e.id[:], e.occurredAt, e.receivedAt, e.strays, e.body, e.raw)
	if err != nil {
		return fmt.Errorf("insert event %s: %w", e.id, err)
	}
	t.bytes += int64(len(e.body) + len(e.raw) + rowOverhead)
	if n > 0 {
		return nil
	}
	if _, err := t.exec("UPDATE events SET seq = ?, received_at = ? WHERE id = ? AND received_at > ?", seq, e.receivedAt, e.id[:], e.receivedAt); err != nil {
		return fmt.Errorf("update event %s: %w", e.id, err)
	}
	return nil
}

func (t *tx) putAside(a *event.Aside) error {
	if _, err := t.exec(`INSERT INTO asides (seq, id, received_at, road, class, reason, raw)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
		t.next(), a.ID[:], nanos(a.ReceivedAt), string(a.Road), a.Class, a.Reason, pack(a.Raw)); err != nil {
		return fmt.Errorf("insert aside %s: %w", a.ID, err)
	}
	t.bytes += int64(len(a.Raw) + rowOverhead)
	return nil
}
