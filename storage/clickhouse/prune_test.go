package clickhouse

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// textsOf runs a query for texts.
func textsOf(t *testing.T, s *Store, query string) []string {
	t.Helper()
	var list []string
	err := s.rows(t.Context(), query, func(r driver.Rows) error {
		var text string
		err := r.Scan(&text)
		list = append(list, text)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return list
}

// mutations are the tables of the mutations since the database was made, sorted.
func mutations(t *testing.T, s *Store) []string {
	t.Helper()
	return textsOf(t, s, "SELECT table FROM system.mutations WHERE database = currentDatabase() ORDER BY table")
}

func pruneBefore(t *testing.T, s *Store, before time.Time) {
	t.Helper()
	err := s.Prune(t.Context(), storage.Retention{LinesBefore: before, CountsBefore: before, EventsBefore: before, AsidesBefore: before})
	if err != nil {
		t.Fatalf("prune: %v", err)
	}
}

// logged is a chunk of one line and its count.
func logged(name string, at time.Time) event.Chunk {
	c := event.Chunk{ReceivedAt: at, Road: event.RoadLoki, Streams: []event.Stream{{Service: "payments"}}}
	id := event.NewID(at, "chunk", name)
	copy(c.ID[:], id[:])
	c.Lines = []event.Line{{At: at, Level: event.LevelError, Pattern: 1, Text: "it failed \xff " + name}}
	c.Counts = []event.Count{{
		CountKey: event.CountKey{Service: "payments", Level: event.LevelError, Pattern: 1, Second: at.Unix()},
		N:        1, First: at, Last: at, Digest: uint64(len(name)), Template: "it failed \xff <*>", Sample: c.Lines[0].Text,
	}}
	return c
}

// TestPruneWhole: days that are over are dropped, rows of the day that the
// policy is in are deleted, and where nothing is old nothing is done.
func TestPruneWhole(t *testing.T) {
	s := openProcess(t, enginetest.Shared(t).Database(t))
	noon := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	var b event.Batch
	for day := range 4 {
		for hour := range 3 {
			at := noon.AddDate(0, 0, day).Add(time.Duration(hour) * time.Hour)
			b.Chunks = append(b.Chunks, logged(fmt.Sprint(day, hour), at))
			b.Events = append(b.Events, event.Event{ID: event.NewID(at, "event"), Kind: event.KindMessage, OccurredAt: at, ReceivedAt: at})
			b.Asides = append(b.Asides, event.Aside{ID: event.NewID(at, "aside"), ReceivedAt: at, Raw: []byte("x")})
			b.Observations = append(b.Observations, event.Observation{Fingerprint: event.Fingerprint(hour + 1), StartsAt: at, LastReceivedAt: at, FirstReceivedAt: at})
		}
	}
	mustAppend(t, s, b)
	publishAs(t, s, claimOf(t, s, "a"), titled("x", "x"))

	pruneBefore(t, s, noon)
	if got := mutations(t, s); len(got) > 0 {
		t.Errorf("nothing is old: got mutations of %v, want none", got)
	}
	// Of day 2 the first hour is old.
	pruneBefore(t, s, noon.AddDate(0, 0, 2).Add(time.Hour))
	if got, want := mutations(t, s), []string{"asides", "counts", "events", "lines", "observations"}; !slices.Equal(got, want) {
		t.Errorf("got mutations of %v, want one each of %v", got, want)
	}
	for _, q := range []string{"SELECT toString(count()) FROM lines", "SELECT toString(count()) FROM counts", "SELECT toString(count()) FROM events",
		"SELECT toString(count()) FROM observations", "SELECT toString(count()) FROM asides"} {
		if got := textsOf(t, s, q); got[0] != "5" {
			t.Errorf("%s: got %s, want 5", q, got)
		}
	}
	for _, table := range []string{"lines", "counts"} {
		got := textsOf(t, s, "SELECT DISTINCT partition_id FROM system.parts WHERE database = currentDatabase() AND table = "+quoteText(table)+" AND active AND rows > 0 ORDER BY 1")
		if want := []string{"20260316", "20260317"}; !slices.Equal(got, want) {
			t.Errorf("partitions of %s: got %v, want %v", table, got, want)
		}
	}
	before := mutations(t, s)
	pruneBefore(t, s, noon.AddDate(0, 0, 2).Add(time.Hour))
	if got := mutations(t, s); !slices.Equal(got, before) {
		t.Errorf("pruned again: got mutations of %v, want no more than %v", got, before)
	}
}

// TestPruneKeepsCited: what an incident cites outlives its rows, with what came
// after it was cited, byte for byte; also of a sealed incident, which is not
// published any more, in a process that knows nothing of it.
func TestPruneKeepsCited(t *testing.T) {
	dsn := enginetest.Shared(t).Database(t)
	s := openProcess(t, dsn)
	first, late := logged("first", outage), logged("second one", outage)
	other := logged("uncited", outage.Add(time.Second))
	note := event.Event{ID: event.NewID(outage, "note"), Kind: event.KindMessage, OccurredAt: outage, ReceivedAt: outage, Message: &event.Message{Text: "on it"}, Raw: []byte("\xff payload")}
	alert := event.Observation{Fingerprint: 7, StartsAt: outage, FirstReceivedAt: outage, LastReceivedAt: outage, Labels: event.Labels{"a": "b"}, Raw: []byte(`{"a": 1}`)}
	again := alert
	again.LastReceivedAt, again.EndedAt = outage.Add(time.Minute), outage.Add(time.Minute)
	unknown := event.Event{ID: event.NewID(outage, "comes after it was cited"), Kind: event.KindMessage, OccurredAt: outage, ReceivedAt: outage}
	mustAppend(t, s, event.Batch{Chunks: []event.Chunk{first, other}, Events: []event.Event{note}, Observations: []event.Observation{alert}})
	d := titled("x", "x")
	d.Timeline.Incident.Sealed = true
	d.Pins = []event.ID{first.Counts[0].CountKey.ID(), note.ID, alert.ID(), unknown.ID}
	publishAs(t, s, claimOf(t, s, "a"), d)
	mustAppend(t, s, event.Batch{Chunks: []event.Chunk{late}, Observations: []event.Observation{again}, Events: []event.Event{unknown}})

	s = openProcess(t, dsn)
	pruneBefore(t, s, outage.Add(24*time.Hour))
	for _, table := range []string{"lines", "counts", "events", "observations"} {
		if got := textsOf(t, s, "SELECT toString(count()) FROM "+table); got[0] != "0" {
			t.Errorf("%s: got %s rows after all was pruned", table, got[0])
		}
	}
	log, err := s.Fact(t.Context(), d.Pins[0])
	if err != nil || log.Log == nil || log.Log.N != 2 || log.Log.Template != first.Counts[0].Template || log.Log.Sample != first.Counts[0].Sample {
		t.Errorf("cited log fact: got %+v and error %v, want both lines of %q", log.Log, err, first.Counts[0].Template)
	}
	if f, err := s.Fact(t.Context(), note.ID); err != nil || f.Event == nil || string(f.Event.Raw) != string(note.Raw) || f.Event.Message.Text != "on it" {
		t.Errorf("cited event: got %+v and error %v", f.Event, err)
	}
	if f, err := s.Fact(t.Context(), alert.ID()); err != nil || f.Observation == nil || !f.Observation.EndedAt.Equal(again.EndedAt) || string(f.Observation.Raw) != string(alert.Raw) {
		t.Errorf("cited observation: got %+v and error %v, want it with its end", f.Observation, err)
	}
	if _, err := s.Fact(t.Context(), unknown.ID); err != nil {
		t.Errorf("fact that came after it was cited: %v", err)
	}
	if _, err := s.Fact(t.Context(), other.Counts[0].CountKey.ID()); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("log fact that nobody cites: got error %v, want %v", err, storage.ErrNotFound)
	}
}

// TestPruneSuperseded: revisions are kept for a day after they were superseded,
// then they go with what only they held.
func TestPruneSuperseded(t *testing.T) {
	s := openProcess(t, enginetest.Shared(t).Database(t))
	hoursAgo := func(n int) time.Time { return time.Now().Add(-time.Duration(n) * time.Hour) }
	a, b := storage.Claim{Epoch: 1, Owner: "a"}, storage.Claim{Epoch: 2, Owner: "b"}
	claimByHand(t, s, a, hoursAgo(100))
	claimByHand(t, s, b, hoursAgo(60))
	with := func(d storage.Derived, signals, pins []event.ID) storage.Derived {
		d.Signals, d.Pins = signals, pins
		return d
	}
	id := func(name string) event.ID { return event.NewID(outage, name) }
	gone := storage.Derived{Timeline: titled("gone", "").Timeline, Retired: true}
	fresh := storage.Derived{Timeline: titled("fresh", "").Timeline, Retired: true}
	insertByHand(t, s, a, 1, hoursAgo(90), with(titled("x", "first"), []event.ID{id("old"), id("kept")}, []event.ID{id("fact"), id("both")}))
	insertByHand(t, s, a, 2, hoursAgo(30), with(titled("x", "late"), nil, nil)) // a is fenced
	insertByHand(t, s, b, 1, hoursAgo(50), with(titled("x", "second"), []event.ID{id("old"), id("kept")}, []event.ID{id("both")}))
	insertByHand(t, s, b, 2, hoursAgo(25), with(titled("x", "a day ago"), []event.ID{id("kept")}, []event.ID{id("both")}))
	insertByHand(t, s, b, 3, hoursAgo(2), with(titled("x", "latest"), []event.ID{id("kept")}, []event.ID{id("both")}))
	insertByHand(t, s, a, 4, hoursAgo(90), titled("gone", "once"))
	insertByHand(t, s, b, 5, hoursAgo(50), gone)
	insertByHand(t, s, a, 6, hoursAgo(90), titled("fresh", "once"))
	insertByHand(t, s, b, 7, hoursAgo(3), fresh)
	insertByHand(t, s, a, 8, hoursAgo(90), titled("alone", "alone"))
	x := titled("x", "").Timeline.Incident.ID
	for _, h := range []holder{{id("old"), roleMember, x}, {id("kept"), roleMember, x}, {id("fact"), roleCites, x}, {id("both"), roleCites, x}} {
		if err := s.command(t.Context(), fmt.Sprintf("INSERT INTO holders (id, role, incident, at) SELECT %s, %d, %s, %s", idLiteral(h.id), h.role, idLiteral(h.incident), timeLiteral(hoursAgo(80)))); err != nil {
			t.Fatal(err)
		}
		if h.role == roleCites {
			if _, err := s.putCopies(t.Context(), []pinnedCopy{{id: h.id, kind: pinnedLog, version: 1, fact: storage.LogFact{N: 1}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Somebody else is about to hold a dropped ID again.
	if err := s.putHolders(t.Context(), []holder{{id("new"), roleMember, x}}); err != nil {
		t.Fatal(err)
	}
	wantTitle(t, s, "x", "latest")

	if err := s.Prune(t.Context(), storage.Retention{}); err != nil {
		t.Fatalf("prune: %v", err)
	}
	got := textsOf(t, s, "SELECT concat(title, if(retired, 'retired', '')) FROM revisions ORDER BY incident, epoch, owner, seq")
	slices.Sort(got)
	if want := []string{"a day ago", "alone", "latest", "once", "retired"}; !slices.Equal(got, want) {
		t.Errorf("revisions: got %q, want %q", got, want)
	}
	for query, want := range map[string][]event.ID{
		"SELECT hex(id) FROM holders": {id("kept"), id("both"), id("new")},
		"SELECT hex(id) FROM pinned":  {id("both")},
	} {
		var list []string
		for _, id := range want {
			list = append(list, fmt.Sprintf("%X", id[:]))
		}
		got := textsOf(t, s, query)
		slices.Sort(got)
		slices.Sort(list)
		if !slices.Equal(got, list) {
			t.Errorf("%s: got %s, want %s", query, strings.Join(got, " "), strings.Join(list, " "))
		}
	}
	wantTitle(t, s, "x", "latest")
	wantTitle(t, s, "gone", "")
	wantTitle(t, s, "fresh", "")
	wantTitle(t, s, "alone", "alone")
	before := mutations(t, s)
	if err := s.Prune(t.Context(), storage.Retention{}); err != nil {
		t.Fatalf("prune again: %v", err)
	}
	if got := mutations(t, s); !slices.Equal(got, before) {
		t.Errorf("pruned again: got mutations of %v, want no more than %v", got, before)
	}
}

// TestLookupsUseIndexes: what a reader asks of one incident or one ID reads a
// few granules of its table, however much there is.
func TestLookupsUseIndexes(t *testing.T) {
	s := openProcess(t, enginetest.Shared(t).Database(t))
	const incident = "toFixedString(unhex(concat(leftPad(hex(1767225600000 + number * 60000), 12, '0'), leftPad(hex(number), 20, '0'))), 16)"
	for _, statement := range []string{
		"INSERT INTO revisions (incident, epoch, owner, seq, signals) SELECT " + incident + ", 1, 'a', number, [" + incident + "] FROM numbers(20000)",
		"INSERT INTO holders (id, role, incident) SELECT " + incident + ", 0, " + incident + " FROM numbers(20000)",
		"INSERT INTO claims (epoch, owner) SELECT 1, 'a'",
		"OPTIMIZE TABLE revisions FINAL",
		"OPTIMIZE TABLE holders FINAL",
	} {
		if err := s.command(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	id := []byte(textsOf(t, s, "SELECT hex(incident) FROM revisions WHERE seq = 7777")[0])
	literal := "toFixedString(unhex('" + string(id) + "'), 16)"
	for name, query := range map[string]string{
		"revisions of an incident": "SELECT last FROM (" + latestOf("1", ofLatest("retired")+" AS was_retired", "incident = "+literal, "NOT was_retired") + ")",
		"visible, with the claims": s.schema.latest("", "incident = "+literal, ""),
		"holders of an ID":         "SELECT incident FROM holders WHERE id = " + literal + " AND role = 0",
		"revisions of the holders": latestOf("1", "", "incident IN (SELECT incident FROM holders WHERE id = "+literal+" AND role = 0)", ""),
		"body of a revision":       "SELECT body FROM revisions WHERE incident = " + literal + " AND epoch = 1 AND owner = 'a' AND seq = 7777",
	} {
		plan := textsOf(t, s, "EXPLAIN indexes = 1 "+query)
		read := granulesRead(plan)
		if len(read) == 0 {
			t.Errorf("%s: no index is used:\n%s", name, strings.Join(plan, "\n"))
		}
		for _, r := range read {
			if r.read > 4 {
				t.Errorf("%s: reads %d of %d granules:\n%s", name, r.read, r.of, strings.Join(plan, "\n"))
			}
		}
	}
}

type granuleCount struct{ read, of int }

// granulesRead are, for each table of a plan that is larger than a few granules,
// those that are left after all of its indexes.
func granulesRead(plan []string) []granuleCount {
	var list []granuleCount
	var last *granuleCount
	flush := func() {
		if last != nil && last.of > 4 {
			list = append(list, *last)
		}
		last = nil
	}
	for _, line := range plan {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "ReadFrom") {
			flush()
		}
		var g granuleCount
		if _, err := fmt.Sscanf(line, "Granules: %d/%d", &g.read, &g.of); err == nil {
			if last == nil {
				last = &g
			}
			last.read = g.read
		}
	}
	flush()
	return list
}
