package server

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/hindcast/hindcast/storage"
)

type sharedStore struct {
	storage.Store
	owner string
	err   error
}

func (s sharedStore) Owner(context.Context) (string, error) { return s.owner, s.err }

// TestTaken names who has taken the store over, where that is known.
func TestTaken(t *testing.T) {
	const other = "another hindcast has taken this store over; only one may serve it"
	fenced := fmt.Errorf("publish timelines: %w", storage.ErrFenced)
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		store storage.Store
		err   error
		want  string
	}{
		"known":        {sharedStore{owner: "process 7 on b"}, fenced, "another hindcast (process 7 on b) has taken this store over; only one may serve it"},
		"not answered": {sharedStore{err: storage.ErrUnavailable}, fenced, other},
		"not shared":   {nil, fenced, other},
		"other error":  {sharedStore{}, boom, "runner: boom"},
	} {
		failed := make(chan error, 1)
		l := startLoop("runner", unlessTaken(c.store, func(context.Context) error { return c.err }), failed)
		got := <-failed
		if err := l.stop(t.Context()); err != nil {
			t.Errorf("%s: stop: %v", name, err)
		}
		if got.Error() != c.want || !errors.Is(got, c.err) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
