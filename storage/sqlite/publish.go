package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// keptClaims is how many claims stay in the table, for people to look at.
const keptClaims = 100

// Claim implements [storage.Derivations].
func (s *Store) Claim(ctx context.Context, owner string) (storage.Claim, error) {
	claim := storage.Claim{Owner: owner}
	err := s.writer.do(ctx, &job{class: urgent, alone: true, bytes: rowOverhead, apply: func(t *tx) error {
		if err := t.row("SELECT coalesce(max(epoch), 0) + 1 FROM claims").Scan(&claim.Epoch); err != nil {
			return err
		}
		if _, err := t.exec("INSERT INTO claims (epoch, owner, claimed_at) VALUES (?, ?, ?)", claim.Epoch, owner, time.Now().UnixNano()); err != nil {
			return err
		}
		_, err := t.exec("DELETE FROM claims WHERE epoch <= ?", claim.Epoch-keptClaims)
		return err
	}})
	if err != nil {
		return storage.Claim{}, fmt.Errorf("claim: %w", err)
	}
	return claim, nil
}

// Publish implements [storage.Derivations]. All of it is one transaction.
func (s *Store) Publish(ctx context.Context, claim storage.Claim, derived []storage.Derived) error {
	leave, err := s.life.Enter()
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	defer leave()
	if len(derived) == 0 {
		return nil
	}
	p := publication{claim: claim, at: time.Now().UnixNano()}
	if p.rows, p.bytes, err = encodeDerived(derived); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if p.facts, err = s.citedFacts(ctx, derived); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if err := s.writer.do(ctx, &job{class: urgent, alone: true, bytes: p.bytes, apply: p.apply}); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

// publication is the work of one Publish, ready to be written.
type publication struct {
	claim storage.Claim
	at    int64
	rows  []derivedRow
	bytes int64
	// facts are the log facts that are cited and were not pinned before.
	facts map[event.ID]*storage.LogFact
	// unpinned are facts that an incident does not cite any more.
	unpinned []event.ID
}

type derivedRow struct {
	id               event.ID
	retired          bool
	incident         *timeline.Incident
	services         string
	summary, digest  string
	body             []byte
	signals, aliases []event.ID
	pins             []event.ID
}

func encodeDerived(derived []storage.Derived) (rows []derivedRow, bytes int64, err error) {
	for i := range derived {
		d := &derived[i]
		row := derivedRow{id: d.Timeline.Incident.ID, retired: d.Retired, incident: &d.Timeline.Incident, digest: d.Digest}
		if row.id.IsZero() {
			return nil, 0, errors.New("an incident has no ID")
		}
		bytes += rowOverhead
		if !d.Retired {
			if err := row.encode(d); err != nil {
				return nil, 0, fmt.Errorf("encode incident %s: %w", row.id, err)
			}
			bytes += int64(len(row.body) + len(row.summary) + 64*len(row.signals) + 64*len(row.pins))
		}
		rows = append(rows, row)
	}
	return rows, bytes, nil
}

func (row *derivedRow) encode(d *storage.Derived) error {
	body, err := json.Marshal(&d.Timeline)
	if err != nil {
		return err
	}
	summary, err := json.Marshal(row.incident)
	if err != nil {
		return err
	}
	services, err := json.Marshal(row.incident.Services)
	if err != nil {
		return err
	}
	row.body, row.summary, row.services = pack(body), string(summary), string(services)
	row.signals, row.aliases, row.pins = sortedIDs(d.Signals), sortedIDs(row.incident.Aliases), sortedIDs(d.Pins)
	row.aliases = slices.DeleteFunc(row.aliases, func(id event.ID) bool {
		_, member := slices.BinarySearchFunc(row.signals, id, event.ID.Compare)
		return member
	})
	return nil
}

func sortedIDs(ids []event.ID) []event.ID {
	sorted := slices.Clone(ids)
	slices.SortFunc(sorted, event.ID.Compare)
	return slices.Compact(sorted)
}

func digestIDs(lists ...[]event.ID) []byte {
	h := sha256.New()
	for _, ids := range lists {
		for i := range ids {
			h.Write(ids[i][:])
		}
		h.Write([]byte{0})
	}
	return h.Sum(nil)[:16]
}

func (p *publication) apply(t *tx) error {
	var epoch int64
	var owner string
	err := t.row("SELECT epoch, owner FROM claims ORDER BY epoch DESC LIMIT 1").Scan(&epoch, &owner)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read claim: %w", err)
	}
	if err != nil || epoch != p.claim.Epoch || owner != p.claim.Owner {
		return fmt.Errorf("claim %d, the latest is %d: %w", p.claim.Epoch, epoch, storage.ErrFenced)
	}
	for i := range p.rows {
		if err := p.put(t, &p.rows[i]); err != nil {
			return fmt.Errorf("incident %s: %w", p.rows[i].id, err)
		}
	}
	t.bytes += p.bytes
	return p.dropUnpinned(t)
}

