package delivery

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// member is a process that runs Run on the partition, as a coroutine: it goes
// on only when the scheduler lets it, and stands still before and after
// whatever it does to the world. It is all four of Run's interfaces.
type member struct {
	w          *world
	id         int
	generation int
	topic      string
	// nameless: the member does not know the topic's ID.
	nameless bool
	// frozen until the step, as a process that got SIGSTOP.
	frozen int

	ctx    context.Context
	cancel context.CancelFunc
	yield  func(string) bool
	next   func() (string, bool)
	stop   func()
	ended  bool
	err    error

	// idle counts fetches in a row that found nothing.
	idle int
	// sent are commits whose answer was not waited for, in their order: they
	// arrive before a later one does.
	sent []Mark
}

// crash ends a member between two steps.
type crash struct{}

var (
	errSim     = errors.New("simulated failure")
	errTimeout = errors.New("simulated time-out")
)

// join makes a new generation with a new member.
func (w *world) join() *member {
	w.generation++
	m := &member{w: w, id: len(w.members), generation: w.generation, topic: w.current().id}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	pick := func(values ...int) int { return values[w.rng.IntN(len(values))] }
	known := m.topic
	if m.nameless = w.chance(w.knobs.nameless); m.nameless {
		known = ""
	}
	o := Options{
		Topic: "t", TopicID: known, Format: "f", Ranges: w.knobs.ranges, Start: w.knobs.start, Decode: decodeFacts,
		Sink: m, Log: m, Offsets: m, DeadLetters: m, Clock: m, Random: w.rng.Float64,
		Chunk:         Limits{Records: pick(1, 2, 3, 5, 8, 20), Bytes: pick(150, 400, 1000, 10000), Lines: pick(1, 3, 7, 20, 100)},
		AppendTimeout: time.Hour, Gap: m.gap,
	}
	if w.knobs.ranges {
		o.Decode = decodeLines
	}
	w.log("member %d joins in generation %d for %q, with %+v", m.id, m.generation, known, o.Chunk)
	m.next, m.stop = iter.Pull(func(yield func(string) bool) {
		m.yield = yield
		defer func() {
			m.cancel()
			if r := recover(); r != nil {
				if _, ok := r.(crash); !ok {
					panic(r)
				}
			}
		}()
		m.err = Run(m.ctx, o)
		if m.err != nil && !errors.Is(m.err, ErrLost) || m.err == nil && m.ctx.Err() == nil {
			w.violate("Run ended with %v", m.err)
		}
	})
	w.members = append(w.members, m)
	return m
}

// resume lets the member take a step.
func (m *member) resume() {
	if _, ok := m.next(); !ok {
		m.ended = true
		m.w.log("member %d ended: %v", m.id, m.err)
	}
}

func (m *member) kill() {
	m.w.log("member %d is killed", m.id)
	m.stop()
	m.ended = true
}

// pause is a point between two steps.
func (m *member) pause(at string) {
	if !m.yield(at) {
		panic(crash{})
	}
}

// fails draws whether a call fails.
func (m *member) fails(down bool) bool {
	return m.ctx.Err() != nil || !m.w.healing && (down || m.w.chance(m.w.knobs.errors))
}

// log of the member's topic; nil with the error to return when there is another
// one in its place.
func (m *member) log() (*simLog, error) {
	w := m.w
	if m.fails(w.brokerDown) {
		return nil, errSim
	}
	if w.current().id != m.topic && w.knobs.sabotage != "records of the new topic" {
		if w.chance(0.5) {
			return nil, ErrLost
		}
		return nil, errSim
	}
	return w.current(), nil
}

// Fetch implements Log.
func (m *member) Fetch(_ context.Context, from, until int64) (Fetched, error) {
	w := m.w
	m.pause("fetch")
	l, err := m.log()
	if err != nil {
		return Fetched{}, err
	}
	if from < l.first && until > 0 && w.knobs.sabotage == "part of a range" {
		from = l.first
	}
	if from < l.first || from > l.end {
		out := OutOfRange{First: l.first, End: l.visible(w.now)}
		if from > l.end {
			out.End = l.end // a new leader tells none before it knows it
			switch w.knobs.sabotage {
			case "lines of a cut log again":
				out.End = l.first
			case "facts at a cut log's end":
				out.First = l.end
			}
		}
		w.log("member %d: %d is out of [%d, %d)", m.id, from, out.First, out.End)
		return Fetched{}, &out
	}
	f := Fetched{Next: from}
	bound := max(l.visible(w.now), from)
	if w.chance(0.8) {
		f.End = l.visible(w.now)
	}
	most := 1 + w.rng.IntN(12)
	if until > 0 && w.chance(0.5) {
		bound = min(until, bound) // the other half of the time it sends too much
	}
	for i, r := range l.records {
		if r.Offset < from && !w.chance(0.02) || r.Offset < l.first || r.Offset >= bound || len(f.Records) >= most {
			continue
		}
		f.Records = append(f.Records, l.records[i])
		f.Next = max(from, r.Offset+1)
	}
	if len(f.Records) < most {
		f.Next = max(f.Next, bound) // offsets that were left out
	}
	if m.idle++; f.Next > from {
		m.idle = 0
	}
	w.log("member %d fetched [%d, %d), %d records", m.id, from, f.Next, len(f.Records))
	m.pause("fetched")
	return f, nil
}

