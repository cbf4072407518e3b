package clickhouse

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// Publish implements [storage.Derivations]. All of it is one insert, unless it
// is larger than 16 MiB or lies in more than 50 months.
//
// Whether the claim is the latest is asked by the statement that inserts, so a
// publication that is held up on its way, however long, writes nothing. What is
// left is the time in which the engine runs it; see visible.go.
func (s *Store) Publish(ctx context.Context, claim storage.Claim, derived []storage.Derived) error {
	leave, err := s.life.Enter()
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	defer leave()
	if len(derived) == 0 {
		return nil
	}
	done := s.unchanged.publishing()
	err = s.publish(ctx, claim, derived)
	done(err)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

func (s *Store) publish(ctx context.Context, claim storage.Claim, derived []storage.Derived) error {
	rows := make([]revisionRow, len(derived))
	for i := range derived {
		if err := rows[i].encode(&derived[i]); err != nil {
			return fmt.Errorf("encode incident %s: %w", derived[i].Timeline.Incident.ID, err)
		}
	}
	if err := s.holds(ctx, claim); err != nil {
		return err
	}
	// Holders and copies come first: a revision that is seen is found by all its
	// IDs. Too many of them do no harm.
	fresh := s.owners.fresh(claim, rows)
	if err := s.putHolders(ctx, fresh); err != nil {
		return err
	}
	found, err := s.copyCited(ctx, fresh)
	if err != nil {
		return err
	}
	for i := range rows {
		rows[i].Seq = s.owners.next()
	}
	for _, part := range splitRevisions(rows) {
		if err := s.command(ctx, revisionsInsert(claim, part)); err != nil {
			return fmt.Errorf("write revisions: %w", err)
		}
	}
	if err := s.settled(ctx, claim, rows); err != nil {
		return err
	}
	s.owners.remember(claim, rows, found)
	return nil
}

// settled reports whether what was written counts. When the claim is still the
// latest it does; else it may have been fenced before, and nothing was written
// or nobody sees it, or just after, and it stands.
func (s *Store) settled(ctx context.Context, claim storage.Claim, rows []revisionRow) error {
	fenced := s.holds(ctx, claim)
	if !errors.Is(fenced, storage.ErrFenced) {
		return fenced
	}
	ids := make([]event.ID, len(rows))
	for i := range rows {
		ids[i] = rows[i].id
	}
	var seen uint64
	err := s.row(ctx, s.schema.visible("count()", fmt.Sprintf("incident IN %s AND epoch = %d AND owner = %s AND seq BETWEEN %d AND %d",
		idList(ids), claim.Epoch, bytesLiteral(claim.Owner), rows[0].Seq, rows[len(rows)-1].Seq)), &seen)
	if err != nil {
		return err
	}
	if seen < uint64(len(rows)) {
		return fenced
	}
	return nil
}

// revisionRow is a row of the table revisions, as JSON whose IDs are in
// hexadecimal and whose times are nanoseconds.
type revisionRow struct {
	id                     event.ID
	members, aliases, pins []event.ID

	Incident     string   `json:"incident"`
	Seq          int64    `json:"seq"`
	Retired      bool     `json:"retired"`
	Revision     int64    `json:"revision"`
	StartedAt    int64    `json:"started_at"`
	EndedAt      *int64   `json:"ended_at"`
	Status       string   `json:"status"`
	Severity     string   `json:"severity"`
	Environment  string   `json:"environment"`
	Minor        bool     `json:"minor"`
	Sealed       bool     `json:"sealed"`
	Services     []string `json:"services"`
	Title        string   `json:"title"`
	Digest       string   `json:"digest"`
	Signals      string   `json:"signals"`
	Aliases      string   `json:"aliases"`
	Pins         string   `json:"pins"`
	Summary      string   `json:"summary"`
	Milestones   string   `json:"milestones"`
	Changes      string   `json:"changes"`
	Participants string   `json:"participants"`
	Gaps         string   `json:"gaps"`
	Durations    string   `json:"durations"`
	Body         string   `json:"body"`
}

// The columns of revisions that a revisionRow fills, what their JSON is read as,
// and how the column is made of that.
var revisionColumns = []struct{ name, kind, value string }{
	{"incident", "String", "toFixedString(unhex(incident), 16)"},
	{"seq", "Int64", ""},
	{"retired", "Bool", ""},
	{"revision", "Int64", ""},
	{"started_at", "Int64", "fromUnixTimestamp64Nano(started_at, 'UTC')"},
	{"ended_at", "Nullable(Int64)", "fromUnixTimestamp64Nano(ended_at, 'UTC')"},
	{"status", "String", ""},
	{"severity", "String", ""},
	{"environment", "String", ""},
	{"minor", "Bool", ""},
	{"sealed", "Bool", ""},
	{"services", "Array(String)", ""},
	{"title", "String", ""},
	{"digest", "String", ""},
	{"signals", "String", hexIDs("signals")},
	{"aliases", "String", hexIDs("aliases")},
	{"pins", "String", hexIDs("pins")},
	{"summary", "String", ""},
	{"milestones", "String", ""},
	{"changes", "String", ""},
	{"participants", "String", ""},
	{"gaps", "String", ""},
	{"durations", "String", ""},
	{"body", "String", ""},
}

// hexIDs is the array of the IDs that a text in hexadecimal holds.
func hexIDs(column string) string {
	return fmt.Sprintf("arrayMap(i -> toFixedString(substring(unhex(%[1]s), 16 * i + 1, 16), 16), range(intDiv(length(%[1]s), 32)))", column)
}

func (r *revisionRow) encode(d *storage.Derived) error {
	in := &d.Timeline.Incident
	if in.ID.IsZero() {
		return errors.New("an incident has no ID")
	}
	r.id, r.Incident, r.Retired = in.ID, hex.EncodeToString(in.ID[:]), d.Retired
	if d.Retired {
		return nil
	}
	r.members, r.aliases, r.pins = sortedIDs(d.Signals), sortedIDs(in.Aliases), sortedIDs(d.Pins)
	r.Signals, r.Aliases, r.Pins = idsInHex(r.members), idsInHex(r.aliases), idsInHex(r.pins)
	r.Revision, r.StartedAt, r.Digest = in.Revision, nanos(in.StartedAt), d.Digest
	if in.EndedAt != nil {
		ended := nanos(*in.EndedAt)
		r.EndedAt = &ended
	}
	r.Status, r.Severity, r.Environment, r.Title = string(in.Status), in.Severity, in.Environment, in.Title
	r.Minor, r.Sealed, r.Services = in.Minor, in.Sealed, in.Services
	tl := &d.Timeline
	for _, part := range []struct {
		to   *string
		from any
	}{
		{&r.Summary, in},
		{&r.Milestones, full(tl.Milestones)},
		{&r.Changes, full(tl.Changes)},
		{&r.Participants, full(tl.Participants)},
		{&r.Gaps, full(tl.Gaps)},
		{&r.Durations, tl.Durations},
		{&r.Body, tl},
	} {
		text, err := json.Marshal(part.from)
		if err != nil {
			return err
		}
		*part.to = string(text)
	}
	return nil
}

// full is never nil: what is empty is [] to the views.
func full[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func sortedIDs(ids []event.ID) []event.ID {
	sorted := slices.Clone(ids)
	slices.SortFunc(sorted, event.ID.Compare)
	return slices.Compact(sorted)
}

func idsInHex(ids []event.ID) string {
	text := make([]byte, 0, 32*len(ids))
	for i := range ids {
		text = hex.AppendEncode(text, ids[i][:])
	}
	return string(text)
}

// mostPublished bounds the timelines that one statement inserts, in bytes.
const mostPublished = 16 << 20

// splitRevisions cuts rows into what one insert takes, in their order.
func splitRevisions(rows []revisionRow) [][]revisionRow {
	var parts [][]revisionRow
	size, months := 0, make(map[int32]bool)
	for i := range rows {
		month := monthOf(rows[i].id)
		bytes := len(rows[i].Body) + len(rows[i].Signals) + len(rows[i].Pins)
		if len(parts) == 0 || size+bytes > mostPublished || (!months[month] && len(months) == maxPartitions) {
			parts = append(parts, rows[i:i:len(rows)])
			size = 0
			clear(months)
		}
		last := &parts[len(parts)-1]
		*last = (*last)[:len(*last)+1]
		size += bytes
		months[month] = true
	}
	return parts
}

// revisionsInsert is the statement that writes revisions if the claim is the
// latest.
func revisionsInsert(claim storage.Claim, rows []revisionRow) string {
	var names, kinds, values []string
	for _, c := range revisionColumns {
		names, kinds = append(names, c.name), append(kinds, c.name+" "+c.kind)
		values = append(values, orElse(c.value, c.name))
	}
	var lines strings.Builder
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	for i := range rows {
		_ = encoder.Encode(&rows[i]) // a Builder takes everything, and a row is texts and numbers
	}
	return fmt.Sprintf("INSERT INTO revisions (epoch, owner, %s) SELECT %d, %s, %s FROM format(JSONEachRow, %s, %s) "+
		"WHERE (SELECT max((epoch, owner)) FROM claims) = (%d, %s)",
		strings.Join(names, ", "), claim.Epoch, bytesLiteral(claim.Owner), strings.Join(values, ", "),
		quoteText(strings.Join(kinds, ", ")), quoteText(lines.String()), claim.Epoch, bytesLiteral(claim.Owner))
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// summaryOf reads an incident from its column.
func summaryOf(summary string) (in timeline.Incident, err error) {
	if err = json.Unmarshal([]byte(summary), &in); err != nil {
		return in, fmt.Errorf("decode incident: %w", err)
	}
	return in, nil
}
