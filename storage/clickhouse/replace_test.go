package clickhouse

import (
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// versionsOf counts the lines that readers see, by version, and checks that the
// counts say the same.
func versionsOf(t *testing.T, s *Store) map[string]uint64 {
	t.Helper()
	seen := make(map[string]uint64)
	for _, query := range []string{
		"SELECT version, count() FROM lines FINAL WHERE " + visibleSources + " GROUP BY version",
		"SELECT version, sum(n) FROM counts FINAL WHERE " + visibleSources + " GROUP BY version",
	} {
		found := make(map[string]uint64)
		err := s.rows(t.Context(), query, func(r driver.Rows) error {
			var version string
			var n uint64
			err := r.Scan(&version, &n)
			found[version] = n
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(seen) > 0 && fmt.Sprint(seen) != fmt.Sprint(found) {
			t.Errorf("lines are %v, counts are %v", seen, found)
		}
		seen = found
	}
	return seen
}

// A chunk replaces the one with its ID, also by what it held before, and by
// nothing.
func TestChunksAreReplaced(t *testing.T) {
	s := openNew(t)
	a, b, empty := testChunk("x", "A", 10, time.Hour), testChunk("x", "B", 7, time.Hour), testChunk("x", "", 0, time.Hour)
	mustAppend(t, s, event.Batch{Chunks: []event.Chunk{testChunk("y", "other", 3, time.Hour)}})
	for i, step := range []struct {
		chunks []event.Chunk
		want   map[string]uint64
	}{
		{[]event.Chunk{a}, map[string]uint64{"other": 3, "A": 10}},
		{[]event.Chunk{a}, map[string]uint64{"other": 3, "A": 10}},
		{[]event.Chunk{b}, map[string]uint64{"other": 3, "B": 7}},
		{[]event.Chunk{a}, map[string]uint64{"other": 3, "A": 10}},
		{[]event.Chunk{b}, map[string]uint64{"other": 3, "B": 7}},
		{[]event.Chunk{empty}, map[string]uint64{"other": 3}},
		{[]event.Chunk{empty}, map[string]uint64{"other": 3}},
		{[]event.Chunk{a, b}, map[string]uint64{"other": 3, "B": 7}},
		{[]event.Chunk{b, empty, a}, map[string]uint64{"other": 3, "A": 10}},
		{[]event.Chunk{empty}, map[string]uint64{"other": 3}},
		{[]event.Chunk{b}, map[string]uint64{"other": 3, "B": 7}},
	} {
		mustAppend(t, s, event.Batch{Chunks: step.chunks})
		if got := versionsOf(t, s); fmt.Sprint(got) != fmt.Sprint(step.want) {
			t.Errorf("step %d: got lines %v, want %v", i, got, step.want)
		}
		if i%4 == 3 {
			optimize(t, s)
			if got := versionsOf(t, s); fmt.Sprint(got) != fmt.Sprint(step.want) {
				t.Errorf("step %d, merged: got lines %v, want %v", i, got, step.want)
			}
		}
	}
}

// A batch may span more partitions than an insert may.
func TestManyPartitions(t *testing.T) {
	s := openNew(t)
	b := event.Batch{Chunks: []event.Chunk{testChunk("long", "1", 230, 12*time.Hour), testChunk("other", "2", 20, -24*time.Hour)}}
	for i := range 60 {
		at := appendTime.AddDate(0, i-30, 0)
		b.Events = append(b.Events, testEvent(i, at))
		b.Observations = append(b.Observations, testObservation(i, at, at.Add(time.Minute)))
		b.Asides = append(b.Asides, event.Aside{ID: event.NewID(at, fmt.Sprint(i)), ReceivedAt: at})
	}
	mustAppend(t, s, b)
	for table, want := range map[string]uint64{"lines": 250, "counts": 250, "events": 60, "observations": 60, "asides": 60, "chunks": 2} {
		if got := count(t, s, table); got != want {
			t.Errorf("%s: got %d rows, want %d", table, got, want)
		}
	}
	counts, err := s.Counts(t.Context(), storage.CountQuery{})
	if err != nil || len(counts) != 250 {
		t.Errorf("counts: got %d and error %v, want 250", len(counts), err)
	}
}

func TestInsertsAreSplit(t *testing.T) {
	var rows dealer[lineRows]
	for i := range 3 * 170 {
		r := rows.builder(int32(i % 170))
		r.n = append(r.n, uint32(i))
	}
	blocks := rows.blocks((*lineRows).columns)
	blocks = append(blocks, block{[]any{}, []int32{3, 1000}}, block{[]any{}, []int32{169}})
	seen := make(map[int32]bool)
	for i, b := range blocks[:4] {
		if len(b.partitions) > maxPartitions {
			t.Errorf("block %d has rows of %d partitions, want %d at most", i, len(b.partitions), maxPartitions)
		}
		for _, p := range b.partitions {
			if seen[p] {
				t.Errorf("partition %d is in two blocks of one chunk", p)
			}
			seen[p] = true
		}
	}
	list := inserts("lines", linesTable, blocks)
	if len(list) != 4 || len(list[3].blocks) != 3 {
		t.Errorf("got %d inserts, the last of %d blocks, want 4 and 3", len(list), len(list[len(list)-1].blocks))
	}
}

// Equal content has an equal source; whatever differs makes another.
func TestSourceOf(t *testing.T) {
	base := func() event.Chunk { return testChunk("s", "1", 4, time.Second) }
	want := base()
	later := base()
	later.ReceivedAt = later.ReceivedAt.Add(time.Hour)
	if sourceOf(&later) != sourceOf(&want) {
		t.Error("a chunk that is received again has another source")
	}
	seen := map[uint64]string{sourceOf(&want): "the chunk itself"}
	for name, change := range map[string]func(*event.Chunk){
		"ID":          func(c *event.Chunk) { c.ID[0]++ },
		"service":     func(c *event.Chunk) { c.Streams[0].Service = "x" },
		"label":       func(c *event.Chunk) { c.Streams[0].Labels = event.Labels{"app": "x"} },
		"no stream":   func(c *event.Chunk) { c.Streams = c.Streams[:1] },
		"text":        func(c *event.Chunk) { c.Lines[3].Text = "x" },
		"time":        func(c *event.Chunk) { c.Lines[3].At = c.Lines[3].At.Add(1) },
		"level":       func(c *event.Chunk) { c.Lines[3].Level++ },
		"metadata":    func(c *event.Chunk) { c.Lines[3].Metadata = nil },
		"no line":     func(c *event.Chunk) { c.Lines = c.Lines[:3] },
		"no count":    func(c *event.Chunk) { c.Counts = c.Counts[:3] },
		"number":      func(c *event.Chunk) { c.Counts[3].N++ },
		"digest":      func(c *event.Chunk) { c.Counts[3].Digest++ },
		"sample":      func(c *event.Chunk) { c.Counts[3].Sample = "x" },
		"no upstream": func(c *event.Chunk) { c.Counts[1].Upstreams = nil },
		"shift":       func(c *event.Chunk) { c.Lines[0].Version, c.Lines[0].Trace = "14", "bf92f" },
	} {
		c := base()
		change(&c)
		source := sourceOf(&c)
		if other, known := seen[source]; known {
			t.Errorf("with another %s the source is that of %s", name, other)
		}
		seen[source] = name
	}
}
