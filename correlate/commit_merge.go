package correlate

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hindcast/hindcast/ingest/event"
)

// minShortSHA is the least length at which the beginning of a SHA names a
// commit: git's own default.
const minShortSHA = 7

// commitUnion collects commits, each once, with the richest content that
// anybody told of it.
type commitUnion struct{ commits []event.Commit }

func newCommitUnion() *commitUnion { return &commitUnion{} }

func (u *commitUnion) add(c event.Commit) {
	if c.SHA == "" {
		return
	}
	for i := range u.commits {
		if sameSHA(u.commits[i].SHA, c.SHA) {
			u.commits[i] = richerCommit(u.commits[i], c)
			return
		}
	}
	u.commits = append(u.commits, c)
}

// list is the commits in the order in which they were first named. It is nil
// when there are none.
func (u *commitUnion) list() []event.Commit { return u.commits }

// sameSHA reports whether two SHAs, of which one may be shortened, name the
// same commit.
func sameSHA(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return len(a) == len(b) && strings.EqualFold(a, b) ||
		len(a) >= minShortSHA && strings.EqualFold(a, b[:len(a)])
}

// richerCommit merges what two senders say of one commit. It commutes.
func richerCommit(a, b event.Commit) event.Commit {
	m := event.Commit{
		SHA:        richer(a.SHA, b.SHA),
		Repository: richer(a.Repository, b.Repository),
		Author:     richer(a.Author, b.Author),
		Message:    richer(a.Message, b.Message),
		Diff:       richer(a.Diff, b.Diff),
		URL:        richer(a.URL, b.URL),
		Files:      a.Files,
		At:         a.At,
	}
	if c := cmp.Or(cmp.Compare(len(b.Files), len(a.Files)), slices.Compare(a.Files, b.Files)); c > 0 {
		m.Files = b.Files
	}
	if a.At.IsZero() || !b.At.IsZero() && b.At.Before(a.At) {
		m.At = b.At
	}
	return m
}

// richer is the longer of two texts; of equally long ones the lesser.
func richer(a, b string) string {
	if len(b) > len(a) || len(b) == len(a) && b < a {
		return b
	}
	return a
}

// commitBook is the commits that were posted by themselves.
type commitBook struct {
	byPrefix map[string][]event.Commit
	order    []string
}

func newCommitBook(events []event.Event) *commitBook {
	b := &commitBook{byPrefix: map[string][]event.Commit{}}
	sorted := make([]*event.Event, 0, len(events))
	for i := range events {
		if events[i].Commit != nil && len(events[i].Commit.SHA) >= minShortSHA {
			sorted = append(sorted, &events[i])
		}
	}
	slices.SortFunc(sorted, func(x, y *event.Event) int {
		return cmp.Or(x.OccurredAt.Compare(y.OccurredAt), x.ID.Compare(y.ID))
	})
	for _, e := range sorted {
		p := shaPrefix(e.Commit.SHA)
		u := commitUnion{b.byPrefix[p]}
		if len(u.commits) == 0 {
			b.order = append(b.order, p)
		}
		commit := *e.Commit
		if commit.At.IsZero() {
			commit.At = e.OccurredAt
		}
		u.add(commit)
		b.byPrefix[p] = u.commits
	}
	return b
}

func shaPrefix(sha string) string { return strings.ToLower(sha[:minShortSHA]) }

// fill completes commits by what was posted about them.
func (b *commitBook) fill(commits []event.Commit) []event.Commit {
	for i, c := range commits {
		if len(c.SHA) < minShortSHA {
			continue
		}
		for _, known := range b.byPrefix[shaPrefix(c.SHA)] {
			if sameSHA(c.SHA, known.SHA) {
				commits[i] = richerCommit(commits[i], known)
			}
		}
	}
	return commits
}

// looseCommits are the commits that were posted by themselves and that none of
// the changes carries, by time.
func looseCommits(commits []event.Event, changes []*change) []event.Commit {
	carried := map[string][]string{}
	for _, c := range changes {
		for _, commit := range c.commits {
			if len(commit.SHA) >= minShortSHA {
				p := shaPrefix(commit.SHA)
				carried[p] = append(carried[p], commit.SHA)
			}
		}
	}
	book := newCommitBook(commits)
	var loose []event.Commit
	for _, p := range book.order {
		for _, c := range book.byPrefix[p] {
			if !slices.ContainsFunc(carried[p], func(sha string) bool { return sameSHA(sha, c.SHA) }) {
				loose = append(loose, c)
			}
		}
	}
	slices.SortStableFunc(loose, func(a, b event.Commit) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.SHA, b.SHA))
	})
	return loose
}
