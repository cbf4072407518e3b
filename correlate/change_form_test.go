package correlate

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/ingest/event"
)

var formStart = time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)

// report is a change event some minutes after formStart.
func report(minutes float64, service string, c event.Change) event.Event {
	at := formStart.Add(time.Duration(minutes * float64(time.Minute)))
	if c.Kind == "" {
		c.Kind = event.ChangeDeploy
	}
	return event.Event{
		ID:   event.NewID(at, service, c.Run, c.Version, string(c.Kind), string(c.Status), c.Message, c.Commit),
		Kind: event.KindChange, OccurredAt: at, Service: service, Environment: "prod", Change: &c,
	}
}

func done(version string) event.Change {
	return event.Change{Version: version, Status: event.ChangeSucceeded}
}

func TestFormChanges(t *testing.T) {
	type want struct {
		service, version, previous string
		kind                       event.ChangeKind
		status                     event.ChangeStatus
		minutes                    float64
		commits                    int
	}
	for _, test := range []struct {
		name    string
		reports []event.Event
		want    []want
	}{
		{"start and finish of one run, and another sender's word", []event.Event{
			report(0, "a", event.Change{Run: "7", Version: "2", Status: event.ChangeStarted, PreviousVersion: "1", Commit: "aaaaaaaaaa"}),
			report(2, "a", event.Change{Run: "7", Version: "2", Status: event.ChangeSucceeded}),
			report(2.1, "a", event.Change{Run: "gh", Version: "2", Status: event.ChangeSucceeded, Commits: []event.Commit{{SHA: "bbbbbbbbbb"}}}),
		}, []want{{"a", "2", "1", event.ChangeDeploy, event.ChangeSucceeded, 2, 2}}},
		{"the same version hours later is another change", []event.Event{
			report(0, "a", done("2")), report(180, "a", done("2")),
		}, []want{
			{"a", "2", "", event.ChangeDeploy, event.ChangeSucceeded, 0, 0},
			{"a", "2", "", event.ChangeDeploy, event.ChangeSucceeded, 180, 0},
		}},
		{"an older version again is a rollback, the newer one again is not", []event.Event{
			report(0, "a", done("1")), report(100, "a", done("2")), report(110, "a", done("1")), report(120, "a", done("2")),
		}, []want{
			{"a", "1", "", event.ChangeDeploy, event.ChangeSucceeded, 0, 0},
			{"a", "2", "1", event.ChangeDeploy, event.ChangeSucceeded, 100, 0},
			{"a", "1", "2", event.ChangeRollback, event.ChangeSucceeded, 110, 0},
			{"a", "2", "1", event.ChangeDeploy, event.ChangeSucceeded, 120, 0},
		}},
		{"a rollback to what only the sender said ran before", []event.Event{
			report(0, "a", event.Change{Version: "2", PreviousVersion: "1", Status: event.ChangeSucceeded}), report(9, "a", done("1")),
		}, []want{
			{"a", "2", "1", event.ChangeDeploy, event.ChangeSucceeded, 0, 0},
			{"a", "1", "2", event.ChangeRollback, event.ChangeSucceeded, 9, 0},
		}},
		{"what failed never ran", []event.Event{
			report(0, "a", done("1")),
			report(5, "a", event.Change{Version: "2", Status: event.ChangeFailed}),
			report(9, "a", done("3")),
		}, []want{
			{"a", "1", "", event.ChangeDeploy, event.ChangeSucceeded, 0, 0},
			{"a", "2", "1", event.ChangeDeploy, event.ChangeFailed, 5, 0},
			{"a", "3", "1", event.ChangeDeploy, event.ChangeSucceeded, 9, 0},
		}},
		{"a failed attempt and its repetition are one rollout", []event.Event{
			report(0, "a", event.Change{Run: "1", Version: "2", Status: event.ChangeFailed}), report(10, "a", event.Change{Run: "2", Version: "2", Status: event.ChangeSucceeded}),
		}, []want{{"a", "2", "", event.ChangeDeploy, event.ChangeSucceeded, 10, 0}}},
		{"a flag back and forth, another flag between its reports", []event.Event{
			report(0, "a", event.Change{Kind: event.ChangeFlag, Version: "x: off->on", Status: event.ChangeSucceeded}),
			report(0.5, "a", event.Change{Kind: event.ChangeFlag, Version: "y: off->on", Status: event.ChangeSucceeded}),
			report(1, "a", event.Change{Kind: event.ChangeFlag, Version: "x: off->on", Status: event.ChangeSucceeded, Message: "by hand"}),
			report(9, "a", event.Change{Kind: event.ChangeFlag, Version: "x: on->off", Status: event.ChangeSucceeded}),
			report(12, "a", event.Change{Kind: event.ChangeFlag, Version: "x: off->on", Status: event.ChangeSucceeded}),
		}, []want{
			{"a", "x: off->on", "", event.ChangeFlag, event.ChangeSucceeded, 0, 0},
			{"a", "y: off->on", "", event.ChangeFlag, event.ChangeSucceeded, 0.5, 0},
			{"a", "x: on->off", "", event.ChangeFlag, event.ChangeSucceeded, 9, 0},
			{"a", "x: off->on", "", event.ChangeFlag, event.ChangeSucceeded, 12, 0},
		}},
		{"restarts without a version", []event.Event{
			report(0, "a", event.Change{Kind: event.ChangeRestart, Status: event.ChangeStarted}),
			report(4, "a", event.Change{Kind: event.ChangeRestart, Status: event.ChangeSucceeded}),
			report(30, "a", event.Change{Kind: event.ChangeRestart, Status: event.ChangeSucceeded}),
		}, []want{
			{"a", "", "", event.ChangeRestart, event.ChangeSucceeded, 4, 0},
			{"a", "", "", event.ChangeRestart, event.ChangeSucceeded, 30, 0},
		}},
		{"two posts with one run but another content", []event.Event{
			report(0, "a", event.Change{Run: "1", Version: "2", Status: event.ChangeSucceeded, PreviousVersion: "2", Commit: "aaaaaaaaaa"}),
			report(0, "a", event.Change{Run: "1", Version: "2", Status: event.ChangeSucceeded, Commit: "bbbbbbbbbb"}),
		}, []want{{"a", "2", "", event.ChangeDeploy, event.ChangeSucceeded, 0, 2}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := formChanges(test.reports, nil)
			if len(got) != len(test.want) {
				t.Fatalf("%d changes, want %d: %+v", len(got), len(test.want), got)
			}
			for i, w := range test.want {
				c := got[i]
				is := want{c.service, c.version, c.previousVersion, c.kind, c.status, c.at().Sub(formStart).Minutes(), len(c.commits)}
				if is != w {
					t.Errorf("change %d is %+v, want %+v", i, is, w)
				}
			}
		})
	}
}

