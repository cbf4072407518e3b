package correlate

import (
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// change is one change of one service, formed from all reports about it: see
// formChanges.
type change struct {
	// id is the least ID of its events.
	id          event.ID
	events      []event.ID
	environment string
	service     string
	version     string
	// previousVersion is what ran before: as the sender says, else the version
	// of the last succeeded change of the service before this one.
	previousVersion string
	kind            event.ChangeKind
	status          event.ChangeStatus
	// startedAt and finishedAt are zero when nobody reported them.
	startedAt, finishedAt time.Time
	actor, url, message   string
	labels                event.Labels
	commits               []event.Commit
}

// at is when the change took effect: its finish, else its start.
func (c *change) at() time.Time {
	if !c.finishedAt.IsZero() {
		return c.finishedAt
	}
	return c.startedAt
}

// suspicion is everything that the weighing of changes looks at. All slices
// are in a deterministic order.
type suspicion struct {
	// onset is the best estimate of when the trouble began: the onset
	// milestone, else the first alert's start; onsetKnown tells which.
	onset      time.Time
	onsetKnown bool
	// detected is the first member alert's start.
	detected time.Time
	// environment of the incident; "" when unknown.
	environment string
	// services are the member services; alerting those with a member alert.
	services, alerting []string
	// calls is the topology around the incident: calls[a] holds b when a calls
	// b, so trouble in b shows in a.
	calls map[string][]string
	// alerts are the member alerts, earliest first.
	alerts []alertText
	// patterns are the log patterns of the services and their neighbours in the
	// window from an hour before onset to the end.
	patterns []patternText
	// changes are the candidates, up to the incident's end: those of the
	// environment, of any service, from CauseWithin before onset on.
	changes []*change
	// commits are those that were posted by themselves and that no change
	// carries, by time.
	commits []event.Commit
	// calm is when the errors were back to what they were; zero when they are
	// not, or nothing is known of them.
	calm time.Time
	// remedies are changes after onset that were meant to mend it.
	remedies []remedyText
}

// alertText is what a member alert says.
type alertText struct {
	service     string
	labels      event.Labels
	annotations event.Labels
	startsAt    time.Time
}

// patternText is one log pattern of one service.
type patternText struct {
	service  string
	version  string
	level    event.Level
	template string
	// lines are a few verbatim lines, the first ones.
	lines []string
	// count is since onset (from shortly before it on); baseline in the hour
	// before.
	count, baseline int64
	first, last     time.Time
	// isNew says that it was not seen before onset.
	isNew bool
	// surged says that it came many times as often from onset on as before.
	surged    bool
	upstreams []string
}

// remedyText is a change that was made to mend an incident.
type remedyText struct {
	change *change
	worked bool
	failed bool
}
