package clickhouse

import (
	"errors"
	"fmt"
	"testing"

	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// TestUnchanged: the owner's process answers again what it answered, and neither
// its own publication nor another process's hides behind that.
func TestUnchanged(t *testing.T) {
	dsn := enginetest.Shared(t).Database(t)
	a, b := openProcess(t, dsn), openProcess(t, dsn)
	claimA := claimOf(t, a, "a")
	publishAs(t, a, claimA, titled("one", "first"))
	id := titled("one", "").Timeline.Incident.ID

	for range 2 {
		wantTitle(t, a, "one", "first")
		wantTitle(t, b, "one", "first")
	}
	for _, key := range []any{id, storage.IncidentQuery{}} {
		if _, ok := a.unchanged.look(key); !ok {
			t.Errorf("the owner keeps no answer for %v", key)
		}
		if _, ok := b.unchanged.look(key); ok {
			t.Errorf("a process that owns nothing keeps an answer for %v: it does not see what the owner changes", key)
		}
	}
	publishAs(t, a, claimA, titled("one", "second"))
	wantTitle(t, a, "one", "second")
	wantTitle(t, b, "one", "second")

	claimB := claimOf(t, b, "b")
	publishAs(t, b, claimB, titled("one", "third"))
	for range 2 {
		wantTitle(t, a, "one", "third")
		wantTitle(t, b, "one", "third")
	}
	// The first takes it over again.
	publishAs(t, a, claimOf(t, a, "a"), titled("one", "fourth"))
	wantTitle(t, a, "one", "fourth")
	wantTitle(t, b, "one", "fourth")
}

// TestUnchangedAfterRetention: what retention deleted is not answered from memory.
func TestUnchangedAfterRetention(t *testing.T) {
	s := openProcess(t, enginetest.Shared(t).Database(t))
	publishAs(t, s, claimOf(t, s, "a"), titled("one", "first"))
	for range 2 {
		wantTitle(t, s, "one", "first")
	}
	before := s.unchanged.now()
	// Retention deletes what is a day old: here that is done in its place.
	if err := s.deleteRows(t.Context(), "revisions", fmt.Sprint(monthOf(titled("one", "").Timeline.Incident.ID)), "1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Prune(t.Context(), storage.Retention{}); err != nil {
		t.Fatalf("prune: %v", err)
	}
	wantTitle(t, s, "one", "")
	if s.unchanged.now() == before {
		t.Error("an answer that was read beside retention is kept after it")
	}
}

// TestUnchangedNotWhilePublishing: what is read beside a publication, or after
// one whose outcome nobody knows, is not kept.
func TestUnchangedNotWhilePublishing(t *testing.T) {
	mine := storage.Claim{Epoch: 1, Owner: "a"}
	known := &knownFences{claims: 1, latest: mine}
	keeps := func(u *unchanged, changes int) bool {
		u.keep(known, mine, "key", "value", changes)
		_, ok := u.look("key")
		return ok
	}
	var u unchanged
	if !keeps(&u, u.now()) {
		t.Fatal("an answer is not kept while nothing goes on")
	}
	before := u.now()
	done := u.publishing()
	if _, ok := u.look("key"); ok {
		t.Error("an answer is kept over the beginning of a publication")
	}
	if keeps(&u, before) {
		t.Error("an answer from before a publication is kept while it is under way")
	}
	if keeps(&u, u.now()) {
		t.Error("an answer is kept while a publication is under way")
	}
	during := u.now()
	done(nil)
	if keeps(&u, during) {
		t.Error("an answer that was read beside a publication is kept after it")
	}
	if !keeps(&u, u.now()) {
		t.Error("an answer is not kept after a publication")
	}
	before = u.now()
	u.forget() // as a claim does
	if keeps(&u, before) {
		t.Error("an answer from before a claim is kept after it")
	}
	u.publishing()(errors.New("the connection broke"))
	if keeps(&u, u.now()) {
		t.Error("an answer is kept although a publication may arrive yet")
	}
}

// TestUnchangedBounded: answers do not add up.
func TestUnchangedBounded(t *testing.T) {
	mine := storage.Claim{Epoch: 1, Owner: "a"}
	known := &knownFences{claims: 1, latest: mine}
	var u unchanged
	for i := range 10 * mostUnchanged {
		u.keep(known, mine, i, i, u.now())
	}
	if got := len(u.entries); got > mostUnchanged {
		t.Errorf("%d answers are kept, want %d at most", got, mostUnchanged)
	}
}
