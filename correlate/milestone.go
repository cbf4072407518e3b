package correlate

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// candidate is one reading of when a milestone was reached.
type candidate struct {
	at, earliest, latest time.Time
	rule, explanation    string
	confidence           float64
	evidence             []event.ID
	actor                string
}

// milestones derives all milestones that have evidence, in their order.
func (s *story) milestones() []timeline.Milestone {
	out := []timeline.Milestone{}
	add := func(name timeline.MilestoneName, candidates []candidate) {
		if m, ok := choose(name, candidates); ok {
			out = append(out, m)
		}
	}
	out = append(out, s.onset())
	add(timeline.Detected, s.detections())
	add(timeline.Alerted, s.alertings())
	add(timeline.Acknowledged, s.acknowledgements())
	add(timeline.Mitigated, s.mitigations())
	add(timeline.Restored, s.restorations())
	return out
}

// credible is the confidence from which an earlier candidate beats a later,
// stronger one.
const credible = 0.5

// choose takes the earliest credible candidate; the others lose.
func choose(name timeline.MilestoneName, candidates []candidate) (timeline.Milestone, bool) {
	if len(candidates) == 0 {
		return timeline.Milestone{}, false
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int {
		return cmp.Or(
			-compareBool(a.confidence >= credible, b.confidence >= credible),
			a.at.Compare(b.at), -cmp.Compare(a.confidence, b.confidence), cmp.Compare(a.rule, b.rule))
	})
	best := candidates[0]
	m := timeline.Milestone{
		Name: name, At: moment(best.at), Earliest: moment(best.earliest), Latest: moment(best.latest),
		Confidence: best.confidence, Rule: best.rule, Explanation: best.explanation,
		Evidence: evidence(best.evidence), Actor: best.actor, Origin: timeline.OriginDerived,
		Alternatives: []timeline.Alternative{},
	}
	for _, c := range candidates[1:] {
		if len(m.Alternatives) == maxAlternatives {
			break
		}
		why := "later than the earliest credible evidence"
		if c.confidence < credible && best.confidence >= credible {
			why = "weaker evidence"
		}
		m.Alternatives = append(m.Alternatives, timeline.Alternative{At: c.at.UTC(), Rule: c.rule, Evidence: evidence(c.evidence), WhyNot: why})
	}
	return m, true
}

// maxAlternatives bounds the candidates that are shown as lost, maxEvidence
// the facts that are cited for one statement.
const (
	maxAlternatives = 8
	maxEvidence     = 20
)

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// moment is a time as a milestone shows it; nil for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	u := t.UTC()
	return &u
}

// evidence is IDs without repetition, never nil, and not too many.
func evidence(ids []event.ID) []event.ID {
	out := []event.ID{}
	for _, id := range ids {
		if !id.IsZero() && !slices.Contains(out, id) && len(out) < maxEvidence {
			out = append(out, id)
		}
	}
	return out
}

// measured is a candidate whose time a machine stated.
func measured(at time.Time) candidate {
	return candidate{at: at, earliest: at.Add(-stampSlack), latest: at.Add(stampSlack)}
}

