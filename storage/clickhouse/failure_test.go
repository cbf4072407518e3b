package clickhouse

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// What an append writes is failed between any two tables in append_test.go. Here
// it is what the correlator and the retention write.

// failures are the ways in which a request fails.
var failures = map[string]func(*enginetest.Proxy, func(*http.Request) bool){
	"not persisted": (*enginetest.Proxy).RefuseNext,
	"persisted":     (*enginetest.Proxy).DropAnswerNext,
}

// A claim that failed may have been made: then it fences those before it, as the
// one that follows does anyway.
func TestFailedClaim(t *testing.T) {
	engine := enginetest.Shared(t)
	for how, fail := range failures {
		t.Run(how, func(t *testing.T) {
			dsn := engine.Database(t)
			proxy := enginetest.NewProxy(t, engine)
			old, s := openProcess(t, dsn), openProcess(t, proxy.DSN(dsn))
			first := claimOf(t, old, "a")
			publishAs(t, old, first, titled("x", "of a"))

			fail(proxy, statement("INSERT INTO claims"))
			if _, err := s.Claim(t.Context(), "b"); !errors.Is(err, storage.ErrUnavailable) {
				t.Fatalf("claim: got error %v, want %v", err, storage.ErrUnavailable)
			}
			err := old.Publish(t.Context(), first, []storage.Derived{titled("x", "of a again")})
			want := "of a again"
			if how == "persisted" {
				want = "of a"
			}
			if fenced := errors.Is(err, storage.ErrFenced); fenced != (how == "persisted") || err != nil && !fenced {
				t.Errorf("publish under the claim before: got error %v", err)
			}
			wantTitle(t, s, "x", want)

			second := claimOf(t, s, "b")
			if second.Epoch <= first.Epoch {
				t.Errorf("claim: got epoch %d behind %d", second.Epoch, first.Epoch)
			}
			publishAs(t, s, second, titled("x", "of b"))
			wantTitle(t, old, "x", "of b")
		})
	}
}

// A publication that failed at any of its tables is made again, and then is what
// one is that went well: found by all its IDs, with what it cites kept.
func TestFailedPublicationIsRepeated(t *testing.T) {
	engine := enginetest.Shared(t)
	for _, table := range []string{"holders", "pinned", "revisions"} {
		for how, fail := range failures {
			t.Run(table+" "+how, func(t *testing.T) {
				t.Parallel()
				proxy := enginetest.NewProxy(t, engine)
				s := openDSN(t, proxy.DSN(engine.Database(t)), Options{})
				chunk := logged("cited", outage)
				mustAppend(t, s, event.Batch{Chunks: []event.Chunk{chunk}})
				cited := chunk.Counts[0].ID()
				claim := claimOf(t, s, "a")
				publishAs(t, s, claim, titled("x", "before"))

				next := titled("x", "after")
				next.Pins = []event.ID{cited}
				next.Signals = append(next.Signals, event.NewID(outage, "signal", "late"))
				slices.SortFunc(next.Signals, event.ID.Compare)
				// What carries rows is sent twice by itself.
				fail(proxy, insertsInto(table))
				fail(proxy, insertsInto(table))
				fail(proxy, statement("INSERT INTO "+table))
				if err := s.Publish(t.Context(), claim, []storage.Derived{next}); !errors.Is(err, storage.ErrUnavailable) {
					t.Fatalf("publish: got error %v, want %v", err, storage.ErrUnavailable)
				}
				if table == "revisions" && how == "persisted" {
					wantTitle(t, s, "x", "after")
				} else {
					wantTitle(t, s, "x", "before")
				}
				publishAs(t, s, claim, next)
				wantTitle(t, s, "x", "after")
				for _, id := range next.Signals {
					if tl, err := s.Timeline(t.Context(), id); err != nil || tl.Incident.ID != next.Timeline.Incident.ID {
						t.Errorf("timeline of signal %s: got incident %s and error %v", id, tl.Incident.ID, err)
					}
				}
				pruneBefore(t, s, outage.Add(time.Hour))
				if f, err := s.Fact(t.Context(), cited); err != nil || f.Log == nil || f.Log.N != 1 {
					t.Errorf("what is cited: got %+v and error %v, want one line", f.Log, err)
				}
			})
		}
	}
}

