package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrOtherCopy says that a checkpoint is of another copy than this one.
var ErrOtherCopy = errors.New("the checkpoint is of another copy")

// State is how far a copy is: what a checkpoint holds, as JSON.
type State struct {
	// From and To are names for people, Source and Target those of the data.
	From   string `json:"from"`
	To     string `json:"to"`
	Source string `json:"source"`
	Target string `json:"target"`
	Stage  string `json:"stage"`
	// Position is in the source, Mark in the target.
	Position   string   `json:"position"`
	Mark       string   `json:"mark,omitempty"`
	Copied     Counts   `json:"copied"`
	Published  int64    `json:"published"`
	Wrong      int64    `json:"wrong"`
	WrongLines []string `json:"wrong_lines,omitempty"`
}

// The stages of a copy, in their order.
const (
	stageFacts     = "facts"
	stageTimelines = "timelines"
)

// started reports whether there is anything to go on from.
func (s *State) started() bool { return s.From != "" }

// Resumed reports whether the copy goes on where an earlier run ended.
func (s *State) Resumed() bool { return s.started() }

// maxCheckpoint bounds a checkpoint, in bytes.
const maxCheckpoint = 1 << 20

// Load reads a checkpoint; without the file, or without a name, a copy begins
// at the start. One that is of other names than these is [ErrOtherCopy].
func Load(file, from, to string) (*State, error) {
	fresh := &State{Stage: stageFacts}
	if file == "" {
		return fresh, nil
	}
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read checkpoint: %w", err)
	}
	if info.Size() > maxCheckpoint {
		return nil, fmt.Errorf("read checkpoint %s: it is too large to be one", file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read checkpoint: %w", err)
	}
	var s State
	if err := json.Unmarshal(text, &s); err != nil || !s.started() || (s.Stage != stageFacts && s.Stage != stageTimelines) {
		return nil, fmt.Errorf("read checkpoint %s: it is not one of hindcast copy", file)
	}
	if s.From != from || s.To != to {
		return nil, fmt.Errorf("checkpoint %s is of a copy from %s to %s: %w", file, s.From, s.To, ErrOtherCopy)
	}
	return &s, nil
}

// write replaces the file, so that it is whole whenever the process ends.
func (s *State) write(file string) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	if err := replace(file, append(text, '\n')); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	return nil
}

func replace(file string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

func remove(file string) error {
	if file == "" {
		return nil
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove checkpoint: %w", err)
	}
	return nil
}
