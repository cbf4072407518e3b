package clickhouse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// outage is when the tests' incidents began.
var outage = time.Date(2026, 3, 14, 9, 26, 53, 589793238, time.UTC)

// openProcess opens a database as another process would.
func openProcess(t *testing.T, dsn string) *Store {
	t.Helper()
	return openDSN(t, dsn, Options{})
}

func claimOf(t *testing.T, s *Store, owner string) storage.Claim {
	t.Helper()
	c, err := s.Claim(t.Context(), owner)
	if err != nil {
		t.Fatalf("claim: %v", err)
	}
	return c
}

func publishAs(t *testing.T, s *Store, c storage.Claim, derived ...storage.Derived) {
	t.Helper()
	if err := s.Publish(t.Context(), c, derived); err != nil {
		t.Fatalf("publish: %v", err)
	}
}

// titled is an incident to publish, known by its name.
func titled(name, title string) storage.Derived {
	ended := outage.Add(time.Hour)
	id := event.NewID(outage, "incident", name)
	return storage.Derived{
		Timeline: timeline.Timeline{Incident: timeline.Incident{ID: id, Title: title, Status: timeline.StatusClosed, StartedAt: outage, EndedAt: &ended}},
		Signals:  []event.ID{id},
	}
}

// wantTitle checks which revision of an incident is seen, by its title; "" for
// none. All readers are asked.
func wantTitle(t *testing.T, s *Store, name, want string) {
	t.Helper()
	id := titled(name, "").Timeline.Incident.ID
	tl, err := s.Timeline(t.Context(), id)
	if want == "" {
		if !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("incident %s: got %q and error %v, want it not found", name, tl.Incident.Title, err)
		}
	} else if err != nil || tl.Incident.Title != want {
		t.Errorf("incident %s: got %q and error %v, want %q", name, tl.Incident.Title, err, want)
	}
	page, err := s.Incidents(t.Context(), storage.IncidentQuery{})
	if err != nil {
		t.Fatalf("incidents: %v", err)
	}
	published, err := s.Published(t.Context(), time.Time{})
	if err != nil {
		t.Fatalf("published: %v", err)
	}
	for _, p := range published {
		page.Incidents = append(page.Incidents, p.Incident)
	}
	seen := 0
	for _, in := range page.Incidents {
		if in.ID == id {
			seen++
			if in.Title != want {
				t.Errorf("incident %s in a list: got %q, want %q", name, in.Title, want)
			}
		}
	}
	if want != "" && seen != 2 {
		t.Errorf("incident %s: got it %d times in both lists, want twice", name, seen)
	}
}

// insertByHand writes a revision as an owner would that asks nobody.
func insertByHand(t *testing.T, s *Store, c storage.Claim, seq int64, at time.Time, d storage.Derived) {
	t.Helper()
	var row revisionRow
	if err := row.encode(&d); err != nil {
		t.Fatal(err)
	}
	row.Seq = seq
	statement := revisionsInsert(c, []revisionRow{row})
	statement, _, _ = strings.Cut(statement, " WHERE (SELECT max((epoch, owner))")
	statement = strings.Replace(statement, "revisions (epoch,", "revisions (at, epoch,", 1)
	statement = strings.Replace(statement, ") SELECT ", ") SELECT "+timeLiteral(at)+", ", 1)
	if err := s.command(t.Context(), statement); err != nil {
		t.Fatalf("insert a revision: %v", err)
	}
}

func claimByHand(t *testing.T, s *Store, c storage.Claim, at time.Time) {
	t.Helper()
	err := s.command(t.Context(), fmt.Sprintf("INSERT INTO claims (epoch, owner, claimed_at) SELECT %d, %s, %s", c.Epoch, quoteText(c.Owner), timeLiteral(at)))
	if err != nil {
		t.Fatalf("insert a claim: %v", err)
	}
}

// TestTwoOwnersOfOneEpoch: two processes made the same claim at once, each
// without seeing the other's. The greater owner has it.
func TestTwoOwnersOfOneEpoch(t *testing.T) {
	s := openProcess(t, enginetest.Shared(t).Database(t))
	a, b := storage.Claim{Epoch: 7, Owner: "a"}, storage.Claim{Epoch: 7, Owner: "b"}
	now := time.Now()
	claimByHand(t, s, a, now.Add(-time.Minute))
	claimByHand(t, s, b, now.Add(-time.Minute+time.Millisecond))
	if err := s.Publish(t.Context(), a, []storage.Derived{titled("x", "of a")}); !errors.Is(err, storage.ErrFenced) {
		t.Errorf("publish of the lesser owner: got error %v, want %v", err, storage.ErrFenced)
	}
	publishAs(t, s, b, titled("x", "of b"))
	insertByHand(t, s, a, 1<<60, now, titled("x", "of a, late"))
	insertByHand(t, s, a, 1, now, titled("y", "of a, late"))
	wantTitle(t, s, "x", "of b")
	wantTitle(t, s, "y", "")
	if c := claimOf(t, s, "c"); c.Epoch != 8 {
		t.Errorf("next claim: got epoch %d, want 8", c.Epoch)
	}
}

