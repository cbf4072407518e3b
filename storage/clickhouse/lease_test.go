package clickhouse

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// TestLeaseOfTwoProcesses: what one process does with its claim, the other sees,
// and the other way round.
func TestLeaseOfTwoProcesses(t *testing.T) {
	dsn := enginetest.Shared(t).Database(t)
	a, b := openProcess(t, dsn), openProcess(t, dsn)
	holder := func(s *Store, want storage.Claim) time.Duration {
		t.Helper()
		got, silent, err := s.Holder(t.Context())
		if err != nil || got != want {
			t.Fatalf("holder: got %+v and error %v, want %+v", got, err, want)
		}
		return silent
	}
	first := claimOf(t, a, "a")
	holder(b, first)
	if err := b.Beat(t.Context(), first); err != nil {
		t.Errorf("a claim is beaten by what it says, not by where it was made: %v", err)
	}
	second := claimOf(t, b, "b")
	holder(a, second)
	if err := a.Beat(t.Context(), first); !errors.Is(err, storage.ErrFenced) {
		t.Errorf("beat of the fenced owner: got error %v, want %v", err, storage.ErrFenced)
	}
	if err := b.Release(t.Context(), second); err != nil {
		t.Fatalf("release: %v", err)
	}
	if silent := holder(a, second); silent != math.MaxInt64 {
		t.Errorf("the released claim is silent for %v, want for ever", silent)
	}
	third := claimOf(t, a, "a")
	publishAs(t, a, third, titled("x", "of a"))
	wantTitle(t, b, "x", "of a")
	if silent := holder(b, third); silent == math.MaxInt64 {
		t.Error("the claim behind a released one counts as released")
	}
}

// TestLateBeat: the beat of an owner that was fenced on its way does not make the
// new one look alive, nor itself the holder.
func TestLateBeat(t *testing.T) {
	engine := enginetest.Shared(t)
	dsn := engine.Database(t)
	proxy := enginetest.NewProxy(t, engine)
	slow, other := openProcess(t, proxy.DSN(dsn)), openProcess(t, dsn)
	a := claimOf(t, slow, "a")
	held, release := proxy.HoldNext(statement("INSERT INTO beats"))
	done := make(chan error, 1)
	go func() { done <- slow.Release(t.Context(), a) }()
	<-held
	b := claimOf(t, other, "b")
	release()
	if err := <-done; err != nil && !errors.Is(err, storage.ErrFenced) {
		t.Errorf("late release: got error %v", err)
	}
	if got, silent, err := other.Holder(t.Context()); err != nil || got != b || silent == math.MaxInt64 {
		t.Errorf("holder: got %+v, silent for %v, error %v; want %+v, which nobody released", got, silent, err, b)
	}
}

// TestClaimThatFailed: a claim that counts, and whose first sign of life failed or
// was not answered, holds nobody up: not who led, who is fenced, nor the others.
func TestClaimThatFailed(t *testing.T) {
	engine := enginetest.Shared(t)
	for name, fail := range map[string]func(*enginetest.Proxy){
		"the sign is lost":         func(p *enginetest.Proxy) { p.RefuseNext(statement("INSERT INTO beats")) },
		"the sign is not answered": func(p *enginetest.Proxy) { p.DropAnswerNext(statement("INSERT INTO beats")) },
	} {
		t.Run(name, func(t *testing.T) {
			dsn := engine.Database(t)
			proxy := enginetest.NewProxy(t, engine)
			a, b := openProcess(t, dsn), openProcess(t, proxy.DSN(dsn))
			first := claimOf(t, a, "a")
			fail(proxy)
			if c, err := b.Claim(t.Context(), "b"); err == nil {
				t.Fatalf("the claim %+v did not fail", c)
			}
			if err := a.Beat(t.Context(), first); !errors.Is(err, storage.ErrFenced) {
				t.Errorf("who led beats: got error %v, want %v", err, storage.ErrFenced)
			}
			if got, silent, err := a.Holder(t.Context()); err != nil || silent != math.MaxInt64 {
				t.Errorf("holder: got %+v, silent for %v, error %v; want that a claim is due at once", got, silent, err)
			}
			again := claimOf(t, a, "a")
			if err := a.Beat(t.Context(), again); err != nil {
				t.Errorf("beat of the claim that was due: %v", err)
			}
			if got, silent, err := b.Holder(t.Context()); err != nil || got != again || silent == math.MaxInt64 {
				t.Errorf("holder: got %+v, silent for %v, error %v; want %+v", got, silent, err, again)
			}
			publishAs(t, a, again, titled("x", "of a"))
			wantTitle(t, b, "x", "of a")
		})
	}
}

