// Package correlate turns facts into incidents and their timelines.
//
// It is the middle of the flow: correlate/run feeds it from the store and
// writes what it derives; the API serves that. The package itself is pure. It
// does no I/O and reads no clock; facts, the configuration and the time "now"
// are its inputs, and the same facts give the same timelines whatever order,
// batches or number of deliveries they came in.
//
// How a timeline comes about, in the order of the files:
//
//	memory     facts are held, merged and deduplicated   (memory.go, series.go)
//	episode    sightings of an alert become firing episodes   (episode.go)
//	signal     an episode that can open or join an incident   (signal.go)
//	topology   who calls whom, configured or read from log lines   (topology.go)
//	link       akin signals near in time become components   (link.go)
//	story      a component with all that happened around it   (story.go)
//	milestones, changes, participants, entries, gaps, durations
package correlate
