package sqlite

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// putObservation merges a sighting into what is stored. When that changes
// nothing, nothing is written and the feed does not show it again.
func (t *tx) putObservation(o event.Observation) error {
	id := o.ID()
	var n int64
	var body string
	err := t.row("SELECT n, body FROM observations WHERE id = ?", id[:]).Scan(&n, &body)
	if errors.Is(err, sql.ErrNoRows) {
		return t.insertObservation(id, o)
	}
	if err != nil {
		return fmt.Errorf("find observation %s: %w", id, err)
	}
	stored, err := decodeObservation([]byte(body), nil)
	if err != nil {
		return err
	}
	// Of two sightings the first one's payload stays. It is read only when the
	// times do not say which one that is.
	if o.FirstReceivedAt.Equal(stored.FirstReceivedAt) {
		if stored.Raw, err = t.observationRaw(n); err != nil {
			return err
		}
	}
	before := stored.Raw
	merged := stored.Merge(o)
	return t.updateObservation(n, merged, body, o.FirstReceivedAt.Before(stored.FirstReceivedAt) || !bytes.Equal(before, merged.Raw))
}

func (t *tx) observationRaw(n int64) (json.RawMessage, error) {
	var packed []byte
	err := t.row("SELECT raw FROM observation_raws WHERE n = ?", n).Scan(&packed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read payload: %w", err)
	}
	return unpack(packed)
}

func (t *tx) insertObservation(id event.ID, o event.Observation) error {
	body, err := encodeObservation(o)
	if err != nil {
		return err
	}
	if _, err := t.exec("INSERT INTO observations (id, seq, starts_at, seen_until, body) VALUES (?, ?, ?, ?, ?)",
		id[:], t.next(), nanos(o.StartsAt), nanos(storage.LastSighting(o)), body); err != nil {
		return fmt.Errorf("insert observation %s: %w", id, err)
	}
	var n int64
	if err := t.row("SELECT last_insert_rowid()").Scan(&n); err != nil {
		return fmt.Errorf("insert observation %s: %w", id, err)
	}
	t.bytes += int64(len(body) + rowOverhead)
	return t.putObservationRaw(n, o.Raw)
}

func (t *tx) updateObservation(n int64, o event.Observation, before string, rawChanged bool) error {
	body, err := encodeObservation(o)
	if err != nil {
		return err
	}
	if body == before && !rawChanged {
		return nil
	}
	if _, err := t.exec("UPDATE observations SET seq = ?, starts_at = ?, seen_until = ?, body = ? WHERE n = ?",
		t.next(), nanos(o.StartsAt), nanos(storage.LastSighting(o)), body, n); err != nil {
		return fmt.Errorf("update observation %s: %w", o.ID(), err)
	}
	t.bytes += int64(len(body) + rowOverhead)
	if !rawChanged {
		return nil
	}
	return t.putObservationRaw(n, o.Raw)
}

func (t *tx) putObservationRaw(n int64, raw []byte) error {
	var err error
	if raw == nil {
		_, err = t.exec("DELETE FROM observation_raws WHERE n = ?", n)
	} else {
		_, err = t.exec("INSERT OR REPLACE INTO observation_raws (n, raw) VALUES (?, ?)", n, pack(raw))
	}
	if err != nil {
		return fmt.Errorf("write payload: %w", err)
	}
	t.bytes += int64(len(raw))
	return nil
}

// encodeObservation leaves the payload out.
func encodeObservation(o event.Observation) (string, error) {
	o.Raw = nil
	body, err := json.Marshal(&o)
	if err != nil {
		return "", fmt.Errorf("encode observation %s: %w", o.ID(), err)
	}
	return string(body), nil
}

func decodeObservation(body, raw []byte) (event.Observation, error) {
	var o event.Observation
	if err := json.Unmarshal(body, &o); err != nil {
		return o, fmt.Errorf("decode observation: %w", err)
	}
	var err error
	if o.Raw, err = unpack(raw); err != nil {
		return o, fmt.Errorf("decode payload of observation %s: %w", o.ID(), err)
	}
	return o, nil
}
