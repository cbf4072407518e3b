// Package logs turns log pushes into facts: lines, and counts of what they
// look like.
//
// It stands at the beginning of the flow, between the HTTP receiver (or a
// Kafka consumer), which hands it a decompressed body, and the batcher, which
// takes the [event.Batch] that comes out. It does no I/O and keeps no state
// between pushes: equal bodies give equal chunks.
//
// Of each line it works out
//
//   - whose it is: service, environment, version and level, from the stream's
//     labels, else from the structured metadata, else from the line itself
//     where that is logfmt or JSON (fields.go, jsonline.go); a line without a
//     level gets one from a small set of documented rules (guess.go);
//   - its pattern: the text with its variable parts masked (mask.go);
//   - its trace, and the services it names as called (upstream.go).
//
// Lines of one service, environment, version, level and pattern within one
// second become one [event.Count].
package logs
