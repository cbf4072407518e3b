package correlate_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate"
	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/alertmanager"
	"github.com/hindcast/hindcast/ingest/deploy"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/logs"
	"github.com/hindcast/hindcast/ingest/message"
)

// casesDir holds recorded traffic with the truth beside it; tests that read it
// are skipped where it is missing.
const casesDir = "../../shared/cases"

// settle is how long after the last receipt the cases are judged.
const settle = 24 * time.Hour

type truth struct {
	Case      string
	Scale     float64
	TruthKind string `json:"truth_kind"`
	Incidents []struct {
		Services   []string
		Milestones map[timeline.MilestoneName]struct {
			At time.Time
			By string
		}
		Cause *struct {
			Service, Version, Commit string
		}
		Participants []string
		FailedRemedy bool `json:"failed_remedy"`
	}
	NotIncidents []string `json:"not_incidents"`
}

// readCase decodes a cassette into batches, one a request, and its truth.
func readCase(t testing.TB, dir string) ([]event.Batch, truth) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "cassette.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no recorded case at %s", dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	am := alertmanager.Decoder{}
	lines := logs.New(event.DefaultLabelMap(), logs.Limits{})
	decoders := map[string]func([]byte, time.Time) (event.Batch, error){
		"/ingest/alertmanager":        am.DecodeWebhook,
		"/ingest/alertmanager/events": am.DecodeEvents,
		"/api/v2/alerts":              am.DecodeAlerts,
		"/ingest/deploys":             deploy.DecodeDeploys,
		"/ingest/commits":             deploy.DecodeCommits,
		"/ingest/messages":            message.Decode,
		"/loki/api/v1/push":           lines.DecodeLokiJSON,
	}
	var out []event.Batch
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 64<<20)
	for n := 1; sc.Scan(); n++ {
		var r struct {
			At   time.Time
			Path string
			Body json.RawMessage
		}
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			t.Fatalf("%s:%d: %v", dir, n, err)
		}
		b, err := decoders[r.Path](r.Body, r.At)
		if err != nil {
			t.Fatalf("%s:%d: %v", dir, n, err)
		}
		out = append(out, b)
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	var want truth
	body, err := os.ReadFile(filepath.Join(dir, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &want); err != nil {
		t.Fatal(err)
	}
	return out, want
}

// observe gives a batch to an engine.
func observe(e *correlate.Engine, b event.Batch) {
	var counts []event.Count
	for _, c := range b.Chunks {
		counts = append(counts, c.Counts...)
	}
	e.Observe(b.Events, b.Observations, counts)
}

