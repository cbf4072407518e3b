package eval

import (
	"cmp"
	"slices"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
)

// slack is how far a derived incident may lie from the truth's milestones and
// still be the same, at scale 1.
const slack = 30 * time.Second

// match finds for each derived incident the true one that it is: its index, or
// -1. A true incident is matched once, by the incident, minor ones aside, that
// overlaps its services and time most; what remains was invented.
func match(truth Truth, derived []timeline.Timeline) []int {
	type pair struct {
		truth, derived, common int
		distance               time.Duration
	}
	var pairs []pair
	for i := range truth.Incidents {
		from, to := truth.Incidents[i].window()
		margin := time.Duration(float64(slack) * truth.Scale)
		for j := range derived {
			inc := &derived[j].Incident
			common := shared(truth.Incidents[i].Services, inc.Services)
			ended := inc.EndedAt != nil && inc.EndedAt.Before(from.Add(-margin))
			if inc.Minor || common == 0 || ended || inc.StartedAt.After(to.Add(margin)) {
				continue
			}
			pairs = append(pairs, pair{i, j, common, inc.StartedAt.Sub(from).Abs()})
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(b.common, a.common), cmp.Compare(a.distance, b.distance))
	})
	matched := slices.Repeat([]int{-1}, len(derived))
	taken := map[int]bool{}
	for _, p := range pairs {
		if matched[p.derived] < 0 && !taken[p.truth] {
			matched[p.derived], taken[p.truth] = p.truth, true
		}
	}
	return matched
}

func shared(a, b []string) int {
	n := 0
	for _, s := range a {
		if slices.Contains(b, s) {
			n++
		}
	}
	return n
}
