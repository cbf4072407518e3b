package clickhouse

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// fill stores much in little time: a day of lines of 10 services and counts of 50,
// and nine months of events and observations.
func fill(t *testing.T, s *Store) {
	t.Helper()
	start := began.Truncate(24 * time.Hour)
	id := func(seconds string) string {
		return fmt.Sprintf("toFixedString(concat(substring(reverse(reinterpretAsFixedString(toInt64(%d + 1000 * (%s)))), 3, 6), substring(MD5(toString(number)), 1, 10)), 16)", start.UnixMilli(), seconds)
	}
	at := func(nanos string) string {
		return fmt.Sprintf("fromUnixTimestamp64Nano(toInt64(%d + (%s)), 'UTC')", start.UnixNano(), nanos)
	}
	for _, query := range []string{
		"INSERT INTO lines (service, at, source, n, level, pattern, labels, text) SELECT concat('service-', toString(number % 10)), " +
			at("number * 86000000") + ", intDiv(number, 1000), number % 1000, number % 6, number % 977, '', 'a line' FROM numbers(1000000)",
		"INSERT INTO counts (minute, service, level, pattern, second, source, n, first, last, digest, received_at, template, sample) SELECT " +
			fmt.Sprintf("toInt32(%d + intDiv(number, 350)), concat('service-', toString(number %% 50)), number %% 6, number %% 977, ", start.Unix()/60) +
			at("intDiv(number, 350) * 60000000000 + number % 60 * 1000000000") + ", intDiv(number, 1000), 1, " + at("0") + ", " + at("0") + ", number, " + at("0") + ", '', 'a sample' FROM numbers(500000)",
		"INSERT INTO events (id, kind, occurred_at, received_at, body) SELECT " + id("number * 120") + ", 'message', " + at("number * 120000000000") + ", " + at("0") + ", '{}' FROM numbers(200000)",
		"INSERT INTO observations (id, fingerprint, starts_at, seen_until, first_received_at, last_received_at) SELECT " + id("number * 120") + ", number, " +
			at("number * 120000000000") + ", " + at("(number * 120 + 600) * 1000000000") + ", " + at("0") + ", " + at("0") + " FROM numbers(200000)",
		"INSERT INTO journal (at, batch, events, observations, sources, from_minute, until_minute, counts) SELECT now64(6) - toIntervalMillisecond(number * 500), number, " +
			"[" + id("number * 120") + "], [" + id("number * 120") + "], [intDiv(number, 350)], " + fmt.Sprintf("%[1]d + intDiv(number, 350), %[1]d + intDiv(number, 350) + 3", start.Unix()/60) + ", 1 FROM numbers(100000)",
	} {
		exec(t, s, query+" SETTINGS max_partitions_per_insert_block = 0")
	}
}

// reads is what the engine would read of one table for a query.
type reads struct {
	table           string
	granules, total int
	keys            string
}

// explain asks the engine which parts of the tables a query reads.
func explain(t *testing.T, s *Store, query string) []reads {
	t.Helper()
	var text strings.Builder
	err := s.rows(t.Context(), "EXPLAIN indexes = 1, json = 1 "+query, func(r driver.Rows) error {
		var line string
		err := r.Scan(&line)
		text.WriteString(line)
		return err
	})
	if err != nil {
		t.Fatalf("explain %s: %v", query, err)
	}
	var plans []struct {
		Plan planNode `json:"Plan"`
	}
	if err := json.Unmarshal([]byte(text.String()), &plans); err != nil {
		t.Fatalf("read the plan of %s: %v\n%s", query, err, text.String())
	}
	var list []reads
	for _, p := range plans {
		p.Plan.collect(&list)
	}
	return list
}

type planNode struct {
	Type        string     `json:"Node Type"`
	Description string     `json:"Description"`
	Plans       []planNode `json:"Plans"`
	Indexes     []struct {
		Type             string `json:"Type"`
		Name             string `json:"Name"`
		InitialGranules  int    `json:"Initial Granules"`
		SelectedGranules int    `json:"Selected Granules"`
	} `json:"Indexes"`
}