// lastReceipt is the greatest receipt time of the batches.
func lastReceipt(batches []event.Batch) (last time.Time) {
	for _, b := range batches {
		for _, e := range b.Events {
			last = later(last, e.ReceivedAt)
		}
		for _, o := range b.Observations {
			last = later(last, o.LastReceivedAt)
		}
		for _, c := range b.Chunks {
			last = later(last, c.ReceivedAt)
		}
	}
	return last
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func newEngine(t testing.TB) *correlate.Engine {
	t.Helper()
	e, err := correlate.New(correlate.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// deriveAll gives the timelines of batches as of now, by ID.
func deriveAll(t testing.TB, batches []event.Batch, now time.Time) map[event.ID]timeline.Timeline {
	t.Helper()
	e := newEngine(t)
	for _, b := range batches {
		observe(e, b)
	}
	out := map[event.ID]timeline.Timeline{}
	for _, d := range e.Derive(now) {
		if !d.Retired {
			out[d.Timeline.Incident.ID] = d.Timeline
		}
	}
	return out
}

func caseDirs(t testing.TB) []string {
	t.Helper()
	dirs, _ := filepath.Glob(filepath.Join(casesDir, "*", "cassette.jsonl"))
	if len(dirs) == 0 {
		t.Skipf("no recorded cases at %s", casesDir)
	}
	for i := range dirs {
		dirs[i] = filepath.Dir(dirs[i])
	}
	return dirs
}

// TestCases holds the engine against what really happened in the recorded
// cases. `hindcast eval` does the same over HTTP.
func TestCases(t *testing.T) {
	for _, dir := range caseDirs(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			batches, want := readCase(t, dir)
			got := deriveAll(t, batches, lastReceipt(batches).Add(settle))
			var major []timeline.Timeline
			for _, id := range slices.SortedFunc(keys(got), event.ID.Compare) {
				tl := got[id]
				t.Logf("%s minor=%v status=%s members=%d", tl.Incident.Title, tl.Incident.Minor, tl.Incident.Status, len(tl.Entries))
				if !tl.Incident.Minor {
					major = append(major, tl)
				}
			}
			if len(major) != len(want.Incidents) {
				for _, tl := range major {
					for _, m := range tl.Milestones {
						t.Logf("%s: %s %v %s %s", tl.Incident.Title, m.Name, m.At, m.Rule, m.Explanation)
					}
				}
				t.Fatalf("%d incidents that are not minor, want %d", len(major), len(want.Incidents))
			}
			for i := range major {
				checkAgainstTruth(t, &major[i], want, i)
			}
		})
	}
}

func keys(m map[event.ID]timeline.Timeline) func(func(event.ID) bool) {
	return func(yield func(event.ID) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func checkAgainstTruth(t *testing.T, tl *timeline.Timeline, want truth, i int) {
	t.Helper()
	scale := max(want.Scale, 1)
	real := scale >= 4
	in := want.Incidents[i]
	webhookOnly := filepath.Base(t.Name()) == "bad_deploy_webhook_only"
	for _, name := range timeline.MilestoneNames {
		w, known := in.Milestones[name]
		if !known {
			continue
		}
		m := tl.Milestone(name)
		if m == nil || m.At == nil {
			t.Errorf("%s is missing, want %s", name, w.At)
			continue
		}
		limit, width := time.Second, 15*time.Second
		switch name {
		case timeline.Onset:
			limit = 3 * time.Second
			if real {
				limit = 24 * time.Second
			}
		case timeline.Mitigated:
			limit, width = 6*time.Second, 30*time.Second
			if real {
				limit = 48 * time.Second
			}
		case timeline.Restored:
			if webhookOnly {
				limit = 10 * time.Second
			}
		}
		if real {
			width *= 8
		}
		off := m.At.Sub(w.At)
		t.Logf("%-12s off by %7.3f s, interval %6.3f s, confidence %.2f, %s", name, off.Seconds(), m.Latest.Sub(*m.Earliest).Seconds(), m.Confidence, m.Rule)
		if off.Abs() > limit {
			t.Errorf("%s is off by %s, want at most %s", name, off, limit)
		}
		if w.At.Before(*m.Earliest) || w.At.After(*m.Latest) {
			t.Errorf("%s: the truth %s is not within %s … %s", name, w.At, m.Earliest, m.Latest)
		}
		if got := m.Latest.Sub(*m.Earliest); got > width {
			t.Errorf("%s: interval of %s, want at most %s", name, got, width)
		}
		if w.By != "" && m.Actor != w.By {
			t.Errorf("%s by %q, want %q", name, m.Actor, w.By)
		}
	}
	if webhookOnly {
		if m := tl.Milestone(timeline.Restored); m != nil && m.Confidence > 0.7 {
			t.Errorf("restored is inferred with confidence %.2f, want at most 0.7", m.Confidence)
		}
		if !hasGap(tl, timeline.GapSilencedEndUnseen) {
			t.Errorf("no gap says why the end is inferred: %v", tl.Gaps)
		}
	}
	suspect := timeline.Change{}
	for _, c := range tl.Changes {
		if c.Verdict == timeline.VerdictSuspect {
			suspect = c
			break
		}
	}
	switch {
	case in.Cause == nil && suspect.Service != "":
		t.Errorf("blames %s %s, want nobody: %q", suspect.Service, suspect.Version, suspect.Reasons)
	case in.Cause != nil && suspect.Service == "":
		t.Errorf("blames nobody, want %v", in.Cause)
	case in.Cause != nil && in.Cause.Service != "" && (suspect.Service != in.Cause.Service || suspect.Version != in.Cause.Version):
		t.Errorf("blames %s %s, want %v", suspect.Service, suspect.Version, in.Cause)
	}
	if len(in.Participants) > 0 {
		var names []string
		for _, p := range tl.Participants {
			names = append(names, p.Name)
		}
		slices.Sort(names)
		if !slices.Equal(names, in.Participants) {
			t.Errorf("participants %v, want %v", names, in.Participants)
		}
	}
	if in.FailedRemedy != hasGap(tl, timeline.GapFailedRollback) {
		t.Errorf("failed remedy seen: %v, want %v", !in.FailedRemedy, in.FailedRemedy)
	}
	for _, e := range tl.Entries {
		if e.Kind == timeline.EntryAlertFired && slices.Contains(want.NotIncidents, e.Labels["alertname"]) {
			t.Errorf("%s is background and stands among the members", e.Labels["alertname"])
		}
	}
}

func hasGap(tl *timeline.Timeline, kind timeline.GapKind) bool {
	return slices.ContainsFunc(tl.Gaps, func(g timeline.Gap) bool { return g.Kind == kind })
}

// shuffled is the batches in another order, with a third of them twice.
func shuffled(batches []event.Batch, seed uint64) []event.Batch {
	r := rand.New(rand.NewPCG(seed, 1))
	out := slices.Clone(batches)
	for _, b := range batches {
		if r.IntN(3) == 0 {
			out = append(out, b)
		}
	}
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// TestCasesInAnyOrder says that neither order nor repetition nor derivations
// in between change a timeline.
func TestCasesInAnyOrder(t *testing.T) {
	for _, dir := range caseDirs(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			batches, _ := readCase(t, dir)
			now := lastReceipt(batches).Add(settle)
			want := deriveAll(t, batches, now)
			for seed := range uint64(3) {
				e := newEngine(t)
				got := map[event.ID]timeline.Timeline{}
				take := func() {
					for _, d := range e.Derive(now) {
						if d.Retired {
							delete(got, d.Timeline.Incident.ID)
						} else {
							got[d.Timeline.Incident.ID] = d.Timeline
						}
					}
				}
				for i, b := range shuffled(batches, seed) {
					observe(e, b)
					if i%17 == 0 {
						take()
					}
				}
				take()
				compareTimelines(t, got, want)
			}
		})
	}
}

func compareTimelines(t *testing.T, got, want map[event.ID]timeline.Timeline) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d incidents, want %d", len(got), len(want))
	}
	for id, w := range want {
		g, ok := got[id]
		if !ok {
			t.Errorf("incident %s (%s) is missing", id, w.Incident.Title)
			continue
		}
		gj, _ := json.MarshalIndent(g, "", " ")
		wj, _ := json.MarshalIndent(w, "", " ")
		if string(gj) != string(wj) {
			t.Errorf("incident %s differs: %s", id, firstDifference(string(gj), string(wj)))
		}
	}
}

func firstDifference(got, want string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			lo := max(0, i-200)
			return "got …" + got[lo:min(len(got), i+200)] + "…\nwant …" + want[lo:min(len(want), i+200)]
		}
	}
	return "one is longer"
}