// TestLateRevisions: what a fenced owner wrote before it was fenced stays, and
// what it wrote after that is not seen, also when nobody wrote of the incident
// since, and when it says that the incident is gone.
func TestLateRevisions(t *testing.T) {
	s := openProcess(t, enginetest.Shared(t).Database(t))
	a, b, c := storage.Claim{Epoch: 1, Owner: "z"}, storage.Claim{Epoch: 2, Owner: "y"}, storage.Claim{Epoch: 3, Owner: "x"}
	minute := func(n int) time.Time { return time.Now().Add(time.Duration(n-60) * time.Minute) }
	claimByHand(t, s, a, minute(0))
	insertByHand(t, s, a, 1, minute(1), titled("kept", "before"))
	insertByHand(t, s, a, 2, minute(1), titled("taken", "before"))
	insertByHand(t, s, a, 3, minute(1), titled("retired", "before"))
	wantTitle(t, s, "kept", "before")
	claimByHand(t, s, b, minute(2))
	insertByHand(t, s, b, 1, minute(3), titled("taken", "of the new owner"))
	insertByHand(t, s, b, 2, minute(3), storage.Derived{Timeline: titled("retired", "").Timeline, Retired: true})
	insertByHand(t, s, a, 4, minute(4), titled("kept", "late"))
	insertByHand(t, s, a, 5, minute(4), titled("taken", "late"))
	insertByHand(t, s, a, 6, minute(4), titled("new", "late"))
	insertByHand(t, s, a, 7, minute(4), titled("retired", "late"))
	check := func() {
		t.Helper()
		wantTitle(t, s, "kept", "before")
		wantTitle(t, s, "taken", "of the new owner")
		wantTitle(t, s, "new", "")
		wantTitle(t, s, "retired", "")
	}
	check()
	claimByHand(t, s, c, minute(5))
	insertByHand(t, s, b, 8, minute(6), titled("new", "later still"))
	insertByHand(t, s, b, 9, minute(6), storage.Derived{Timeline: titled("kept", "").Timeline, Retired: true})
	check()
	// A claim that was made with an older epoch fences only what is older still.
	claimByHand(t, s, storage.Claim{Epoch: 2, Owner: "a"}, minute(2))
	check()
}

// TestManyClaims: a condition names the last claims only, and says the same of
// the revisions of all.
func TestManyClaims(t *testing.T) {
	s := openProcess(t, enginetest.Shared(t).Database(t))
	from := time.Now().Add(-time.Hour)
	const claims = 2*mostFences + 50
	err := s.command(t.Context(), fmt.Sprintf("INSERT INTO claims (epoch, owner, claimed_at) SELECT number + 1, 'o', %s + toIntervalSecond(number + 1) FROM numbers(%d)", timeLiteral(from), claims))
	if err != nil {
		t.Fatal(err)
	}
	at := func(seconds float64) time.Time { return from.Add(time.Duration(seconds * float64(time.Second))) }
	for _, epoch := range []int{1, mostFences + 49, mostFences + 50, mostFences + 51, mostFences + 52, claims - 1, claims} {
		c := storage.Claim{Epoch: int64(epoch), Owner: "o"}
		name := fmt.Sprint("of ", epoch)
		insertByHand(t, s, c, 1, at(float64(epoch)+0.5), titled(name, "in time"))
		if epoch < claims {
			insertByHand(t, s, c, 2, at(claims+1), titled(name, "late"))
		}
		wantTitle(t, s, name, "in time")
	}
}

