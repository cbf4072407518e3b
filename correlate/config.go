package correlate

import (
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// Config is what a site can say about how its incidents are derived. It is an
// input of the engine like the facts: a changed configuration gives changed
// timelines. Start from [DefaultConfig].
type Config struct {
	Labels event.LabelMap `yaml:"labels"`
	// Severities orders severities, the worst first. Each entry lists words of
	// one rank.
	Severities [][]string `yaml:"severities"`
	// PagingSeverities are those that are meant to wake somebody.
	PagingSeverities []string `yaml:"paging_severities"`
	// Receivers gives receivers a class by name; others are guessed from name
	// and integration.
	Receivers []ReceiverClass `yaml:"receivers"`
	// Heartbeats are names of alerts that fire for ever on purpose.
	Heartbeats []string `yaml:"heartbeats"`
	// Topology lists which services call which, beside what is learned.
	Topology []Dependency `yaml:"topology"`

	// LinkWithin is how near two akin signals must start to be linked.
	LinkWithin time.Duration `yaml:"link_within"`
	// QuietPeriod is how long an incident must be quiet to be closed.
	QuietPeriod time.Duration `yaml:"quiet_period"`
	// SealAfter is the age, counted from its last sign of life, at which an
	// incident is not derived any more.
	SealAfter time.Duration `yaml:"seal_after"`
	// ChronicAfter is how long an alert must have been firing before an incident
	// began, to be its background.
	ChronicAfter time.Duration `yaml:"chronic_after"`
	// FlapFirings within FlapWindow make an alert a flapping one.
	FlapFirings int           `yaml:"flap_firings"`
	FlapWindow  time.Duration `yaml:"flap_window"`
	// LateDetection is the time to detect from which the gap late_detection is
	// reported; NotifiedLate likewise the time to notify, NoAcknowledgement how
	// long people had to acknowledge.
	LateDetection     time.Duration `yaml:"late_detection"`
	NotifiedLate      time.Duration `yaml:"notified_late"`
	NoAcknowledgement time.Duration `yaml:"no_acknowledgement"`
	// StormNotifications to one receiver within StormWindow are an alert storm.
	StormNotifications int           `yaml:"storm_notifications"`
	StormWindow        time.Duration `yaml:"storm_window"`
	// Phrases extends the rules that read messages.
	Phrases []Phrase `yaml:"phrases"`
	// CauseWithin is how long before the first alert a change may still be a
	// cause.
	CauseWithin time.Duration `yaml:"cause_within"`
}

// ReceiverClass gives a receiver a class: page, chat, self, heartbeat or
// other. Person names who is told, for counting notifications a person.
type ReceiverClass struct {
	Name   string `yaml:"name"`
	Class  string `yaml:"class"`
	Person string `yaml:"person"`
}

// Dependency says that Service calls each of Calls.
type Dependency struct {
	Service string   `yaml:"service"`
	Calls   []string `yaml:"calls"`
}

// Phrase is a rule for reading messages: a text that matches the regular
// expression Pattern (RE2, case-insensitive) has the meaning Means:
// acknowledges, remedies, remedy_failed, resolves or reports.
type Phrase struct {
	Pattern string `yaml:"pattern"`
	Means   string `yaml:"means"`
}

// DefaultConfig suits most sites.
func DefaultConfig() Config {
	return Config{
		Labels: event.DefaultLabelMap(),
		Severities: [][]string{
			{"critical", "page", "sev0", "sev1", "p0", "p1", "emergency", "fatal", "disaster"},
			{"high", "error", "major", "sev2", "p2"},
			{"warning", "warn", "medium", "minor", "sev3", "p3", "average", "ticket"},
			{"low", "sev4", "p4", "notice"},
			{"info", "informational", "information", "sev5", "p5", "debug", "none"},
		},
		PagingSeverities:   []string{"critical", "page", "sev0", "sev1", "p0", "p1", "emergency", "fatal", "disaster", "high", "error", "major", "sev2", "p2"},
		Heartbeats:         []string{"Watchdog", "InfoInhibitor", "DeadMansSwitch", "DeadMansSnitch", "Deadman", "Heartbeat"},
		LinkWithin:         15 * time.Minute,
		QuietPeriod:        10 * time.Minute,
		SealAfter:          6 * 24 * time.Hour,
		ChronicAfter:       6 * time.Hour,
		FlapFirings:        4,
		FlapWindow:         time.Hour,
		LateDetection:      5 * time.Minute,
		NotifiedLate:       2 * time.Minute,
		NoAcknowledgement:  15 * time.Minute,
		StormNotifications: 30,
		StormWindow:        10 * time.Minute,
		CauseWithin:        24 * time.Hour,
	}
}
