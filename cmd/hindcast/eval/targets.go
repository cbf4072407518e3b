package eval

import (
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
)

// Targets are the tolerances that a case's score is held against. All of
// hindcast's tolerances stand in this file.
type Targets struct {
	// Off is how far a milestone may be from the truth.
	Off map[timeline.MilestoneName]time.Duration
	// Width is how wide a milestone's interval may be; absent: as wide as it
	// likes.
	Width map[timeline.MilestoneName]time.Duration
	// RestoredConfidence is the greatest confidence that restored may claim, and
	// RestoredGap the gap that must say why. 1 and "" ask for nothing.
	RestoredConfidence float64
	RestoredGap        timeline.GapKind
}

const (
	// exact is for milestones that a sender dates.
	exact = time.Second
	// onsetOff and mitigatedOff are for those that are read from log lines and
	// from what people did, at scale 1.
	onsetOff     = 3 * time.Second
	mitigatedOff = 6 * time.Second
	// width and mitigatedWidth bound the intervals, at scale 1.
	width          = 15 * time.Second
	mitigatedWidth = 30 * time.Second
	// realScale is the scale from which an outage ran at a real pace.
	realScale = 4
	// realFactor is how much wider the inferred tolerances are then.
	realFactor = 8
	// inferredOff and inferredConfidence are for an end that nobody told.
	inferredOff        = 10 * time.Second
	inferredConfidence = 0.7
	// recorded is how exactly truths and senders' times are written down: an
	// interval that misses the truth by less contains it.
	recorded = time.Millisecond
)

// TargetsOf are the targets of a case.
func TargetsOf(scale float64, webhookOnly bool) Targets {
	factor := time.Duration(1)
	if scale >= realScale {
		factor = realFactor
	}
	t := Targets{
		Off: map[timeline.MilestoneName]time.Duration{
			timeline.Onset: onsetOff * factor, timeline.Detected: exact, timeline.Alerted: exact,
			timeline.Acknowledged: exact, timeline.Mitigated: mitigatedOff * factor, timeline.Restored: exact,
		},
		Width:              map[timeline.MilestoneName]time.Duration{},
		RestoredConfidence: 1,
	}
	for _, name := range timeline.MilestoneNames {
		t.Width[name] = width * factor
	}
	t.Width[timeline.Mitigated] = mitigatedWidth * factor
	if webhookOnly {
		t.Off[timeline.Restored] = inferredOff
		delete(t.Width, timeline.Restored)
		t.RestoredConfidence = inferredConfidence
		t.RestoredGap = timeline.GapSilencedEndUnseen
	}
	return t
}

// Cases that are about the cause alone are judged together. Of those whose
// culprit was deployed or is none at least causesRight of causesOf must be
// right and at most one of so many wrong, and nobody may be blamed where it is
// none.
const (
	causesRight = 8
	causesOf    = 11
)

func causesMet(judged, right, wrong, blamedForNone int) bool {
	return right*causesOf >= causesRight*judged && wrong <= max(1, judged/causesOf) && blamedForNone == 0
}
