package poll

import "github.com/hindcast/hindcast/ingest/event"

// maxWaiting is how many facts may wait for a store that is down before
// polling pauses.
const maxWaiting = 200_000

// waiting is facts that are not durable yet. Sightings of one alert are merged
// and events are kept once, so that it grows with what happens and not with
// time. The zero waiting is empty.
type waiting struct {
	events       []event.Event
	known        map[event.ID]bool
	observations []event.Observation
	at           map[alertKey]int
	asides       []event.Aside
}

func (w *waiting) event(e event.Event) {
	if w.known[e.ID] {
		return
	}
	if w.known == nil {
		w.known = make(map[event.ID]bool)
	}
	w.known[e.ID] = true
	w.events = append(w.events, e)
}

func (w *waiting) observation(o event.Observation) {
	key := alertKey{o.Fingerprint, o.StartsAt.UnixMilli()}
	if i, ok := w.at[key]; ok {
		w.observations[i] = w.observations[i].Merge(o)
		return
	}
	if w.at == nil {
		w.at = make(map[alertKey]int)
	}
	w.at[key] = len(w.observations)
	w.observations = append(w.observations, o)
}

func (w *waiting) full() bool {
	return len(w.events)+len(w.observations)+len(w.asides) >= maxWaiting
}

// batch is all that waits. The batch has slices of its own: who got it may
// still read it after an append that timed out.
func (w *waiting) batch() event.Batch {
	var b event.Batch
	b.Add(event.Batch{Events: w.events, Observations: w.observations, Asides: w.asides})
	return b
}
