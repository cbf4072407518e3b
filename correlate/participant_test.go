package correlate

import (
	"slices"
	"testing"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

func TestParticipants(t *testing.T) {
	a := alert("A@web", 0, 20)
	logs := facts(chatter("web", -100, 60), errorsOn("web", -2, 16))
	for _, test := range []struct {
		name string
		of   []fact
		want []string
	}{
		{"nobody", nil, []string{}},
		{"who acknowledged, claimed, silenced", facts(acked("a", 2, a), say("b", "on it", 3), silence("s", "c", "web", 4, 60)), []string{"a", "b", "c"}},
		{"who mended it", facts(logs, rollback("web", "1.0", "dana", 15)), []string{"dana"}},
		{"who tried and failed", facts(changeReport(event.ChangeRollback, event.ChangeFailed, "web", "1.0", "dana", 5)), []string{"dana"}},
		{"who told of a remedy", facts(say("dana", "restarting web", 5)), []string{"dana"}},
		{"the author of the suspect only deployed", facts(logs, deploy("web", "2.0", "mira", -4), rollback("web", "1.0", "dana", 15)), []string{"dana"}},
		{"the author of the suspect rolled it back", facts(logs, deploy("web", "2.0", "mira", -4), rollback("web", "1.0", "mira", 15)), []string{"mira"}},
		{"who deployed something meanwhile", facts(logs, deploy("search", "2.0", "lee", 5)), []string{}},
		{"machines", facts(acked("pagerbot", 2, a), silence("s", "silence-bot", "web", 4, 60), say("deploybot", "rolling back web", 3), logs, rollback("web", "1.0", "argocd", 15)), []string{}},
		{"a bystander", facts(say("eve", "lunch?", 3), say("fred", "what is going on with web", 4)), []string{}},
		{"who reported it before the alert", facts(say("sue", "web seems down", -3)), []string{"sue"}},
		{"who reported it after the alert", facts(say("sue", "web seems down", 3)), []string{}},
		{"who only said that it is over", facts(say("sue", "web is back to normal", 21)), []string{}},
		{"who made a silence before it", facts(silence("s", "omar", "web", -30, 60), happened(event.KindMute, 1, event.Event{Mute: &event.Mute{Fingerprint: a.observation.Fingerprint, SilenceID: "s"}})), []string{}},
		{"who silenced another service", facts(silence("s", "omar", "search", 3, 60)), []string{}},
		{"who acknowledged another alert", facts(acked("omar", 3, alert("Z@search", 0, 1))), []string{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			all := timelines(t, 60, a, test.of)
			if got := participantNames(&all[0]); !slices.Equal(got, test.want) {
				t.Errorf("participants %q, want %q: %+v", got, test.want, all[0].Participants)
			}
		})
	}
}

// TestParticipantsDeeds: what one did, at which stages, from when to when.
func TestParticipantsDeeds(t *testing.T) {
	a := alert("A@web", 0, 20)
	tl := theOne(t, 60, a, chatter("web", -100, 60), errorsOn("web", -2, 16), say("dana", "on it", 2), rollback("web", "1.0", "dana", 15), say("dana", "all clear", 21), acked("omar", 1, a))
	if got := participantNames(tl); !slices.Equal(got, []string{"dana", "omar"}) || tl.Participants[0].Name != "omar" {
		t.Fatalf("participants %q, want omar, who was first, and dana", got)
	}
	d := tl.Participants[1]
	if !slices.Equal(d.Did, []string{"acknowledged", "rolled back web", "said that it is over"}) ||
		!slices.Equal(d.Stages, []timeline.MilestoneName{timeline.Acknowledged, timeline.Mitigated, timeline.Restored}) ||
		!d.FirstAt.Equal(at(2)) || !d.LastAt.Equal(at(21)) {
		t.Errorf("dana: %+v", d)
	}
}

func TestDurations(t *testing.T) {
	a := alert("A@web", 0, 20)
	logs := facts(chatter("web", -100, 60), errorsOn("web", -2, 16))
	whole := theOne(t, 60, a, logs, notify("pager", 1, a), acked("dana", 3, a), rollback("web", "1.0", "dana", 15))
	for name, want := range map[timeline.DurationName]float64{
		timeline.TimeToDetect: 120, timeline.TimeToNotify: 60, timeline.TimeToAcknowledge: 120, timeline.TimeToMitigate: 18 * 60, timeline.TimeToRestore: 22 * 60,
	} {
		d, ok := whole.Durations[name]
		if !ok || d.Seconds != want || d.Basis != timeline.BasisMeasured {
			t.Errorf("%s is %+v, want %v s, measured", name, d, want)
		}
	}
	for _, test := range []struct {
		name  string
		of    []fact
		there []timeline.DurationName
	}{
		{"a bare alert", facts(a), nil},
		{"no onset", facts(a, notify("pager", 1, a), acked("dana", 3, a)), []timeline.DurationName{timeline.TimeToAcknowledge, timeline.TimeToNotify}},
		{"nobody told", facts(a, logs, acked("dana", 3, a)), []timeline.DurationName{timeline.TimeToDetect, timeline.TimeToMitigate, timeline.TimeToRestore}},
		{"it goes on", facts(alert("A@web", 0, still, keptAlive(70)), errorsOn("web", -2, 60), chatter("web", -100, 60)), []timeline.DurationName{timeline.TimeToDetect}},
	} {
		tl := theOne(t, 60, test.of)
		var got []timeline.DurationName
		for _, d := range timeline.DurationNames {
			if _, ok := tl.Durations[d.Name]; ok {
				got = append(got, d.Name)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, test.there) {
			t.Errorf("%s: durations %v, want %v", test.name, got, test.there)
		}
	}
	negative := theOne(t, 60, a, notify("pager", 5, a), acked("dana", 3, a))
	if d := negative.Durations[timeline.TimeToAcknowledge]; d.Seconds != -120 {
		t.Errorf("acknowledged two minutes before the notification: %+v, want -120 s", d)
	}
	inferred := theOne(t, 60, a, notify("pager", 1, a), say("dana", "restarting web", 3))
	if d := inferred.Durations[timeline.TimeToAcknowledge]; d.Basis != timeline.BasisInferred {
		t.Errorf("the basis of a claim of a remedy is %s, want inferred", d.Basis)
	}
	human := durations([]timeline.Milestone{
		{Name: timeline.Onset, At: moment(at(0)), Confidence: 1, Origin: timeline.OriginHuman}, {Name: timeline.Detected, At: moment(at(1)), Confidence: 0.95, Origin: timeline.OriginDerived},
	})
	if d := human[timeline.TimeToDetect]; d.Basis != timeline.BasisHuman {
		t.Errorf("the basis of what a person stated is %s, want human", d.Basis)
	}
}
