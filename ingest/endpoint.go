package ingest

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// endpoint receives what is posted to one path.
type endpoint struct {
	rs      *Receivers
	path    string
	lane    Lane
	road    event.Road
	formats []Format
}

// ServeHTTP answers a request, whatever happens.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	setReadDeadline(w, began.Add(e.rs.o.Limits.ReadTimeout))
	if r.Header.Get(HeaderReceivedAt) != "" {
		w.Header().Set(HeaderTimes, e.rs.times())
	}
	a := e.guarded(w, r)
	a.write(w)
	e.rs.metrics.answered(e.path, a.status, time.Since(began))
}

// guarded is the last net: what panics costs one request and not the process.
func (e *endpoint) guarded(w http.ResponseWriter, r *http.Request) (a answer) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		e.rs.metrics.panics.Inc()
		e.rs.metrics.reject(e.road, reasonPanic)
		e.rs.o.Logger.Error("a receiver panicked", "endpoint", e.path, "panic", clip(fmt.Sprint(p), maxReason), "stack", string(debug.Stack()))
		f := &refusal{
			status: http.StatusInternalServerError, detail: "hindcast failed on this request",
			hint: "This is a fault of hindcast: its log has the details. Please report it.", hangUp: true,
		}
		a = f.answer()
	}()
	a, f := e.receive(w, r)
	if f == nil {
		return a
	}
	e.rs.metrics.reject(e.road, f.reason)
	e.rs.warnRefused(e.path, r, f)
	return f.answer()
}

// receive takes a request in.
func (e *endpoint) receive(w http.ResponseWriter, r *http.Request) (answer, *refusal) {
	if r.Method != http.MethodPost {
		return answer{}, &refusal{
			status: http.StatusMethodNotAllowed, reason: reasonMethod, allow: http.MethodPost,
			detail: fmt.Sprintf("%s takes POST, not %s", e.path, clip(r.Method, 20)), hint: e.hint(),
		}
	}
	if !e.rs.enter() {
		return answer{}, shuttingDown()
	}
	defer e.rs.leave()

	gate := &e.rs.lanes[e.lane]
	if !gate.requests.try() {
		f := busy(e.lane, "too many requests are under way")
		f.hangUp = true
		return answer{}, f
	}
	defer gate.requests.release()
	inFlight := e.rs.metrics.inFlight.WithLabelValues(e.lane.String())
	inFlight.Inc()
	defer inFlight.Dec()

	at, f := e.rs.receivedAt(r.Header)
	if f != nil {
		return answer{}, f
	}
	format, f := e.formatOf(r.Header)
	if f != nil {
		return answer{}, f
	}
	open, f := codingOf(r.Header, format)
	if f != nil {
		return answer{}, f
	}
	held := hold{of: &gate.memory}
	defer held.free()
	sent, f := readBody(w, r, &e.rs.o.Limits, e.lane, &held)
	if f != nil {
		return answer{}, f
	}
	e.rs.metrics.received.WithLabelValues(e.path).Add(float64(len(sent)))
	if format.Verify != nil {
		if err := format.Verify(r.Header, sent); err != nil {
			return answer{}, &refusal{
				status: http.StatusUnauthorized, reason: reasonSignature, challenge: "Signature", err: err,
				detail: "the signature is missing or wrong",
				hint:   "Give the sender the same secret as hindcast's configuration.",
			}
		}
	}

	// Nobody is served better by stopping half-way when a sender hangs up: it
	// may have been its last try. What follows is bounded in time.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), e.rs.o.Limits.lane(e.lane).AppendTimeout)
	defer cancel()
	return e.take(ctx, format, Input{Body: sent, ReceivedAt: at, Header: r.Header}, open, &held)
}