func (p *planNode) collect(list *[]reads) {
	if strings.HasPrefix(p.Type, "ReadFromMergeTree") && len(p.Indexes) > 0 {
		_, table, _ := strings.Cut(p.Description, ".")
		r := reads{table: table, total: p.Indexes[0].InitialGranules}
		for _, x := range p.Indexes {
			r.granules = x.SelectedGranules
			r.keys += x.Type + " " + x.Name + ";"
		}
		*list = append(*list, r)
	}
	for i := range p.Plans {
		p.Plans[i].collect(list)
	}
}

// The queries that are asked often read little of tables that hold much.
func TestHotQueriesReadLittle(t *testing.T) {
	s := openNew(t)
	fill(t, s)
	day := began.Truncate(24 * time.Hour)
	noon := day.Add(12 * time.Hour)
	position := feedPosition{low: time.Now().Add(-time.Minute).UnixMicro(), high: time.Now().UnixMicro()}
	found, err := s.journalFrom(t.Context(), &position, 100)
	if err != nil || len(found.rows) < 50 {
		t.Fatalf("the journal: %d rows and error %v", len(found.rows), err)
	}
	taken := found.take(&position, 50)
	for i := range taken {
		taken[i].counts = 1
	}
	counts, _ := countsQuery(storage.CountQuery{From: noon, To: noon.Add(10 * time.Minute), Services: []string{"service-7"}, MinLevel: event.LevelWarn})
	line := lineReader{s: s, q: storage.LineQuery{Service: "service-7"}}
	anyLine := lineReader{s: s}
	for _, c := range []struct {
		name, query, table string
		most               int // granules
	}{
		{"the feed's journal", journalQuery(&position, 1000), "journal", 4},
		{"the tip", tipQuery(), "journal", 4},
		{"events of the feed", eventsOfQuery(taken), "events", 20},
		{"observations of the feed", observationsOfQuery(taken), "observations", 20},
		{"counts of the feed", countsOfQuery(taken), "counts", 3},
		{"events by ID", "SELECT " + eventFields + " FROM events FINAL WHERE id IN " + idList([]event.ID{idAt(noon.UnixMilli()), idAt(day.UnixMilli() + 1e9)}) + finalByPartition, "events", 4},
		{"an event", "SELECT " + eventFields + " FROM events FINAL WHERE id = " + idLiteral(idAt(noon.UnixMilli())) + finalByPartition, "events", 2},
		{"a window of events", windowEventIDs(noon, noon.Add(time.Hour), event.ID{}, windowPage), "events", 2},
		{"a window of observations", windowObservationIDs(noon, noon.Add(time.Hour), event.ID{}, windowPage), "observations", 2},
		{"counts of a window", counts, "counts", 3},
		{"a log fact's key", logKeysQuery([]int64{noon.Unix()}), "counts", 2},
		{"a log fact", logsQuery([]event.CountKey{{Service: "service-7", Pattern: 7, Second: noon.Unix()}}), "counts", 2},
		{"lines of a service", line.query(noon.UnixNano(), noon.Add(time.Minute).UnixNano(), 101), "lines", 3},
		{"lines of all services", anyLine.query(noon.UnixNano(), noon.Add(time.Minute).UnixNano(), 101), "lines", 30},
	} {
		seen := false
		for _, r := range explain(t, s, c.query) {
			if r.table != c.table {
				continue
			}
			seen = true
			t.Logf("%s: %d of %d granules of %s by %s", c.name, r.granules, r.total, r.table, r.keys)
			if r.granules > c.most {
				t.Errorf("%s: reads %d of %d granules of %s, want at most %d", c.name, r.granules, r.total, r.table, c.most)
			}
			if r.total < 50 {
				t.Errorf("%s: the table has %d granules: that says nothing", c.name, r.total)
			}
		}
		if !seen {
			t.Errorf("%s: the plan does not read %s", c.name, c.table)
		}
	}
}
