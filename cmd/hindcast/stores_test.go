package main

import (
	"errors"
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

// TestStoresGiveEqualTimelines plays every recorded case at a server over SQLite,
// and at one over ClickHouse that is restarted in the middle and has many senders
// at once, and wants the same timelines to the byte. Some cases are played once
// more, shuffled, in batches of their own, and a third of them sent twice.
func TestStoresGiveEqualTimelines(t *testing.T) {
	engine := enginetest.Shared(t)
	for _, one := range recordedCases(t) {
		large := len(one.requests) > 500
		if testing.Short() && (large || one.beside) {
			continue
		}
		t.Run(one.name, func(t *testing.T) {
			s := &streams{out: io.Discard, err: io.Discard, log: slog.New(slog.DiscardHandler)}
			want, err := derive(t.Context(), s, config.Default(), one.requests)
			if err != nil {
				t.Fatalf("over SQLite: %v", err)
			}
			if len(want) == 0 {
				t.Fatal("there are no timelines to compare")
			}
			deliveries := map[string][]cassette.Request{"as recorded": one.requests}
			if !large && !one.beside && !testing.Short() {
				deliveries["shuffled"] = cassette.Shuffle(one.requests, 11)
			}
			for how, requests := range deliveries {
				half := len(requests) / 2
				got := deriveAtOnce(t, engine.Database(t), requests[:half], requests[half:])
				difference, err := eval.Difference(want, got)
				if err != nil {
					t.Fatal(err)
				}
				if difference != "" {
					t.Errorf("over SQLite (-) and over ClickHouse, %s (+):\n%s", how, difference)
				}
			}
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
	beside   bool // it is none of the repository's
	requests []cassette.Request
}

// recordedCases are the demo, the repository's other cases, and those that may lie
// beside the checkout.
func recordedCases(t *testing.T) []recordedCase {
	t.Helper()
	demo := filepath.Join(t.TempDir(), "demo.jsonl.gz")
	if err := os.WriteFile(demo, recorded, 0o600); err != nil {
		t.Fatal(err)
	}
	all := []recordedCase{{name: "bad_deploy"}}
	files := map[string]string{"bad_deploy": demo} // the demo is this one
	beside := filepath.Join("..", "..", "..", "shared", "cases")
	for _, folder := range []string{filepath.Join("testdata", "cases"), beside} {
		if _, err := os.Stat(folder); folder == beside && errors.Is(err, os.ErrNotExist) {
			continue
		}
		cases, err := eval.Find(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range cases {
			if files[one.Name] == "" {
				all = append(all, recordedCase{name: one.Name, beside: folder == beside})
				files[one.Name] = one.Cassette
			}
		}
	}
	for i := range all {
		requests, err := cassette.ReadFile(files[all[i].name])
		if err != nil {
			t.Fatal(err)
		}
		all[i].requests = requests
	}
	return all
}
