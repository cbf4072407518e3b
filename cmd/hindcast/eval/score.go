package eval

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
)

// Score is how near a case's derived incidents came to the truth.
type Score struct {
	Case  string  `json:"case"`
	Scale float64 `json:"scale"`
	// Kind is the truth's kind: set for cases about the cause alone.
	Kind        string          `json:"truth_kind,omitempty"`
	WebhookOnly bool            `json:"webhook_only,omitempty"`
	Incidents   []IncidentScore `json:"incidents"`
	// Invented are incidents, minor ones aside, that are none of the truth's.
	Invented []Invented `json:"invented"`
	// Minor is how many minor incidents were derived.
	Minor int `json:"minor"`
	// Missed tells, in words, which targets were not met.
	Missed []string `json:"missed"`
}

// Invented is an incident that did not happen.
type Invented struct {
	ID       string   `json:"id"`
	Title    string   `json:"title"`
	Services []string `json:"services"`
	// Alerts are the names of its member alerts that make no incident by the
	// truth.
	Alerts []string `json:"not_incidents,omitempty"`
}

// IncidentScore is how near one incident came to the truth.
type IncidentScore struct {
	Name string `json:"name"`
	// ID is the derived incident's; "" when none was found.
	ID         string                                    `json:"id,omitempty"`
	Milestones map[timeline.MilestoneName]MilestoneScore `json:"milestones"`
	Cause      CauseScore                                `json:"cause"`
	// FailedRemedy is whether one was seen; TrueFailedRemedy whether there was.
	FailedRemedy     bool `json:"failed_remedy"`
	TrueFailedRemedy bool `json:"true_failed_remedy"`
	// MissingParticipants acted and were not seen; ExtraParticipants were seen
	// and did not act.
	MissingParticipants []string `json:"missing_participants"`
	ExtraParticipants   []string `json:"extra_participants"`
	// Background are member alerts that make no incident by the truth.
	Background []string `json:"background"`
}

// Found reports whether the incident was derived.
func (s *IncidentScore) Found() bool { return s.ID != "" }

// MilestoneScore is how near one milestone came to the truth.
type MilestoneScore struct {
	// Off is the derived time minus the true one in seconds; nil when the
	// milestone is absent or has no time.
	Off *float64 `json:"off_seconds"`
	// Inside says that the truth lies in the interval, Width how wide that is in
	// seconds; nil when it has no end.
	Inside     bool     `json:"inside"`
	Width      *float64 `json:"width_seconds"`
	Confidence float64  `json:"confidence"`
	Rule       string   `json:"rule,omitempty"`
	// Met says that all its targets were met.
	Met bool `json:"met"`
}

// Judge scores the timelines that were derived from a case.
func Judge(c Case, webhookOnly bool, derived []timeline.Timeline) Score {
	s := Score{
		Case: c.Name, Scale: c.Truth.Scale, Kind: c.Truth.Kind, WebhookOnly: webhookOnly,
		Incidents: []IncidentScore{}, Invented: []Invented{}, Missed: []string{},
	}
	matched := match(c.Truth, derived)
	targets := TargetsOf(c.Truth.Scale, webhookOnly)
	for i := range c.Truth.Incidents {
		truth := &c.Truth.Incidents[i]
		var got *timeline.Timeline
		if at := slices.Index(matched, i); at >= 0 {
			got = &derived[at]
		}
		s.Incidents = append(s.Incidents, s.judgeIncident(c.Truth, truth, got, targets))
	}
	for j := range derived {
		switch {
		case derived[j].Incident.Minor:
			s.Minor++
		case matched[j] < 0:
			inc := &derived[j].Incident
			s.Invented = append(s.Invented, Invented{
				ID: inc.ID.String(), Title: inc.Title, Services: inc.Services,
				Alerts: members(&derived[j], c.Truth.NotIncidents),
			})
			s.miss("invented the incident %q", inc.Title)
		}
	}
	return s
}

func (s *Score) miss(format string, args ...any) {
	s.Missed = append(s.Missed, fmt.Sprintf(format, args...))
}

