package correlate

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// gaps are what went wrong in seeing, telling and mending, and what hindcast
// could not see. Each rule is a function below; docs/milestones.md lists them.
func (s *story) gaps(t *timeline.Timeline) []timeline.Gap {
	g := gapList{out: []timeline.Gap{}}
	s.detectionGaps(&g, t)
	s.notificationGaps(&g, t)
	s.alertGaps(&g)
	s.endGaps(&g)
	s.sourceGaps(&g)
	s.sizeGaps(&g)
	s.changeGaps(&g)
	if len(s.late) > 0 {
		g.add(timeline.GapArrivedAfterSeal, s.late, "%d facts arrived more than %s after they happened, when this was sealed: they are listed here and changed nothing.", len(s.late), brief(s.cfg.SealAfter))
	}
	slices.SortStableFunc(g.out, func(a, b timeline.Gap) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Explanation, b.Explanation))
	})
	return g.out
}

type gapList struct{ out []timeline.Gap }

func (g *gapList) add(kind timeline.GapKind, ids []event.ID, format string, args ...any) {
	g.out = append(g.out, timeline.Gap{Kind: kind, Explanation: fmt.Sprintf(format, args...), Evidence: evidence(ids)})
}

func (s *story) detectionGaps(g *gapList, t *timeline.Timeline) {
	d, ok := t.Durations[timeline.TimeToDetect]
	if ok && d.Seconds > s.cfg.LateDetection.Seconds() {
		g.add(timeline.GapLateDetection, []event.ID{s.members[0].id}, "It took %s from onset until the first alert; the limit is %s.", brief(seconds(d.Seconds)), brief(s.cfg.LateDetection))
	}
	for _, n := range timeline.DurationNames {
		if d, ok := t.Durations[n.Name]; ok && d.Seconds < 0 {
			g.add(timeline.GapNegativeDuration, nil, "%s is negative (%.1f s): %s is dated before %s; a clock may be wrong, or a milestone.", n.Name, d.Seconds, d.To, d.From)
		}
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (s *story) notificationGaps(g *gapList, t *timeline.Timeline) {
	alerted, acknowledged := t.Milestone(timeline.Alerted), t.Milestone(timeline.Acknowledged)
	var silent []string
	var ids []event.ID
	told := s.told()
	for _, m := range s.members {
		if !told[m] && s.age(m) > s.cfg.NotifiedLate {
			silent = append(silent, fmt.Sprintf("%s on %s", m.name(), orUnknown(m.service)))
			ids = append(ids, m.id)
		}
	}
	switch {
	case alerted == nil && s.age(s.members[0]) > s.cfg.NotifiedLate:
		g.add(timeline.GapNotNotified, ids, "No delivery to a receiver that reaches people was seen%s.", s.onlySelf())
	case alerted != nil && len(silent) > 0:
		slices.Sort(silent)
		silent = slices.Compact(silent)
		g.add(timeline.GapNotNotified, ids, "Nobody was told of %s%s.", oneLine(strings.Join(silent, ", "), 300), s.mutedNote())
	}
	if d, ok := t.Durations[timeline.TimeToNotify]; ok && d.Seconds > s.cfg.NotifiedLate.Seconds() {
		g.add(timeline.GapNotifiedLate, alerted.Evidence, "%s passed between the first alert and the first notification; a group's wait adds to every detection.", brief(seconds(d.Seconds)))
	}
	if acknowledged == nil && alerted != nil && alerted.At != nil {
		until := s.now
		if r := t.Milestone(timeline.Restored); r != nil && r.At != nil {
			until = minTime(until, *r.At)
		}
		if until.Sub(*alerted.At) > s.cfg.NoAcknowledgement || t.Milestone(timeline.Restored) != nil && !t.Incident.Minor {
			g.add(timeline.GapNoAcknowledgement, alerted.Evidence, "Nobody was seen to take it: no acknowledgement, silence, message or remedy.")
		}
	}
	s.stormGaps(g)
	for _, n := range s.notifications {
		if n.Notification.Truncated > 0 {
			g.add(timeline.GapTruncatedAlerts, []event.ID{n.ID}, "A notification to %q left out %d alerts (max_alerts): they are unknown here unless another road told of them.", n.Notification.Receiver, n.Notification.Truncated)
			break
		}
	}
}

// age is for how long a member was on, as far as anybody said so.
func (s *story) age(m *signal) time.Duration {
	switch {
	case m.ending != endFiring:
		return m.end.Sub(m.start)
	case m.changesAt.IsZero():
		return m.lastSeen.Sub(m.start)
	}
	return s.now.Sub(m.start)
}

// told are the members that were in a delivery that reaches people.
func (s *story) told() map[*signal]bool {
	out := map[*signal]bool{}
	for _, n := range s.notifications {
		switch s.cfg.receiverClass(n.Notification.Receiver, n.Notification.Integration) {
		case classSelf, classHeartbeat:
			continue
		}
		for _, r := range slices.Concat(n.Notification.Firing, n.Notification.Resolved) {
			if m := s.member(r.Fingerprint, n.OccurredAt); m != nil {
				out[m] = true
			}
		}
	}
	return out
}

func (s *story) onlySelf() string {
	if len(s.notifications) > 0 {
		return "; hindcast's own receiver is not people. Turn on Alertmanager's event recorder to see the other deliveries"
	}
	return ""
}

func (s *story) mutedNote() string {
	if len(s.mutes) > 0 {
		return "; some were silenced or inhibited"
	}
	return ""
}

// stormGaps counts notifications per receiver, and per person where the
// configuration names one, over a sliding window.
func (s *story) stormGaps(g *gapList) {
	times := map[string][]time.Time{}
	ids := map[string][]event.ID{}
	count := func(who string, n timeline.Entry) {
		times[who] = append(times[who], n.At)
		ids[who] = append(ids[who], n.Events[0])
	}
	for _, n := range s.notified() {
		receiver := n.Labels["receiver"]
		count(fmt.Sprintf("the receiver %q", receiver), n)
		if person := s.cfg.personOf(receiver); person != "" {
			count(person, n)
		}
	}
	for _, who := range sortedKeys(times) {
		slices.SortFunc(times[who], time.Time.Compare)
		if n := mostWithin(times[who], s.cfg.StormWindow); n >= s.cfg.StormNotifications {
			g.add(timeline.GapAlertStorm, ids[who], "%s got %d notifications within %s.", upperFirst(who), n, brief(s.cfg.StormWindow))
		}
	}
}

func (s *story) alertGaps(g *gapList) {
	var bare []string
	var bareIDs []event.ID
	flapping, nameless := map[event.Fingerprint]bool{}, map[string]bool{}
	for _, m := range s.members {
		if m.paging && !nameless[m.name()] && s.cfg.runbook(m) == "" {
			nameless[m.name()] = true
			bare = append(bare, m.name())
			bareIDs = append(bareIDs, m.id)
		}
		if m.flaps && !flapping[m.fingerprint] {
			flapping[m.fingerprint] = true
			g.add(timeline.GapFlapping, []event.ID{m.id}, "%s on %s fired %d times within %s.", m.name(), orUnknown(m.service), mostWithin(m.starts, s.cfg.FlapWindow), brief(s.cfg.FlapWindow))
		}
		if s.age(m) >= s.cfg.ChronicAfter && len(s.members) == 1 {
			g.add(timeline.GapAlwaysFiring, []event.ID{m.id}, "%s on %s has been firing for %s.", m.name(), orUnknown(m.service), brief(s.age(m)))
		}
	}
	if len(bare) > 0 {
		slices.Sort(bare)
		g.add(timeline.GapNoRunbook, bareIDs, "No runbook is named by %s.", strings.Join(bare, ", "))
	}
}

func (s *story) endGaps(g *gapList) {
	_, unseen, open := s.ends()
	var names []string
	var ids, silent []event.ID
	var silentNames []string
	for _, m := range unseen {
		name := fmt.Sprintf("%s on %s", m.name(), orUnknown(m.service))
		if m.ending == endExpired {
			silentNames = append(silentNames, name)
			silent = append(silent, m.id)
		} else {
			names = append(names, name)
			ids = append(ids, m.id)
		}
	}
	if len(names) > 0 && !open {
		slices.Sort(names)
		g.add(timeline.GapSilencedEndUnseen, ids, "No end of %s arrived, as happens when an alert is silenced: Alertmanager's webhook does not tell of a silenced alert's end. Turn on the event recorder, add hindcast to Prometheus' alertmanagers, or let hindcast poll Alertmanager.", oneLine(strings.Join(slices.Compact(names), ", "), 300))
	}
	if len(silentNames) > 0 {
		slices.Sort(silentNames)
		g.add(timeline.GapSilentSource, silent, "The sender of %s stopped renewing it and never said that it ended; this is no proof of recovery.", oneLine(strings.Join(slices.Compact(silentNames), ", "), 300))
	}
	s.mutedAtRestore(g)
}

// mutedAtRestore reports members that were muted when they ended: nobody was
// told of their end.
func (s *story) mutedAtRestore(g *gapList) {
	var names []string
	var ids []event.ID
	for _, m := range s.members {
		if m.ending != endResolved || s.refired(m) {
			continue
		}
		if s.toldOfEnd(m) {
			continue
		}
		if by := s.silencedAt(m, m.end); by != nil {
			names = append(names, fmt.Sprintf("%s on %s", m.name(), orUnknown(m.service)))
			ids = append(ids, m.id, by.ID)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		g.add(timeline.GapMutedAtRestore, ids, "%s was silenced when it ended: no notification tells of the end.", oneLine(strings.Join(slices.Compact(names), ", "), 300))
	}
}

// toldOfEnd reports whether people were told of a member's end after all.
func (s *story) toldOfEnd(m *signal) bool {
	return slices.ContainsFunc(s.notifications, func(n *event.Event) bool {
		switch s.cfg.receiverClass(n.Notification.Receiver, n.Notification.Integration) {
		case classSelf, classHeartbeat:
			return false
		}
		return !n.OccurredAt.Before(m.end) && slices.ContainsFunc(n.Notification.Resolved, func(r event.AlertRef) bool {
			return s.member(r.Fingerprint, n.OccurredAt) == m
		})
	})
}

// silencedAt is the silence that covered a member at a time; nil when none is
// known.
func (s *story) silencedAt(m *signal, at time.Time) *event.Event {
	var by *event.Event
	for _, e := range s.silences {
		if e.OccurredAt.After(at) || !silenceMatches(e.Silence, m.labels()) {
			continue
		}
		switch {
		case e.Silence.Action == event.SilenceExpired || !e.Silence.EndsAt.After(at):
			if by != nil && by.Silence.ID == e.Silence.ID {
				by = nil
			}
		case !e.Silence.StartsAt.After(at):
			by = e
		}
	}
	return by
}

// sourceGaps report stretches in which a source was not there to tell: a
// recorder between its end and its start, an Alertmanager that did not answer.
func (s *story) sourceGaps(g *gapList) {
	from, to := s.detected.Add(-time.Minute), s.lastSign
	away := map[string]*event.Event{}
	for _, e := range s.sources {
		who := orSource(e)
		switch e.Source.Status {
		case "stopped", "unreachable":
			away[who] = e
		case "started", "reachable":
			left := away[who]
			delete(away, who)
			if e.OccurredAt.Before(from) || e.OccurredAt.After(to) {
				continue
			}
			if left != nil {
				g.add(timeline.GapRecorderGap, []event.ID{left.ID, e.ID}, "%s was away for %s: what happened there meanwhile was not recorded.", who, brief(e.OccurredAt.Sub(left.OccurredAt)))
			} else if e.OccurredAt.After(s.detected) {
				g.add(timeline.GapRecorderGap, []event.ID{e.ID}, "%s started in the middle of it, and never said that it stopped: what happened before was not recorded.", who)
			}
		}
	}
	for _, who := range sortedKeys(away) {
		if e := away[who]; !e.OccurredAt.Before(from) && e.OccurredAt.Before(to) {
			g.add(timeline.GapRecorderGap, []event.ID{e.ID}, "%s went away in the middle of it and was not seen again.", who)
		}
	}
}

// Limits from which an incident is suspected to be several.
const (
	overMergedSpan    = 24 * time.Hour
	overMergedMembers = 200
)

func (s *story) sizeGaps(g *gapList) {
	prints := map[event.Fingerprint]bool{}
	var suspect []event.ID
	for _, m := range s.members {
		prints[m.fingerprint] = true
		for i, o := range m.observations {
			if o.ClockSuspect {
				suspect = append(suspect, m.ids[i])
			}
		}
	}
	if span := s.lastSign.Sub(s.detected); span > overMergedSpan || len(prints) > overMergedMembers {
		g.add(timeline.GapOverMerged, []event.ID{s.members[0].id}, "%d alerts over %s are one incident here; it may be several.", len(prints), brief(span))
	}
	for _, n := range s.notifications {
		if n.ClockSuspect {
			suspect = append(suspect, n.ID)
		}
	}
	for _, c := range s.messages {
		if c.ClockSuspect {
			suspect = append(suspect, c.ID)
		}
	}
	if len(suspect) > 0 {
		g.add(timeline.GapClockSuspect, suspect, "Times outside 1970 to 2200 were sent and brought into range.")
	}
	if ahead := s.clockAhead(); len(ahead) > 0 {
		g.add(timeline.GapClockSuspect, ahead, "Alerts arrived before they began by their own clock: a sender's clock is ahead.")
	}
}

// clockAhead is the members that were received before their own start.
func (s *story) clockAhead() []event.ID {
	var ids []event.ID
	for _, m := range s.members {
		for i, o := range m.observations {
			if o.StartsAt.Sub(o.FirstReceivedAt) > 5*time.Second {
				ids = append(ids, m.ids[i])
			}
		}
	}
	return ids
}

func (s *story) changeGaps(g *gapList) {
	told := false
	defer func() {
		if told {
			return
		}
		for _, m := range s.messages {
			if m.means == meansFailed && aboutRollback.MatchString(m.Message.Text) {
				g.add(timeline.GapFailedRollback, []event.ID{m.ID}, "%s wrote: %s.", m.Message.Author, oneLine(m.Message.Text, 200))
				return
			}
		}
	}()
	for _, r := range s.remedies {
		if r.change == nil || !r.failed || r.change.kind != event.ChangeRollback {
			continue
		}
		told = true
		what := fmt.Sprintf("%s of %s to %s", r.change.kind, r.change.service, orUnknownVersion(r.change.version))
		if r.change.status == event.ChangeFailed || r.change.status == event.ChangeCancelled {
			text := "The " + what + " " + string(r.change.status)
			if r.change.message != "" {
				text += ": " + oneLine(r.change.message, 200)
			}
			g.add(timeline.GapFailedRollback, r.evidence, "%s.", text)
		} else {
			g.add(timeline.GapFailedRollback, r.evidence, "The %s was done, and the trouble went on.", what)
		}
	}
}

var aboutRollback = regexp.MustCompile(`(?i)\broll\w*|\brevert`)

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
