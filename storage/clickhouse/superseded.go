package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/lifetime"
)

// supersededLive is for how long revisions are kept that others have replaced:
// for that long cursors of the list are good.
const supersededLive = 24 * time.Hour

// incidentsAtOnce is how many incidents one deletion names.
const incidentsAtOnce = 500

// idsAtOnce is how many IDs one deletion names.
const idsAtOnce = 5000

// pruneIncidents deletes what was superseded: revisions, the holders and copies
// that only they needed, and what says that an incident was retired when nothing
// is left of it.
func (s *Store) pruneIncidents(ctx context.Context, _ storage.Retention) error {
	// Also when it fails: a part may have been deleted.
	defer s.unchanged.forget()
	now, err := s.engineTime(ctx)
	if err != nil {
		return err
	}
	before := now.Add(-supersededLive)
	kept, err := s.keptRevisions(ctx, before)
	if err != nil {
		return fmt.Errorf("find superseded revisions: %w", err)
	}
	for month, list := range kept {
		for some := range slices.Chunk(list, incidentsAtOnce) {
			if s.life.Ended() {
				return lifetime.ErrClosed
			}
			if err := s.pruneSuperseded(ctx, month, some, before); err != nil {
				return err
			}
		}
	}
	if err := s.pruneRetired(ctx, before); err != nil {
		return fmt.Errorf("retired incidents: %w", err)
	}
	if err := s.pruneFenced(ctx, before); err != nil {
		return fmt.Errorf("revisions of fenced owners: %w", err)
	}
	return nil
}

// namedRevision is a revision with its incident.
type namedRevision struct {
	incident event.ID
	key      revisionKey
}

// keptRevisions are, by month, the oldest ones that are kept of the incidents of
// which something is superseded: the list still shows them as they were at the
// time before.
func (s *Store) keptRevisions(ctx context.Context, before time.Time) (map[int32][]namedRevision, error) {
	kept := make(map[int32][]namedRevision)
	query := "SELECT incident, last_epoch, last_owner, last_seq FROM (" + s.schema.latest("count() AS n", "at < "+timeLiteral(before), "n > 1") + ")"
	err := s.rows(ctx, query, func(r driver.Rows) error {
		k, err := scanRevision(r)
		month := monthOf(k.incident)
		kept[month] = append(kept[month], k)
		return err
	})
	return kept, err
}

// older is the condition that a revision is older than the one that is kept.
func older(list []namedRevision) string {
	var b strings.Builder
	for i, k := range list {
		if i > 0 {
			b.WriteString(" OR ")
		}
		fmt.Fprintf(&b, "(incident = %s AND %s < (%d, %s, %d))", idLiteral(k.incident), place, k.key.epoch, bytesLiteral(k.key.owner), k.key.seq)
	}
	return b.String()
}

func (s *Store) pruneSuperseded(ctx context.Context, month int32, list []namedRevision, before time.Time) error {
	superseded := older(list)
	members, cited, err := s.unheld(ctx, list, superseded)
	if err != nil {
		return fmt.Errorf("find what superseded revisions hold: %w", err)
	}
	// Holders go first: when this is interrupted, the revisions still name them.
	for _, some := range [][]holder{members, cited} {
		if err := s.deleteHolders(ctx, some, before); err != nil {
			return fmt.Errorf("holders: %w", err)
		}
	}
	if err := s.deleteCopies(ctx, cited); err != nil {
		return fmt.Errorf("copies: %w", err)
	}
	return s.deleteRows(ctx, "revisions", fmt.Sprint(month), superseded)
}

// unheld are the holders that superseded revisions need and no revision that is
// kept.
func (s *Store) unheld(ctx context.Context, list []namedRevision, superseded string) (members, cited []holder, err error) {
	ids := make([]event.ID, len(list))
	for i, k := range list {
		ids[i] = k.incident
	}
	const names = "arrayConcat(signals, aliases)"
	query := fmt.Sprintf("SELECT incident, groupUniqArrayArrayIf(%[1]s, %[2]s), groupUniqArrayArrayIf(%[1]s, NOT (%[2]s)), "+
		"groupUniqArrayArrayIf(pins, %[2]s), groupUniqArrayArrayIf(pins, NOT (%[2]s)) FROM revisions WHERE incident IN %[3]s GROUP BY incident",
		names, superseded, idList(ids))
	err = s.rows(ctx, query, func(r driver.Rows) error {
		var incident []byte
		var had, has, cites, citesNow []string
		if err := r.Scan(&incident, &had, &has, &cites, &citesNow); err != nil {
			return err
		}
		id := event.ID(incident)
		members = append(members, lost(had, has, roleMember, id)...)
		cited = append(cited, lost(cites, citesNow, roleCites, id)...)
		return nil
	})
	return members, cited, err
}

// lost are the holders of the IDs that an incident had and has not any more.
func lost(had, has []string, role uint8, incident event.ID) []holder {
	var list []holder
	for _, id := range without(idsOf(had), idsOf(has)) {
		list = append(list, holder{id, role, incident})
	}
	return list
}