// take decodes what was sent, appends it and tells the sender.
func (e *endpoint) take(ctx context.Context, format *Format, in Input, open coding, held *hold) (answer, *refusal) {
	batch, decodeErr, f := e.decode(ctx, format, in, open, held)
	if f != nil {
		return answer{}, f
	}
	if decodeErr == nil {
		decodeErr = e.fit(ctx, format.Road, &batch)
	}
	s := summarize(&batch)
	e.rs.trimAsides(&batch)
	if decodeErr != nil {
		e.putAside(ctx, batch.Asides)
		return answer{}, undecodable(decodeErr, format.Hint)
	}
	if batch.Len() > 0 {
		if err := e.rs.o.Appender.Append(ctx, batch); err != nil {
			return answer{}, notDurable(err, e.lane, &e.rs.o)
		}
	}
	if len(s.Rejected) > 0 {
		e.rs.warnPutAside(e.path, s)
	}
	switch {
	case format.Reply == ReplyStrict && len(s.Rejected) > 0:
		return answer{status: http.StatusBadRequest, body: problem{
			Title: http.StatusText(http.StatusBadRequest), Status: http.StatusBadRequest,
			Detail: named(s.Rejected[0].Field, s.Rejected[0].Reason), Field: s.Rejected[0].Field,
			Hint:    "The entries that are not listed were taken: only the listed ones need to be sent again.",
			summary: &s,
		}}, nil
	case format.Reply == ReplyEmpty:
		return answer{status: http.StatusNoContent}, nil
	default:
		return answer{status: http.StatusOK, body: s}, nil
	}
}

// decode decompresses and decodes a body when it is its turn. decodeErr is set
// when nothing of it could be used; the body is among the asides then.
func (e *endpoint) decode(ctx context.Context, format *Format, in Input, open coding, held *hold) (batch event.Batch, decodeErr error, f *refusal) {
	gate := &e.rs.lanes[e.lane]
	select {
	case gate.decoding <- struct{}{}:
	case <-ctx.Done():
		f = busy(e.lane, "too many bodies wait to be decoded")
		f.reason = reasonTimeout
		return event.Batch{}, nil, f
	}
	defer gate.decoding.release()

	limits := &e.rs.o.Limits
	if open != nil {
		sent := int64(cap(in.Body))
		if in.Body, f = decompress(open, in.Body, limits, e.lane, held); f != nil {
			return event.Batch{}, nil, f
		}
		held.shrink(sent)
		e.rs.metrics.decompressed.WithLabelValues(e.path).Add(float64(len(in.Body)))
	}
	if format.Snappy {
		if f = checkSnappy(format.DecodedSize(in.Body), limits, e.lane, held); f != nil {
			return event.Batch{}, nil, f
		}
	}
	batch, decodeErr = format.Take(in)
	for i := range batch.Asides {
		e.rs.metrics.reject(format.Road, batch.Asides[i].Class)
	}
	if decodeErr != nil && len(batch.Asides) == 0 && len(in.Body) > 0 {
		batch = event.Batch{Asides: []event.Aside{wholeBody(in, format.Road, decodeErr)}}
	}
	return batch, decodeErr, nil
}

// formatOf finds the format of what is posted by its media type.
func (e *endpoint) formatOf(header http.Header) (*Format, *refusal) {
	sent := header.Get("Content-Type")
	mediaType, _, err := mime.ParseMediaType(sent)
	if err != nil {
		// A parameter that does not parse hides no known type.
		mediaType, _, _ = strings.Cut(sent, ";")
		mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	}
	var known []string
	for i := range e.formats {
		for _, t := range e.formats[i].Types {
			if t == mediaType || t == typeJSON && isJSON(mediaType) {
				return &e.formats[i], nil
			}
			if t != "" {
				known = append(known, t)
			}
		}
	}
	return nil, &refusal{
		status: http.StatusUnsupportedMediaType, reason: reasonMediaType, field: "Content-Type",
		detail: fmt.Sprintf("%s does not take %q", e.path, clip(mediaType, 100)),
		hint:   "Send Content-Type: " + strings.Join(known, " or ") + ". " + e.hint(),
	}
}

const typeJSON = "application/json"

// isJSON reports whether a media type is one of the names of JSON.
func isJSON(mediaType string) bool {
	return mediaType == "text/json" || mediaType == "application/x-json" ||
		strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json")
}

// hint tells what to post here.
func (e *endpoint) hint() string {
	var hints []string
	for i := range e.formats {
		if h := e.formats[i].Hint; h != "" && (len(hints) == 0 || hints[len(hints)-1] != h) {
			hints = append(hints, h)
		}
	}
	return strings.Join(hints, " ")
}
