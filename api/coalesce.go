package api

import (
	"slices"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
)

// coalesce makes each run of like entries one entry, with the number of facts
// in Count and the time of the last in Until. Like are entries of one kind,
// service and subject (an alert, a receiver, a log pattern); a run is not
// interrupted by any other entry, so the order of what remains is the order of
// what was. What people did or wrote, and changes, are never joined: each says
// something of its own. The argument is not changed.
func coalesce(entries []timeline.Entry) []timeline.Entry {
	out := make([]timeline.Entry, 0, len(entries))
	for start := 0; start < len(entries); {
		end := start + 1
		for end < len(entries) && like(&entries[start], &entries[end]) {
			end++
		}
		out = append(out, join(entries[start:end]))
		start = end
	}
	return out
}

func like(a, b *timeline.Entry) bool {
	return a.Kind == b.Kind && repeats(a.Kind) && a.Service == b.Service && a.Actor == b.Actor &&
		subject(a) == subject(b)
}

// repeats says which kinds machines repeat.
func repeats(kind timeline.EntryKind) bool {
	switch kind {
	case timeline.EntryAlertFired, timeline.EntryAlertResolved, timeline.EntryNotified,
		timeline.EntryMuted, timeline.EntryLogPattern, timeline.EntrySource:
		return true
	}
	return false
}

// entrySubject is what an entry is about. Where nothing structured says it,
// the summary does.
type entrySubject struct{ fingerprint, receiver, pattern, summary string }

func subject(e *timeline.Entry) entrySubject {
	s := entrySubject{fingerprint: e.Fingerprint, receiver: e.Labels["receiver"]}
	if e.Log != nil {
		s.pattern = e.Log.Pattern.String()
	}
	if s == (entrySubject{}) {
		s.summary = e.Summary
	}
	return s
}

// maxJoinedLines bounds the verbatim lines of a joined entry.
const maxJoinedLines = 5

// join makes one entry of a run. It keeps what the first one says, and all
// evidence.
func join(run []timeline.Entry) timeline.Entry {
	e := run[0]
	if len(run) == 1 {
		return e
	}
	// Clipped, so that appending does not write into the first entry's arrays.
	e.Events, e.Links = slices.Clip(e.Events), slices.Clip(e.Links)
	e.Count = facts(&run[0])
	last := end(&run[0])
	for i := range run[1:] {
		next := &run[i+1]
		e.Count += facts(next)
		if t := end(next); t.After(last) {
			last = t
		}
		e.Events = append(e.Events, next.Events...)
		for _, l := range next.Links {
			if !slices.Contains(e.Links, l) {
				e.Links = append(e.Links, l)
			}
		}
		e.Log = joinLogs(e.Log, next.Log)
	}
	e.Until = &last
	return e
}

func facts(e *timeline.Entry) int { return max(e.Count, 1) }

func end(e *timeline.Entry) time.Time {
	if e.Until != nil {
		return *e.Until
	}
	return e.At
}

// joinLogs joins what two entries say of one pattern.
func joinLogs(a, b *timeline.LogExcerpt) *timeline.LogExcerpt {
	if a == nil || b == nil {
		return a
	}
	j := *a
	j.Count += b.Count
	j.New = a.New || b.New
	j.Baseline = max(a.Baseline, b.Baseline)
	if b.FirstSeen.Before(j.FirstSeen) {
		j.FirstSeen = b.FirstSeen
	}
	if b.LastSeen.After(j.LastSeen) {
		j.LastSeen = b.LastSeen
	}
	if missing := maxJoinedLines - len(a.Lines); missing > 0 {
		j.Lines = slices.Concat(a.Lines, b.Lines[:min(missing, len(b.Lines))])
	}
	return &j
}
