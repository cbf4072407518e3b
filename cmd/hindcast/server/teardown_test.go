package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestTeardownIsReversedAndComplete(t *testing.T) {
	var log bytes.Buffer
	td := teardown{logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	var order []string
	for _, name := range []string{"store", "batcher", "web"} {
		td.add(name, func(context.Context) error {
			order = append(order, name)
			if name == "batcher" {
				return errors.New("lost a batch")
			}
			return nil
		})
	}
	err := td.run(t.Context())
	if want := []string{"web", "batcher", "store"}; !slices.Equal(order, want) {
		t.Errorf("undone in the order %v, want %v", order, want)
	}
	if err == nil || err.Error() != "batcher: lost a batch" {
		t.Errorf("got error %v, want the step that failed", err)
	}
	if !strings.Contains(log.String(), "step=store") {
		t.Errorf("the log does not name the steps:\n%s", log.String())
	}
	if err := td.run(t.Context()); err != nil || len(order) != 3 {
		t.Errorf("a second time undid %v again, error %v", order, err)
	}
}

func TestLoopReportsFailure(t *testing.T) {
	failed := make(chan error, 1)
	boom := errors.New("boom")
	l := startLoop("runner", func(context.Context) error { return boom }, failed)
	if err := <-failed; !errors.Is(err, boom) || !strings.HasPrefix(err.Error(), "runner: ") {
		t.Errorf("got %v, want the failure with the loop's name", err)
	}
	if err := l.stop(t.Context()); err != nil {
		t.Errorf("stop: got error %v", err)
	}
}

func TestLoopStopIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		failed := make(chan error, 1)
		l := startLoop("stuck", func(context.Context) error { <-release; return errors.New("late") }, failed)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v, want that the time was over", err)
		}
		close(release)
		if err := l.stop(t.Context()); err != nil {
			t.Errorf("stop after it returned: %v", err)
		}
		if len(failed) != 0 {
			t.Errorf("an error after it was told to stop was reported as a failure: %v", <-failed)
		}
	})
}

// fakePruner remembers what it was asked to delete.
type fakePruner struct {
	policies []storage.Retention
	err      error
}

func (f *fakePruner) Prune(_ context.Context, policy storage.Retention) error {
	f.policies = append(f.policies, policy)
	return f.err
}

func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &fakePruner{err: errors.New("disk full")}
		var owns atomic.Bool
		r := newRetention(store, config.Retention{Lines: time.Hour, Counts: 0, Events: 48 * time.Hour}, owns.Load, quiet(), prometheus.NewRegistry())
		l := startLoop("retention", r.run, make(chan error, 1))
		time.Sleep(3*pruneFirst + time.Second)
		if len(store.policies) != 0 {
			t.Error("pruned while another process owns the store")
		}
		owns.Store(true)
		time.Sleep(pruneFirst)
		r.policy.Store(&config.Retention{Lines: 2 * time.Hour})
		time.Sleep(pruneEvery)
		now := time.Now().Add(-time.Second)
		if err := l.stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(store.policies) != 2 {
			t.Fatalf("pruned %d times, want 2: a failure must not end it", len(store.policies))
		}
		first, second := store.policies[0], store.policies[1]
		if want := now.Add(-pruneEvery); !first.LinesBefore.Equal(want.Add(-time.Hour)) || !first.EventsBefore.Equal(want.Add(-48*time.Hour)) || !first.CountsBefore.IsZero() {
			t.Errorf("first policy: got %+v, at %v", first, want)
		}
		if !second.LinesBefore.Equal(now.Add(-2 * time.Hour)) {
			t.Errorf("second policy: got %+v, want the one that was set meanwhile", second)
		}
	})
}

func TestSQLitePath(t *testing.T) {
	if got, err := SQLitePath("sqlite:/var/lib/x.db"); err != nil || got != "/var/lib/x.db" {
		t.Errorf("got %q, error %v", got, err)
	}
	for _, spec := range []string{"", "sqlite:", "x.db", "mysql:x"} {
		if got, err := SQLitePath(spec); !errors.As(err, &StoreSpecError{}) {
			t.Errorf("%q: got %q, error %v; want an error about the specification", spec, got, err)
		}
	}
}