// onset is the first burst of new trouble in the logs that led to the
// detection. Without one it only has a latest.
func (s *story) onset() timeline.Milestone {
	if s.first == nil {
		return timeline.Milestone{
			Name: timeline.Onset, Latest: moment(s.detected), Confidence: 0.3, Rule: "before_first_alert",
			Explanation: "No log line shows when it began; it was on when the first alert fired.",
			Evidence:    evidence([]event.ID{s.members[0].id}), Origin: timeline.OriginDerived,
			Alternatives: []timeline.Alternative{},
		}
	}
	b := s.first
	m := timeline.Milestone{
		Name: timeline.Onset, At: moment(b.at), Confidence: burstConfidence(b), Rule: "error_burst",
		Evidence: evidence(b.ids(b.at, b.third.Add(time.Second), 5)), Origin: timeline.OriginDerived,
		Alternatives: []timeline.Alternative{},
	}
	earliest, latestAt := burstBounds(b)
	m.Earliest, m.Latest = moment(earliest), moment(minTime(latestAt, latest(s.detected, b.at)))
	if b.isNew() {
		m.Explanation = fmt.Sprintf("The first line of a pattern on %s that was not seen before: %s", b.service, oneLine(b.template, 160))
	} else {
		m.Explanation = fmt.Sprintf("A pattern on %s rose from %.2g to %.2g lines a second: %s", b.service, b.priorRate, b.rate, oneLine(b.template, 160))
	}
	for i := range s.bursts {
		if o := &s.bursts[i]; o != b && len(m.Alternatives) < maxAlternatives/2 {
			why := "later than the first burst"
			if o.at.Before(b.at) {
				why = "paused before the first alert"
			}
			m.Alternatives = append(m.Alternatives, timeline.Alternative{At: o.at.UTC(), Rule: "error_burst", Evidence: evidence(o.ids(o.at, o.third.Add(time.Second), 2)), WhyNot: why})
		}
	}
	m.Alternatives = append(m.Alternatives, timeline.Alternative{
		At: s.detected.UTC(), Rule: "first_alert", Evidence: evidence([]event.ID{s.members[0].id}),
		WhyNot: "an alert fires after its rule has held for a while",
	})
	return m
}

// burstConfidence is how sure a burst dates the onset.
func burstConfidence(b *burst) float64 {
	switch {
	case b.isNew() && b.n >= 10 && b.level >= event.LevelError:
		return 0.95
	case b.isNew() && b.level >= event.LevelError:
		return 0.85
	case b.isNew():
		return 0.75
	}
	return 0.65
}

// burstBounds bounds the beginning of a burst: before its first line by a few
// of its mean pauses, since what fails is sampled by what is called.
func burstBounds(b *burst) (time.Time, time.Time) {
	mean := time.Minute
	if b.n > 1 {
		head := b.third.Sub(b.at) / (burstLines - 1)
		mean = max(head, time.Duration(float64(time.Second)/max(b.rate, 1e-3)))
	}
	before := min(max(3*mean, 2*time.Second), 2*time.Minute)
	return b.at.Add(-before), latest(b.third, b.at.Add(time.Second))
}

// detections are the first member alert's start and persons' reports.
func (s *story) detections() []candidate {
	first := s.members[0]
	c := measured(first.start)
	c.rule, c.confidence = "first_alert", 0.95
	c.explanation = fmt.Sprintf("%s began to fire on %s", first.name(), orUnknown(first.service))
	c.evidence = first.ids
	out := []candidate{c}
	for _, m := range s.messages {
		if m.means == meansReports && m.OccurredAt.Before(first.start) {
			r := said(m)
			r.rule, r.confidence = "report", 0.6
			r.explanation = fmt.Sprintf("%s reported it before an alert did: %s", m.Message.Author, oneLine(m.Message.Text, 120))
			out = append(out, r)
		}
	}
	return out
}

// said is a candidate that a person's message gives.
func said(m *reading) candidate {
	return candidate{at: m.OccurredAt, earliest: m.OccurredAt.Add(-time.Second), latest: m.OccurredAt.Add(time.Second), evidence: []event.ID{m.ID}, actor: m.Message.Author}
}

// alertings are the deliveries of firing members to receivers that reach
// people.
func (s *story) alertings() []candidate {
	var out []candidate
	for _, n := range s.notifications {
		if !s.tellsFiring(n) {
			continue
		}
		class := s.cfg.receiverClass(n.Notification.Receiver, n.Notification.Integration)
		c := measured(n.OccurredAt)
		c.rule, c.evidence = "notification", []event.ID{n.ID}
		c.confidence = map[string]float64{classPage: 0.95, classChat: 0.9, classOther: 0.6}[class]
		if c.confidence == 0 {
			continue
		}
		if n.Notification.ToHindcast {
			// The webhook came to hindcast at this time; the record of its delivery
			// is written when it has.
			c.rule, c.confidence = "webhook_arrival", c.confidence-0.1
			c.earliest, c.latest = n.OccurredAt.Add(-time.Second), n.OccurredAt.Add(time.Second)
		}
		c.explanation = fmt.Sprintf("delivered to the receiver %q (%s)", n.Notification.Receiver, class)
		out = append(out, c)
	}
	return sameDelivery(out)
}

