package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// TestRealServers lets a rule of a real Prometheus fire and end while a real
// Alertmanager silences it. The timeline must tell the whole of it, from one
// alert that comes by four roads: the webhook, the event recorder, Prometheus'
// own posts, and the poll.
func TestRealServers(t *testing.T) {
	s := startSite(t)

	s.target.fail(true)
	s.await("the incident", time.Minute, func(tl *timeline.Timeline) bool { return tl.Milestone(timeline.Alerted) != nil })
	// What Alertmanager itself says of the alert is the truth of its start.
	fired := s.alertmanager.alert()

	silence := s.alertmanager.silence("dana", "looking into it")
	s.await("the silence", 30*time.Second, func(tl *timeline.Timeline) bool { return tl.Milestone(timeline.Acknowledged) != nil })
	s.await("the alert to be muted", 30*time.Second, func(tl *timeline.Timeline) bool { return has(tl, timeline.EntryMuted) })

	pages := s.pager.count()
	recovered := time.Now()
	s.target.fail(false)
	s.await("the end in silence", 30*time.Second, func(tl *timeline.Timeline) bool {
		return tl.Milestone(timeline.Restored) != nil && tl.Incident.Status == timeline.StatusRestored
	})
	s.await("the gap at the end", 30*time.Second, func(tl *timeline.Timeline) bool { return gap(tl, timeline.GapMutedAtRestore) != nil })

	deleted := time.Now()
	s.alertmanager.unsilence(silence)
	tl := s.await("the end of the silence", 30*time.Second, func(tl *timeline.Timeline) bool { return expired(tl) != nil })

	checkMilestones(t, tl, fired, recovered)
	checkAlert(t, s, tl, fired)
	if e := expired(tl); e.At.Before(deleted.Add(-time.Second)) || e.At.After(time.Now()) {
		t.Errorf("the silence was deleted at %v and its end is told at %v", deleted, e.At)
	}
	if got := s.pager.count(); got != pages {
		t.Errorf("the pager got %d notifications while the alert was silenced: then this test shows nothing", got-pages)
	}
	if list := s.incidents(); len(list) != 1 {
		t.Errorf("incidents: got %d, want 1: %+v", len(list), list)
	}
	if t.Failed() {
		t.Logf("the timeline:\n%s", s.markdown(tl.Incident.ID))
	}
}

// checkMilestones holds the milestones against what was done, and when.
func checkMilestones(t *testing.T, tl *timeline.Timeline, fired alert, recovered time.Time) {
	t.Helper()
	at := func(name timeline.MilestoneName) *timeline.Milestone {
		m := tl.Milestone(name)
		if m == nil || m.At == nil {
			t.Fatalf("milestone %s: got %+v, want one with a time", name, m)
		}
		return m
	}
	if m := at(timeline.Detected); !m.At.Equal(fired.StartsAt) {
		t.Errorf("detected: got %v, want the alert's start %v", m.At, fired.StartsAt)
	}
	if m := at(timeline.Alerted); m.At.Before(fired.StartsAt) || m.At.After(fired.StartsAt.Add(15*time.Second)) {
		t.Errorf("alerted: got %v, want it soon after the start %v", m.At, fired.StartsAt)
	}
	if m := at(timeline.Acknowledged); m.Actor != "dana" || m.At.Before(*at(timeline.Alerted).At) {
		t.Errorf("acknowledged: got %v by %q, want it after the notification at %v by dana", m.At, m.Actor, at(timeline.Alerted).At)
	}
	restored := at(timeline.Restored)
	if restored.At.Before(recovered) || restored.At.After(recovered.Add(10*time.Second)) {
		t.Errorf("restored: got %v, want it within 10 s of %v", restored.At, recovered)
	}
	if restored.Confidence <= 0.7 {
		t.Errorf("restored: got confidence %v, want more than 0.7: Prometheus told the end", restored.Confidence)
	}
	if tl.Incident.EndedAt == nil || !tl.Incident.EndedAt.Equal(*restored.At) {
		t.Errorf("ended_at: got %v, want %v", tl.Incident.EndedAt, restored.At)
	}
	if g := gap(tl, timeline.GapSilencedEndUnseen); g != nil {
		t.Errorf("gap %s: got %q, and the end was seen", g.Kind, g.Explanation)
	}
	if !slices.ContainsFunc(tl.Participants, func(p timeline.Participant) bool { return p.Name == "dana" }) {
		t.Errorf("participants: got %+v, want dana", tl.Participants)
	}
}

// checkAlert wants one alert, with all roads by which it came.
func checkAlert(t *testing.T, s *site, tl *timeline.Timeline, fired alert) {
	t.Helper()
	var fires, ends int
	for _, e := range tl.Entries {
		switch e.Kind {
		case timeline.EntryAlertFired:
			fires++
			o := s.observation(e.Events)
			want := []event.Road{event.RoadRecorder, event.RoadPoll, event.RoadWebhook, event.RoadPrometheus}
			for _, road := range want {
				if !slices.Contains(o.Roads, road) {
					t.Errorf("the alert came by %v, want also %s", o.Roads, road)
				}
			}
			if o.EndedAt.IsZero() {
				t.Error("the alert has no explicit end")
			}
		case timeline.EntryAlertResolved:
			ends++
		}
		if e.Fingerprint != "" && e.Fingerprint != fired.Fingerprint {
			t.Errorf("entry %q is about the alert %s, want %s", e.Summary, e.Fingerprint, fired.Fingerprint)
		}
	}
	if fires != 1 || ends != 1 {
		t.Errorf("entries: %d firings and %d ends, want one each", fires, ends)
	}
}

func has(tl *timeline.Timeline, kind timeline.EntryKind) bool {
	return slices.ContainsFunc(tl.Entries, func(e timeline.Entry) bool { return e.Kind == kind })
}

func gap(tl *timeline.Timeline, kind timeline.GapKind) *timeline.Gap {
	for i := range tl.Gaps {
		if tl.Gaps[i].Kind == kind {
			return &tl.Gaps[i]
		}
	}
	return nil
}

// expired finds the entry that tells of a silence's end.
func expired(tl *timeline.Timeline) *timeline.Entry {
	for i, e := range tl.Entries {
		if e.Kind == timeline.EntrySilenced && strings.Contains(e.Summary, "expired") {
			return &tl.Entries[i]
		}
	}
	return nil
}