// TestCandidatesAtOnce: candidates that see the same silence claim at the same
// time. One of them can beat and publish, and is the holder.
func TestCandidatesAtOnce(t *testing.T) {
	dsn := enginetest.Shared(t).Database(t)
	stores := []*Store{openProcess(t, dsn), openProcess(t, dsn), openProcess(t, dsn)}
	claimOf(t, stores[0], "gone")
	for range 5 {
		claims := make([]storage.Claim, len(stores))
		var wg sync.WaitGroup
		for i, s := range stores {
			wg.Go(func() {
				var err error
				if claims[i], err = s.Claim(t.Context(), string(rune('a'+i))); err != nil {
					t.Errorf("claim: %v", err)
				}
			})
		}
		wg.Wait()
		var owners []storage.Claim
		for i, s := range stores {
			switch err := s.Beat(t.Context(), claims[i]); {
			case err == nil:
				owners = append(owners, claims[i])
			case !errors.Is(err, storage.ErrFenced):
				t.Errorf("beat: %v", err)
			}
		}
		got, _, err := stores[0].Holder(t.Context())
		if err != nil || !slices.Equal(owners, []storage.Claim{got}) {
			t.Fatalf("the holder is %+v (error %v), and these could beat: %+v", got, err, owners)
		}
	}
}

// TestBeatsChangeNoAnswer: signs of life are not publications: the owner answers
// again what it answered.
func TestBeatsChangeNoAnswer(t *testing.T) {
	dsn := enginetest.Shared(t).Database(t)
	a, b := openProcess(t, dsn), openProcess(t, dsn)
	claim := claimOf(t, a, "a")
	publishAs(t, a, claim, titled("one", "first"))
	wantTitle(t, a, "one", "first")
	id := titled("one", "").Timeline.Incident.ID
	if err := a.Beat(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	if _, ok := a.unchanged.look(id); !ok {
		t.Error("a beat made the owner forget what it answered")
	}
	if err := a.Release(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	publishAs(t, b, claimOf(t, b, "b"), titled("one", "second"))
	wantTitle(t, a, "one", "second")
}

// TestBeatsAreFew: an owner that beats for long leaves a row, and not a row a
// beat.
func TestBeatsAreFew(t *testing.T) {
	s := openProcess(t, enginetest.Shared(t).Database(t))
	claim := claimOf(t, s, "a")
	for range 20 {
		if err := s.Beat(t.Context(), claim); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.command(t.Context(), "OPTIMIZE TABLE beats FINAL"); err != nil {
		t.Fatal(err)
	}
	var rows uint64
	if err := s.row(t.Context(), "SELECT count() FROM beats", &rows); err != nil || rows != 1 {
		t.Errorf("got %d rows and error %v, want 1", rows, err)
	}
	if _, silent, err := s.Holder(t.Context()); err != nil || silent > time.Minute {
		t.Errorf("holder: silent for %v, error %v", silent, err)
	}
}

// BenchmarkLease is what a candidate costs each second, and an owner each 1.5 s.
func BenchmarkLease(b *testing.B) {
	s, err := Open(context.Background(), enginetest.Shared(b).Database(b), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var claim storage.Claim
	for range 50 {
		if claim, err = s.Claim(context.Background(), "a process on a host, since a time"); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("Beat", func(b *testing.B) {
		for b.Loop() {
			if err := s.Beat(context.Background(), claim); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Holder", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := s.Holder(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