// sameDelivery joins the arrival of a webhook with the record of the same
// delivery: one is evidence for the other.
func sameDelivery(in []candidate) []candidate {
	slices.SortStableFunc(in, func(a, b candidate) int { return a.at.Compare(b.at) })
	var out []candidate
	for _, c := range in {
		if n := len(out); n > 0 && c.at.Sub(out[n-1].at) <= time.Second && c.explanation == out[n-1].explanation {
			last := &out[n-1]
			last.evidence = append(last.evidence, c.evidence...)
			last.confidence = max(last.confidence, c.confidence)
			if last.rule == "webhook_arrival" && c.rule == "notification" {
				last.rule, last.at = c.rule, c.at
				last.earliest, last.latest = minTime(last.earliest, c.earliest), latest(c.latest, last.at)
			}
			continue
		}
		out = append(out, c)
	}
	return out
}

// tellsFiring reports whether a notification tells of a member that fires.
func (s *story) tellsFiring(n *event.Event) bool {
	return slices.ContainsFunc(n.Notification.Firing, func(r event.AlertRef) bool {
		return s.member(r.Fingerprint, n.OccurredAt) != nil
	})
}

// acknowledgements are acts by which someone took the incident.
func (s *story) acknowledgements() []candidate {
	var out []candidate
	for _, a := range s.acks {
		c := measured(a.OccurredAt)
		c.rule, c.confidence, c.evidence, c.actor = "acknowledgement", 0.95, []event.ID{a.ID}, a.Acknowledgement.Actor
		c.explanation = orSomebody(c.actor) + " acknowledged it"
		out = append(out, c)
	}
	for _, e := range s.silences {
		if c, ok := s.silenceAcknowledges(e); ok {
			out = append(out, c)
		}
	}
	for _, m := range s.messages {
		if m.OccurredAt.Before(s.detected) || bot(m.Message.Author) {
			continue
		}
		c := said(m)
		switch m.means {
		case meansAcknowledges:
			c.rule, c.confidence = "claim", 0.85
		case meansRemedies, meansFailed:
			c.rule, c.confidence = "claim_of_remedy", 0.7
		default:
			continue
		}
		c.explanation = fmt.Sprintf("%s wrote: %s", m.Message.Author, oneLine(m.Message.Text, 120))
		out = append(out, c)
	}
	for _, r := range s.remedies {
		if r.change == nil || bot(r.actor) || !r.meant() {
			continue
		}
		c := measured(r.began())
		c.rule, c.confidence, c.evidence, c.actor = "remedy_started", 0.7, r.evidence, r.actor
		c.explanation = fmt.Sprintf("%s began a %s of %s", r.actor, r.change.kind, r.change.service)
		out = append(out, c)
	}
	return out
}

// silenceAcknowledges reads a silence that was made after the first firing and
// covers a member as someone's taking it. An older one is only a mute.
func (s *story) silenceAcknowledges(e *event.Event) (candidate, bool) {
	at := e.OccurredAt
	if e.Silence.Action != event.SilenceCreated || at.Before(s.detected) || bot(e.Silence.CreatedBy) || !s.answers(e) {
		return candidate{}, false
	}
	c := measured(at)
	c.rule, c.confidence, c.evidence, c.actor = "silence", 0.9, []event.ID{e.ID}, e.Silence.CreatedBy
	c.explanation = fmt.Sprintf("%s silenced it: %s", orSomebody(c.actor), oneLine(e.Silence.Comment, 120))
	return c, true
}

