package clickhouse

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// TestRecentListSaysWhatTheEngineSays: the owner answers from what is recent as
// another process answers that asks the engine, page by page.
func TestRecentListSaysWhatTheEngineSays(t *testing.T) {
	dsn := enginetest.Shared(t).Database(t)
	owner, other := openProcess(t, dsn), openProcess(t, dsn)
	claim := claimOf(t, owner, "a")
	var all []storage.Derived
	for i := range 40 {
		began := outage.Add(time.Duration(i) * 3 * time.Hour)
		in := timeline.Incident{
			ID: event.NewID(began, "incident", fmt.Sprint(i)), Title: fmt.Sprint(i), StartedAt: began, Minor: i%7 == 0,
			Status: timeline.StatusOpen, Services: []string{fmt.Sprint("svc-", i%3)},
		}
		if i%4 != 0 {
			ended := began.Add(time.Hour)
			in.EndedAt, in.Status = &ended, timeline.StatusClosed
		}
		all = append(all, storage.Derived{Timeline: timeline.Timeline{Incident: in}, Signals: []event.ID{in.ID}})
	}
	publishAs(t, owner, claim, all...)
	if _, err := owner.Incidents(t.Context(), storage.IncidentQuery{}); err != nil { // it learns what is recent
		t.Fatal(err)
	}
	publishAs(t, owner, claim, all[0])

	fromMemory := 0
	for name, q := range map[string]storage.IncidentQuery{
		"all":     {},
		"minor":   {Minor: true},
		"status":  {Status: timeline.StatusOpen},
		"service": {Service: "svc-1"},
		"to":      {To: outage.Add(90 * time.Hour)},
		"from":    {From: outage.Add(30 * time.Hour), Minor: true},
		"none":    {Service: "nobody"},
	} {
		for _, q.Limit = range []int{1, 4, 30} {
			for page := 0; page < 50; page++ {
				if _, ok, err := owner.recentPage(t.Context(), q, q.Limit); err != nil {
					t.Fatal(err)
				} else if ok {
					fromMemory++
				}
				got, err := owner.Incidents(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				want, err := other.Incidents(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(titles(got), titles(want)) || (got.Next == "") != (want.Next == "") {
					t.Fatalf("%s, %d a page, page %d: got %q and more %v, want %q and more %v", name, q.Limit, page, titles(got), got.Next != "", titles(want), want.Next != "")
				}
				if q.Cursor = got.Next; q.Cursor == "" {
					break
				}
			}
			q.Cursor = ""
		}
	}
	if fromMemory < 8 {
		t.Errorf("%d pages were answered from what is recent, want 8 at least", fromMemory)
	}
	if _, ok, err := other.recentPage(t.Context(), storage.IncidentQuery{}, 1); ok || err != nil {
		t.Errorf("a process that owns nothing answers from what is recent: %v, error %v", ok, err)
	}
}

func titles(p storage.IncidentPage) []string {
	list := []string{}
	for i := range p.Incidents {
		list = append(list, p.Incidents[i].Title)
	}
	return list
}
