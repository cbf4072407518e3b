package delivery

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// world is everything that members of a group share, as the simulation has it:
// a log that expires and is created again, the group's place, a store, the
// dead letters; and what is true, to hold against it.
type world struct {
	rng   *rand.Rand
	knobs knobs
	steps int
	now   time.Time
	trace *[]string

	// logs are the topics of the name, one after the other; the last is there.
	logs   []*simLog
	serial uint64

	// The group's place. Commits of another generation are refused.
	generation int
	committed  bool
	offset     int64
	metadata   string
	history    []Mark
	// announced are the chunks whose boundary was committed.
	announced map[event.ChunkID]bool

	store   simStore
	letters map[uint64]int
	// late are appends that were given up by who waited for them, and land
	// later or never.
	late []event.Batch

	storeDown, lettersDown, brokerDown, healing bool
	members                                     []*member
	violation                                   string
}

// knobs are drawn once a seed: a world without a fault must be tried as well as
// one that is all faults.
type knobs struct {
	ranges                              bool
	start                               Start
	errors, lateness, crashes           float64
	rebalances, expiry, recreate, holes float64
	freeze                              float64
	// lag is how often a partition's new leader knows less for a while.
	lag float64
	// nameless is how many members do not know the topic's ID.
	nameless float64
	// rewinds are what exact counts are not promised under; and truncation, that
	// what is written in the place of what was lost is read before it is seen.
	rewinds, truncation float64
	steps               int
	// sabotage breaks the protocol, to see that it is found out.
	sabotage string
}

// simLog is one topic's partition.
type simLog struct {
	id         string
	records    []Record
	first, end int64
	// checked: all below it was found durable when it was committed.
	checked int64
	// excused are stretches of offsets that were reported, or that nobody could
	// have known of.
	excused []excuse
	// lost are records that brokers lost: they may have been read, and count once.
	lost []Record
	// known: something was committed of it.
	known bool
	// repeats: lines may be there twice. overshot: the group was set to an offset
	// that was not there.
	repeats, truncated, overshot bool
	// shown is the end that is told until lagging; what is above is hidden.
	shown   int64
	lagging time.Time
}

// visible is the end as it is told now.
func (l *simLog) visible(now time.Time) int64 {
	if now.Before(l.lagging) {
		return min(max(l.shown, l.first), l.end)
	}
	return l.end
}

// excuse is why records at offsets [from, to) need not be durable: those up to a
// serial.
type excuse struct {
	from, to int64
	last     uint64
}

func (l *simLog) isExcused(r Record) bool {
	for _, e := range l.excused {
		if e.from <= r.Offset && r.Offset < e.to && serialOf(r) <= e.last {
			return true
		}
	}
	return false
}

// seen: the group has gone back to an offset, so that what is there is read.
func (l *simLog) seen(from int64) {
	for i := range l.excused {
		if e := &l.excused[i]; e.last == always {
			e.to = min(e.to, from)
		}
	}
}

const (
	forever = int64(1) << 60
	always  = uint64(1) << 60
)

func newWorld(seed uint64, k func(*rand.Rand) knobs, trace *[]string) *world {
	rng := rand.New(rand.NewPCG(seed, 0x68696e6463617374))
	w := &world{
		rng: rng, knobs: k(rng), trace: trace, now: time.Unix(1_700_000_000, 0),
		announced: map[event.ChunkID]bool{}, letters: map[uint64]int{},
		store: simStore{chunks: map[event.ChunkID][]event.Line{}, lines: map[event.PatternID]int{}, facts: map[event.ID]bool{}},
	}
	w.create()
	return w
}

func (w *world) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

func (w *world) log(format string, args ...any) {
	if w.trace != nil {
		*w.trace = append(*w.trace, fmt.Sprintf("%5d  ", w.steps)+fmt.Sprintf(format, args...))
	}
}

// violate notes the first thing that must not be.
func (w *world) violate(format string, args ...any) {
	if w.violation == "" {
		w.violation = fmt.Sprintf(format, args...)
		w.log("VIOLATION: %s", w.violation)
	}
}

func (w *world) current() *simLog { return w.logs[len(w.logs)-1] }

func (w *world) logOf(id string) *simLog {
	if id == "" && w.knobs.nameless > 0 {
		return w.current()
	}
	for _, l := range w.logs {
		if l.id == id {
			return l
		}
	}
	return nil
}

