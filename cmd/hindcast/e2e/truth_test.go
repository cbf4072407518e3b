package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/cmd/hindcast/eval"
	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/event"
)

// truth is what the bodies that were answered 2xx told.
type truth struct {
	// facts are the events and alerts; those are left out whose identity is that
	// of their arrival.
	facts map[event.ID]string
	logs  map[event.ID]int64 // by their keys' IDs
	lines map[string]int
	// alerts are the keys of alerts by service.
	alerts map[string]map[string]bool
	asides map[string]bool // keys
}

// told reads the clients' bodies as the receivers do.
func told(t *testing.T, clients *clients) *truth {
	t.Helper()
	all := &truth{
		facts: map[event.ID]string{}, logs: map[event.ID]int64{}, lines: map[string]int{},
		alerts: map[string]map[string]bool{}, asides: map[string]bool{},
	}
	defaults := config.Default()
	formats := ingest.DefaultFormats(defaults.Formats())
	for _, c := range clients.all {
		at := slices.IndexFunc(formats, func(f ingest.Format) bool {
			return f.Path == c.path && slices.Contains(f.Types, "application/json")
		})
		for _, body := range c.bodies {
			batch, err := formats[at].Decode(ingest.Input{Body: body, ReceivedAt: time.Now(), Header: http.Header{}})
			if err != nil {
				t.Fatalf("%s: %v in %s", c.kind, err, body)
			}
			all.add(&batch)
		}
	}
	return all
}

func (all *truth) add(b *event.Batch) {
	for i := range b.Events {
		if e := &b.Events[i]; e.Notification == nil {
			all.facts[e.ID] = string(e.Kind)
		}
	}
	for i := range b.Observations {
		o := &b.Observations[i]
		all.facts[o.ID()] = o.Labels["key"]
		service := o.Labels["service"]
		if all.alerts[service] == nil {
			all.alerts[service] = map[string]bool{}
		}
		all.alerts[service][o.Labels["key"]] = true
	}
	for _, c := range b.Chunks {
		for i := range c.Counts {
			all.logs[c.Counts[i].ID()] += c.Counts[i].N
		}
		for i := range c.Lines {
			all.lines[c.Lines[i].Text]++
		}
	}
	for i := range b.Asides {
		all.asides[asideKey(string(b.Asides[i].Raw))] = true
	}
}

// asideKey is the key in an entry that was put aside.
func asideKey(raw string) string {
	_, rest, _ := strings.Cut(raw, `"key":"`)
	key, _, _ := strings.Cut(rest, `"`)
	return key
}

// checkAPI wants all that the clients were answered 2xx for, and nothing twice,
// as readers see it.
func checkAPI(t *testing.T, url string, clients *clients) {
	t.Helper()
	all := told(t, clients)
	checkIncidents(t, url, all.alerts)
	checkFacts(t, url, all)
	checkLines(t, url, all.lines)
	checkAsides(t, url, all.asides)
	t.Logf("%d facts, %d log facts, %d lines, %d services with alerts, %d asides are there", len(all.facts), len(all.logs), len(all.lines), len(all.alerts), len(all.asides))
}

// checkIncidents waits until each service has one incident with all of its
// alerts: what came last is derived in a moment.
func checkIncidents(t *testing.T, url string, alerts map[string]map[string]bool) {
	t.Helper()
	client := eval.Client{URL: url}
	wrong := "nothing"
	defer func() {
		if t.Failed() {
			t.Logf("incidents: %s", wrong)
		}
	}()
	wait(t, "every service has an incident with all of its alerts", liveness, func() bool {
		all, err := client.Timelines(t.Context())
		if err != nil {
			wrong = err.Error()
			return false
		}
		wrong = differs(all, alerts)
		return wrong == ""
	})
}

// differs says how timelines differ from the alerts of each service.
func differs(all []timeline.Timeline, alerts map[string]map[string]bool) string {
	fired := map[string]map[string]bool{}
	for i := range all {
		inc := &all[i].Incident
		if len(inc.Services) != 1 || fired[inc.Services[0]] != nil {
			return fmt.Sprintf("incident %s of %v: want one incident of each service", inc.ID, inc.Services)
		}
		keys := map[string]bool{}
		for _, e := range all[i].Entries {
			if e.Kind != timeline.EntryAlertFired {
				continue
			}
			if key := e.Labels["key"]; keys[key] {
				return fmt.Sprintf("incident %s: %s fired twice", inc.ID, key)
			}
			keys[e.Labels["key"]] = true
		}
		fired[inc.Services[0]] = keys
	}
	for service, want := range alerts {
		if !maps.Equal(fired[service], want) {
			return fmt.Sprintf("%s: got %v, want %v", service, slices.Sorted(maps.Keys(fired[service])), slices.Sorted(maps.Keys(want)))
		}
	}
	if len(fired) != len(alerts) {
		return fmt.Sprintf("%d services have incidents, want %d", len(fired), len(alerts))
	}
	return ""
}

// checkFacts asks for each fact by its ID.
func checkFacts(t *testing.T, url string, all *truth) {
	t.Helper()
	ids := make(chan event.ID)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for id := range ids {
				checkFact(t, url, id, all)
			}
		})
	}
	for id := range all.facts {
		ids <- id
	}
	for id := range all.logs {
		ids <- id
	}
	close(ids)
	wg.Wait()
}

func checkFact(t *testing.T, url string, id event.ID, all *truth) {
	text, err := get(t.Context(), url+"/events/"+id.String(), "application/json")
	if err != nil {
		t.Errorf("%s was answered 2xx: %v", all.facts[id], err)
		return
	}
	var fact struct {
		Log *struct{ Count int64 }
	}
	decode(t, text, &fact)
	if want := all.logs[id]; want > 0 && (fact.Log == nil || fact.Log.Count != want) {
		t.Errorf("log fact %s: got %s, want %d lines", id, text, want)
	}
}

func checkLines(t *testing.T, base string, want map[string]int) {
	t.Helper()
	got := map[string]int{}
	query := url.Values{"limit": {"500"}}
	for more := true; more; {
		var page struct {
			Lines      []struct{ Text string }
			NextCursor string `json:"next_cursor"`
		}
		getJSON(t, base+"/logs?"+query.Encode(), &page)
		for _, l := range page.Lines {
			got[l.Text]++
		}
		more = page.NextCursor != ""
		query.Set("cursor", page.NextCursor)
	}
	if !maps.Equal(got, want) {
		for text, n := range want {
			if got[text] != n {
				t.Errorf("%q was answered 2xx and is told %d times, want %d", text, got[text], n)
			}
		}
		for text, n := range got {
			if want[text] == 0 {
				t.Errorf("%q is told %d times, and nobody was answered 2xx for it", text, n)
			}
		}
	}
}

// checkAsides wants each entry once at least: its identity is that of its
// arrival, so one that is sent again is another.
func checkAsides(t *testing.T, base string, want map[string]bool) {
	t.Helper()
	got := map[string]bool{}
	query := url.Values{"limit": {"500"}}
	for more := true; more; {
		var page struct {
			Asides []struct {
				Raw struct {
					Labels map[string]string
				}
			}
			NextCursor string `json:"next_cursor"`
		}
		getJSON(t, base+"/asides?"+query.Encode(), &page)
		for _, a := range page.Asides {
			got[a.Raw.Labels["key"]] = true
		}
		more = page.NextCursor != ""
		query.Set("cursor", page.NextCursor)
	}
	for key := range want {
		if !got[key] {
			t.Errorf("%s was answered 2xx and is not among the asides", key)
		}
	}
}
