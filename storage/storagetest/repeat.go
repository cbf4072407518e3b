package storagetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// errLost is what a sender sees of an append whose answer was lost.
var errLost = errors.New("the answer was lost")

// flaky is a store whose appends fail, each kind in turn: before anything is
// stored, after a part is, and after all is.
type flaky struct {
	storage.Store
	mu   sync.Mutex
	turn int
}

func (f *flaky) Append(ctx context.Context, b event.Batch) error {
	f.mu.Lock()
	turn := f.turn % 4
	f.turn++
	f.mu.Unlock()
	switch turn {
	case 0: // not persisted
		return errLost
	case 1: // a part of it
		part := event.Batch{Events: b.Events[:len(b.Events)/2], Chunks: b.Chunks[:len(b.Chunks)/2], Observations: b.Observations[:len(b.Observations)/2]}
		return errors.Join(f.Store.Append(ctx, part), errLost)
	case 2: // persisted
		return errors.Join(f.Store.Append(ctx, b), errLost)
	}
	return f.Store.Append(ctx, b)
}

// testRepeats appends batches that fail in all ways until they succeed, by
// several senders at once, and some again: the store holds what one that never
// failed does.
func testRepeats(t *testing.T, open Open) {
	var batches []event.Batch
	for i := range 6 {
		var b event.Batch
		for n := range 7 {
			// Batches share some of their facts.
			b.Events = append(b.Events, message(5*i+n, at(time.Duration(5*i+n)*time.Second)))
			b.Observations = append(b.Observations, observation(3*i+n, at(0), at(time.Duration(3*i+n)*time.Minute)))
			b.Asides = append(b.Asides, event.Aside{ID: event.NewID(at(time.Duration(5*i+n)*time.Second), "aside"), ReceivedAt: at(time.Duration(5*i+n) * time.Second), Raw: []byte("x")})
		}
		for n := range 2 {
			b.Chunks = append(b.Chunks, chunk(fmt.Sprint(i+n), at(time.Duration(i+n)*time.Minute), 3, "payments", "checkout"))
		}
		batches = append(batches, b)
	}
	clean, failing := openStore(t, open), &flaky{Store: openStore(t, open)}
	for _, b := range batches {
		appendBatch(t, clean, b)
	}
	var senders sync.WaitGroup
	for i := range batches {
		senders.Go(func() {
			for done := false; !done; {
				err := failing.Append(context.Background(), batches[i])
				done = err == nil
				if err != nil && !errors.Is(err, errLost) {
					t.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	senders.Wait()
	appendBatch(t, failing.Store, batches[0])
	sameContents(t, failing.Store, clean)
}

// sameContents compares all that two stores hold.
func sameContents(t *testing.T, got, want storage.Store) {
	t.Helper()
	gotFacts, wantFacts := window(t, got, storage.CountQuery{}), window(t, want, storage.CountQuery{})
	same(t, "events", gotFacts.Events, wantFacts.Events)
	same(t, "observations", gotFacts.Observations, wantFacts.Observations)
	gotCounts, wantCounts := countsOf(t, got, storage.CountQuery{}), countsOf(t, want, storage.CountQuery{})
	same(t, "counts", gotCounts, wantCounts)
	lines, wantLines := allLines(t, got, storage.LineQuery{Limit: 1000}), allLines(t, want, storage.LineQuery{Limit: 1000})
	if len(lines) != len(wantLines) {
		t.Errorf("got %d lines, want %d", len(lines), len(wantLines))
	} else {
		sameLines(t, "lines", lines, wantLines)
	}
	asides := must[storage.AsidePage](t, "asides")(got.Asides(t.Context(), "", 1000))
	wantAsides := must[storage.AsidePage](t, "asides")(want.Asides(t.Context(), "", 1000))
	same(t, "asides", asides.Asides, wantAsides.Asides)
	for i := 0; i < len(wantCounts); i += 17 {
		c := wantCounts[i]
		g, w := must[storage.Fact](t, "fact")(got.Fact(t.Context(), c.CountKey.ID())), must[storage.Fact](t, "fact")(want.Fact(t.Context(), c.CountKey.ID()))
		if g.Log == nil || w.Log == nil || g.Log.N != w.Log.N {
			t.Errorf("log fact of %+v: got %+v, want %+v", c.CountKey, g.Log, w.Log)
		}
	}
	// The feed may repeat; what it tells last counts.
	all, _ := drain(t, got, "", 50)
	last := make(map[event.ID]event.Observation)
	for _, o := range all.Observations {
		last[o.ID()] = o
	}
	told := make(map[event.ID]bool)
	for _, e := range all.Events {
		told[e.ID] = true
	}
	keys := make(map[event.CountKey]bool)
	for _, c := range all.Counts {
		keys[c.CountKey] = true
	}
	if len(told) != len(wantFacts.Events) || len(last) != len(wantFacts.Observations) || len(keys) != len(wantCounts) {
		t.Errorf("feed: got %d events, %d observations and %d counts, want %d, %d and %d", len(told), len(last), len(keys), len(wantFacts.Events), len(wantFacts.Observations), len(wantCounts))
	}
	for _, o := range wantFacts.Observations {
		same(t, "feed: observation", last[o.ID()], o)
	}
}

// testMergingAtRandom appends sightings of many alerts in any order and in many
// batches, by several senders at once, and compares with the rules of merging.
func testMergingAtRandom(t *testing.T, open Open) {
	s := openStore(t, open)
	random := rand.New(rand.NewPCG(1, 2))
	want := make(map[event.ID]event.Observation)
	var all []event.Observation
	for alert := range 40 {
		for range 1 + random.IntN(6) {
			o := randomSighting(random, alert)
			all = append(all, o)
			if known, ok := want[o.ID()]; ok {
				o = known.Merge(o)
			}
			want[o.ID()] = o
		}
	}
	all = append(all, all[:20]...)
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var senders sync.WaitGroup
	for some := range slices.Chunk(all, len(all)/4+1) {
		senders.Go(func() {
			for batch := range slices.Chunk(some, 9) {
				if err := s.Append(context.Background(), event.Batch{Observations: batch}); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	senders.Wait()
	told := make(map[event.ID]event.Observation)
	page, _ := drain(t, s, "", 20)
	for _, o := range page.Observations {
		told[o.ID()] = o
	}
	for id, w := range want {
		same(t, "observation "+id.String(), findObservation(t, s, id), w)
		w.Raw = nil
		same(t, "feed: observation "+id.String(), told[id], w)
	}
	if got := window(t, s, storage.CountQuery{}); len(got.Observations) != len(want) {
		t.Errorf("window: got %d observations, want %d", len(got.Observations), len(want))
	}
}

// randomSighting is a sighting of an alert. Values come from small ranges, so
// that equal ones are common.
func randomSighting(random *rand.Rand, alert int) event.Observation {
	moment := func() time.Time {
		if n := random.IntN(5); n > 0 {
			return at(time.Duration(n) * time.Minute)
		}
		return time.Time{}
	}
	pick := func(texts ...string) string { return texts[random.IntN(len(texts))] }
	set := func(name string, of, most int) (list []string) {
		for range random.IntN(most + 1) {
			list = append(list, fmt.Sprintf("%s %02d", name, random.IntN(of)))
		}
		slices.Sort(list)
		return slices.Compact(list)
	}
	received := at(time.Duration(1+random.IntN(4)) * time.Hour)
	o := event.Observation{
		// Some senders cut off what is below a millisecond.
		Fingerprint: event.Fingerprint(1<<63 + uint64(alert)), StartsAt: at(time.Duration(alert)*time.Second + time.Duration(random.IntN(3))),
		Labels: event.Labels{"a": pick("1", "2"), pick("b", "c"): pick("", "x")}, GeneratorURL: pick("", "http://p", "http://q"),
		KeepAliveUntil: moment(), EndedAt: moment(), FiringSeenAt: moment(), GoneBy: moment(),
		FirstReceivedAt: received, LastReceivedAt: received.Add(time.Duration(random.IntN(3)) * time.Minute),
		Roads: []event.Road{event.Road(pick("webhook", "prometheus"))}, Groups: set("group", 60, 30), Instances: set("instance", 3, 2), ClockSuspect: random.IntN(4) == 0,
	}
	if random.IntN(2) == 0 {
		o.Annotations = event.Labels{"summary": pick("it fails", "it fails again")}
	}
	if random.IntN(2) == 0 {
		o.SentFingerprints = []event.Fingerprint{event.Fingerprint(random.IntN(3))}
	}
	if random.IntN(3) > 0 {
		o.Raw = []byte(pick(`{"seen": 1}`, `{"seen": 2}`, `{"seen":  "twice"}`))
	}
	return o
}
