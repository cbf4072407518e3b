// Package eval measures derived timelines against what really happened.
//
// A case is a folder with a cassette and a truth. This package scores what a
// server derived from the cassette: how far each milestone is off, whether the
// cause was named, who was seen to act; and it holds the score against
// targets. It plays nothing itself: see cmd/hindcast.
package eval

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hindcast/hindcast/cmd/hindcast/cassette"
	"github.com/hindcast/hindcast/correlate/timeline"
)

// Truth is what really happened in a case.
type Truth struct {
	Case   string `json:"case"`
	Source string `json:"source"`
	// Scale is how many times slower than a minute-long rehearsal the outage
	// was; tolerances grow with it. 0 is 1.
	Scale float64 `json:"scale"`
	// Kind is set for cases that are about the cause alone: "deployed", "none"
	// or "carried_by_other_deploy".
	Kind      string         `json:"truth_kind"`
	Incidents []TrueIncident `json:"incidents"`
	// NotIncidents are names of alerts that make no incident.
	NotIncidents []string `json:"not_incidents"`
}

// TrueIncident is one incident as it really was.
type TrueIncident struct {
	Name         string                                `json:"name"`
	Services     []string                              `json:"services"`
	Milestones   map[timeline.MilestoneName]TrueMoment `json:"milestones"`
	Cause        *TrueCause                            `json:"cause"`
	Participants []string                              `json:"participants"`
	FailedRemedy bool                                  `json:"failed_remedy"`
}

// TrueMoment is when a milestone was reached, and by whose hand.
type TrueMoment struct {
	At time.Time `json:"at"`
	By string    `json:"by"`
}

// TrueCause is the change that did it; empty fields are not known.
type TrueCause struct {
	Service string `json:"service"`
	Version string `json:"version"`
	Commit  string `json:"commit"`
}

// window is the time that the truth's milestones span.
func (t *TrueIncident) window() (from, to time.Time) {
	for _, m := range t.Milestones {
		if from.IsZero() || m.At.Before(from) {
			from = m.At
		}
		if m.At.After(to) {
			to = m.At
		}
	}
	return from, to
}

// Case is a cassette with its truth.
type Case struct {
	// Name is that of the case's folder.
	Name  string
	Truth Truth
	// Cassette is the path of the file.
	Cassette string
}

// The files of a case. The cassette may be compressed, with .gz at the end.
const (
	cassetteFile = "cassette.jsonl"
	truthFile    = "truth.json"
)

// Find lists the cases in folders: each is a case, or holds cases.
func Find(dirs ...string) ([]Case, error) {
	var cases []Case
	for _, dir := range dirs {
		found, err := find(dir)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s holds no case: want a folder with %s and %s, or folders of that kind in it", dir, cassetteFile, truthFile)
		}
		cases = append(cases, found...)
	}
	return cases, nil
}

func find(dir string) ([]Case, error) {
	if c, err := open(dir); err == nil {
		return []Case{c}, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("find cases: %w", err)
	}
	var cases []Case
	for _, entry := range entries {
		c, err := open(filepath.Join(dir, entry.Name()))
		switch {
		case err == nil:
			cases = append(cases, c)
		case !errors.Is(err, fs.ErrNotExist) && entry.IsDir():
			return nil, err
		}
	}
	return cases, nil
}

// open reads a case; fs.ErrNotExist when the folder is none.
func open(dir string) (Case, error) {
	c := Case{Name: filepath.Base(filepath.Clean(dir)), Cassette: filepath.Join(dir, cassetteFile)}
	text, err := os.ReadFile(filepath.Join(dir, truthFile))
	if err != nil {
		return c, fmt.Errorf("read truth: %w", err)
	}
	if err := json.Unmarshal(text, &c.Truth); err != nil {
		return c, fmt.Errorf("decode %s: %w", filepath.Join(dir, truthFile), err)
	}
	if c.Truth.Scale <= 0 {
		c.Truth.Scale = 1
	}
	if _, err := os.Stat(c.Cassette); errors.Is(err, fs.ErrNotExist) {
		c.Cassette += ".gz"
	}
	if _, err := os.Stat(c.Cassette); err != nil {
		return c, fmt.Errorf("read cassette: %w", err)
	}
	return c, nil
}

// WebhookOnly reports whether all that a cassette tells of alerts came by
// Alertmanager's webhook, which cannot tell the end of a silenced alert.
func WebhookOnly(requests []cassette.Request) bool {
	has := func(path string) bool {
		return slices.ContainsFunc(requests, func(r cassette.Request) bool { return r.Path == path })
	}
	return has("/ingest/alertmanager") && !has("/ingest/alertmanager/events") && !has("/api/v2/alerts")
}
