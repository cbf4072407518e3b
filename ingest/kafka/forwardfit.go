package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/envelope"
	"github.com/hindcast/hindcast/ingest/event"
)

// Fit moves to the asides of a batch, cut, what is larger than a record of its
// topic may be, so that the rest can be appended. It leaves the batch alone when
// all of it fits. The error, an [ingest.TooLarge], says that no fact is left: a
// webhook's arrival is none without its alerts. The batch's facts are not changed,
// its lists may be others.
//
// It waits for the brokers only when something does not fit: they are asked whether
// the topics take more by now, and for a second at most.
func (f *Forwarder) Fit(ctx context.Context, b *event.Batch) error {
	fitted := fit(b, f.alerts.limit(), f.logs.limit())
	if len(fitted.aside) == 0 {
		return nil
	}
	if f.askAgain(ctx) {
		if fitted = fit(b, f.alerts.limit(), f.logs.limit()); len(fitted.aside) == 0 {
			return nil
		}
	}
	had := len(b.Observations)
	b.Events, b.Observations, b.Chunks = fitted.events, fitted.observations, fitted.chunks
	b.Asides = slices.Concat(b.Asides, fitted.aside)
	if had > 0 && len(b.Observations) == 0 {
		b.Events = slices.DeleteFunc(b.Events, func(e event.Event) bool { return e.Notification != nil && e.Notification.ToHindcast })
	}
	if b.Len() == len(b.Asides) {
		return fitted.why
	}
	return nil
}

// askAgain learns how much the topics take now, unless that was done just now.
func (f *Forwarder) askAgain(ctx context.Context) (asked bool) {
	if f.reach.awayFor() > 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, w := range []*topicWriter{f.alerts, f.logs} {
		w.mu.Lock()
		recent := time.Since(w.learned) < time.Second
		w.mu.Unlock()
		// What fails leaves what was known.
		if !recent && w.learn(ctx) == nil {
			asked = true
		}
	}
	return asked
}

// fitted is what fits of a batch, and asides for what does not.
type fitted struct {
	events       []event.Event
	observations []event.Observation
	chunks       []event.Chunk
	aside        []event.Aside
	// why the first one does not fit.
	why *ingest.TooLarge
}

func fit(b *event.Batch, alerts, logs limit) *fitted {
	r := &fitted{events: b.Events, observations: b.Observations, chunks: b.Chunks}
	if !allFit(b, alerts) {
		r.events, r.observations = nil, nil
		for i := range b.Events {
			e := &b.Events[i]
			p := packer{most: alerts}
			if !r.tooLarge(p.addEvent(*e), e.OccurredAt, e.ReceivedAt, e.Road, e.Raw, e.ID.String()) {
				r.events = append(r.events, *e)
			}
		}
		for i := range b.Observations {
			o := &b.Observations[i]
			p := packer{most: alerts}
			var road event.Road
			if len(o.Roads) > 0 {
				road = o.Roads[0]
			}
			if !r.tooLarge(p.addObservation(*o), o.StartsAt, o.LastReceivedAt, road, o.Raw, o.Fingerprint.String(), o.StartsAt.String()) {
				r.observations = append(r.observations, *o)
			}
		}
	}
	if slices.ContainsFunc(b.Chunks, func(c event.Chunk) bool { return mayExceed(&c, logs) }) {
		r.chunks = nil
		for i := range b.Chunks {
			r.fitChunk(&b.Chunks[i], logs)
		}
	}
	return r
}

// allFit reports whether all facts but lines fit in one record: most batches do,
// and none need be looked at alone then.
func allFit(b *event.Batch, most limit) bool {
	if len(b.Events)+len(b.Observations) == 0 {
		return true
	}
	encoded, err := envelope.EncodeProto(event.Batch{Events: b.Events, Observations: b.Observations})
	all := record{value: encoded}
	return err == nil && all.size() <= most.bytes
}

// mayExceed reports whether a line, or a count, of a chunk could be larger than a
// topic takes. One that takes too little for any chunk is another matter.
func mayExceed(c *event.Chunk, most limit) bool {
	if most.bytes < leastMaxBytes-batchOverhead {
		return false
	}
	room := most.bytes - chunkBytes - batchOverhead
	largest := 0
	for i := range c.Counts {
		largest = max(largest, countBytes(&c.Counts[i])+event.MaxSample)
	}
	if largest > room {
		return true
	}
	streams := make([]int, len(c.Streams))
	for i := range c.Streams {
		streams[i] = streamBytes(&c.Streams[i])
	}
	return slices.ContainsFunc(c.Lines, func(l event.Line) bool { return lineBytes(&l)+streams[l.Stream]+largest > room })
}

// fitChunk keeps the parts of a chunk that fit, as they would have been forwarded:
// they are the same in a second try, whatever the topic takes then. A part that is
// larger than a topic takes, is so for a single line.
func (r *fitted) fitChunk(c *event.Chunk, most limit) {
	if !mayExceed(c, most) {
		r.chunks = append(r.chunks, *c)
		return
	}
	parts, err := splitChunk(c, partBytes)
	if err != nil { // whoever appends it is told
		r.chunks = append(r.chunks, *c)
		return
	}
	var kept []event.Chunk
	for i := range parts {
		p := &parts[i]
		at, raw := p.ReceivedAt, []byte(nil)
		if len(p.Lines) > 0 {
			at, raw = p.Lines[0].At, []byte(p.Lines[0].Text)
		}
		one := packer{most: most}
		if fits(p, most.bytes) || !r.tooLarge(one.addPart(*p), at, p.ReceivedAt, p.Road, raw, p.ID.String()) {
			kept = append(kept, *p)
		}
	}
	if len(kept) == len(parts) {
		kept = []event.Chunk{*c}
	}
	r.chunks = append(r.chunks, kept...)
}

// tooLarge puts a fact aside when err says that it is too large. When it happened
// and what names it make the aside the same when the fact is sent again.
func (r *fitted) tooLarge(err error, at, receivedAt time.Time, road event.Road, raw []byte, names ...string) bool {
	why, ok := errors.AsType[*ingest.TooLarge](err)
	if !ok {
		return false
	}
	if r.why == nil {
		r.why = why
	}
	r.aside = append(r.aside, event.Aside{
		ID:         event.NewID(at, append([]string{"aside", ingest.ClassTooLarge, string(road)}, names...)...),
		ReceivedAt: receivedAt, Road: road, Reason: why.Reason, Class: ingest.ClassTooLarge,
		// A copy: the rest is let go.
		Raw: slices.Clone(raw[:min(len(raw), event.MaxAside)]),
	})
	return true
}

// nameOf is how reasons name an alert.
func nameOf(o *event.Observation) string {
	const most = 100
	name := strings.ToValidUTF8(o.Labels["alertname"], "\uFFFD")
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "…"
	}
	if name == "" {
		return "an alert"
	}
	return fmt.Sprintf("the alert %q", name)
}
