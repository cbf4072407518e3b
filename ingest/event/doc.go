// Package event holds the facts that hindcast works on: what senders
// reported, decoded into one vocabulary and not yet interpreted.
//
// It is the first package of the flow and the root of the import graph: the
// decoders under ingest produce its types, storage keeps them, correlate
// reads them. It imports nothing but the standard library.
//
// A fact is one of
//
//   - [Event]: immutable, with an ID taken from the sender's own identity;
//   - [Observation]: what is known of one alert, merged from every road it
//     came by under rules that commute and are idempotent;
//   - [Chunk]: log lines that arrived together, and their [Count]s by pattern;
//   - [Aside]: what could not be decoded, kept so that it can be read.
//
// Facts travel in a [Batch]. Appending the same batch twice changes nothing.
package event
