package term

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

var update = flag.Bool("update", false, "write the golden files")

var start = time.Date(2026, 11, 22, 15, 19, 51, 901e6, time.UTC)

func after(d time.Duration) *time.Time {
	t := start.Add(d)
	return &t
}

func sample() *timeline.Timeline {
	id := func(name string) event.ID { return event.NewID(start, name) }
	return &timeline.Timeline{
		Incident: timeline.Incident{
			ID: id("a"), Title: "payments: ElevatedErrorRate", Status: timeline.StatusClosed, Severity: "critical",
			Services: []string{"payments", "checkout"}, Environment: "prod", StartedAt: start, EndedAt: after(62 * time.Second),
		},
		Milestones: []timeline.Milestone{
			{
				Name: timeline.Onset, At: after(0), Earliest: after(-time.Second), Latest: after(2 * time.Second), Confidence: 0.9,
				Rule: "first_error_burst", Explanation: "The first burst of new error patterns.", Evidence: []event.ID{id("b"), id("c"), id("d")},
				Alternatives: []timeline.Alternative{{At: *after(5 * time.Second), Rule: "first_alert", WhyNot: "later than the first burst of errors, which a rule needs time to see"}},
			},
			{Name: timeline.Detected, At: after(5 * time.Second), Earliest: after(5 * time.Second), Latest: after(5 * time.Second), Confidence: 1, Rule: "first_alert"},
			{Name: timeline.Acknowledged, At: after(28 * time.Second), Confidence: 0.6, Rule: "claim", Actor: "dana", Origin: timeline.OriginHuman},
			{Name: timeline.Mitigated, Latest: after(50 * time.Second), Confidence: 0.3, Rule: "first_end"},
		},
		Durations: map[timeline.DurationName]timeline.Duration{
			timeline.TimeToDetect:  {Seconds: 5.099, From: timeline.Onset, To: timeline.Detected, Basis: timeline.BasisMeasured},
			timeline.TimeToRestore: {Seconds: 3723, From: timeline.Onset, To: timeline.Restored, Basis: timeline.BasisInferred},
		},
		Changes: []timeline.Change{
			{
				At: *after(-2 * time.Second), Service: "payments", Version: "2.0.0", PreviousVersion: "1.0.0", Kind: event.ChangeDeploy,
				Status: event.ChangeSucceeded, Actor: "mira", Verdict: timeline.VerdictSuspect, Score: 0.93,
				Reasons: []string{"took effect 2 s before onset", "the service that the errors are in"},
				Commits: []timeline.Commit{{SHA: "0123456789abcdef", Author: "mira", Score: 0.8, Reasons: []string{"touches charge.go, which the errors name"}}},
			},
			{At: *after(40 * time.Second), Service: "payments", Version: "1.0.0", Kind: event.ChangeRollback, Status: event.ChangeFailed, Verdict: timeline.VerdictFailedRemedy, Score: 0.1},
		},
		Participants: []timeline.Participant{{Name: "dana", Did: []string{"acknowledged", "rolled back payments"}, FirstAt: *after(28 * time.Second)}},
		Gaps:         []timeline.Gap{{Kind: timeline.GapNoRunbook, Explanation: "no member alert has a runbook"}},
		Entries: []timeline.Entry{
			{At: *after(0), Kind: timeline.EntryLogPattern, Service: "payments", Summary: "panic: \x1b[31mnil map\nat charge.go:12 " + strings.Repeat("very long ", 12), Count: 40, Until: after(30 * time.Second)},
			{At: *after(28 * time.Second), Kind: timeline.EntryMessage, Actor: "dana", Summary: "on it"},
		},
		Context: []timeline.Entry{{At: *after(-time.Hour), Kind: timeline.EntryAlertFired, Service: "mailer", Summary: "QueueLag"}},
	}
}

func TestPrint(t *testing.T) {
	for name, o := range map[string]Options{"plain": {}, "narrow": {Width: 64}, "color": {Width: 120, Color: true}} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := Print(&got, sample(), o); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("output differs from %s (go test -update writes it); got\n%s", golden, got.String())
			}
		})
	}
}

func TestPrintKeepsTheWidth(t *testing.T) {
	for _, width := range []int{60, 72, 100, 160} {
		var got bytes.Buffer
		if err := Print(&got, sample(), Options{Width: width}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(got.String()) {
			line = strings.TrimSuffix(line, "\n")
			if n := utf8.RuneCountInString(line); n > width {
				t.Errorf("width %d: a line has %d columns: %q", width, n, line)
			}
			if strings.Contains(line, "\x1b") {
				t.Errorf("width %d: a sender's escape sequence reaches the terminal: %q", width, line)
			}
		}
	}
}

// TestPrintNothing prints a timeline of which nothing is known.
func TestPrintNothing(t *testing.T) {
	var got bytes.Buffer
	if err := Print(&got, &timeline.Timeline{}, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"there is no evidence for any", "nothing went unseen"} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("output lacks %q:\n%s", want, got.String())
		}
	}
}

type broken struct{}

var errBroken = errors.New("broken pipe")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestPrintReportsErrors(t *testing.T) {
	if err := Print(broken{}, sample(), Options{}); !errors.Is(err, errBroken) {
		t.Errorf("got error %v, want %v", err, errBroken)
	}
}

func TestForPlainOutput(t *testing.T) {
	t.Setenv("COLUMNS", "72")
	if got, want := For(&bytes.Buffer{}), (Options{Width: 72}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func FuzzWrap(f *testing.F) {
	f.Add("a bb ccc", 2)
	f.Fuzz(func(t *testing.T, text string, width int) {
		width = 1 + (width&0xff)%100
		for _, line := range wrap(clean(text), width) {
			if utf8.RuneCountInString(line) > width {
				t.Errorf("a line of wrap(%q, %d) is too long: %q", text, width, line)
			}
		}
	})
}