func (s *Score) judgeIncident(truth Truth, inc *TrueIncident, got *timeline.Timeline, targets Targets) IncidentScore {
	score := IncidentScore{
		Name: inc.Name, Milestones: map[timeline.MilestoneName]MilestoneScore{}, TrueFailedRemedy: inc.FailedRemedy,
		MissingParticipants: []string{}, ExtraParticipants: []string{}, Background: []string{},
	}
	if got == nil {
		score.Cause = judgeCause(inc.Cause, nil)
		score.Cause.Verdict = CauseUnnamed
		s.miss("%s: the incident was not found", inc.Name)
		if truth.Kind == "" {
			for name := range inc.Milestones {
				score.Milestones[name] = MilestoneScore{}
			}
		}
		return score
	}
	score.ID = got.Incident.ID.String()
	score.Cause = judgeCause(inc.Cause, got.Changes)
	score.Background = members(got, truth.NotIncidents)
	score.FailedRemedy = failedRemedy(got)
	if len(score.Background) > 0 {
		s.miss("%s: background alerts among the members: %s", inc.Name, strings.Join(score.Background, ", "))
	}
	if truth.Kind != "" {
		// The truth tells of the cause and little else.
		return score
	}
	for _, name := range timeline.MilestoneNames {
		if moment, ok := inc.Milestones[name]; ok {
			score.Milestones[name] = s.judgeMilestone(inc.Name, name, moment, got, targets)
		}
	}
	if score.Cause.Verdict != CauseRight {
		s.miss("%s: cause %s: want %s, named %s", inc.Name, score.Cause.Verdict, score.Cause.True, score.Cause.Named)
	}
	if score.FailedRemedy != inc.FailedRemedy {
		s.miss("%s: failed remedy: got %t, want %t", inc.Name, score.FailedRemedy, inc.FailedRemedy)
	}
	score.MissingParticipants, score.ExtraParticipants = participants(inc, got)
	if missing := score.MissingParticipants; len(missing) > 0 {
		s.miss("%s: participants missing: %s", inc.Name, strings.Join(missing, ", "))
	}
	if extra := score.ExtraParticipants; len(extra) > 0 {
		s.miss("%s: participants who did not act: %s", inc.Name, strings.Join(extra, ", "))
	}
	return score
}

func (s *Score) judgeMilestone(incident string, name timeline.MilestoneName, truth TrueMoment, got *timeline.Timeline, targets Targets) MilestoneScore {
	m := got.Milestone(name)
	if m == nil {
		s.miss("%s: %s is absent", incident, name)
		return MilestoneScore{}
	}
	score := MilestoneScore{Confidence: m.Confidence, Rule: m.Rule}
	before := len(s.Missed)
	if m.At == nil {
		s.miss("%s: %s has bounds and no time", incident, name)
	} else {
		off := m.At.Sub(truth.At)
		score.Off = seconds(off)
		if limit := targets.Off[name]; off.Abs() > limit {
			s.miss("%s: %s is off by %+.3f s, more than %v", incident, name, off.Seconds(), limit)
		}
	}
	score.Inside = (m.Earliest == nil || !truth.At.Before(m.Earliest.Add(-recorded))) &&
		(m.Latest == nil || !truth.At.After(m.Latest.Add(recorded)))
	if !score.Inside {
		s.miss("%s: %s: the truth lies outside of the interval", incident, name)
	}
	limit, limited := targets.Width[name]
	if m.Earliest == nil || m.Latest == nil {
		if limited {
			s.miss("%s: %s has an interval without end", incident, name)
		}
	} else {
		width := m.Latest.Sub(*m.Earliest)
		score.Width = seconds(width)
		if limited && width > limit {
			s.miss("%s: the interval of %s is %.1f s wide, more than %v", incident, name, width.Seconds(), limit)
		}
	}
	if name == timeline.Restored {
		s.judgeInferred(incident, m, got, targets)
	}
	score.Met = len(s.Missed) == before
	return score
}

// judgeInferred holds an end that nobody told against what may be claimed of it.
func (s *Score) judgeInferred(incident string, m *timeline.Milestone, got *timeline.Timeline, targets Targets) {
	if m.Confidence > targets.RestoredConfidence {
		s.miss("%s: %s claims a confidence of %.2f, more than %.1f", incident, m.Name, m.Confidence, targets.RestoredConfidence)
	}
	kind := targets.RestoredGap
	if kind != "" && !slices.ContainsFunc(got.Gaps, func(g timeline.Gap) bool { return g.Kind == kind }) {
		s.miss("%s: no gap %s says why %s is inferred", incident, kind, m.Name)
	}
}

func seconds(d time.Duration) *float64 {
	s := d.Seconds()
	return &s
}

// failedRemedy reports whether a timeline tells of a remedy that did not help.
func failedRemedy(t *timeline.Timeline) bool {
	return slices.ContainsFunc(t.Changes, func(c timeline.Change) bool { return c.Verdict == timeline.VerdictFailedRemedy }) ||
		slices.ContainsFunc(t.Gaps, func(g timeline.Gap) bool { return g.Kind == timeline.GapFailedRollback })
}

// members are the names among the given ones that member alerts have.
func members(t *timeline.Timeline, names []string) []string {
	found := []string{}
	for _, e := range t.Entries {
		name := e.Labels["alertname"]
		if e.Kind == timeline.EntryAlertFired && slices.Contains(names, name) && !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found
}

func participants(truth *TrueIncident, got *timeline.Timeline) (missing, extra []string) {
	missing, extra = []string{}, []string{}
	var seen []string
	for _, p := range got.Participants {
		seen = append(seen, p.Name)
		if !slices.Contains(truth.Participants, p.Name) {
			extra = append(extra, p.Name)
		}
	}
	for _, name := range truth.Participants {
		if !slices.Contains(seen, name) {
			missing = append(missing, name)
		}
	}
	return missing, extra
}
