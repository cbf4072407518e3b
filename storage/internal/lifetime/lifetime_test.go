package lifetime_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/lifetime"
)

func TestLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lifetime.Lifetime
		leave, err := l.Enter()
		if err != nil || l.Ended() {
			t.Fatalf("enter an open store: %v, ended %v", err, l.Ended())
		}
		l.End()
		if _, err := l.Enter(); !errors.Is(err, lifetime.ErrClosed) || !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("enter a store whose end has begun: got %v, want %v", err, lifetime.ErrClosed)
		}
		if !l.Ended() {
			t.Error("the end has begun, and Ended says no")
		}
		var over atomic.Bool
		go func() { l.Wait(); over.Store(true) }()
		synctest.Wait()
		if over.Load() {
			t.Error("Wait returned while an operation is under way")
		}
		leave()
		synctest.Wait()
		if !over.Load() {
			t.Error("Wait did not return when the operation was over")
		}
	})
}

func TestDuring(t *testing.T) {
	var l lifetime.Lifetime
	failed := errors.New("the disk is gone")
	for _, want := range []error{nil, failed} {
		err := l.During("read it", func() error { return want })
		if !errors.Is(err, want) || err != nil && err.Error() != "read it: "+want.Error() {
			t.Errorf("got error %v, want %v with what it was", err, want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var l lifetime.Lifetime
		done := make(chan struct{})
		var over atomic.Bool
		go func() {
			if err := l.During("read it", func() error { <-done; return nil }); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		l.End()
		go func() { l.Wait(); over.Store(true) }()
		synctest.Wait()
		if over.Load() {
			t.Error("Wait returned while an operation is under way")
		}
		close(done)
		synctest.Wait()
		if !over.Load() {
			t.Error("Wait did not return when the operation was over")
		}
		if err := l.During("read it", func() error { t.Error("it began after the end"); return nil }); !errors.Is(err, lifetime.ErrClosed) {
			t.Errorf("after the end: got error %v, want %v", err, lifetime.ErrClosed)
		}
	})
}
