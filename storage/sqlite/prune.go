package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/lifetime"
)

// pruneStep is how many rows one transaction deletes, so that nobody waits
// long behind it. Lines are large, so it is fewer of them.
const (
	pruneStep  = 500
	pruneLines = 64
)

// cursorsLive is for how long a place that an incident has left is kept.
const cursorsLive = 24 * time.Hour

// Prune implements [storage.Store]. Lines and counts go a chunk at a time, when
// all of it is old. Cursors of [Store.Incidents] stay good for a day.
func (s *Store) Prune(ctx context.Context, policy storage.Retention) error {
	leave, err := s.life.Enter()
	if err != nil {
		return fmt.Errorf("prune: %w", err)
	}
	defer leave()
	left := s.delete("places in the list", pruneStep,
		"DELETE FROM positions WHERE (started_at, id, since) IN (SELECT started_at, id, since FROM positions WHERE left_at < ? LIMIT ?)",
		time.Now().Add(-cursorsLive).UnixNano())
	steps := []pruning{left}
	if !policy.LinesBefore.IsZero() {
		steps = append(steps, s.pruneLines(floorDiv(nanos(policy.LinesBefore), second)))
	}
	if !policy.CountsBefore.IsZero() {
		before := floorDiv(nanos(policy.CountsBefore), second)
		steps = append(steps, s.refreshPins(before), s.pruneCounts(before))
	}
	if !policy.EventsBefore.IsZero() {
		steps = append(steps, s.pruneEvents(nanos(policy.EventsBefore))...)
	}
	if !policy.AsidesBefore.IsZero() {
		steps = append(steps, s.delete("asides", pruneStep,
			"DELETE FROM asides WHERE seq IN (SELECT seq FROM asides WHERE received_at < ? LIMIT ?)", nanos(policy.AsidesBefore)))
	}
	for _, p := range steps {
		if err := s.repeat(ctx, p); err != nil {
			return fmt.Errorf("prune %s: %w", p.what, err)
		}
	}
	return nil
}

// pruning deletes a bounded number of rows and says whether there may be more.
type pruning struct {
	what string
	step func(ctx context.Context) (more bool, err error)
}

func (s *Store) repeat(ctx context.Context, p pruning) error {
	for {
		if s.life.Ended() {
			return lifetime.ErrClosed
		}
		more, err := p.step(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// write runs a part of a pruning as a transaction of its own, behind the
// batches that wait.
func (s *Store) write(ctx context.Context, apply func(*tx) error) error {
	return s.writer.do(ctx, &job{class: bulk, alone: true, apply: apply})
}

// delete makes a pruning of a statement whose last parameter is a limit.
func (s *Store) delete(what string, limit int64, query string, args ...any) pruning {
	args = append(args, limit)
	return pruning{what, func(ctx context.Context) (bool, error) {
		var n int64
		err := s.write(ctx, func(t *tx) (err error) {
			n, err = t.exec(query, args...)
			return err
		})
		return err == nil && n == limit, err
	}}
}

// pruneEvents deletes events and observations. What an incident pins stays.
func (s *Store) pruneEvents(before int64) []pruning {
	bound := idBound(before, 0xff)
	return []pruning{
		s.delete("events", pruneStep, `DELETE FROM events WHERE seq IN (SELECT seq FROM events
			WHERE id <= ? AND strays = 0 AND occurred_at < ? AND NOT EXISTS (SELECT 1 FROM pins WHERE fact = events.id) LIMIT ?)`, bound[:], before),
		s.delete("events", pruneStep, `DELETE FROM events WHERE seq IN (SELECT seq FROM events
			WHERE strays = 1 AND occurred_at < ? AND NOT EXISTS (SELECT 1 FROM pins WHERE fact = events.id) LIMIT ?)`, before),
		s.delete("observations", pruneStep, `DELETE FROM observations WHERE n IN (SELECT n FROM observations
			WHERE seen_until < ? AND NOT EXISTS (SELECT 1 FROM pins WHERE fact = observations.id) LIMIT ?)`, before),
		s.delete("payloads", pruneStep, `DELETE FROM observation_raws WHERE n IN (SELECT n FROM observation_raws
			WHERE NOT EXISTS (SELECT 1 FROM observations o WHERE o.n = observation_raws.n) LIMIT ?)`),
	}
}

// pruneLines deletes the lines of pieces that ended before a second.
func (s *Store) pruneLines(before int64) pruning {
	return s.delete("lines", pruneLines, "DELETE FROM lines WHERE seq IN (SELECT seq FROM lines WHERE until < ? LIMIT ?)", before)
}

// pruneCounts deletes the counts of pieces that ended before a second. Once
// their lines are gone too, nothing is left of them.
func (s *Store) pruneCounts(before int64) pruning {
	// Pieces that keep their lines are passed over by going on behind the last.
	var after, afterUntil int64 = -1, -1 << 62
	return pruning{"counts", func(ctx context.Context) (bool, error) {
		n := 0
		err := s.write(ctx, func(t *tx) error {
			list, err := t.oldPieces(afterUntil, after, before)
			if err != nil {
				return err
			}
			for _, p := range list {
				if err := t.forgetCounts(p); err != nil {
					return err
				}
				after, afterUntil = p.seq, p.until
			}
			n = len(list)
			return nil
		})
		return err == nil && n == pruneStep, err
	}}
}

type oldPiece struct {
	seq, until int64
	places     []byte
	hasLines   bool
}

func (t *tx) oldPieces(afterUntil, after, before int64) ([]oldPiece, error) {
	rows, err := t.rows(`SELECT seq, until, places, EXISTS (SELECT 1 FROM lines WHERE lines.seq = pieces.seq) FROM pieces
		WHERE until < ? AND (until, seq) > (?, ?) ORDER BY until, seq LIMIT ?`, before, afterUntil, after, pruneStep)
	if err != nil {
		return nil, err
	}
	var list []oldPiece
	err = each(rows, func(r *sql.Rows) error {
		var p oldPiece
		err := r.Scan(&p.seq, &p.until, &p.places, &p.hasLines)
		list = append(list, p)
		return err
	})
	return list, err
}

func (t *tx) forgetCounts(p oldPiece) error {
	if !p.hasLines {
		return t.deletePiece(p.seq, p.places)
	}
	_, err := t.exec("UPDATE pieces SET grave = NULL, mild = NULL WHERE seq = ? AND (grave IS NOT NULL OR mild IS NOT NULL)", p.seq)
	return err
}

// refreshPins brings the copies of pinned facts up to date whose counts are
// about to go.
func (s *Store) refreshPins(before int64) pruning {
	return pruning{"pins", func(ctx context.Context) (bool, error) {
		ids, err := s.ids(ctx, "SELECT id FROM pinned WHERE final = 0 AND second < ? LIMIT ?", before, pruneStep)
		if err != nil || len(ids) == 0 {
			return false, err
		}
		facts, err := s.logFacts(ctx, ids)
		if err != nil {
			return false, err
		}
		err = s.write(ctx, func(t *tx) error {
			for _, id := range ids {
				if err := t.settlePin(id, facts[id]); err != nil {
					return err
				}
			}
			return nil
		})
		return len(ids) == pruneStep, err
	}}
}

// settlePin makes a copy final. It may have been unpinned meanwhile.
func (t *tx) settlePin(id event.ID, f *storage.LogFact) error {
	n, err := t.exec("UPDATE pinned SET final = 1 WHERE id = ?", id[:])
	if err != nil || n == 0 || f == nil {
		return err
	}
	return t.putPinned(id, f, true)
}
