package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// refusal is why a request was not taken.
type refusal struct {
	status int
	// reason is for counting.
	reason string
	field  string
	detail string
	hint   string
	// err is the cause, for our own log only.
	err        error
	allow      string
	challenge  string
	retryAfter time.Duration
	hangUp     bool
}

// The reasons for which a whole request is refused. Entries that are put aside
// have the classes that their decoders give.
const (
	reasonMethod       = "method"
	reasonMediaType    = "media_type"
	reasonEncoding     = "encoding"
	reasonTooLarge     = "too_large"
	reasonSlow         = "slow"
	reasonTruncated    = "truncated"
	reasonSignature    = "signature"
	reasonReceivedAt   = "received_at"
	reasonMalformed    = "malformed"
	reasonBusy         = "busy"
	reasonUnavailable  = "unavailable"
	reasonTimeout      = "timeout"
	reasonStoreError   = "store_error"
	reasonShuttingDown = "shutting_down"
	reasonPanic        = "panic"
)

var refusalReasons = []string{
	reasonMethod, reasonMediaType, reasonEncoding, reasonTooLarge, reasonSlow, reasonTruncated, reasonSignature,
	reasonReceivedAt, reasonMalformed, reasonBusy, reasonUnavailable, reasonTimeout, reasonStoreError,
	reasonShuttingDown, reasonPanic,
}

func (f *refusal) answer() answer {
	return answer{
		status: f.status,
		body: problem{
			Title:  http.StatusText(f.status),
			Status: f.status,
			Detail: clip(f.detail, maxReason),
			Field:  clip(f.field, maxReason),
			Hint:   f.hint,
		},
		allow: f.allow, challenge: f.challenge, retryAfter: f.retryAfter, hangUp: f.hangUp,
	}
}

const again = "Nothing is wrong with the request: send it again, as it is, after the seconds in Retry-After."

// busy sheds load. Alertmanager repeats a webhook after a 5xx and after
// nothing else, so it is 503 and not 429.
func busy(lane Lane, detail string) *refusal {
	after := time.Second
	if lane == LaneLogs {
		after = 5 * time.Second
	}
	return &refusal{status: http.StatusServiceUnavailable, reason: reasonBusy, detail: detail, hint: again, retryAfter: after}
}

func shuttingDown() *refusal {
	return &refusal{
		status: http.StatusServiceUnavailable, reason: reasonShuttingDown, detail: "hindcast is shutting down",
		hint: again, retryAfter: 5 * time.Second, hangUp: true,
	}
}

func tooLarge(what string, limit int64, setting string) *refusal {
	return &refusal{
		status: http.StatusRequestEntityTooLarge, reason: reasonTooLarge, hangUp: true,
		detail: fmt.Sprintf("the body is larger than %d bytes %s", limit, what),
		hint:   "Send less at once, or raise limits." + setting + " in the configuration.",
	}
}

// undecodable is the refusal of a body of which nothing could be used.
func undecodable(err error, hint string) *refusal {
	f := &refusal{status: http.StatusBadRequest, reason: reasonMalformed, detail: err.Error(), hint: hint}
	if m, ok := errors.AsType[*event.Malformed](err); ok {
		f.field, f.detail = m.Field, named(m.Field, m.Reason)
	}
	if errors.Is(err, ErrTooMuch) {
		f.status, f.reason = http.StatusRequestEntityTooLarge, reasonTooLarge
		f.hint = "Send less at once, or raise a limit under limits in the configuration."
	}
	if t, ok := errors.AsType[*TooLarge](err); ok {
		f.hint = t.Remedy
	}
	return f
}

// notDurable is the refusal of a batch that was decoded and not appended.
func notDurable(err error, lane Lane, o *Options) *refusal {
	var f *refusal
	switch {
	case errors.Is(err, ErrTooMuch):
		f = &refusal{
			status: http.StatusRequestEntityTooLarge, reason: reasonTooLarge, detail: err.Error(),
			hint: "Send less at once: it would be refused again as it is.",
		}
		if t, ok := errors.AsType[*TooLarge](err); ok {
			f.hint = t.Remedy
		}
	case errors.Is(err, ErrFull):
		f = busy(lane, "too much waits to be stored")
	case errors.Is(err, ErrClosed), errors.Is(err, ErrAbandoned):
		f = shuttingDown()
	// Before the time-outs: what is said to be unavailable may wrap one, of a
	// question that it did not answer.
	case o.Unavailable(err):
		f = busy(lane, o.To+" cannot take anything now")
		f.reason = reasonUnavailable
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		f = busy(lane, o.To+" did not answer in time")
		f.reason = reasonTimeout
	default:
		f = &refusal{
			status: http.StatusInternalServerError, reason: reasonStoreError,
			detail: o.To + " refused the facts", hint: "hindcast's log says why.",
		}
	}
	f.err = err
	return f
}
