package correlate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// signal is a firing episode as the grouping sees it: what can open an
// incident or join one.
type signal struct {
	*episode
	id          event.ID
	fingerprint event.Fingerprint
	service     string
	environment string
	severity    string
	rank        int
	paging      bool
	groups      []string
	// callee is the service that its labels name as called.
	callee string
	// heartbeat says that its alert fires for ever on purpose.
	heartbeat bool
	// received is when it was first heard of.
	received time.Time
	// index is its place among the signals that are being grouped.
	index int32
	// starts are when its alert began to fire, in order: this episode's and all
	// others'.
	starts []time.Time
	// flaps says that the alert ever fired often enough to be a flapping one.
	flaps bool
}

// newSignal reads an episode with a site's words.
func (c *Config) newSignal(e *episode, starts []time.Time) *signal {
	labels := e.labels()
	s := &signal{
		episode:     e,
		id:          e.ids[0],
		fingerprint: e.observations[0].Fingerprint,
		service:     c.Labels.ServiceOf(labels),
		environment: c.Labels.EnvironmentOf(labels),
		severity:    c.Labels.SeverityOf(labels),
		starts:      starts,
	}
	s.callee = labels.First(calleeLabels...)
	s.heartbeat = c.heartbeat(labels)
	s.rank = c.severityRank(s.severity)
	s.paging = slices.Contains(c.PagingSeverities, s.severity)
	for _, o := range e.observations {
		s.received = earliest(s.received, o.FirstReceivedAt)
		for _, g := range o.Groups {
			if binds(g) && !slices.Contains(s.groups, g) {
				s.groups = append(s.groups, g)
			}
		}
	}
	slices.Sort(s.groups)
	s.flaps = mostWithin(starts, c.FlapWindow) >= c.FlapFirings
	return s
}

// severityRank is 0 for the worst severity; an unknown one ranks with
// warnings.
func (c *Config) severityRank(severity string) int {
	for rank, words := range c.Severities {
		if slices.Contains(words, severity) {
			return rank
		}
	}
	return min(2, len(c.Severities))
}

// heartbeat reports whether an alert fires for ever on purpose.
func (c *Config) heartbeat(labels event.Labels) bool {
	name := labels["alertname"]
	return slices.ContainsFunc(c.Heartbeats, func(h string) bool { return strings.EqualFold(h, name) })
}

// firedWithin counts the starts in [from, to).
func (s *signal) firedWithin(from, to time.Time) int {
	lo, _ := slices.BinarySearchFunc(s.starts, from, time.Time.Compare)
	hi, _ := slices.BinarySearchFunc(s.starts, to, time.Time.Compare)
	return hi - lo
}

// mostWithin is the greatest number of the times, which are in order, that
// lie within one window.
func mostWithin(times []time.Time, window time.Duration) int {
	most, lo := 0, 0
	for hi := range times {
		for times[hi].Sub(times[lo]) >= window {
			lo++
		}
		most = max(most, hi-lo+1)
	}
	return most
}

// compareSignals orders signals by start, then by ID.
func compareSignals(a, b *signal) int {
	return cmp.Or(a.start.Compare(b.start), a.id.Compare(b.id))
}

// binds reports whether being in one Alertmanager group says that alerts
// belong together: whether the group is by more than the alert's name and
// labels that half a site shares. A group's key ends in its labels:
// {}/{severity="critical"}:{alertname="X", service="payments"}.
func binds(groupKey string) bool {
	i := strings.LastIndex(groupKey, ":{")
	if i < 0 {
		return false
	}
	for pair := range strings.SplitSeq(strings.Trim(groupKey[i+1:], "{}"), ",") {
		name, _, found := strings.Cut(strings.TrimSpace(pair), "=")
		if found && !slices.Contains(wideLabels, name) {
			return true
		}
	}
	return false
}

var wideLabels = []string{"alertname", "severity", "priority", "environment", "env", "stage", "cluster", "region", "datacenter", "dc", "zone", "tenant", "prometheus", "replica", "monitor"}
