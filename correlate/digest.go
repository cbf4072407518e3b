package correlate

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// digest hashes values with their lengths, so that no two sequences of values
// look alike.
//
// Values are many and small, so they are gathered before they are hashed.
type digest struct{ *gathered }

type gathered struct {
	h   hash.Hash
	buf []byte
}

// gatherBytes is how much is hashed at once.
const gatherBytes = 256

func newDigest() digest {
	return digest{&gathered{h: sha256.New(), buf: make([]byte, 0, gatherBytes)}}
}

// room hashes what was gathered when n more bytes do not fit.
func (g *gathered) room(n int) {
	if len(g.buf)+n > gatherBytes {
		g.h.Write(g.buf)
		g.buf = g.buf[:0]
	}
}

func (d digest) int(n int64) {
	d.room(8)
	d.buf = binary.BigEndian.AppendUint64(d.buf, uint64(n))
}

func (d digest) bytes(b []byte) {
	d.int(int64(len(b)))
	d.room(len(b))
	d.buf = append(d.buf, b...)
}

func (d digest) text(s string) {
	d.int(int64(len(s)))
	d.room(len(s))
	d.buf = append(d.buf, s...)
}

func (d digest) time(t time.Time) {
	d.int(t.Unix())
	d.int(int64(t.Nanosecond()))
}

func (d digest) sum() string {
	d.h.Write(d.buf)
	d.buf = d.buf[:0]
	return hex.EncodeToString(d.h.Sum(nil)[:16])
}

// digestOf is a digest of a timeline without its revision and aliases, which
// tell of its history and not of what happened. It goes over the fields by
// hand: a timeline of ten thousand entries is encoded as JSON only when it is
// published. A field that is added to the timeline must be added here; a test
// sees to it.
func digestOf(t *timeline.Timeline) string {
	d := newDigest()
	d.incident(&t.Incident)
	d.int(int64(len(t.Milestones)))
	for i := range t.Milestones {
		d.milestone(&t.Milestones[i])
	}
	d.entries(t.Entries)
	d.entries(t.Context)
	d.int(int64(len(t.Changes)))
	for i := range t.Changes {
		d.change(&t.Changes[i])
	}
	d.int(int64(len(t.Participants)))
	for _, p := range t.Participants {
		d.text(p.Name)
		d.texts(p.Did)
		d.int(int64(len(p.Stages)))
		for _, s := range p.Stages {
			d.text(string(s))
		}
		d.time(p.FirstAt)
		d.time(p.LastAt)
	}
	d.int(int64(len(t.Gaps)))
	for _, g := range t.Gaps {
		d.text(string(g.Kind))
		d.text(g.Explanation)
		d.ids(g.Evidence)
	}
	for _, n := range timeline.DurationNames {
		if v, ok := t.Durations[n.Name]; ok {
			d.text(string(n.Name))
			d.float(v.Seconds)
			d.text(string(v.From))
			d.text(string(v.To))
			d.text(string(v.Basis))
		}
	}
	return d.sum()
}

func (d digest) incident(in *timeline.Incident) {
	d.bytes(in.ID[:])
	d.text(in.Title)
	d.text(string(in.Status))
	d.bool(in.Sealed)
	d.text(in.Severity)
	d.bool(in.Minor)
	d.texts(in.Services)
	d.text(in.Environment)
	d.time(in.StartedAt)
	d.moment(in.EndedAt)
}

func (d digest) milestone(m *timeline.Milestone) {
	d.text(string(m.Name))
	d.moment(m.At)
	d.moment(m.Earliest)
	d.moment(m.Latest)
	d.float(m.Confidence)
	d.text(m.Rule)
	d.text(m.Explanation)
	d.ids(m.Evidence)
	d.text(m.Actor)
	d.text(string(m.Origin))
	d.bool(m.Derived != nil)
	if m.Derived != nil {
		d.milestone(m.Derived)
	}
	d.int(int64(len(m.Alternatives)))
	for _, a := range m.Alternatives {
		d.time(a.At)
		d.text(a.Rule)
		d.ids(a.Evidence)
		d.text(a.WhyNot)
	}
}

func (d digest) entries(entries []timeline.Entry) {
	d.int(int64(len(entries)))
	for i := range entries {
		e := &entries[i]
		d.bytes(e.ID[:])
		d.time(e.At)
		d.text(string(e.Kind))
		d.text(e.Service)
		d.text(e.Summary)
		d.text(e.Actor)
		d.text(e.Fingerprint)
		d.int(int64(len(e.Labels)))
		for _, n := range e.Labels.Names() {
			d.text(n)
			d.text(e.Labels[n])
		}
		d.ids(e.Events)
		d.texts(e.Links)
		d.text(e.Why)
		d.int(int64(e.Count))
		d.moment(e.Until)
		d.bool(e.Log != nil)
		if l := e.Log; l != nil {
			d.int(int64(l.Pattern))
			d.text(l.Template)
			d.int(int64(l.Level))
			d.int(l.Count)
			d.time(l.FirstSeen)
			d.time(l.LastSeen)
			d.bool(l.New)
			d.int(l.Baseline)
			d.texts(l.Lines)
		}
	}
}

func (d digest) change(c *timeline.Change) {
	d.bytes(c.ID[:])
	d.ids(c.Events)
	d.time(c.At)
	d.moment(c.StartedAt)
	d.moment(c.FinishedAt)
	for _, s := range []string{c.Environment, c.Service, c.Version, c.PreviousVersion, string(c.Kind), string(c.Status), c.Actor, c.URL, string(c.Verdict)} {
		d.text(s)
	}
	d.float(c.Score)
	d.texts(c.Reasons)
	d.int(int64(len(c.Commits)))
	for _, k := range c.Commits {
		for _, s := range []string{k.SHA, k.Repository, k.Author, k.Message, k.URL} {
			d.text(s)
		}
		d.float(k.Score)
		d.texts(k.Reasons)
	}
}

func (d digest) float(f float64) { d.int(int64(math.Float64bits(f))) }

func (d digest) bool(b bool) {
	if b {
		d.int(1)
	} else {
		d.int(0)
	}
}

func (d digest) moment(t *time.Time) {
	d.bool(t != nil)
	if t != nil {
		d.time(*t)
	}
}

func (d digest) texts(list []string) {
	d.int(int64(len(list)))
	for _, s := range list {
		d.text(s)
	}
}

func (d digest) ids(list []event.ID) {
	d.int(int64(len(list)))
	for _, id := range list {
		d.bytes(id[:])
	}
}
