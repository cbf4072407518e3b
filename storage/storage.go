// Package storage is the contract between hindcast and what keeps its data.
//
// The contract is in the callers' words and says on each method what
// "returned nil" promises. Backends (storage/sqlite, storage/clickhouse) pass
// one conformance suite, storage/storagetest. Row types and SQL stay inside
// the backends.
//
// In the flow, ingest appends facts, correlate/run reads them through the feed
// and writes what the engine derives, and the API reads both.
package storage

import (
	"context"
	"errors"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// Errors that every backend returns, wrapped with what was being done.
var (
	// ErrNotFound says that no such fact or incident is stored.
	ErrNotFound = errors.New("not found")
	// ErrBadCursor says that a cursor was not made by this store.
	ErrBadCursor = errors.New("cursor is not valid")
	// ErrUnavailable says that the store cannot take or give anything now, and
	// that trying again later may help.
	ErrUnavailable = errors.New("store is unavailable")
	// ErrFenced says that another owner has claimed the derived state since.
	ErrFenced = errors.New("another owner has taken over")
	// ErrNewerSchema says that a newer version of hindcast wrote the data.
	ErrNewerSchema = errors.New("the data was written by a newer version of hindcast")
)

// Store is everything that a backend provides. All methods may be called
// concurrently.
type Store interface {
	Facts
	Feed
	Derivations
	// Prune deletes what the policy lets go, and nothing that is pinned. It may
	// be interrupted by ctx and called again.
	Prune(ctx context.Context, policy Retention) error
	// Close waits for what is under way and releases the store.
	Close() error
}

// Facts keeps what senders reported.
type Facts interface {
	// Append stores a batch. Nil means that all of it is durable: a power cut
	// right after does not lose it. An error means that nothing, part or all
	// may be stored; appending the same batch again is then right, and changes
	// nothing where it was. Events with a known ID keep their content and the
	// smaller ReceivedAt; observations merge; a chunk replaces the one with its
	// ID.
	Append(ctx context.Context, batch event.Batch) error
	// Fact finds one fact by ID: an event, an observation, or what a log said
	// in a second. ErrNotFound when there is none.
	Fact(ctx context.Context, id event.ID) (Fact, error)
	// Lines lists raw lines in ascending order of time.
	Lines(ctx context.Context, q LineQuery) (LinePage, error)
	// Asides lists what was put aside, the newest first.
	Asides(ctx context.Context, cursor string, limit int) (AsidePage, error)
}

// Feed gives the engine its facts. It leaves out Raw payloads.
type Feed interface {
	// Since returns at most about limit facts that became visible after the
	// cursor, in no particular order, and the cursor that follows them. The
	// zero Cursor is before everything that the feed holds: all that was appended
	// in the last week at least, and what is older comes by Window. A cursor whose
	// followers the feed no longer holds is ErrBadCursor: a reader begins anew,
	// with Tip and Window. It may repeat facts and misses none:
	// a fact that becomes visible late, behind others that were returned, is
	// still returned. An observation comes in its merged state. When there is
	// nothing new, the page is empty and the cursor is that which was given.
	Since(ctx context.Context, cursor Cursor, limit int) (FactPage, Cursor, error)
	// Tip is a cursor after everything visible now: what Since returns from it
	// was appended later.
	Tip(ctx context.Context) (Cursor, error)
	// Window yields the events that occurred, and the observations whose time
	// from start to the last sighting (see [LastSighting]) overlaps, in
	// [from, to), in pages and in ascending order of ID. It stops at an error of
	// yield and returns it. Zero times bound nothing.
	Window(ctx context.Context, from, to time.Time, yield func(FactPage) error) error
	// Counts returns the counts in [from, to) of the services, or of all when
	// none is named, at or above a level. Counts of the same lines (equal key
	// and digest) come once.
	Counts(ctx context.Context, q CountQuery) ([]event.Count, error)
}

// Cursor is a position in a store's feed. Its text is the store's own.
type Cursor string

// FactPage is some facts of a feed.
type FactPage struct {
	Events       []event.Event
	Observations []event.Observation
	Counts       []event.Count
}

// Len is the number of facts in the page.
func (p FactPage) Len() int { return len(p.Events) + len(p.Observations) + len(p.Counts) }

// LastSighting is the end of the time for which [Feed.Window] has an
// observation: the latest time at which anybody said anything of the alert.
func LastSighting(o event.Observation) time.Time {
	last := o.StartsAt
	for _, t := range []time.Time{o.FiringSeenAt, o.EndedAt, o.LastReceivedAt} {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// CountQuery selects the counts whose second begins in [From, To). A zero time
// bounds nothing.
type CountQuery struct {
	From, To time.Time
	Services []string
	MinLevel event.Level
}

// Fact is one fact of any kind; exactly one field is set.
type Fact struct {
	Event       *event.Event
	Observation *event.Observation
	Log         *LogFact
}

// LogFact is what the log said in one second: the sum of all counts of one
// key, and some of the lines while they are kept.
type LogFact struct {
	event.CountKey
	N          int64     `json:"n"`
	First      time.Time `json:"first"`
	Last       time.Time `json:"last"`
	ReceivedAt time.Time `json:"received_at"`
	Template   string    `json:"template"`
	Sample     string    `json:"sample"`
}

// LineQuery selects raw lines. From is inclusive, To exclusive; a zero Pattern
// and an empty Service stand for all. Limit 0 is 100.
type LineQuery struct {
	Service  string
	From, To time.Time
	Pattern  event.PatternID
	Contains string
	MinLevel event.Level
	Limit    int
	Cursor   string
}

// StoredLine is a line with what its stream says. Labels are its stream's, and
// beside them its metadata, which counts where both name the same.
type StoredLine struct {
	At          time.Time       `json:"at"`
	Service     string          `json:"service"`
	Environment string          `json:"environment,omitempty"`
	Level       event.Level     `json:"level"`
	Pattern     event.PatternID `json:"pattern"`
	Version     string          `json:"version,omitempty"`
	Trace       string          `json:"trace,omitempty"`
	Labels      event.Labels    `json:"labels,omitempty"`
	Text        string          `json:"text"`
}

// LinePage is a page of lines; Next is "" on the last one.
type LinePage struct {
	Lines []StoredLine
	Next  string
}

// AsidePage is a page of what was put aside; Next is "" on the last one.
type AsidePage struct {
	Asides []event.Aside
	Next   string
}

// Derivations keeps what the engine derived. It can be rebuilt from facts.
type Derivations interface {
	// Claim makes the caller the owner of the derived state and fences all
	// earlier ones: the claim's epoch is the greatest that the store knows plus
	// one. After an error earlier ones may be fenced all the same.
	Claim(ctx context.Context, owner string) (Claim, error)
	// Publish stores timelines, each replacing the one with its incident's ID.
	// Nil means that readers see them. ErrFenced when the claim is not the
	// latest: then readers see none of it.
	Publish(ctx context.Context, claim Claim, derived []Derived) error
	// Published lists what is stored of incidents that ended, or were last
	// derived, at or after since, without entries: what a runner must know to
	// go on after a restart. Those that have no end and are not sealed are
	// always there. Signals come in ascending order.
	Published(ctx context.Context, since time.Time) ([]Published, error)
	// Timeline finds a timeline by the incident's ID. When another incident
	// holds the ID as a member signal or an alias, that one is returned; the
	// caller compares IDs. ErrNotFound when nothing holds it. What is returned
	// may be shared with other callers: nobody changes what it points at.
	Timeline(ctx context.Context, id event.ID) (timeline.Timeline, error)
	// Incidents lists incidents, the latest start first. A page's cursor stays
	// right while incidents arrive: none that was there from the first page on
	// is skipped or shown twice.
	Incidents(ctx context.Context, q IncidentQuery) (IncidentPage, error)
}

// Claim is the right to publish. Epoch is greater than that of all claims
// before it.
type Claim struct {
	Epoch int64
	Owner string
}

// Lease says which owner of the derived state lives. A store has it where several
// processes may be on it at once; elsewhere a claim alone decides. It only tells
// when a take-over is due: what keeps a fenced owner's timelines unseen is the
// claim. Times are the store's own, so no two processes' clocks are compared.
type Lease interface {
	// Beat says that the owner of a claim lives. It is [ErrFenced] when the claim
	// is not the latest.
	Beat(ctx context.Context, claim Claim) error
	// Release says that the owner of a claim has published its last: another may
	// take over at once. A claim that was released stays so. It is [ErrFenced]
	// when the claim is not the latest.
	Release(ctx context.Context, claim Claim) error
	// Holder is the latest claim and for how long its owner has been silent: since
	// it claimed or last beat. Of a claim that was released that is the greatest
	// Duration. It is [ErrNotFound] when nobody claimed, or nobody has beaten for
	// so long that the store has forgotten it.
	Holder(ctx context.Context) (Claim, time.Duration, error)
}

// Derived is one timeline to publish.
type Derived struct {
	Timeline timeline.Timeline
	// Signals are the IDs of all members and of everything else by which the
	// incident may be found.
	Signals []event.ID
	// Retired says that no incident has the timeline's ID any more: it was
	// merged into another, or its signals turned out to be background. Only
	// Timeline.Incident.ID is read then.
	Retired bool
	// Digest is a digest of the timeline without revision and aliases.
	Digest string
	// Pins are the log facts that the timeline cites: Prune spares them while
	// the incident is stored.
	Pins []event.ID
}

// Published is what is stored of an incident beside its timeline.
type Published struct {
	Incident timeline.Incident
	Signals  []event.ID
	Digest   string
}

// IncidentQuery selects incidents. Zero fields select all; From and To bound
// the time during which an incident was on. Minor ones are left out unless
// asked for. Limit 0 is 50.
type IncidentQuery struct {
	From, To time.Time
	Status   timeline.Status
	Service  string
	Minor    bool
	Limit    int
	Cursor   string
}

// IncidentPage is a page of incidents; Next is "" on the last one.
type IncidentPage struct {
	Incidents []timeline.Incident
	Next      string
}

// Retention says until when facts may be deleted. A zero time keeps all.
// Observations and events that an unsealed incident needs are younger than the
// seal age, which is shorter than any of these by configuration.
type Retention struct {
	LinesBefore  time.Time
	CountsBefore time.Time
	EventsBefore time.Time
	AsidesBefore time.Time
}