// TestClaimsAtOnce: processes that claim at the same time get claims of their
// own, and the one with the greatest can publish.
func TestClaimsAtOnce(t *testing.T) {
	dsn := enginetest.Shared(t).Database(t)
	stores := []*Store{openProcess(t, dsn), openProcess(t, dsn), openProcess(t, dsn)}
	var mu sync.Mutex
	owners := make(map[storage.Claim]*Store)
	var greatest storage.Claim
	var wg sync.WaitGroup
	for i, s := range stores {
		wg.Go(func() {
			for n := range 6 {
				c, err := s.Claim(t.Context(), fmt.Sprint("owner ", (i+n)%3, i))
				if err != nil {
					t.Errorf("claim: %v", err)
					return
				}
				mu.Lock()
				if owners[c] != nil {
					t.Errorf("claim %+v was given twice", c)
				}
				owners[c] = s
				if c.Epoch > greatest.Epoch || c.Epoch == greatest.Epoch && c.Owner > greatest.Owner {
					greatest = c
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for c, s := range owners {
		err := s.Publish(t.Context(), c, []storage.Derived{titled("x", fmt.Sprint(c))})
		if c == greatest && err != nil || c != greatest && !errors.Is(err, storage.ErrFenced) {
			t.Errorf("publish with %+v, the greatest is %+v: got error %v", c, greatest, err)
		}
	}
	wantTitle(t, stores[0], "x", fmt.Sprint(greatest))
}

// TestLatePublish: a process stands still between the moment it asked who the
// owner is and its insert, while another one takes over.
func TestLatePublish(t *testing.T) {
	engine := enginetest.Shared(t)
	dsn := engine.Database(t)
	proxy := enginetest.NewProxy(t, engine)
	slow, other := openProcess(t, proxy.DSN(dsn)), openProcess(t, dsn)
	a := claimOf(t, slow, "a")
	publishAs(t, slow, a, titled("x", "of a"))
	held, release := proxy.HoldNext(statement("INSERT INTO revisions"))
	done := make(chan error, 1)
	go func() {
		done <- slow.Publish(t.Context(), a, []storage.Derived{titled("x", "of a, late"), titled("y", "of a, late")})
	}()
	<-held
	b := claimOf(t, other, "b")
	publishAs(t, other, b, titled("x", "of b"))
	release()
	if err := <-done; !errors.Is(err, storage.ErrFenced) {
		t.Errorf("late publish: got error %v, want %v", err, storage.ErrFenced)
	}
	for _, s := range []*Store{slow, other} {
		wantTitle(t, s, "x", "of b")
		wantTitle(t, s, "y", "")
	}
}

// TestFencedJustAfter: a publication that the engine has when another process
// takes over counts, and its owner is told so.
func TestFencedJustAfter(t *testing.T) {
	engine := enginetest.Shared(t)
	dsn := engine.Database(t)
	proxy := enginetest.NewProxy(t, engine)
	slow, other := openProcess(t, proxy.DSN(dsn)), openProcess(t, dsn)
	a := claimOf(t, slow, "a")
	publishAs(t, slow, a, titled("x", "of a"))
	// The question after the insert is held; the one before it goes through.
	asked := 0
	isClaim := statement("SELECT epoch, owner FROM claims")
	held, release := proxy.HoldNext(func(r *http.Request) bool {
		if isClaim(r) {
			asked++
		}
		return asked == 2
	})
	done := make(chan error, 1)
	go func() { done <- slow.Publish(t.Context(), a, []storage.Derived{titled("y", "just in time")}) }()
	<-held
	claimOf(t, other, "b")
	release()
	if err := <-done; err != nil {
		t.Errorf("publish that was in time: got error %v", err)
	}
	wantTitle(t, other, "y", "just in time")
	if err := slow.Publish(t.Context(), a, []storage.Derived{titled("y", "late")}); !errors.Is(err, storage.ErrFenced) {
		t.Errorf("next publish: got error %v, want %v", err, storage.ErrFenced)
	}
}

// statement matches requests whose body begins with a text: statements that
// carry no rows are in the body.
func statement(begins string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		if r.Body == nil {
			return false
		}
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		return err == nil && bytes.HasPrefix(body, []byte(begins))
	}
}

// TestClaimInsertedTwice: a claim whose insert was repeated on its way does not
// fence itself.
func TestClaimInsertedTwice(t *testing.T) {
	s := openProcess(t, enginetest.Shared(t).Database(t))
	first := claimOf(t, s, "a")
	if err := s.command(t.Context(), "INSERT INTO claims (epoch, owner) SELECT epoch, owner FROM claims"); err != nil {
		t.Fatal(err)
	}
	publishAs(t, s, first, titled("it", "of the first"))
	wantTitle(t, s, "it", "of the first")
	publishAs(t, s, claimOf(t, s, "b"), titled("it", "of the second"))
	wantTitle(t, s, "it", "of the second")
}

// TestLargeTimeline publishes a timeline whose statement is longer than the
// engine takes unasked: to refuse it would hold up all others.
func TestLargeTimeline(t *testing.T) {
	s := openProcess(t, enginetest.Shared(t).Database(t)+"?max_query_size=2000000")
	title := strings.Repeat(`"\\`, 1<<16)
	publishAs(t, s, claimOf(t, s, "a"), titled("it", title))
	tl, err := s.Timeline(t.Context(), titled("it", "").Timeline.Incident.ID)
	if err != nil || tl.Incident.Title != title {
		t.Errorf("got a title of %d bytes and error %v, want %d bytes", len(tl.Incident.Title), err, len(title))
	}
}
