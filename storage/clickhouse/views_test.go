package clickhouse

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

const grafanaPage = "../../docs/grafana.md"

// TestViewsAreDocumented holds the page about Grafana to the views: every view,
// and every column with its type and what it means.
func TestViewsAreDocumented(t *testing.T) {
	s := openAt(t, enginetest.Shared(t), t.TempDir())
	defer s.Close()
	page, err := os.ReadFile(grafanaPage)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, section := range strings.Split(string(page), "\n### ")[1:] {
		name, text, _ := strings.Cut(section, "\n")
		sections[name] = text
	}
	rows := texts(t, s, "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View' ORDER BY name")
	if len(rows) < 15 {
		t.Fatalf("there are %d views", len(rows))
	}
	for _, row := range rows {
		view := row[0]
		section, ok := sections[view]
		delete(sections, view)
		if !ok {
			t.Errorf("%s has no section in %s", view, grafanaPage)
			continue
		}
		want := "| column | type | |\n|---|---|---|\n"
		for _, column := range texts(t, s, "SELECT name, type, comment FROM system.columns WHERE database = currentDatabase() AND table = "+quoteText(view)+" ORDER BY position") {
			if column[2] == "" {
				t.Errorf("%s.%s has no comment", view, column[0])
			}
			want += fmt.Sprintf("| `%s` | `%s` | %s |\n", column[0], column[1], column[2])
		}
		if !strings.Contains(section+"\n", want) {
			t.Errorf("%s does not say of %s:\n%s", grafanaPage, view, want)
		}
	}
	for view := range sections {
		t.Errorf("%s describes %s, which is no view", grafanaPage, view)
	}
}

// TestGrafanaPageSQL has the engine read the SQL of the page.
func TestGrafanaPageSQL(t *testing.T) {
	engine := enginetest.Shared(t)
	page, err := os.ReadFile(grafanaPage)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, block := range regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllSubmatch(page, -1) {
		for statement := range strings.SplitSeq(string(block[1]), ";\n") {
			if strings.TrimSpace(statement) == "" {
				continue
			}
			n++
			if _, err := engine.Rows(t.Context(), "EXPLAIN AST "+statement); err != nil {
				t.Errorf("%v in\n%s", err, statement)
			}
		}
	}
	if n < 4 {
		t.Errorf("found %d statements", n)
	}
}

// TestViewsWriteIDs compares the text that the views give an ID with its own.
func TestViewsWriteIDs(t *testing.T) {
	s := openAt(t, enginetest.Shared(t), t.TempDir())
	defer s.Close()
	ids := []event.ID{{}, {15: 1}, {0: 0x80}, {0: 0xff, 15: 0xff}, event.NewID(time.Now(), "a")}
	ids[3] = event.ID(slices.Repeat([]byte{0xff}, 16))
	rapid.Check(t, func(t *rapid.T) {
		ids = append(ids, event.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")))
	})
	var list []string
	for _, id := range ids {
		list = append(list, "toFixedString(unhex('"+hex.EncodeToString(id[:])+"'), 16)")
	}
	rows := texts(t, s, "SELECT "+idText("raw")+" FROM (SELECT arrayJoin(["+strings.Join(list, ",")+"]) AS raw)")
	for i, id := range ids {
		if rows[i][0] != id.String() {
			t.Errorf("% x: got %s, want %s", id[:], rows[i][0], id)
		}
	}
}

// TestViewsOfIncidents publishes as two owners: the views show what the store
// shows, and a person's word beside the engine's.
func TestViewsOfIncidents(t *testing.T) {
	s := openAt(t, enginetest.Shared(t), t.TempDir())
	defer s.Close()
	day := time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC)
	stays, goes := published("stays", day), published("goes", day.Add(time.Hour))
	first := claim(t, s, "first")
	publish(t, s, first, stays, goes)
	second := claim(t, s, "second")
	stays.Timeline.Incident.Title, stays.Digest = "By the second owner", "2"
	goes.Retired = true
	publish(t, s, second, stays, goes)
	// What the first owner writes now was under way when it was fenced.
	insertLate(t, s, first, stays.Timeline.Incident.ID)

	rows := texts(t, s, "SELECT id, title, origin, services, started_at = fromUnixTimestamp64Nano("+fmt.Sprint(day.UnixNano())+", 'UTC') FROM v_incidents")
	want := [][]string{{stays.Timeline.Incident.ID.String(), "By the second owner", "human", "[payments]", "1"}}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("incidents: got %v, want %v", rows, want)
	}
	rows = texts(t, s, "SELECT name, position, origin, at = derived_at, dateDiff('second', derived_at, at), latest IS NULL, actor FROM v_milestones ORDER BY position")
	want = [][]string{{"onset", "1", "derived", "1", "0", "1", ""}, {"acknowledged", "4", "human", "0", "60", "1", "dana"}}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("milestones: got %v, want %v", rows, want)
	}
	rows = texts(t, s, "SELECT name, seconds, basis, origin, `from` FROM v_durations ORDER BY position")
	want = [][]string{
		{"time_to_detect", "3.5", "measured", "derived", "onset"}, {"time_to_notify", "NULL", "missing", "", ""},
		{"time_to_acknowledge", "60", "human", "human", "alerted"}, {"time_to_mitigate", "NULL", "missing", "", ""}, {"time_to_restore", "NULL", "missing", "", ""},
	}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("durations: got %v, want %v", rows, want)
	}
	rows = texts(t, s, "SELECT verdict, score, version, reasons, commits, events FROM v_incident_changes")
	want = [][]string{{"suspect", "0.9", "2.0.0", "[it's near]", "[abc]", "[" + changeID.String() + "]"}}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("changes: got %v, want %v", rows, want)
	}
	for view, want := range map[string]int{"v_gaps": 1, "v_participants": 1, "v_incident_alerts": 1, "v_revisions": 1} {
		if n := len(texts(t, s, "SELECT * FROM "+view)); n != want {
			t.Errorf("%s has %d rows, want %d", view, n, want)
		}
	}
}