// A retention that was interrupted at any of its statements is done again, and
// then leaves what one leaves that went well.
func TestFailedPruneIsRepeated(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes a store for each statement")
	}
	engine := enginetest.Shared(t)
	fill := func(t *testing.T, s *Store) {
		t.Helper()
		young := outage.Add(40 * 24 * time.Hour)
		batch := event.Batch{Chunks: []event.Chunk{
			logged("cited", outage), logged("two days later", outage.Add(48*time.Hour)),
			logged("the same day", outage.Add(49*time.Hour)), logged("young", young),
		}}
		for i, at := range []time.Time{outage, outage.Add(48 * time.Hour), outage.Add(49 * time.Hour), young} {
			batch.Events = append(batch.Events, testEvent(i, at))
			batch.Observations = append(batch.Observations, testObservation(i, at, at))
			batch.Asides = append(batch.Asides, event.Aside{ID: event.NewID(at, "aside"), ReceivedAt: at, Road: event.RoadLoki, Reason: "x", Raw: []byte("x")})
		}
		mustAppend(t, s, batch)
		d := titled("x", "it")
		d.Pins = []event.ID{batch.Chunks[0].Counts[0].ID()}
		publishAs(t, s, claimOf(t, s, "a"), d)
	}
	before := outage.Add(48*time.Hour + 30*time.Minute)
	policy := storage.Retention{LinesBefore: before, CountsBefore: before, EventsBefore: before, AsidesBefore: before}
	left := func(t *testing.T, s *Store) map[string][]string {
		t.Helper()
		all := contents(t, s)
		all["pinned"] = textsOf(t, s, "SELECT DISTINCT hex(id) || body FROM pinned FINAL ORDER BY 1")
		delete(all, "journal") // it is not pruned
		return all
	}

	// What one that goes well does says where others can fail.
	proxy := enginetest.NewProxy(t, engine)
	right := openDSN(t, proxy.DSN(engine.Database(t)), Options{})
	fill(t, right)
	var changes changeCount
	proxy.RefuseNext(changes.see) // it sees all and matches none
	if err := right.Prune(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	want, statements := left(t, right), changes.n
	if statements < 6 {
		t.Fatalf("the retention changed things by %d statements: too few to show anything", statements)
	}

	for i := range statements {
		for how, fail := range failures {
			t.Run(fmt.Sprintf("%d of %d %s", i+1, statements, how), func(t *testing.T) {
				t.Parallel()
				proxy := enginetest.NewProxy(t, engine)
				s := openDSN(t, proxy.DSN(engine.Database(t)), Options{})
				fill(t, s)
				var seen changeCount
				fail(proxy, func(r *http.Request) bool { seen.see(r); return seen.is(i + 1) })
				err := s.Prune(t.Context(), policy)
				// What carries rows is sent again by itself.
				if err != nil && !errors.Is(err, storage.ErrUnavailable) {
					t.Fatalf("prune: got error %v, want %v", err, storage.ErrUnavailable)
				}
				if err := s.Prune(t.Context(), policy); err != nil {
					t.Fatalf("prune again: %v", err)
				}
				got := left(t, s)
				for table := range want {
					if !slices.Equal(got[table], want[table]) {
						t.Errorf("%s: got %d rows, want %d", table, len(got[table]), len(want[table]))
					}
				}
			})
		}
	}
}

// changeCount counts the requests that change something.
type changeCount struct {
	mu   sync.Mutex
	n    int
	this bool // the last one that was seen changes something
}

func (c *changeCount) see(r *http.Request) bool {
	text := r.URL.Query().Get("query")
	if text == "" && r.Body != nil {
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if err != nil {
			return false
		}
		text = string(body)
	}
	verb, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.this = slices.Contains([]string{"INSERT", "ALTER", "DELETE", "DROP", "TRUNCATE"}, verb)
	if c.this {
		c.n++
	}
	return false
}

// is reports whether the last request that was seen is the n-th change.
func (c *changeCount) is(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.this && c.n == n
}
