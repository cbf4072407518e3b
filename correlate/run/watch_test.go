package run

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hindcast/hindcast/storage"
)

// hanging is a store that answers when it is let.
type hanging struct {
	Store
	answer chan struct{}
}

func (h hanging) Since(context.Context, storage.Cursor, int) (storage.FactPage, storage.Cursor, error) {
	<-h.answer
	return storage.FactPage{}, "", nil
}

// A store that does not answer fails, however long it is waited for.
func TestNotReadyWhileTheStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := hanging{answer: make(chan struct{})}
		r := &Runner{store: &watched{Store: store}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _, _ = r.store.Since(t.Context(), "", 1)
		}()
		time.Sleep(unanswered / 2)
		if err := r.Ready(); err != nil {
			t.Errorf("after %v: got %v, want ready", unanswered/2, err)
		}
		time.Sleep(unanswered)
		if err := r.Ready(); err == nil || !strings.Contains(err.Error(), "15s") {
			t.Errorf("after %v: got %v, want how long the store has not answered", unanswered*3/2, err)
		}
		close(store.answer)
		<-done
		if err := r.Ready(); err != nil {
			t.Errorf("with the answer: got %v, want ready", err)
		}
	})
}

// What was appended tells that the store is back.
func TestRetryIsCutShort(t *testing.T) {
	for name, wake := range map[string]bool{"woken": true, "not woken": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &Runner{wake: make(chan struct{}, 1)}
				if wake {
					r.Wake()
				}
				began := time.Now()
				if !r.pause(t.Context(), greatestTry) {
					t.Fatal("it was told to end")
				}
				want := greatestTry
				if wake {
					want = lookEvery
				}
				if got := time.Since(began); got != want {
					t.Errorf("it paused for %v, want %v", got, want)
				}
			})
		})
	}
}
