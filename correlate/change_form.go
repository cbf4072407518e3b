package correlate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

const (
	// oneChangeWithin is how long after its first report a change can still be
	// reported on: the rollout of one version ends within it.
	oneChangeWithin = time.Hour
	// sameFlipWithin is how near two finished reports without a version must be
	// to tell of the same flip, restart or configuration change.
	sameFlipWithin = 2 * time.Minute
)

// formChanges forms changes from all reports about them. Events of other kinds
// are ignored; commits are events of kind commit, whose content fills in what
// the reports leave out. The result is in ascending order of time, then ID, and
// depends neither on the order of the events nor on copies among them.
//
// Reports of one environment, service, version and kind within an hour are one
// change, unless another version of the service went out between them.
func formChanges(changes, commits []event.Event) []*change {
	known := newCommitBook(commits)
	var formed []*change
	for _, group := range groupReports(changes) {
		formed = append(formed, mergeReports(group, known))
	}
	slices.SortFunc(formed, compareChanges)
	tellVersions(formed)
	return formed
}

func compareChanges(a, b *change) int {
	return cmp.Or(a.at().Compare(b.at()), a.id.Compare(b.id))
}

// changeKey is what all reports of one change have in common.
type changeKey struct {
	environment, service, version string
	// kind is deploy for rollbacks as well: a sender may call the same run
	// either.
	kind event.ChangeKind
}

func keyOf(e *event.Event) changeKey {
	kind := e.Change.Kind
	if kind == event.ChangeRollback || kind == "" {
		kind = event.ChangeDeploy
	}
	return changeKey{e.Environment, e.Service, e.Change.Version, kind}
}

// changeTrack is a sequence of changes that replace one another: the versions
// of a service, the states of one flag.
type changeTrack struct {
	environment, service, subject string
	kind                          event.ChangeKind
}

func (k changeKey) track() changeTrack {
	t := changeTrack{k.environment, k.service, "", k.kind}
	if k.kind == event.ChangeFlag {
		t.subject = flagName(k.version)
	}
	return t
}

// flagName is the name in a flag's version, as "name: off->on".
func flagName(version string) string {
	name := version
	if i := strings.IndexAny(version, ":= "); i > 0 {
		name = version[:i]
	}
	return strings.TrimSpace(name)
}

// groupReports divides the reports into those of one change each. A group is
// in ascending order of time.
func groupReports(events []event.Event) [][]*event.Event {
	tracks := map[changeTrack][]*event.Event{}
	var order []changeTrack
	for _, e := range sortedReports(events) {
		t := keyOf(e).track()
		if _, seen := tracks[t]; !seen {
			order = append(order, t)
		}
		tracks[t] = append(tracks[t], e)
	}
	var groups [][]*event.Event
	for _, t := range order {
		groups = append(groups, groupTrack(tracks[t])...)
	}
	return groups
}

// sortedReports are the change events by time, each once.
func sortedReports(events []event.Event) []*event.Event {
	var reports []*event.Event
	for i := range events {
		if events[i].Change != nil {
			reports = append(reports, &events[i])
		}
	}
	slices.SortFunc(reports, func(a, b *event.Event) int {
		return cmp.Or(a.OccurredAt.Compare(b.OccurredAt), a.ID.Compare(b.ID))
	})
	return slices.CompactFunc(reports, func(a, b *event.Event) bool { return a.ID == b.ID })
}

// groupTrack walks along one track. A report joins the latest group of its
// version if it belongs to that group's run, or if it tells of the same rollout.
func groupTrack(reports []*event.Event) [][]*event.Event {
	var groups [][]*event.Event
	latest := map[string]int{} // version → index of its latest group
	newest := -1
	for _, e := range reports {
		version := e.Change.Version
		i, ok := latest[version]
		if ok && (sameRun(groups[i], e) || i == newest && sameRollout(groups[i], e)) {
			groups[i] = append(groups[i], e)
			continue
		}
		groups = append(groups, []*event.Event{e})
		newest = len(groups) - 1
		latest[version] = newest
	}
	return groups
}

func sameRun(group []*event.Event, e *event.Event) bool {
	if e.Change.Run == "" || e.OccurredAt.Sub(group[0].OccurredAt) > 24*oneChangeWithin {
		return false
	}
	return slices.ContainsFunc(group, func(o *event.Event) bool { return o.Change.Run == e.Change.Run })
}

