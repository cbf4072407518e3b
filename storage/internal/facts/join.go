// Package facts is what backends of storage do alike with facts, whatever they
// are kept in: which of two with one ID stands, where one is looked for, and
// which page of a list was asked for.
package facts

import "github.com/hindcast/hindcast/ingest/event"

// Join returns a list with each ID once, in the order in which they first come:
// merge puts a later one with the same ID into the first. The list itself stays
// as it is, and is what is returned when it has fewer than two elements.
func Join[T any](list []T, id func(*T) event.ID, merge func(first, again *T)) []T {
	if len(list) < 2 {
		return list
	}
	joined := make([]T, 0, len(list))
	where := make(map[event.ID]int, len(list))
	for i := range list {
		id := id(&list[i])
		if first, known := where[id]; known {
			merge(&joined[first], &list[i])
			continue
		}
		where[id] = len(joined)
		joined = append(joined, list[i])
	}
	return joined
}

// JoinObservations merges the sightings of each alert within a list.
func JoinObservations(list []event.Observation) []event.Observation {
	return Join(list,
		func(o *event.Observation) event.ID { return o.ID() },
		func(first, again *event.Observation) { *first = first.Merge(*again) })
}
