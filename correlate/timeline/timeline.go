// Package timeline holds the nouns that the correlator derives from facts and
// that the API gives out: incidents, their milestones with evidence, the
// changes that were weighed, who took part, and what went unseen.
//
// Its types are the JSON of the public contract: the store keeps them as they
// are, the API serves them as they are.
package timeline

import (
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// Timeline is everything that is known of one incident.
type Timeline struct {
	Incident     Incident      `json:"incident"`
	Milestones   []Milestone   `json:"milestones"`
	Entries      []Entry       `json:"entries"`
	Context      []Entry       `json:"context"`
	Changes      []Change      `json:"changes"`
	Participants []Participant `json:"participants"`
	Gaps         []Gap         `json:"gaps"`
	// Durations are by name: see [TimeToDetect] and its siblings.
	Durations map[DurationName]Duration `json:"durations"`
	// EntriesCursor continues the entries on the next page; "" on the last one.
	EntriesCursor string `json:"entries_cursor,omitempty"`
}

// Incident is a group of signals that belong together.
type Incident struct {
	// ID is the ID of its earliest member signal.
	ID event.ID `json:"id"`
	// Aliases are IDs under which it, or a part of it, was published before.
	Aliases     []event.ID `json:"aliases"`
	Title       string     `json:"title"`
	Status      Status     `json:"status"`
	Sealed      bool       `json:"sealed"`
	Severity    string     `json:"severity"`
	Minor       bool       `json:"minor"`
	Services    []string   `json:"services"`
	Environment string     `json:"environment"`
	// StartedAt is onset, else detected.
	StartedAt time.Time `json:"started_at"`
	// EndedAt is restored; nil while the incident lasts or its end is unknown.
	EndedAt *time.Time `json:"ended_at"`
	// Revision grows by one each time the published timeline changes.
	Revision int64 `json:"revision"`
}

// Status is how far an incident is.
type Status string

// The states of an incident.
const (
	StatusOpen      Status = "open"
	StatusMitigated Status = "mitigated"
	StatusRestored  Status = "restored"
	StatusClosed    Status = "closed"
)

// MilestoneName names a milestone.
type MilestoneName string

// The milestones, in the order in which they are expected.
const (
	Onset        MilestoneName = "onset"
	Detected     MilestoneName = "detected"
	Alerted      MilestoneName = "alerted"
	Acknowledged MilestoneName = "acknowledged"
	Mitigated    MilestoneName = "mitigated"
	Restored     MilestoneName = "restored"
)

// MilestoneNames are all milestones in their order.
var MilestoneNames = []MilestoneName{Onset, Detected, Alerted, Acknowledged, Mitigated, Restored}

// Milestone is one step of an incident: when it was reached, how sure that is
// and by what evidence.
type Milestone struct {
	Name MilestoneName `json:"name"`
	// At is the best estimate; nil when only bounds are known.
	At *time.Time `json:"at"`
	// Earliest and Latest bound it; nil when there is no bound.
	Earliest *time.Time `json:"earliest"`
	Latest   *time.Time `json:"latest"`
	// Confidence is between 0 and 1.
	Confidence  float64    `json:"confidence"`
	Rule        string     `json:"rule"`
	Explanation string     `json:"explanation"`
	Evidence    []event.ID `json:"evidence"`
	Actor       string     `json:"actor,omitempty"`
	Origin      Origin     `json:"origin"`
	// Derived is what the engine says where a person says otherwise.
	Derived *Milestone `json:"derived,omitempty"`
	// Alternatives are the candidates that lost.
	Alternatives []Alternative `json:"alternatives"`
}

// Origin says who states a value.
type Origin string

// The origins.
const (
	OriginDerived Origin = "derived"
	OriginHuman   Origin = "human"
)

// Alternative is a candidate for a milestone that lost, and why.
type Alternative struct {
	At       time.Time  `json:"at"`
	Rule     string     `json:"rule"`
	Evidence []event.ID `json:"evidence"`
	WhyNot   string     `json:"why_not"`
}

// Entry is one line of the timeline.
type Entry struct {
	ID      event.ID  `json:"id"`
	At      time.Time `json:"at"`
	Kind    EntryKind `json:"kind"`
	Service string    `json:"service,omitempty"`
	Summary string    `json:"summary"`
	Actor   string    `json:"actor,omitempty"`
	// Fingerprint is 16 hex digits, for alerts.
	Fingerprint string       `json:"fingerprint,omitempty"`
	Labels      event.Labels `json:"labels,omitempty"`
	Events      []event.ID   `json:"events"`
	Links       []string     `json:"links"`
	// Why says how the entry belongs to the incident.
	Why string `json:"why"`
	// Log tells of a pattern, for entries of kind log_pattern.
	Log *LogExcerpt `json:"log,omitempty"`
	// Count is how many facts were coalesced into the entry, when more than one.
	Count int `json:"count,omitempty"`
	// Until is the time of the last of them.
	Until *time.Time `json:"until,omitempty"`
}

// EntryKind is the sort of an entry.
type EntryKind string

// The kinds of entries.
const (
	EntryAlertFired    EntryKind = "alert_fired"
	EntryAlertResolved EntryKind = "alert_resolved"
	EntryNotified      EntryKind = "notified"
	EntryMuted         EntryKind = "muted"
	EntrySilenced      EntryKind = "silenced"
	EntryChange        EntryKind = "change"
	EntryLogPattern    EntryKind = "log_pattern"
	EntryMessage       EntryKind = "message"
	EntryAcknowledged  EntryKind = "acknowledged"
	EntryNote          EntryKind = "note"
	EntrySource        EntryKind = "source"
)

// LogExcerpt is one pattern that burst or was new.
type LogExcerpt struct {
	Pattern   event.PatternID `json:"pattern"`
	Template  string          `json:"template"`
	Level     event.Level     `json:"level"`
	Count     int64           `json:"count"`
	FirstSeen time.Time       `json:"first_seen"`
	LastSeen  time.Time       `json:"last_seen"`
	// New says that the pattern was not seen in the look-back before the incident.
	New bool `json:"new"`
	// Baseline is its count in the hour before the incident began.
	Baseline int64 `json:"baseline"`
	// Lines are a few verbatim lines.
	Lines []string `json:"lines"`
}

// Change is a change that was weighed as a cause or a remedy.
type Change struct {
	ID              event.ID           `json:"id"`
	Events          []event.ID         `json:"events"`
	At              time.Time          `json:"at"`
	StartedAt       *time.Time         `json:"started_at"`
	FinishedAt      *time.Time         `json:"finished_at"`
	Environment     string             `json:"environment"`
	Service         string             `json:"service"`
	Version         string             `json:"version"`
	PreviousVersion string             `json:"previous_version"`
	Kind            event.ChangeKind   `json:"kind"`
	Status          event.ChangeStatus `json:"status"`
	Actor           string             `json:"actor"`
	URL             string             `json:"url"`
	Commits         []Commit           `json:"commits"`
	Verdict         Verdict            `json:"verdict"`
	// Score is between 0 and 1; changes are sorted by it.
	Score   float64  `json:"score"`
	Reasons []string `json:"reasons"`
}

// Commit is a commit of a change and how well it fits what was seen.
type Commit struct {
	SHA        string   `json:"sha"`
	Repository string   `json:"repository,omitempty"`
	Author     string   `json:"author,omitempty"`
	Message    string   `json:"message,omitempty"`
	URL        string   `json:"url,omitempty"`
	Score      float64  `json:"score"`
	Reasons    []string `json:"reasons"`
}

// Verdict is what the engine thinks of a change.
type Verdict string

// The verdicts.
const (
	VerdictSuspect      Verdict = "suspect"
	VerdictUnlikely     Verdict = "unlikely"
	VerdictExonerated   Verdict = "exonerated"
	VerdictRemedy       Verdict = "remedy"
	VerdictFailedRemedy Verdict = "failed_remedy"
)

// Participant is a person who acted.
type Participant struct {
	Name    string          `json:"name"`
	Did     []string        `json:"did"`
	Stages  []MilestoneName `json:"stages"`
	FirstAt time.Time       `json:"first_at"`
	LastAt  time.Time       `json:"last_at"`
}

// Gap is something that went wrong in seeing or in telling, or that hindcast
// could not see.
type Gap struct {
	Kind        GapKind    `json:"kind"`
	Explanation string     `json:"explanation"`
	Evidence    []event.ID `json:"evidence"`
}

// GapKind is the sort of a gap.
type GapKind string

// The kinds of gaps. docs/milestones.md says when each is reported.
const (
	GapLateDetection     GapKind = "late_detection"
	GapNotNotified       GapKind = "not_notified"
	GapNotifiedLate      GapKind = "notified_late"
	GapNoAcknowledgement GapKind = "no_acknowledgement"
	GapNoRunbook         GapKind = "no_runbook"
	GapFlapping          GapKind = "flapping"
	GapAlwaysFiring      GapKind = "always_firing"
	GapMutedAtRestore    GapKind = "muted_at_restore"
	GapSilencedEndUnseen GapKind = "silenced_end_unseen"
	GapSilentSource      GapKind = "silent_source"
	GapRecorderGap       GapKind = "recorder_gap"
	GapFailedRollback    GapKind = "failed_rollback"
	GapAlertStorm        GapKind = "alert_storm"
	GapClockSuspect      GapKind = "clock_suspect"
	GapOverMerged        GapKind = "over_merged"
	GapArrivedAfterSeal  GapKind = "arrived_after_seal"
	GapNegativeDuration  GapKind = "negative_duration"
	GapTruncatedAlerts   GapKind = "truncated_alerts"
)

// DurationName names a duration.
type DurationName string

// The durations.
const (
	TimeToDetect      DurationName = "time_to_detect"
	TimeToNotify      DurationName = "time_to_notify"
	TimeToAcknowledge DurationName = "time_to_acknowledge"
	TimeToMitigate    DurationName = "time_to_mitigate"
	TimeToRestore     DurationName = "time_to_restore"
)

// DurationNames are all durations in their order, with the milestones that
// they lie between.
var DurationNames = []struct {
	Name     DurationName
	From, To MilestoneName
}{
	{TimeToDetect, Onset, Detected},
	{TimeToNotify, Detected, Alerted},
	{TimeToAcknowledge, Alerted, Acknowledged},
	{TimeToMitigate, Onset, Mitigated},
	{TimeToRestore, Onset, Restored},
}

// Duration is the time between two milestones.
type Duration struct {
	Seconds float64       `json:"seconds"`
	From    MilestoneName `json:"from"`
	To      MilestoneName `json:"to"`
	Basis   Basis         `json:"basis"`
}

// Basis says how sure a duration is: the weaker of its two ends.
type Basis string

// The bases.
const (
	BasisMeasured Basis = "measured"
	BasisInferred Basis = "inferred"
	BasisHuman    Basis = "human"
)

// Milestone finds a milestone by name; nil when it is absent.
func (t *Timeline) Milestone(name MilestoneName) *Milestone {
	for i := range t.Milestones {
		if t.Milestones[i].Name == name {
			return &t.Milestones[i]
		}
	}
	return nil
}
