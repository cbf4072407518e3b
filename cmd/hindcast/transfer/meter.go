package transfer

import (
	"time"

	"github.com/hindcast/hindcast/storage"
)

// Progress is how far a copy is.
type Progress struct {
	Copied Counts
	// Part is what is copied now: "events", "alerts", "entries put aside", "log
	// chunks", "timelines", or "backup" when one is read.
	Part string
	// Done and Of are how much of the part was copied and how much there is, in
	// what the part counts (bytes of a backup); Of is 0 when that is not known.
	Done, Of int64
	// Rate is facts a second in the last while.
	Rate float64
	// Left is about how long the rest of the part takes; 0 when it is not known.
	Left time.Duration
}

// meter turns counts into progress.
type meter struct {
	size storage.ExportSize
	// before is what an earlier run copied.
	before Counts
	// part began at partDone, then.
	part     string
	partDone int64
	then     time.Time
	// marks are the counts of the last seconds, for the rate.
	marks []rateMark
}

type rateMark struct {
	at    time.Time
	facts int64
}

// rateOver is for how long the rate looks back.
const rateOver = 10 * time.Second

func newMeter(size storage.ExportSize, before Counts, now time.Time) *meter {
	return &meter{size: size, before: before, marks: []rateMark{{now, before.Facts()}}, then: now}
}

func (m *meter) read(stage string, copied Counts, p Piece, now time.Time) Progress {
	out := Progress{Copied: copied, Rate: m.rate(copied.Facts(), now)}
	switch b := &p.Batch; {
	case stage == stageTimelines:
		out.Part, out.Done, out.Of = "timelines", copied.Timelines, m.size.Incidents
	case p.Of > 0 || p.Read > 0:
		out.Part, out.Done, out.Of = "backup", p.Read, p.Of
	case len(b.Events) > 0:
		out.Part, out.Done, out.Of = "events", copied.Events, m.size.Events
	case len(b.Observations) > 0:
		out.Part, out.Done, out.Of = "alerts", copied.Observations, m.size.Observations
	case len(b.Asides) > 0:
		out.Part, out.Done, out.Of = "entries put aside", copied.Asides, m.size.Asides
	default:
		out.Part, out.Done, out.Of = "log chunks", copied.Chunks, m.size.Chunks
	}
	if out.Of > 0 {
		out.Of = max(out.Of, out.Done) // it may grow meanwhile
	}
	if out.Part != m.part {
		m.part, m.partDone, m.then = out.Part, out.Done, now
	}
	if done, took := out.Done-m.partDone, now.Sub(m.then); done > 0 && took > time.Second && out.Of > 0 {
		out.Left = time.Duration(float64(took) * float64(out.Of-out.Done) / float64(done))
	}
	return out
}

func (m *meter) rate(facts int64, now time.Time) float64 {
	m.marks = append(m.marks, rateMark{now, facts})
	for len(m.marks) > 2 && now.Sub(m.marks[1].at) >= rateOver {
		m.marks = m.marks[1:]
	}
	first := m.marks[0]
	took := now.Sub(first.at).Seconds()
	if took <= 0 {
		return 0
	}
	return float64(facts-first.facts) / took
}
