package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hindcast/hindcast/cmd/hindcast/cassette"
	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/cmd/hindcast/eval"
	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// TestStoresGiveEqualTimelines plays every recorded case at a server over SQLite
// and at one over ClickHouse, through the receivers, and wants the same timelines
// to the byte. The second is shuffled, in batches of its own, a third of it is
// sent twice, and it is restarted in the middle: none of that may show either.
func TestStoresGiveEqualTimelines(t *testing.T) {
	engine := enginetest.Shared(t)
	for _, one := range recordedCases(t) {
		t.Run(one.name, func(t *testing.T) {
			requests := one.requests
			s := &streams{out: io.Discard, err: io.Discard, log: slog.New(slog.DiscardHandler)}
			want, err := derive(t.Context(), s, config.Default(), requests)
			if err != nil {
				t.Fatalf("over SQLite: %v", err)
			}
			if len(want) == 0 {
				t.Fatal("there are no timelines to compare")
			}
			same := func(how string, parts ...[]cassette.Request) {
				t.Helper()
				got := deriveAtOnce(t, engine.Database(t), parts...)
				difference, err := eval.Difference(want, got)
				if err != nil {
					t.Fatal(err)
				}
				if difference != "" {
					t.Errorf("over SQLite (-) and over ClickHouse, %s (+):\n%s", how, difference)
				}
			}
			same("as recorded", requests)
			if testing.Short() {
				return
			}
			shuffled := cassette.Shuffle(requests, 11)
			same("shuffled", shuffled[:len(shuffled)/2], shuffled[len(shuffled)/2:])
		})
	}
}

// atOnce is how many requests are under way at a time: ClickHouse takes a while
// for an insert, however little is in it.
const atOnce = 100

// deriveAtOnce is derive for a given store, with many senders.
func deriveAtOnce(t *testing.T, store string, parts ...[]cassette.Request) []timeline.Timeline {
	t.Helper()
	var derived []timeline.Timeline
	for _, part := range parts {
		srv, err := startReplay(t.Context(), config.Default(), store, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range atOnce {
			var mine []cassette.Request
			for n := i; n < len(part); n += atOnce {
				mine = append(mine, part[n])
			}
			wg.Go(func() {
				player := cassette.Player{URL: srv.URL(), Retries: 3}
				if report, err := player.Play(t.Context(), mine); err != nil || !report.OK() {
					t.Errorf("play: %v, refused: %v", err, report.Refused)
				}
			})
		}
		wg.Wait()
		derived, err = settled(t.Context(), srv)
		if err := stop(srv, stopTimeout, err); err != nil {
			t.Fatal(err)
		}
	}
	return derived
}

type recordedCase struct {
	name     string
	requests []cassette.Request
}

// recordedCases are the demo, the repository's own cases, and those that may lie
// beside the checkout.
func recordedCases(t *testing.T) []recordedCase {
	t.Helper()
	dir := t.TempDir()
	demo := filepath.Join(dir, "demo.jsonl.gz")
	if err := os.WriteFile(demo, recorded, 0o600); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"demo": demo}
	names := []string{"demo"}
	for _, folder := range []string{filepath.Join("testdata", "cases"), filepath.Join("..", "..", "..", "shared", "cases")} {
		if _, err := os.Stat(folder); err != nil {
			t.Logf("there are no cases in %s", folder)
			continue
		}
		cases, err := eval.Find(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range cases {
			if files[one.Name] == "" {
				names = append(names, one.Name)
				files[one.Name] = one.Cassette
			}
		}
	}
	var all []recordedCase
	for _, name := range names {
		requests, err := cassette.ReadFile(files[name])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, recordedCase{name, requests})
	}
	return all
}