// create makes the topic, in place of the one that there was.
func (w *world) create() {
	w.logs = append(w.logs, &simLog{id: fmt.Sprintf("topic-%d", len(w.logs))})
}

func (w *world) recreate() {
	w.create()
	w.log("the topic is created again: %s", w.current().id)
	if w.chance(0.5) {
		// The coordinator forgets the offsets of a topic that was deleted.
		w.log("its offsets are forgotten")
		w.committed = false
	}
	// Of a topic that nothing is committed of, nobody can know any more.
	for _, l := range w.logs[:len(w.logs)-1] {
		if !w.committed || !l.known {
			l.excused = append(l.excused, excuse{0, forever, always})
		}
	}
}

// produce appends records to the log.
func (w *world) produce() {
	l := w.current()
	n := 1 + w.rng.IntN(6)
	from := l.end
	for range n {
		w.serial++
		r := Record{Offset: l.end, Time: w.now}
		switch w.rng.IntN(12) {
		case 0: // without a value; its serial is in its key
			r.Key = value(w.serial, false, 0)
		case 1:
			r.Value = value(w.serial, false, 0)
		default:
			r.Value = value(w.serial, true, w.rng.IntN(4))
		}
		l.records = append(l.records, r)
		l.end++
		if w.chance(w.knobs.holes) {
			l.end += int64(1 + w.rng.IntN(3))
		}
	}
	w.log("produced [%d, %d) of %s", from, l.end, l.id)
}

// fallBehind hides the last records of the log for less time than a range is
// waited for. Other than that, nothing happens to them.
func (w *world) fallBehind() {
	if l := w.current(); l.first < l.end {
		l.shown = l.end - w.rng.Int64N(l.end-l.first)
		l.lagging = w.now.Add(30 * time.Second)
		w.log("%s shows itself until %d", l.id, l.shown)
	}
}

// expire deletes the first records of the log.
func (w *world) expire() {
	l := w.current()
	if l.first < l.end {
		l.first += 1 + w.rng.Int64N(l.end-l.first)
		w.log("expired: %s begins at %d", l.id, l.first)
	}
}

// truncate deletes the last records of the log, as an unclean election does.
func (w *world) truncate() {
	l := w.current()
	if l.first >= l.end {
		return
	}
	end := l.end
	l.end -= 1 + w.rng.Int64N(l.end-l.first)
	for len(l.records) > 0 && l.records[len(l.records)-1].Offset >= l.end {
		l.lost = append(l.lost, l.records[len(l.records)-1])
		l.records = l.records[:len(l.records)-1]
	}
	// What is written there next is passed by who was further, until that is seen:
	// only leader epochs would tell.
	l.excused = append(l.excused, excuse{l.end, end, always})
	l.checked = min(l.checked, l.end)
	l.truncated = true
	w.log("truncated: %s ends at %d", l.id, l.end)
}

// take is the group taking a commit.
func (w *world) take(m *member, mark Mark) {
	metadata := mark.Metadata()
	l := w.logOf(mark.Topic)
	if l == nil {
		w.violate("member %d committed for the topic %q", m.id, mark.Topic)
		return
	}
	if !l.known {
		// What was there before anybody came: not wanted, or gone.
		begin := min(mark.Offset, l.first)
		if !w.committed && w.knobs.start == StartLatest {
			begin = mark.Offset
		}
		l.excused = append(l.excused, excuse{0, begin, always})
	}
	if (l.truncated || l.overshot) && w.committed && mark.Offset < w.offset {
		from := mark.Offset
		if !w.knobs.ranges {
			from = l.first // facts can be read again, so that none is missed
		}
		l.seen(from)
		l.checked = min(l.checked, from)
	}
	w.committed, w.offset, w.metadata, l.known = true, mark.Offset, metadata, true
	w.history = append(w.history, mark)
	if mark.Pending() {
		w.announced[chunkID(mark, 0, 0)] = true
	}
	w.log("  taken: %d %s", mark.Offset, strings.TrimPrefix(metadata, markPrefix))
	for _, r := range l.records {
		if r.Offset < l.checked || r.Offset >= mark.Offset || l.isExcused(r) {
			continue
		}
		if lost, _ := w.missing(r); lost != "" {
			w.violate("offset %d of %s was committed, but %s", mark.Offset, l.id, lost)
		}
	}
	l.checked = max(l.checked, mark.Offset)
}