// Bounds implements Log.
func (m *member) Bounds(context.Context) (first, end int64, err error) {
	m.pause("ask for the bounds")
	l, err := m.log()
	if err != nil {
		return 0, 0, err
	}
	first, end = l.first, l.visible(m.w.now)
	m.pause("got the bounds")
	return first, end, nil
}

// Committed implements Offsets. Kafka does not fence it.
func (m *member) Committed(context.Context) (Mark, bool, error) {
	w := m.w
	m.pause("ask for the offset")
	if m.fails(w.brokerDown) {
		return Mark{}, false, errSim
	}
	mark, ok := ParseMark(w.offset, w.metadata), w.committed
	w.log("member %d finds %+v, %v", m.id, mark, ok)
	switch w.knobs.sabotage {
	case "marks not read":
		mark.Until = 0
	case "part of a range":
		mark.Sum = ""
	}
	m.pause("got the offset")
	return mark, ok, nil
}

// Commit implements Offsets.
func (m *member) Commit(_ context.Context, mark Mark) error {
	w := m.w
	switch w.knobs.sabotage {
	case "no boundary":
		mark.Until = 0
	case "commit before append":
		mark.Offset, mark.Until = max(mark.Offset, mark.Until), 0
	}
	m.pause("commit")
	w.log("member %d commits %d..%d", m.id, mark.Offset, mark.Until)
	if w.knobs.sabotage != "commits out of order" {
		m.arrive(len(m.sent))
	}
	if m.generation != w.generation && w.knobs.sabotage != "no fence" {
		return ErrLost
	}
	if !m.fails(w.brokerDown) {
		w.take(m, mark)
		m.pause("committed")
		return nil
	}
	switch w.rng.IntN(3) {
	case 0:
		w.log("  not taken")
	case 1:
		w.take(m, mark) // and the answer is lost
	default:
		w.log("  on its way")
		m.sent = append(m.sent, mark)
	}
	m.pause("not told whether it was committed")
	if w.knobs.sabotage == "unknown is yes" {
		return nil
	}
	return errTimeout
}

// arrive lets commits that were on their way reach the group.
func (m *member) arrive(n int) {
	for _, mark := range m.sent[:n] {
		if m.generation == m.w.generation {
			m.w.log("a commit of member %d arrives", m.id)
			m.w.take(m, mark)
		}
	}
	m.sent = m.sent[n:]
}

// Append implements Appender.
func (m *member) Append(_ context.Context, b event.Batch) error {
	w := m.w
	for _, c := range b.Chunks {
		if w.knobs.ranges && !w.announced[c.ID] && w.knobs.sabotage == "" {
			w.violate("member %d appends chunk %s, of which nobody was told", m.id, c.ID)
		}
	}
	m.pause("append")
	for w.chance(w.knobs.lateness) {
		m.pause("still appending")
	}
	if !m.fails(w.storeDown) {
		w.land(b, false)
		m.pause("appended")
		return nil
	}
	switch w.rng.IntN(4) {
	case 0:
		w.log("member %d: not persisted", m.id)
	case 1:
		w.log("member %d: failed, but persisted", m.id)
		w.land(b, false)
	case 2:
		w.log("member %d: failed, a part persisted", m.id)
		w.land(b, true)
	default:
		w.log("member %d: failed, may land later", m.id)
		w.late = append(w.late, b)
	}
	m.pause("not told whether it was appended")
	return errTimeout
}

// land makes a batch visible in the store.
func (w *world) land(b event.Batch, part bool) {
	if amiss := w.store.put(b, part); amiss != "" {
		w.violate("%s", amiss)
	}
	w.log("  landed: %d facts, %d chunks", len(b.Events), len(b.Chunks))
}

// Put implements DeadLetters.
func (m *member) Put(_ context.Context, letters []DeadLetter) error {
	w := m.w
	m.pause("put dead letters")
	failed := m.fails(w.lettersDown)
	if (!failed || w.chance(0.5)) && w.knobs.sabotage != "dead letters dropped" {
		for _, l := range letters {
			w.letters[serialOf(l.Record)]++
			if l.Offset != l.Record.Offset || l.Error == "" {
				w.violate("letter %+v", l)
			}
		}
	}
	w.log("member %d put %d dead letters: %v", m.id, len(letters), !failed)
	m.pause("put them")
	if failed {
		return errSim
	}
	return nil
}

// Now implements Clock.
func (m *member) Now() time.Time { return m.w.now }

// Sleep implements Clock.
func (m *member) Sleep(_ context.Context, d time.Duration) {
	m.w.now = m.w.now.Add(d)
	m.pause("wait")
}

// gap is told of gaps, and holds them against what is true: reporting one is no
// way out.
func (m *member) gap(g Gap) {
	w := m.w
	w.log("member %d: %s", m.id, g)
	l := w.logOf(g.TopicID)
	right, to := false, g.To
	if l != nil {
		switch g.Reason {
		case GapExpired:
			right = g.To <= l.first
		case GapPartial:
			right = l.first > g.From || l.truncated
		case GapTruncated:
			if !l.truncated && !l.overshot {
				break
			}
			// What was lost was written before, and is not passed over.
			l.repeats = l.repeats || m.nameless
			return
		case GapRecreated:
			right = l != w.current()
			to = forever
		}
	}
	if !right {
		w.violate("member %d reports a gap that is none: %s", m.id, g)
		return
	}
	l.excused = append(l.excused, excuse{g.From, to, w.serial})
}
