package storage

import (
	"context"
	"crypto/sha256"
	"encoding/binary"

	"github.com/hindcast/hindcast/ingest/event"
)

// Exporter gives out everything that a store holds, so that another store or a
// backup can hold it too. Backends provide it beside [Store]. Its methods may
// be called concurrently with those.
//
// A position is where an export goes on: its text is the store's own, "" is the
// start, and it stays good across restarts. One that was not made by this data
// is [ErrBadCursor].
type Exporter interface {
	// Identity names the data: it is made when the store is made, and no two
	// stores share one. A copy of the data has that of the original.
	Identity() string
	// ExportSize is about how much an export gives, to tell how far one is.
	ExportSize(ctx context.Context) (ExportSize, error)
	// Export yields what was appended, payloads included, in batches of some
	// thousand facts that Append takes, each with the position behind it: events,
	// observations, asides, and chunks with the lines and counts that are kept of
	// them. Of a log fact that is pinned while some of its counts are gone, those
	// come as a chunk of their own (see [PinnedRest]). The order of what does not
	// change is always the same. What is appended, replaced or pruned during the
	// export may or may not be in it. It stops at an error of yield and returns
	// it.
	Export(ctx context.Context, position string, yield func(b event.Batch, position string) error) error
	// ExportDerived likewise yields what is published, as Publish takes it, in
	// the order in which it was last published.
	ExportDerived(ctx context.Context, position string, yield func(d []Derived, position string) error) error
	// Held says how much is kept of those of the chunks that are there: appending
	// one of which less is left elsewhere would delete the rest.
	Held(ctx context.Context, chunks []event.ChunkID) (map[event.ChunkID]Held, error)
}

// Held is how many lines and counts are kept of a chunk.
type Held struct{ Lines, Counts int }

// MoreThan reports whether there is more of the chunk than c has.
func (h Held) MoreThan(c *event.Chunk) bool {
	return h.Lines >= len(c.Lines) && h.Counts >= len(c.Counts) && (h.Lines > len(c.Lines) || h.Counts > len(c.Counts))
}

// ExportSize is how many facts, chunks and incidents a store holds, as far as
// that is cheap to tell.
type ExportSize struct {
	Events, Observations, Asides, Chunks, Incidents int64
}

// PinnedRest is what a pinned log fact tells beyond the counts that are kept: a
// chunk of one count, so that a store to which both are appended sums up the
// same fact. Its ID is taken from the fact's. live is nil when no counts are
// kept. It is false when the counts tell all.
func PinnedRest(pinned LogFact, live *LogFact) (event.Chunk, bool) {
	n := pinned.N
	if live != nil {
		n -= live.N
	}
	if n <= 0 {
		return event.Chunk{}, false
	}
	sum := pinnedSum(pinned.CountKey)
	return event.Chunk{
		ID: event.ChunkID(sum[:16]), ReceivedAt: pinned.ReceivedAt, Road: event.RoadEnvelope,
		Counts: []event.Count{{
			CountKey: pinned.CountKey, N: n, First: pinned.First, Last: pinned.Last,
			Digest: binary.BigEndian.Uint64(sum[16:]), Template: pinned.Template, Sample: pinned.Sample,
		}},
	}, true
}

// IsPinnedRest reports whether a chunk was made by [PinnedRest].
func IsPinnedRest(c *event.Chunk) bool {
	if len(c.Lines) > 0 || len(c.Counts) != 1 {
		return false
	}
	sum := pinnedSum(c.Counts[0].CountKey)
	return c.ID == event.ChunkID(sum[:16])
}

func pinnedSum(k event.CountKey) [sha256.Size]byte {
	id := k.ID()
	return sha256.Sum256(append([]byte("pinned log fact "), id[:]...))
}