// answers reports whether a silence was made for this incident: it covers a
// member, and no rival for whose sake it was made.
func (s *story) answers(e *event.Event) bool {
	return s.covers(e, s.cfg.QuietPeriod) && !slices.ContainsFunc(s.rivals, func(r *stretch) bool {
		return r.covers(e, s.cfg.QuietPeriod)
	})
}

func orSomebody(name string) string {
	if name == "" {
		return "somebody"
	}
	return name
}

// mitigations are the end of the remedy that worked, and the first end that
// stayed an end.
func (s *story) mitigations() []candidate {
	var out []candidate
	end, ended := s.firstLastingEnd()
	if r := s.remedy; r != nil {
		out = append(out, s.mitigatedBy(r, end, ended))
	} else if calm := s.recovered(); !s.calm.IsZero() && calm.Equal(s.calm) && ended && calm.Before(end) {
		out = append(out, candidate{
			at: calm, earliest: calm.Add(-2 * time.Second), latest: end.Add(stampSlack), rule: "errors_subsided", confidence: 0.7,
			explanation: "the errors were back to what they were, and alerts ended after that; no remedy is known",
			evidence:    s.lastTrouble(),
		})
	}
	if ended {
		c := measured(end)
		// The window of a rule delays the end of its alert.
		c.earliest = end.Add(-min(time.Minute, max(time.Second, end.Sub(s.detected)/3)))
		c.rule, c.confidence = "first_end", 0.5
		c.explanation = "the first alert that ended and stayed ended"
		for _, m := range s.members {
			if m.ending == endResolved && m.end.Equal(end) {
				c.evidence = append(c.evidence, m.id)
			}
		}
		if !s.calm.IsZero() && s.calm.Before(end) {
			c.earliest = s.calm
		}
		out = append(out, c)
	}
	return out
}

// mitigatedBy is the end of a remedy that signs of recovery follow.
func (s *story) mitigatedBy(r *remedy, end time.Time, ended bool) candidate {
	c := candidate{at: r.done, rule: "remedy", actor: r.actor, evidence: r.evidence, confidence: 0.9}
	c.earliest = r.began()
	if !s.calm.IsZero() {
		c.earliest = latest(c.earliest, minTime(s.calm, r.done).Add(-2*time.Second))
	}
	c.earliest = minTime(c.earliest, r.done.Add(-stampSlack))
	c.latest = r.done.Add(time.Minute)
	if ended {
		c.latest = latest(end, r.done).Add(stampSlack)
	} else if !s.calm.IsZero() {
		c.latest = latest(s.calm, r.done).Add(rolloutTail)
	}
	if !s.calm.IsZero() {
		c.latest = minTime(c.latest, latest(s.calm, r.done).Add(recoverWithin/10))
		c.evidence = append(slices.Clone(c.evidence), s.lastTrouble()...)
	} else {
		c.confidence = 0.75
	}
	if r.change != nil {
		c.explanation = fmt.Sprintf("%s of %s to %s was done, and recovery followed", r.change.kind, r.change.service, orUnknownVersion(r.change.version))
		return c
	}
	c.rule, c.confidence = "remedy_told", 0.7
	c.explanation = fmt.Sprintf("%s wrote: %s; recovery followed", r.actor, oneLine(r.message.Message.Text, 120))
	if calm := s.recovered(); calm.After(c.at) {
		c.at = calm
	}
	c.latest = latest(c.latest, c.at.Add(stampSlack))
	return c
}

func orUnknownVersion(v string) string {
	if v == "" {
		return "an unnamed version"
	}
	return v
}

// lastTrouble is the facts of the last lines of the bursts.
func (s *story) lastTrouble() []event.ID {
	if s.calm.IsZero() {
		return nil
	}
	var ids []event.ID
	for i := range s.bursts {
		ids = append(ids, s.bursts[i].ids(s.calm.Add(-time.Second), s.calm.Add(time.Second), 2)...)
		if len(ids) >= 2 {
			return ids[:2]
		}
	}
	return ids
}