// idsOf are the IDs of a column, sorted.
func idsOf(texts []string) []event.ID {
	ids := make([]event.ID, len(texts))
	for i, t := range texts {
		copy(ids[i][:], t)
	}
	return sortedIDs(ids)
}

// deleteHolders deletes holders that were written before a time: what is newer
// may belong to a revision that is being published.
func (s *Store) deleteHolders(ctx context.Context, list []holder, before time.Time) error {
	byMonth := make(map[int32][]holder)
	for _, h := range list {
		byMonth[monthOf(h.id)] = append(byMonth[monthOf(h.id)], h)
	}
	for month, all := range byMonth {
		for some := range slices.Chunk(all, idsAtOnce) {
			where := fmt.Sprintf("(id, role, incident) IN %s AND at < %s", inList(some, holder.literal), timeLiteral(before))
			found, err := s.countRows(ctx, "holders", where)
			if err != nil {
				return err
			}
			if len(found) == 0 {
				continue
			}
			if err := s.deleteRows(ctx, "holders", fmt.Sprint(month), where); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h holder) literal() string {
	return fmt.Sprintf("(%s,%d,%s)", idLiteral(h.id), h.role, idLiteral(h.incident))
}

// deleteCopies deletes the copies of facts that nobody cites.
func (s *Store) deleteCopies(ctx context.Context, list []holder) error {
	ids := make([]event.ID, len(list))
	for i, h := range list {
		ids[i] = h.id
	}
	for some := range slices.Chunk(sortedIDs(ids), idsAtOnce) {
		byMonth := make(map[int32][]event.ID)
		cited := fmt.Sprintf("(SELECT id FROM holders WHERE role = %d AND id IN %s)", roleCites, idList(some))
		err := s.rows(ctx, fmt.Sprintf("SELECT DISTINCT id FROM pinned WHERE id IN %s AND id %s NOT IN %s", idList(some), s.schema.global(), cited), func(r driver.Rows) error {
			id, err := scanID(r)
			byMonth[monthOf(id)] = append(byMonth[monthOf(id)], id)
			return err
		})
		if err != nil {
			return err
		}
		for month, all := range byMonth {
			if err := s.deleteRows(ctx, "pinned", fmt.Sprint(month), "id IN "+idList(all)); err != nil {
				return err
			}
		}
	}
	return nil
}

// pruneRetired deletes what says that an incident was retired, where it is all
// that is left of it.
func (s *Store) pruneRetired(ctx context.Context, before time.Time) error {
	aggregates := "count() AS n, " + ofLatest("retired AND at < "+timeLiteral(before)) + " AS gone"
	byMonth := make(map[int32][]event.ID)
	err := s.rows(ctx, "SELECT incident FROM ("+s.schema.latest(aggregates, "1", "n = 1 AND gone")+")", func(r driver.Rows) error {
		id, err := scanID(r)
		byMonth[monthOf(id)] = append(byMonth[monthOf(id)], id)
		return err
	})
	if err != nil {
		return err
	}
	for month, all := range byMonth {
		for some := range slices.Chunk(all, idsAtOnce) {
			where := fmt.Sprintf("retired AND at < %s AND incident IN %s", timeLiteral(before), idList(some))
			if err := s.deleteRows(ctx, "revisions", fmt.Sprint(month), where); err != nil {
				return err
			}
		}
	}
	return nil
}

// pruneFenced deletes revisions that were written when their owner was fenced
// already.
func (s *Store) pruneFenced(ctx context.Context, before time.Time) error {
	byMonth := make(map[int32][]namedRevision)
	err := s.rows(ctx, "SELECT incident, epoch, owner, seq FROM revisions "+s.schema.global()+" INNER JOIN "+fences+
		" AS fences USING (epoch, owner) WHERE at >= fenced_at AND at < "+timeLiteral(before), func(r driver.Rows) error {
		k, err := scanRevision(r)
		byMonth[monthOf(k.incident)] = append(byMonth[monthOf(k.incident)], k)
		return err
	})
	if err != nil {
		return err
	}
	for month, all := range byMonth {
		for some := range slices.Chunk(all, idsAtOnce) {
			where := "(incident, epoch, owner, seq) IN " + inList(some, namedRevision.literal)
			if err := s.deleteRows(ctx, "revisions", fmt.Sprint(month), where); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k namedRevision) literal() string {
	return fmt.Sprintf("(%s,%d,%s,%d)", idLiteral(k.incident), k.key.epoch, bytesLiteral(k.key.owner), k.key.seq)
}

func scanRevision(r driver.Rows) (k namedRevision, err error) {
	var id []byte
	if err := r.Scan(&id, &k.key.epoch, &k.key.owner, &k.key.seq); err != nil {
		return k, fmt.Errorf("read revision: %w", err)
	}
	copy(k.incident[:], id)
	return k, nil
}
