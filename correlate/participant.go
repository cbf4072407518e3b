package correlate

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// deed is one thing that a person did.
type deed struct {
	who   string
	at    time.Time
	what  string
	stage timeline.MilestoneName
}

// participants are the persons who acted in the incident, the first to act
// first. Who made the change that caused it is one only if they also acted.
func (s *story) participants() []timeline.Participant {
	deeds := s.deeds()
	slices.SortStableFunc(deeds, func(a, b deed) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.who, b.who), cmp.Compare(a.what, b.what))
	})
	out := []timeline.Participant{}
	for _, d := range deeds {
		if bot(d.who) {
			continue
		}
		i := slices.IndexFunc(out, func(p timeline.Participant) bool { return p.Name == d.who })
		if i < 0 {
			i = len(out)
			out = append(out, timeline.Participant{Name: d.who, Did: []string{}, Stages: []timeline.MilestoneName{}, FirstAt: d.at.UTC()})
		}
		p := &out[i]
		p.LastAt = d.at.UTC()
		if !slices.Contains(p.Did, d.what) {
			p.Did = append(p.Did, d.what)
		}
		if d.stage != "" && !slices.Contains(p.Stages, d.stage) {
			p.Stages = append(p.Stages, d.stage)
		}
	}
	for i := range out {
		slices.SortFunc(out[i].Stages, func(a, b timeline.MilestoneName) int {
			return slices.Index(timeline.MilestoneNames, a) - slices.Index(timeline.MilestoneNames, b)
		})
	}
	// Who only told what they saw, after the alerts had, took no part in it.
	return slices.DeleteFunc(out, func(p timeline.Participant) bool {
		return !slices.ContainsFunc(p.Stages, func(n timeline.MilestoneName) bool { return n != timeline.Restored })
	})
}

func (s *story) deeds() []deed {
	var out []deed
	for _, a := range s.acks {
		out = append(out, deed{a.Acknowledgement.Actor, a.OccurredAt, "acknowledged", timeline.Acknowledged})
	}
	for _, e := range s.silences {
		if e.OccurredAt.Before(s.detected) || e.Silence.Action == event.SilenceCreated && !s.answers(e) {
			continue
		}
		switch e.Silence.Action {
		case event.SilenceCreated:
			out = append(out, deed{e.Silence.CreatedBy, e.OccurredAt, "silenced alerts", timeline.Acknowledged})
		case event.SilenceUpdated:
			out = append(out, deed{e.Silence.CreatedBy, e.OccurredAt, "changed a silence", ""})
		}
	}
	for _, m := range s.messages {
		who := m.Message.Author
		switch m.means {
		case meansAcknowledges:
			out = append(out, deed{who, m.OccurredAt, "acknowledged", timeline.Acknowledged})
		case meansRemedies, meansFailed:
			out = append(out, deed{who, m.OccurredAt, "told of a remedy", timeline.Mitigated})
		case meansResolves:
			out = append(out, deed{who, m.OccurredAt, "said that it is over", timeline.Restored})
		case meansReports:
			stage := timeline.MilestoneName("")
			if m.OccurredAt.Before(s.detected) {
				stage = timeline.Detected
			}
			out = append(out, deed{who, m.OccurredAt, "reported symptoms", stage})
		}
	}
	for _, r := range s.remedies {
		if r.change != nil && r.meant() {
			out = append(out, deed{r.actor, r.began(), remedyDeed(r), timeline.Mitigated})
		} else if r.change == nil && r.worked {
			out = append(out, deed{r.actor, r.done, "mended it", timeline.Mitigated})
		}
	}
	return out
}

func remedyDeed(r *remedy) string {
	verb := map[event.ChangeKind]string{
		event.ChangeRollback: "rolled back", event.ChangeDeploy: "deployed", event.ChangeConfig: "configured",
		event.ChangeFlag: "flipped a flag of", event.ChangeMigration: "migrated", event.ChangeRestart: "restarted",
	}[r.change.kind]
	if verb == "" {
		verb = "changed"
	}
	if r.change.status == event.ChangeFailed || r.change.status == event.ChangeCancelled {
		return fmt.Sprintf("tried and failed: %s %s", verb, r.change.service)
	}
	return verb + " " + r.change.service
}