func TestFormChangesFillsInCommits(t *testing.T) {
	const sha = "5c0ffee5c0ffee5c0ffee5c0ffee5c0ffee5c0ff"
	posted := []event.Event{
		{ID: event.NewID(formStart, "x"), Kind: event.KindCommit, OccurredAt: formStart, Commit: &event.Commit{SHA: sha, Message: "mend it", Files: []string{"a.go"}, Diff: "+x"}},
		{ID: event.NewID(formStart, "y"), Kind: event.KindCommit, OccurredAt: formStart, Commit: &event.Commit{SHA: "0000000000", Message: "loose"}},
	}
	changes := formChanges([]event.Event{report(1, "a", event.Change{Version: "1", Status: event.ChangeSucceeded, Commit: sha[:8]})}, posted)
	want := []event.Commit{{SHA: sha, Message: "mend it", Files: []string{"a.go"}, Diff: "+x", At: formStart}}
	if got := changes[0].commits; !reflect.DeepEqual(got, want) {
		t.Errorf("commits are %+v, want %+v", got, want)
	}
	loose := looseCommits(posted, changes)
	if len(loose) != 1 || loose[0].Message != "loose" {
		t.Errorf("loose commits are %+v, want the one that no change carries", loose)
	}
}

// Neither order nor copies of events matter.
func TestFormChangesInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 25).Draw(t, "reports")
		var events []event.Event
		for i := range n {
			c := event.Change{
				Run:     rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "run"),
				Version: rapid.SampledFrom([]string{"", "1", "2", "3"}).Draw(t, "version"),
				Kind:    rapid.SampledFrom([]event.ChangeKind{event.ChangeDeploy, event.ChangeRollback, event.ChangeFlag, event.ChangeRestart}).Draw(t, "kind"),
				Status:  rapid.SampledFrom([]event.ChangeStatus{event.ChangeStarted, event.ChangeSucceeded, event.ChangeFailed}).Draw(t, "status"),
				Message: rapid.SampledFrom([]string{"", "m", "n"}).Draw(t, "message"),
				Commits: []event.Commit{{SHA: fmt.Sprintf("%040d", i%3), Diff: rapid.SampledFrom([]string{"", "+a", "+b"}).Draw(t, "diff")}},
			}
			e := report(float64(rapid.IntRange(0, 200).Draw(t, "minutes")), "a", c)
			e.Labels = event.Labels{"l": c.Message}
			e.ID = event.NewID(e.OccurredAt, fmt.Sprint(i))
			events = append(events, e)
		}
		want := formChanges(events, nil)
		again := append(rapid.Permutation(events).Draw(t, "order"), events[:rapid.IntRange(0, n).Draw(t, "copies")]...)
		got := formChanges(rapid.Permutation(again).Draw(t, "order with copies"), nil)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("another order gives %d changes, want the same %d", len(got), len(want))
		}
		count := 0
		for i, c := range want {
			count += len(c.events)
			if i > 0 && compareChanges(want[i-1], c) >= 0 {
				t.Fatalf("changes %d and %d are out of order", i-1, i)
			}
		}
		if count != n {
			t.Fatalf("%d of %d reports are in a change", count, n)
		}
	})
}