var changeID = event.NewID(time.Unix(1, 0), "change")

// published is an incident as the engine derives it, with what a person stated.
func published(name string, at time.Time) storage.Derived {
	id := event.NewID(at, name)
	later, early := at.Add(time.Hour+time.Minute), at.Add(time.Hour)
	return storage.Derived{Signals: []event.ID{id}, Digest: "1", Timeline: timeline.Timeline{
		Incident: timeline.Incident{ID: id, Title: name, Status: timeline.StatusOpen, Services: []string{"payments"}, StartedAt: at, Revision: 1},
		Milestones: []timeline.Milestone{
			{Name: timeline.Onset, At: &at, Earliest: &at, Confidence: 0.9, Rule: "error_burst", Origin: timeline.OriginDerived},
			{Name: timeline.Acknowledged, At: &later, Actor: "dana", Origin: timeline.OriginHuman,
				Derived: &timeline.Milestone{Name: timeline.Acknowledged, At: &early, Origin: timeline.OriginDerived}},
		},
		Changes: []timeline.Change{{ID: changeID, Events: []event.ID{changeID}, At: at, Service: "payments", Version: "2.0.0", Kind: event.ChangeDeploy,
			Status: event.ChangeSucceeded, Verdict: timeline.VerdictSuspect, Score: 0.9, Reasons: []string{"it's near"}, Commits: []timeline.Commit{{SHA: "abc"}}}},
		Participants: []timeline.Participant{{Name: "dana", Did: []string{"acknowledged"}, FirstAt: at, LastAt: later}},
		Gaps:         []timeline.Gap{{Kind: timeline.GapFlapping, Explanation: "It flaps."}},
		Durations: map[timeline.DurationName]timeline.Duration{
			timeline.TimeToDetect:      {Seconds: 3.5, From: timeline.Onset, To: timeline.Detected, Basis: timeline.BasisMeasured},
			timeline.TimeToAcknowledge: {Seconds: 60, From: timeline.Alerted, To: timeline.Acknowledged, Basis: timeline.BasisHuman},
		},
	}}
}