// sameRollout reports whether e, which is later than the group, still tells of
// it. Without a version nothing but nearness says so once the group has ended.
func sameRollout(group []*event.Event, e *event.Event) bool {
	if e.OccurredAt.Sub(group[0].OccurredAt) > oneChangeWithin {
		return false
	}
	last := group[len(group)-1]
	if e.Change.Version != "" || !terminal(last.Change.Status) {
		return true
	}
	agree := e.Change.Message == last.Change.Message || e.Change.Message == "" || last.Change.Message == ""
	return agree && e.OccurredAt.Sub(last.OccurredAt) <= sameFlipWithin
}

func terminal(s event.ChangeStatus) bool { return s != event.ChangeStarted && s != "" }

// mergeReports makes one change of reports in ascending order of time.
func mergeReports(reports []*event.Event, known *commitBook) *change {
	key := keyOf(reports[0])
	c := &change{
		environment: key.environment,
		service:     key.service,
		version:     key.version,
		kind:        key.kind,
		id:          reports[0].ID,
	}
	var messages []string
	carried := newCommitUnion()
	for _, e := range reports {
		r := e.Change
		c.events = append(c.events, e.ID)
		if e.ID.Compare(c.id) < 0 {
			c.id = e.ID
		}
		if r.Kind == event.ChangeRollback {
			c.kind = event.ChangeRollback
		}
		// A sender that names the version itself as its predecessor knows none.
		if c.previousVersion == "" && r.PreviousVersion != r.Version {
			c.previousVersion = r.PreviousVersion
		}
		c.actor = cmp.Or(c.actor, r.Actor)
		c.url = cmp.Or(c.url, r.URL)
		if r.Message != "" && !slices.Contains(messages, r.Message) {
			messages = append(messages, r.Message)
		}
		for name, value := range e.Labels {
			if _, taken := c.labels[name]; !taken {
				if c.labels == nil {
					c.labels = event.Labels{}
				}
				c.labels[name] = value
			}
		}
		for _, commit := range r.Commits {
			carried.add(commit)
		}
		if r.Commit != "" {
			carried.add(event.Commit{SHA: r.Commit})
		}
	}
	c.message = strings.Join(messages, "; ")
	c.startedAt, c.finishedAt, c.status = rolloutSpan(reports)
	c.commits = known.fill(carried.list())
	return c
}

// rolloutSpan says when a change started and finished, and how. It ended as the last
// report of an end says; the first report of that end dates it.
func rolloutSpan(reports []*event.Event) (started, finished time.Time, status event.ChangeStatus) {
	status = event.ChangeStarted
	for _, e := range reports {
		if terminal(e.Change.Status) {
			status = e.Change.Status
		} else if started.IsZero() {
			started = e.OccurredAt
		}
	}
	for _, e := range reports {
		if terminal(e.Change.Status) && e.Change.Status == status {
			return started, e.OccurredAt, status
		}
	}
	return started, time.Time{}, status
}

// tellVersions fills in what ran before each change and recognises rollbacks
// that were reported as deploys: those of a version that first ran before the
// one that they replace. The changes are in ascending order of time.
func tellVersions(changes []*change) {
	type place struct{ environment, service string }
	type history struct {
		current string
		// first is the order in which versions first ran.
		first map[string]int
	}
	ran := map[place]*history{}
	for _, c := range changes {
		if c.version == "" || c.kind != event.ChangeDeploy && c.kind != event.ChangeRollback {
			continue
		}
		p := place{c.environment, c.service}
		h := ran[p]
		if h == nil {
			h = &history{first: map[string]int{}}
			ran[p] = h
		}
		if c.previousVersion == "" && h.current != c.version {
			c.previousVersion = h.current
		}
		for _, v := range []string{c.previousVersion, c.version} {
			if _, known := h.first[v]; v != "" && !known && (v != c.version || succeeded(c)) {
				h.first[v] = len(h.first)
			}
		}
		was, knownWas := h.first[c.previousVersion]
		now, knownNow := h.first[c.version]
		if knownWas && knownNow && now < was {
			c.kind = event.ChangeRollback
		}
		if succeeded(c) {
			h.current = c.version
		}
	}
}

func succeeded(c *change) bool { return c.status == event.ChangeSucceeded }
