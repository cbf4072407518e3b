package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// answer is what a receiver says to a sender.
type answer struct {
	status int
	// body is JSON; nil for none. It is a problem when the status is an error.
	body any
	// allow, challenge and retryAfter become headers.
	allow      string
	challenge  string
	retryAfter time.Duration
	// hangUp closes the connection: its body was not read to the end, or the
	// server goes away.
	hangUp bool
}

// summary is the body of a 200.
type summary struct {
	// Accepted counts facts: an alert in a webhook makes one, the webhook's
	// arrival makes another.
	Accepted int         `json:"accepted"`
	Rejected []rejection `json:"rejected,omitempty"`
	// Omitted is how many rejections are not listed.
	Omitted int `json:"rejected_omitted,omitempty"`
}

// rejection is one entry that was put aside.
type rejection struct {
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`
}

// problem is the body of an error: RFC 9457, with members of our own.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Field is the path of the field, or the header, to mend.
	Field string `json:"field,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// Accepted and Rejected tell of a body of which the good entries were kept.
	*summary `json:",omitempty"`
}

const (
	// maxRejections is how many rejections an answer lists.
	maxRejections = 20
	// maxReason bounds a reason in answers and logs, in bytes.
	maxReason = 500
)

// summarize tells what became of a batch.
func summarize(b *event.Batch) summary {
	s := summary{Accepted: b.Len() - len(b.Asides)}
	for i, a := range b.Asides {
		if i == maxRejections {
			s.Omitted = len(b.Asides) - i
			break
		}
		field, reason := splitReason(a.Reason)
		s.Rejected = append(s.Rejected, rejection{Field: field, Reason: reason})
	}
	return s
}

// splitReason parts a reason of the form "alerts[3].startsAt: not a time" into
// the field and the rest.
func splitReason(text string) (field, reason string) {
	head, tail, ok := strings.Cut(text, ": ")
	if !ok || len(head) > 200 || strings.ContainsAny(head, " \t\n\"") {
		return "", clip(text, maxReason)
	}
	return head, clip(tail, maxReason)
}

// named is a reason that also says of which field it is: some clients show
// nothing but the detail of a problem.
func named(field, reason string) string {
	switch {
	case field == "":
		return reason
	case strings.HasPrefix(reason, "required"):
		return field + " is " + reason
	}
	return field + ": " + reason
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

func (a answer) write(w http.ResponseWriter) {
	h := w.Header()
	if a.allow != "" {
		h.Set("Allow", a.allow)
	}
	if a.challenge != "" {
		h.Set("WWW-Authenticate", a.challenge)
	}
	if a.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((a.retryAfter+time.Second-1)/time.Second)))
	}
	if a.hangUp {
		h.Set("Connection", "close")
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(a.body); err != nil {
		// Strings and numbers always encode.
		panic(fmt.Errorf("encode an answer: %w", err))
	}
	if a.status >= 400 {
		h.Set("Content-Type", "application/problem+json")
	} else {
		h.Set("Content-Type", "application/json")
	}
	h.Set("Content-Length", strconv.Itoa(buf.Len()))
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(a.status)
	// A sender that has gone away is not told, and repeats what it sent.
	_, _ = w.Write(buf.Bytes())
}
