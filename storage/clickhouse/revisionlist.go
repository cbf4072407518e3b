package clickhouse

import (
	"cmp"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
)

// revisionList gathers the visible revisions of incidents and says which
// incidents a page of the list shows.
type revisionList struct {
	// asOf is the time, in microseconds, at which the list is shown.
	asOf int64
	// seenAt is the latest time that the engine told, in microseconds: its clock,
	// or that of a revision.
	seenAt int64
	of     map[event.ID]*listedRevisions
}

// listedRevisions are the two revisions of an incident that matter: the latest
// one, and that of the time of the list.
type listedRevisions struct {
	latest, placed revisionKey
	// fits says of the latest one that it is what is looked for, retired that it
	// is no incident any more.
	fits, retired bool
	summary       string // of the latest one
	// wasThere says that there is one of the time of the list, wasRetired and
	// startedAt what it said.
	wasThere, wasRetired bool
	startedAt            int64
}

// compare orders the revisions of an incident.
func (k revisionKey) compare(other revisionKey) int {
	return cmp.Or(cmp.Compare(k.epoch, other.epoch), cmp.Compare(k.owner, other.owner), cmp.Compare(k.seq, other.seq))
}

func (l *revisionList) scan(r driver.Rows) error {
	var incident []byte
	var key revisionKey
	var at, now, startedAt int64
	var retired, fits bool
	var summary string
	if err := r.Scan(&incident, &key.epoch, &key.owner, &key.seq, &at, &now, &retired, &startedAt, &fits, &summary); err != nil {
		return err
	}
	l.seenAt = max(l.seenAt, at, now)
	id := event.ID(incident)
	in, known := l.of[id]
	if !known {
		in = &listedRevisions{}
		l.of[id] = in
	}
	if !known || key.compare(in.latest) > 0 {
		in.latest, in.fits, in.retired, in.summary = key, fits, retired, summary
	}
	if at <= l.asOf && (!in.wasThere || key.compare(in.placed) > 0) {
		in.placed, in.wasThere, in.wasRetired, in.startedAt = key, true, retired, startedAt
	}
	return nil
}

// behind is the first incidents behind a place, the latest start first.
func (l *revisionList) behind(after incidentPlace, limit int) []listed {
	var list []listed
	for id, in := range l.of {
		if in.retired || !in.fits || !in.wasThere || in.wasRetired {
			continue
		}
		if cmp.Or(cmp.Compare(in.startedAt, after.startedAt), id.Compare(after.id)) < 0 {
			list = append(list, listed{id, in.latest, in.startedAt, in.summary})
		}
	}
	slices.SortFunc(list, func(a, b listed) int {
		return cmp.Or(cmp.Compare(b.startedAt, a.startedAt), b.id.Compare(a.id))
	})
	return list[:min(len(list), limit)]
}
