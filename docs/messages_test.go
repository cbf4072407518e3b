package docs

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate"
	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// deeds are what a person who wrote a message in an incident is said to have
// done, and whether the message counts as an acknowledgement.
func deeds(t *testing.T, text string) (did string, acknowledged bool) {
	t.Helper()
	engine, err := correlate.New(correlate.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	began := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	labels := event.Labels{"alertname": "HighErrors", "service": "payments", "severity": "critical"}
	wrote := began.Add(2 * time.Minute)
	engine.Observe([]event.Event{{
		ID: event.NewID(wrote, "message"), Kind: event.KindMessage, OccurredAt: wrote, ReceivedAt: wrote, Road: event.RoadMessages,
		Message: &event.Message{Author: "dana", Text: text},
	}}, []event.Observation{{
		Fingerprint: labels.Fingerprint(), StartsAt: began, Labels: labels, FiringSeenAt: began, KeepAliveUntil: began.Add(time.Hour),
		FirstReceivedAt: began, LastReceivedAt: began, Roads: []event.Road{event.RoadPrometheus},
	}}, nil)
	derived := engine.Derive(began.Add(5 * time.Minute))
	if len(derived) != 1 {
		t.Fatalf("got %d timelines, want 1", len(derived))
	}
	tl := &derived[0].Timeline
	for _, e := range tl.Entries {
		if e.Kind == timeline.EntryAcknowledged {
			acknowledged = true
		}
	}
	for _, p := range tl.Participants {
		did += strings.Join(p.Did, ", ")
	}
	return did, acknowledged
}

// TestMessages holds that the examples are read as the page says.
func TestMessages(t *testing.T) {
	page := read(t, "messages.md")
	claims := regexp.MustCompile("(?m)^\\| \\d \\| `(\\w+)` \\| `([^`]+)` \\| (.*?) ?\\|$").FindAllStringSubmatch(page, -1)
	if len(claims) < 12 {
		t.Fatalf("found only %d examples", len(claims))
	}
	for _, c := range claims {
		means, text, want := c[1], c[2], c[3]
		did, acknowledged := deeds(t, text)
		// Who only says that it is over, or what they see, after the alert did
		// not take part.
		if means == "resolves" || means == "reports" {
			want = ""
		}
		if did != want || acknowledged != (means == "acknowledges") {
			t.Errorf("%q: got %q, an acknowledgement: %v; want %q as it %s", text, did, acknowledged, want, means)
		}
	}
	nothing := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ").FindAllStringSubmatch(page, -1)
	if len(nothing) < 4 {
		t.Fatalf("found only %d examples of what claims nothing", len(nothing))
	}
	for _, n := range nothing {
		if did, acknowledged := deeds(t, n[1]); did != "" || acknowledged {
			t.Errorf("%q: got %q, an acknowledgement: %v; want nothing", n[1], did, acknowledged)
		}
	}
}
