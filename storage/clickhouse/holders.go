package clickhouse

import (
	"context"
	"slices"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// Holders find the incidents that have an ID. A row is written before the first
// revision that needs it, and names too many incidents rather than too few: the
// latest revision says whether it still has the ID.

// The roles in which an incident holds an ID.
const (
	roleMember = 0 // as a signal or an alias
	roleCites  = 1
)

// holder says that an incident holds an ID.
type holder struct {
	id       event.ID
	role     uint8
	incident event.ID
}

// heldIDs are IDs that an incident's last publication has and that holders name,
// sorted. Of the pins those are left out that were not found when they were to
// be copied: they are tried again.
type heldIDs struct {
	members, pins []event.ID
}

func (h heldIDs) len() int { return len(h.members) + len(h.pins) }

// mostHeld bounds the IDs that are remembered; 16 bytes each.
const mostHeld = 500_000

// begin forgets what was known: another owner may have published since.
func (o *owners) begin(c storage.Claim) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.claim, o.held, o.ids = c, nil, 0
}

// fresh are the holders that rows need and that are not known to be written.
func (o *owners) fresh(c storage.Claim, rows []revisionRow) []holder {
	o.mu.Lock()
	defer o.mu.Unlock()
	var list []holder
	for i := range rows {
		r := &rows[i]
		var known heldIDs
		if o.claim == c {
			known = o.held[r.id]
		}
		for _, ids := range [][]event.ID{r.members, r.aliases} {
			for _, id := range without(ids, known.members) {
				list = append(list, holder{id, roleMember, r.id})
			}
		}
		for _, id := range without(r.pins, known.pins) {
			list = append(list, holder{id, roleCites, r.id})
		}
	}
	return list
}

// remember takes note of what was published, and of the facts that were copied.
func (o *owners) remember(c storage.Claim, rows []revisionRow, found map[event.ID]bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.claim != c {
		return
	}
	for i := range rows {
		r := &rows[i]
		before := o.held[r.id]
		o.ids -= before.len()
		delete(o.held, r.id)
		if r.Retired {
			continue
		}
		now := heldIDs{members: sortedIDs(append(slices.Clone(r.members), r.aliases...))}
		for _, id := range r.pins {
			if _, had := slices.BinarySearchFunc(before.pins, id, event.ID.Compare); had || found[id] {
				now.pins = append(now.pins, id)
			}
		}
		if o.ids+now.len() > mostHeld {
			o.held, o.ids = nil, 0
		}
		if o.held == nil {
			o.held = make(map[event.ID]heldIDs)
		}
		o.held[r.id] = now
		o.ids += now.len()
	}
}

// without are the IDs that are not among others; both are sorted.
func without(ids, others []event.ID) []event.ID {
	var rest []event.ID
	for _, id := range ids {
		if _, has := slices.BinarySearchFunc(others, id, event.ID.Compare); !has {
			rest = append(rest, id)
		}
	}
	return rest
}

var holderColumns = []insertColumn{{"id", "FixedString(16)"}, {"role", "UInt8"}, {"incident", "FixedString(16)"}}

type holderRows struct {
	id       [][]byte
	role     []uint8
	incident [][]byte
}

func (r *holderRows) columns() []any { return []any{r.id, r.role, r.incident} }

// putHolders writes holders that are new.
func (s *Store) putHolders(ctx context.Context, list []holder) error {
	var rows dealer[holderRows]
	for i := range list {
		h := &list[i]
		r := rows.builder(monthOf(h.id))
		r.id, r.role, r.incident = append(r.id, h.id[:]), append(r.role, h.role), append(r.incident, h.incident[:])
	}
	return s.insertAll(ctx, inserts("holders", holderColumns, rows.blocks((*holderRows).columns)))
}

// insertAll sends inserts that are no part of an append.
func (s *Store) insertAll(ctx context.Context, list []tableInsert) error {
	for _, t := range list {
		if err := s.insert(ctx, newToken(), t); err != nil {
			return err
		}
	}
	return nil
}