func claim(t *testing.T, s *Store, owner string) storage.Claim {
	t.Helper()
	c, err := s.Claim(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func publish(t *testing.T, s *Store, c storage.Claim, derived ...storage.Derived) {
	t.Helper()
	if err := s.Publish(t.Context(), c, derived); err != nil {
		t.Fatal(err)
	}
}

// insertLate copies an incident's revisions as a fenced owner would write them.
func insertLate(t *testing.T, s *Store, c storage.Claim, id event.ID) {
	t.Helper()
	err := s.conn.Exec(t.Context(), "INSERT INTO revisions (incident, epoch, owner, seq, revision, started_at, title, milestones) "+
		"SELECT incident, "+fmt.Sprint(c.Epoch)+", "+quoteText(c.Owner)+", seq + 1000000000, 99, started_at, 'late', milestones FROM revisions WHERE incident = "+idLiteral(id)+" LIMIT 1")
	if err != nil {
		t.Fatal(err)
	}
}

// TestViewsOfFacts delivers facts more than once, and a chunk that replaces
// another.
func TestViewsOfFacts(t *testing.T) {
	s := openAt(t, enginetest.Shared(t), t.TempDir())
	defer s.Close()
	day := time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC)
	labels := event.Labels{"alertname": "Down", "app": "payments", "env": "prod", "severity": "Critical"}
	sighting := event.Observation{Fingerprint: labels.Fingerprint(), StartsAt: day, Labels: labels, Annotations: event.Labels{"a": "it's"},
		FiringSeenAt: day, FirstReceivedAt: day, LastReceivedAt: day, Roads: []event.Road{event.RoadWebhook}}
	end := sighting
	end.EndedAt, end.FiringSeenAt, end.Roads, end.LastReceivedAt = day.Add(time.Minute), time.Time{}, []event.Road{event.RoadRecorder}, day.Add(time.Minute)
	again := sighting // within the first one: a second Prometheus tells another start
	again.StartsAt = day.Add(30 * time.Second)
	again.EndedAt = day.Add(2 * time.Minute)
	told := fact(day, event.KindNotification, "n")
	told.Notification = &event.Notification{Receiver: "pager", Firing: []event.AlertRef{{Fingerprint: labels.Fingerprint()}}}
	started, finished := fact(day, event.KindChange, "started"), fact(day.Add(time.Minute), event.KindChange, "finished")
	started.Change = &event.Change{Run: "7", Kind: event.ChangeDeploy, Status: event.ChangeStarted, Version: "2", Actor: "mira"}
	finished.Change = &event.Change{Run: "7", Kind: event.ChangeDeploy, Status: event.ChangeSucceeded, Version: "2", Commit: "abc"}
	message := fact(day.Add(time.Minute), event.KindMessage, "m")
	message.Message = &event.Message{Author: "dana", Text: "Payments is down"}
	silence := fact(day, event.KindSilence, "s")
	silence.Silence = &event.Silence{ID: "1", Action: event.SilenceCreated, MatcherSets: [][]event.Matcher{{{Name: "app", Op: "=~", Value: "pay.*"}}}, CreatedBy: "dana"}
	acknowledged := fact(day.Add(time.Minute), event.KindAcknowledgement, "a")
	acknowledged.Acknowledgement = &event.Acknowledgement{Actor: "dana", Alerts: []event.AlertRef{{Fingerprint: labels.Fingerprint()}}}
	batch := event.Batch{
		Observations: []event.Observation{sighting, end, again},
		Events:       []event.Event{told, started, finished, message, silence, acknowledged},
		Chunks:       []event.Chunk{logChunk(1, day, 3, 1), logChunk(2, day, 3, 1)},
		Asides:       []event.Aside{{ID: event.NewID(day, "x"), ReceivedAt: day, Road: event.RoadDeploys, Class: "malformed", Reason: "no", Raw: []byte("{")}},
	}
	for range 2 {
		if err := s.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Append(t.Context(), event.Batch{Chunks: []event.Chunk{logChunk(3, day, 5, 2)}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), event.Batch{Chunks: []event.Chunk{logChunk(3, day, 7, 3)}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		query string
		want  [][]string
	}{
		{"SELECT alertname, service, environment, severity, ended, expired, roads, labels['app'], annotations['a'] FROM v_alerts ORDER BY starts_at LIMIT 1",
			[][]string{{"Down", "payments", "prod", "critical", "true", "false", "[alertmanager-events alertmanager-webhook]", "payments", "it's"}}},
		{"SELECT fingerprint, alertname, dateDiff('second', starts_at, ends_at), length(alerts), acknowledged, changed, discussed FROM v_firings",
			[][]string{{labels.Fingerprint().String(), "Down", "120", "2", "true", "true", "true"}}},
		{"SELECT receiver, firing, resolved, to_hindcast, fingerprints FROM v_notifications", [][]string{{"pager", "1", "0", "false", "[" + labels.Fingerprint().String() + "]"}}},
		{"SELECT status, version FROM v_changes ORDER BY at", [][]string{{"started", "2"}, {"succeeded", "2"}}},
		{"SELECT id, kind, status, actor, reports, dateDiff('second', started_at, finished_at), commits FROM v_change_runs",
			[][]string{{started.ID.String(), "deploy", "succeeded", "mira", "2", "60", "[abc]"}}},
		{"SELECT action, created_by, matchers, starts_at FROM v_silences", [][]string{{"created", "dana", `[{app=~"pay.*"}]`, "NULL"}}},
		{"SELECT actor, fingerprints FROM v_acknowledgements", [][]string{{"dana", "[" + labels.Fingerprint().String() + "]"}}},
		{"SELECT author, text FROM v_messages", [][]string{{"dana", "Payments is down"}}},
		{"SELECT class, bytes FROM v_asides", [][]string{{"malformed", "1"}}},
		// Two chunks tell of the same three lines; the third's five were replaced.
		{"SELECT sum(n), groupUniqArray(level), groupUniqArray(template) FROM v_log_counts", [][]string{{"10", "[error]", "[it <n>]"}}},
		{"SELECT count(), uniq(text) FROM v_log_lines WHERE service = 'payments' AND level = 'error' AND labels['own'] = '1' AND labels['app'] = 'payments'",
			[][]string{{"13", "7"}}},
	} {
		if got := texts(t, s, c.query); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %v\nwant %v", c.query, got, c.want)
		}
	}
}

// TestViewOfOddLabels: labels that are not UTF-8 do not hide the others.
func TestViewOfOddLabels(t *testing.T) {
	s := openAt(t, enginetest.Shared(t), t.TempDir())
	defer s.Close()
	c := logChunk(1, outage, 1, 1)
	c.Streams[0].Labels = event.Labels{"good": "größe", "odd": "x\xffy"}
	if err := s.Append(t.Context(), event.Batch{Chunks: []event.Chunk{c}}); err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"größe", "x\U0010ffffy"}}
	if got := texts(t, s, "SELECT labels['good'], labels['odd'] FROM v_log_lines"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestViewsOfLogsUseTheOrder wants a query of a time and a service to read the
// parts and granules of these alone: conditions must reach the tables through
// the views.
func TestViewsOfLogsUseTheOrder(t *testing.T) {
	s := openAt(t, enginetest.Shared(t), t.TempDir())
	defer s.Close()
	day := time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC)
	var batch event.Batch
	for i := range 10 {
		batch.Chunks = append(batch.Chunks, logChunk(byte(i), day.AddDate(0, 0, i), 3, 1))
	}
	if err := s.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	for view, column := range map[string]string{"v_log_lines": "at", "v_log_counts": "second"} {
		query := fmt.Sprintf("EXPLAIN indexes = 1 SELECT * FROM %[1]s WHERE service = 'payments' AND %[2]s >= toDateTime(%[3]d) AND %[2]s <= toDateTime(%[4]d)",
			view, column, day.Unix()-60, day.Unix()+60)
		var plan []string
		for _, row := range texts(t, s, query) {
			plan = append(plan, strings.TrimSpace(row[0]))
		}
		text := strings.Join(plan, "\n")
		if !strings.Contains(text, "Parts: 1/10\n") {
			t.Errorf("%s reads more than one day of ten:\n%s", view, text)
		}
		if !regexp.MustCompile(`PrimaryKey\nKeys:\n(\w+\n)?service\n`).MatchString(text) {
			t.Errorf("%s does not use the order by service:\n%s", view, text)
		}
	}
}

func fact(at time.Time, kind event.Kind, name string) event.Event {
	return event.Event{ID: event.NewID(at, name), Kind: kind, OccurredAt: at, ReceivedAt: at, Road: event.RoadEnvelope, Service: "payments"}
}

// logChunk is a chunk of n lines of one second.
func logChunk(id byte, at time.Time, n int, digest uint64) event.Chunk {
	c := event.Chunk{ID: event.ChunkID{id}, ReceivedAt: at, Road: event.RoadLoki,
		Streams: []event.Stream{{Service: "payments", Labels: event.Labels{"app": "payments"}}}}
	for i := range n {
		c.Lines = append(c.Lines, event.Line{At: at, Level: event.LevelError, Pattern: 5, Text: fmt.Sprint("it ", i), Metadata: event.Labels{"own": "1"}})
	}
	c.Counts = []event.Count{{
		CountKey: event.CountKey{Service: "payments", Level: event.LevelError, Pattern: 5, Second: at.Unix()},
		N:        int64(n), First: at, Last: at, Digest: digest, Template: "it <n>", Sample: "it 0",
	}}
	return c
}

// texts asks the store's database, every value as text.
func texts(t *testing.T, s *Store, query string) (all [][]string) {
	t.Helper()
	err := s.rows(context.WithoutCancel(t.Context()), query, func(r driver.Rows) error {
		var values []any
		for _, column := range r.ColumnTypes() {
			values = append(values, reflect.New(column.ScanType()).Interface())
		}
		if err := r.Scan(values...); err != nil {
			return err
		}
		var row []string
		for _, value := range values {
			v := reflect.ValueOf(value).Elem()
			for v.Kind() == reflect.Pointer && !v.IsNil() {
				v = v.Elem()
			}
			if v.Kind() == reflect.Pointer {
				row = append(row, "NULL")
			} else {
				row = append(row, fmt.Sprint(v.Interface()))
			}
		}
		all = append(all, row)
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return all
}
