package ingest

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// wholeBody puts a body aside of which nothing could be used.
func wholeBody(in Input, road event.Road, err error) event.Aside {
	raw := in.Body[:min(len(in.Body), event.MaxAside)]
	return event.Aside{
		ID:         event.NewID(in.ReceivedAt, "body", string(road), strconv.Itoa(len(in.Body)), string(raw)),
		ReceivedAt: in.ReceivedAt,
		Road:       road,
		Reason:     clip(err.Error(), maxReason),
		Class:      reasonMalformed,
		// A copy: the rest of the body is let go.
		Raw: append([]byte(nil), raw...),
	}
}

// asideCost is what an aside takes of the budget beside its raw bytes.
const asideCost = 256

// trimAsides keeps what may be put aside now, so that a flood of garbage
// cannot fill the store. Everything was counted before.
func (rs *Receivers) trimAsides(b *event.Batch) {
	for i := range b.Asides {
		a := &b.Asides[i]
		if len(a.Raw) > event.MaxAside {
			a.Raw = append([]byte(nil), a.Raw[:event.MaxAside]...)
		}
		if !rs.asides.take(float64(asideCost + len(a.Raw))) {
			rs.metrics.asidesLost.Add(float64(len(b.Asides) - i))
			b.Asides = b.Asides[:i]
			return
		}
	}
}

// asidePatience is how long a sender who is refused waits for what is put
// aside of its body.
const asidePatience = time.Second

// putAside keeps what was wrong with a body of which nothing could be used.
// The sender is refused whether it works or not.
func (e *endpoint) putAside(ctx context.Context, asides []event.Aside) {
	if len(asides) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, asidePatience)
	defer cancel()
	if err := e.rs.o.Appender.Append(ctx, event.Batch{Asides: asides}); err != nil {
		e.rs.metrics.asidesLost.Add(float64(len(asides)))
		if e.rs.warn.take(1) {
			e.rs.o.Logger.Warn("could not put aside what could not be decoded", "endpoint", e.path, "entries", len(asides), "err", err)
		}
	}
}

// warnRefused logs that a request was refused: neither its body nor its header
// but for the sender's name for itself.
func (rs *Receivers) warnRefused(path string, r *http.Request, f *refusal) {
	if !rs.warn.take(1) {
		return
	}
	said := []any{"endpoint", path, "status", f.status, "reason", f.reason, "detail", clip(f.detail, maxReason)}
	if f.field != "" {
		said = append(said, "field", clip(f.field, maxReason))
	}
	if f.err != nil {
		said = append(said, "err", f.err)
	}
	said = append(said, "remote", r.RemoteAddr)
	if agent := r.UserAgent(); agent != "" {
		said = append(said, "user_agent", clip(agent, 100))
	}
	rs.o.Logger.Warn("request refused", said...)
}

// warnPutAside logs that entries of a body were put aside.
func (rs *Receivers) warnPutAside(path string, s summary) {
	if !rs.warn.take(1) {
		return
	}
	rs.o.Logger.Warn("entries put aside", "endpoint", path, "entries", len(s.Rejected)+s.Omitted,
		"first", named(s.Rejected[0].Field, s.Rejected[0].Reason))
}
