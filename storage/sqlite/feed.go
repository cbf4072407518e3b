package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

const (
	// defaultFeed is the page of a feed when the caller asks for none, in facts.
	defaultFeed = 1000
	// feedPieces is how many pieces a page looks at, at most.
	feedPieces = 64
)

// Tip implements [storage.Feed].
func (s *Store) Tip(ctx context.Context) (storage.Cursor, error) {
	leave, err := s.life.Enter()
	if err != nil {
		return "", fmt.Errorf("tip: %w", err)
	}
	defer leave()
	seq, err := s.tip(ctx)
	if err != nil {
		return "", fmt.Errorf("tip: %w", err)
	}
	return s.feedCursor(seq), nil
}

func (s *Store) tip(ctx context.Context) (seq int64, err error) {
	err = s.row(ctx, "SELECT seq FROM meta", nil, &seq)
	return seq, err
}

// Since implements [storage.Feed]. There is one writer and it numbers facts in
// the order of commits, so everything up to the tip that was read first is
// visible: what changes while the tables are read has a number behind it.
func (s *Store) Since(ctx context.Context, cursor storage.Cursor, limit int) (storage.FactPage, storage.Cursor, error) {
	leave, err := s.life.Enter()
	if err != nil {
		return storage.FactPage{}, cursor, fmt.Errorf("since: %w", err)
	}
	defer leave()
	page, seq, err := s.since(ctx, cursor, limit)
	if err != nil {
		return storage.FactPage{}, cursor, fmt.Errorf("since: %w", err)
	}
	if page.Len() == 0 {
		return page, cursor, nil
	}
	return page, s.feedCursor(seq), nil
}

func (s *Store) since(ctx context.Context, cursor storage.Cursor, limit int) (page storage.FactPage, seq int64, err error) {
	if limit <= 0 {
		limit = defaultFeed
	}
	tip, err := s.tip(ctx)
	if err != nil {
		return page, 0, err
	}
	seq, err = s.parseFeedCursor(cursor, tip)
	if err != nil {
		return page, 0, err
	}
	for seq < tip && page.Len() == 0 {
		rows, horizon, err := s.feedRows(ctx, seq, tip, limit)
		if err != nil {
			return page, 0, err
		}
		seq = horizon
		for _, r := range rows {
			if page.Len() >= limit {
				break
			}
			if err := r.addTo(&page); err != nil {
				return page, 0, err
			}
			seq = r.seq
		}
		if len(rows) == 0 || rows[len(rows)-1].seq == seq {
			seq = horizon
		}
	}
	return page, seq, nil
}

// feedRow is a row that is not decoded yet, of one of three kinds.
type feedRow struct {
	seq, receivedAt int64
	kind            event.Kind
	body            []byte
	grave, mild     []byte
}

// feedRows returns rows behind seq in their order, and the seq up to which
// there are no others.
func (s *Store) feedRows(ctx context.Context, seq, tip int64, limit int) (rows []feedRow, horizon int64, err error) {
	horizon = tip
	for _, source := range []struct {
		kind  event.Kind
		limit int
		query string
	}{
		{"", limit, "SELECT seq, received_at, body, NULL, NULL FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"},
		{event.KindAlert, limit, "SELECT seq, 0, body, NULL, NULL FROM observations WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"},
		{event.KindLog, min(limit, feedPieces), "SELECT seq, 0, NULL, grave, mild FROM pieces WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"},
	} {
		found, err := s.rows(ctx, source.query, seq, horizon, source.limit)
		if err != nil {
			return nil, 0, err
		}
		n := 0
		err = each(found, func(r *sql.Rows) error {
			n++
			row := feedRow{kind: source.kind}
			err := r.Scan(&row.seq, &row.receivedAt, &row.body, &row.grave, &row.mild)
			rows = append(rows, row)
			return err
		})
		if err != nil {
			return nil, 0, classify(err)
		}
		if n == source.limit {
			horizon = rows[len(rows)-1].seq
		}
	}
	rows = slices.DeleteFunc(rows, func(r feedRow) bool { return r.seq > horizon })
	slices.SortFunc(rows, func(a, b feedRow) int { return int(a.seq - b.seq) })
	return rows, horizon, nil
}

func (r *feedRow) addTo(page *storage.FactPage) error {
	switch r.kind {
	case event.KindAlert:
		o, err := decodeObservation(r.body, nil)
		page.Observations = append(page.Observations, o)
		return err
	case event.KindLog:
		for _, blob := range [][]byte{r.grave, r.mild} {
			if err := readCounts(blob, anyCount, func(c *event.Count) { page.Counts = append(page.Counts, *c) }); err != nil {
				return err
			}
		}
		return nil
	}
	e, err := decodeEvent(r.body, r.receivedAt, nil)
	page.Events = append(page.Events, e)
	return err
}

func anyCount(*event.CountKey) bool { return true }

// readCounts visits the counts in a blob as it is stored.
func readCounts(blob []byte, want func(*event.CountKey) bool, visit func(*event.Count)) error {
	if len(blob) == 0 {
		return nil
	}
	b, err := decompress(blob, nil)
	if err != nil {
		return err
	}
	return eachCount(b, want, visit)
}

// each visits rows and closes them.
func each(rows *sql.Rows, visit func(*sql.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := visit(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
