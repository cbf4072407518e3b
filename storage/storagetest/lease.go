package storagetest

import (
	"math"
	"testing"
	"time"

	"github.com/hindcast/hindcast/storage"
)

// testLease holds a store to [storage.Lease], where it is one.
func testLease(t *testing.T, open Open) {
	s := openStore(t, open)
	lease, ok := s.(storage.Lease)
	if !ok {
		t.Skip("one process has this store at a time")
	}
	_, _, err := lease.Holder(t.Context())
	wantErr(t, "holder before any claim", err, storage.ErrNotFound)
	wantErr(t, "beat of nobody", lease.Beat(t.Context(), storage.Claim{}), storage.ErrFenced)
	wantErr(t, "beat of a claim that nobody made", lease.Beat(t.Context(), storage.Claim{Epoch: 7, Owner: "x"}), storage.ErrFenced)

	a := claim(t, s, "a")
	silent := wantHolder(t, lease, a)
	if silent > time.Minute {
		t.Errorf("a claim made just now is said to be silent for %v", silent)
	}
	for range 3 {
		later := wantHolder(t, lease, a)
		if later <= silent {
			t.Errorf("without a beat the silence was %v, and later %v: want it to grow", silent, later)
		}
		silent = later
	}
	// However long the machine takes for the calls between: a beat restarts what
	// has grown over more of them.
	for beaten := false; !beaten; {
		for began := time.Now(); time.Since(began) < 100*time.Millisecond; {
			silent = wantHolder(t, lease, a)
		}
		wantErr(t, "beat", lease.Beat(t.Context(), a), nil)
		beaten = wantHolder(t, lease, a) < silent
	}

	b := claim(t, s, "b")
	wantHolder(t, lease, b)
	wantErr(t, "beat of a fenced owner", lease.Beat(t.Context(), a), storage.ErrFenced)
	wantErr(t, "release of a fenced owner", lease.Release(t.Context(), a), storage.ErrFenced)
	if silent := wantHolder(t, lease, b); silent == math.MaxInt64 {
		t.Error("a fenced owner released the claim of another")
	}
	publish(t, s, b)

	wantErr(t, "release", lease.Release(t.Context(), b), nil)
	wantErr(t, "beat after the release", lease.Beat(t.Context(), b), nil)
	if silent := wantHolder(t, lease, b); silent != math.MaxInt64 {
		t.Errorf("a released claim is silent for %v, want for ever", silent)
	}
	c := claim(t, s, "b") // the same owner may come back
	if silent := wantHolder(t, lease, c); silent > time.Minute {
		t.Errorf("a claim behind a released one is silent for %v", silent)
	}
	wantErr(t, "beat", lease.Beat(t.Context(), c), nil)
}

// wantHolder checks who holds the lease and returns for how long it was silent.
func wantHolder(t *testing.T, lease storage.Lease, want storage.Claim) time.Duration {
	t.Helper()
	got, silent, err := lease.Holder(t.Context())
	if err != nil {
		t.Fatalf("holder: %v", err)
	}
	if got != want || silent < 0 {
		t.Errorf("the holder is %+v, silent for %v; want %+v", got, silent, want)
	}
	return silent
}
