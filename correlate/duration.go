package correlate

import (
	"github.com/hindcast/hindcast/correlate/timeline"
)

// measuredFrom is the confidence from which a milestone counts as measured.
const measuredFrom = 0.8

// durations are the times between milestones; one with a missing end is left
// out.
func durations(milestones []timeline.Milestone) map[timeline.DurationName]timeline.Duration {
	at := map[timeline.MilestoneName]*timeline.Milestone{}
	for i := range milestones {
		if milestones[i].At != nil {
			at[milestones[i].Name] = &milestones[i]
		}
	}
	out := map[timeline.DurationName]timeline.Duration{}
	for _, d := range timeline.DurationNames {
		from, to := at[d.From], at[d.To]
		if from == nil || to == nil {
			continue
		}
		out[d.Name] = timeline.Duration{Seconds: to.At.Sub(*from.At).Seconds(), From: d.From, To: d.To, Basis: basis(from, to)}
	}
	return out
}

func basis(from, to *timeline.Milestone) timeline.Basis {
	switch {
	case from.Origin == timeline.OriginHuman || to.Origin == timeline.OriginHuman:
		return timeline.BasisHuman
	case from.Confidence >= measuredFrom && to.Confidence >= measuredFrom:
		return timeline.BasisMeasured
	}
	return timeline.BasisInferred
}
