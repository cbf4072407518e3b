package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/tally"
)

// Counts implements [storage.Feed]. They come in ascending order of second,
// then of the rest of their keys.
func (s *Store) Counts(ctx context.Context, q storage.CountQuery) ([]event.Count, error) {
	leave, err := s.life.Enter()
	if err != nil {
		return nil, fmt.Errorf("counts: %w", err)
	}
	defer leave()
	from, to := span(q.From, q.To)
	// The first second that begins at or after from, and the first that begins
	// at or after to.
	first, end := ceilDiv(from, second), ceilDiv(to, second)
	wanted := make(map[string]bool, len(q.Services))
	for _, name := range q.Services {
		wanted[name] = true
	}
	set := tally.NewSet()
	want := func(k *event.CountKey) bool {
		return k.Second >= first && k.Second < end && k.Level >= q.MinLevel && (len(wanted) == 0 || wanted[k.Service])
	}
	err = s.eachPiece(ctx, pieceQuery{services: q.Services, first: first, end: end, minLevel: q.MinLevel}, func(p *countPiece) error {
		return p.read(want, func(c *event.Count) { set.Add(c) })
	})
	if err != nil {
		return nil, fmt.Errorf("counts: %w", err)
	}
	return set.Sorted(), nil
}

// pieceQuery selects pieces with counts by the directory, for the seconds from
// first inclusive to end exclusive.
type pieceQuery struct {
	services   []string
	first, end int64
	minLevel   event.Level
}

// countPiece is the counts of a piece as they are stored; mild is nil when the
// query's level leaves them out.
type countPiece struct {
	receivedAt  int64
	grave, mild []byte
}

func (p *countPiece) read(want func(*event.CountKey) bool, visit func(*event.Count)) error {
	if err := readCounts(p.grave, want, visit); err != nil {
		return err
	}
	return readCounts(p.mild, want, visit)
}

// eachPiece visits the pieces that may hold what the query asks for, each once.
func (s *Store) eachPiece(ctx context.Context, q pieceQuery, visit func(*countPiece) error) error {
	if q.first >= q.end {
		return nil
	}
	seqs, err := s.pieceSeqs(ctx, q)
	if err != nil {
		return err
	}
	query := "SELECT received_at, grave, mild FROM pieces WHERE seq = ?"
	if q.minLevel >= event.LevelWarn {
		query = "SELECT received_at, grave, NULL FROM pieces WHERE seq = ?"
	}
	for _, seq := range seqs {
		var p countPiece
		if err := s.row(ctx, query, []any{seq}, &p.receivedAt, &p.grave, &p.mild); err != nil {
			if ignoreGone(err) != nil {
				return err
			}
			continue
		}
		if err := visit(&p); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) pieceSeqs(ctx context.Context, q pieceQuery) ([]int64, error) {
	keys := []int64{allServices}
	if len(q.services) > 0 {
		keys = keys[:0]
		for _, name := range q.services {
			keys = append(keys, serviceKey(name))
		}
		slices.Sort(keys)
		keys = slices.Compact(keys)
	}
	var seqs []int64
	for _, key := range keys {
		rows, err := s.rows(ctx, `SELECT seq FROM segments
			WHERE service = ? AND from_sec >= ? AND from_sec < ? AND to_sec >= ? AND levels & ? != 0`,
			key, minuteOf(q.first), q.end, q.first, levelsFrom(q.minLevel))
		if err != nil {
			return nil, err
		}
		err = each(rows, func(r *sql.Rows) error {
			var seq int64
			err := r.Scan(&seq)
			seqs = append(seqs, seq)
			return err
		})
		if err != nil {
			return nil, classify(err)
		}
	}
	slices.Sort(seqs)
	return slices.Compact(seqs), nil
}

// logFacts sums what logs said, for those IDs that name it. There is no row for
// a count: an ID begins with its second, whose counts are read and named.
func (s *Store) logFacts(ctx context.Context, ids []event.ID) (map[event.ID]*storage.LogFact, error) {
	facts := tally.NewFacts(ids)
	for _, sec := range facts.Seconds() {
		err := s.eachPiece(ctx, pieceQuery{first: sec, end: sec + 1}, func(p *countPiece) error {
			want := func(k *event.CountKey) bool { return k.Second == sec && facts.Wants(k) }
			return p.read(want, func(c *event.Count) { facts.Add(c, timeOf(p.receivedAt)) })
		})
		if err != nil {
			return nil, err
		}
	}
	return facts.Sums(), nil
}