func (p *publication) put(t *tx, row *derivedRow) error {
	var old struct {
		startedAt      int64
		members, cited []byte
	}
	err := t.row("SELECT started_at, members, cited FROM incidents WHERE id = ?", row.id[:]).Scan(&old.startedAt, &old.members, &old.cited)
	known := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("find: %w", err)
	}
	if row.retired {
		if !known {
			return nil
		}
		return p.retire(t, row.id)
	}
	startedAt := nanos(row.incident.StartedAt)
	seq := t.next()
	if !known || old.startedAt != startedAt {
		if err := p.move(t, row.id, startedAt, seq); err != nil {
			return err
		}
	}
	members, cited := digestIDs(row.signals, row.aliases), digestIDs(row.pins)
	if !slices.Equal(members, old.members) {
		if err := putSignals(t, row); err != nil {
			return err
		}
	}
	if !slices.Equal(cited, old.cited) {
		if err := p.putPins(t, row.id, row.pins); err != nil {
			return err
		}
	}
	return p.putIncident(t, row, seq, startedAt, members, cited)
}

func (p *publication) putIncident(t *tx, row *derivedRow, seq, startedAt int64, members, cited []byte) error {
	i := row.incident
	var endedAt any
	if i.EndedAt != nil {
		endedAt = nanos(*i.EndedAt)
	}
	if _, err := t.exec(`INSERT OR REPLACE INTO incidents
		(id, started_at, ended_at, published_at, seq, status, severity, minor, sealed, services, summary, digest, members, cited, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		row.id[:], startedAt, endedAt, p.at, seq, string(i.Status), i.Severity, i.Minor, i.Sealed,
		row.services, row.summary, row.digest, members, cited, row.body); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// move gives an incident its place in the list from seq on.
func (p *publication) move(t *tx, id event.ID, startedAt, seq int64) error {
	if err := p.leave(t, id, seq); err != nil {
		return err
	}
	if _, err := t.exec("INSERT INTO positions (started_at, id, since) VALUES (?, ?, ?)", startedAt, id[:], seq); err != nil {
		return fmt.Errorf("place in the list: %w", err)
	}
	return nil
}

func (p *publication) leave(t *tx, id event.ID, seq int64) error {
	if _, err := t.exec("UPDATE positions SET until = ?, left_at = ? WHERE id = ? AND until IS NULL", seq, p.at, id[:]); err != nil {
		return fmt.Errorf("place in the list: %w", err)
	}
	return nil
}

// retire forgets an incident. Its signals and aliases keep resolving where
// another incident holds them.
func (p *publication) retire(t *tx, id event.ID) error {
	if err := p.leave(t, id, t.next()); err != nil {
		return err
	}
	if err := p.putPins(t, id, nil); err != nil {
		return err
	}
	for _, query := range []string{"DELETE FROM signals WHERE incident = ?", "DELETE FROM incidents WHERE id = ?"} {
		if _, err := t.exec(query, id[:]); err != nil {
			return fmt.Errorf("retire: %w", err)
		}
	}
	return nil
}

// putSignals writes what differs from the stored signals and aliases.
func putSignals(t *tx, row *derivedRow) error {
	want := make(map[event.ID]bool, len(row.signals)+len(row.aliases))
	for _, id := range row.aliases {
		want[id] = true
	}
	for _, id := range row.signals {
		want[id] = false
	}
	rows, err := t.rows("SELECT id, alias FROM signals WHERE incident = ?", row.id[:])
	if err != nil {
		return fmt.Errorf("read signals: %w", err)
	}
	var gone []event.ID
	err = each(rows, func(r *sql.Rows) error {
		var id sql.RawBytes
		var alias bool
		if err := r.Scan(&id, &alias); err != nil {
			return err
		}
		wanted, ok := want[event.ID(id)]
		switch {
		case !ok:
			gone = append(gone, event.ID(id))
		case wanted == alias:
			delete(want, event.ID(id))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read signals: %w", err)
	}
	for _, id := range gone {
		if _, err := t.exec("DELETE FROM signals WHERE id = ? AND incident = ?", id[:], row.id[:]); err != nil {
			return fmt.Errorf("delete signal: %w", err)
		}
	}
	for id, alias := range want {
		if _, err := t.exec("INSERT OR REPLACE INTO signals (id, incident, alias) VALUES (?, ?, ?)", id[:], row.id[:], alias); err != nil {
			return fmt.Errorf("write signal: %w", err)
		}
	}
	return nil
}
