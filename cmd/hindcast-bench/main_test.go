package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/cmd/child/component"
)

// TestSmokeRun measures everything but the Go benchmarks, in small.
func TestSmokeRun(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs a server")
	}
	var table, progress bytes.Buffer
	args := []string{"-short", "-benchtime=0", "-stage=200ms", "-probes=3", "-lines=5000", "-firing=70", "-dir", t.TempDir()}
	if err := run(t.Context(), args, &table, &progress); err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	for _, want := range []string{
		"filling", "with 5,000 stored", "alert observations", "acknowledged beside 50,000 lines/s", "of a new incident", "of one that is on",
		"timeline of 40 entries, 4 clients, JSON", "4 clients, 304", "70 alerts firing", "started again",
	} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, &table)
		}
	}
	if strings.Contains(table.String(), "FAILED") || strings.Contains(table.String(), "refused") {
		t.Errorf("the server did not take everything:\n%s\n%s", &table, &progress)
	}
}

func TestBadFlags(t *testing.T) {
	for _, args := range [][]string{{"-lines=3"}, {"-stage=0"}, {"extra"}, {"-nonsense"}, {"-store=paper"}, {"-store=clickhouse", "-events=3"}, {"-store=kafka", "-pushed=3"}} {
		var out bytes.Buffer
		if err := run(t.Context(), args, &out, &out); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func TestShortKeepsWhatWasGiven(t *testing.T) {
	var out bytes.Buffer
	got, err := parse([]string{"-short", "-firing=7"}, &out)
	want := stores["sqlite"][1]
	if want.firing = 7; err != nil || got.size != want {
		t.Errorf("got %+v, error %v, want %+v", got, err, want)
	}
}

// TestSmokeRunOnClickHouse measures everything but the benchmarks of the store,
// in small, on a real engine.
func TestSmokeRunOnClickHouse(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs a server")
	}
	var table, progress bytes.Buffer
	args := []string{"-store=clickhouse", "-short", "-benchtime=0", "-stage=200ms", "-probes=3", "-dir", t.TempDir()}
	err := run(t.Context(), args, &table, &progress)
	component.Skip(t, err)
	if err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	for _, want := range []string{
		"events appended", "through HTTP, mask and ClickHouse", "40,000 of them copied", "disk by log line", "disk by event", "restart to ready",
		"timeline of 5", "another each time", "incident list, another each time, p99", "incident list, the same again, p99", "of a new incident", "memory of the engine",
	} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, &table)
		}
	}
	if strings.Contains(table.String(), "FAILED") {
		t.Errorf("something failed:\n%s\n%s", &table, &progress)
	}
}

// TestSmokeRunOnKafka measures both roads of lines in small, on a real broker and a
// real engine. What is measured says nothing then.
func TestSmokeRunOnKafka(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs servers")
	}
	var table, progress bytes.Buffer
	err := run(t.Context(), []string{"-store=kafka", "-short", "-dir", t.TempDir()}, &table, &progress)
	component.Skip(t, err)
	if err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	if want := "log lines from Kafka to ClickHouse against HTTP"; !strings.Contains(table.String(), want) {
		t.Errorf("the table lacks %q:\n%s", want, &table)
	}
}

func TestParseBenchmarks(t *testing.T) {
	got := parseBenchmarks([]byte(`goos: linux
BenchmarkWebhook/200_alerts   	     100	   2000000 ns/op	  57.10 MB/s	       401 facts/op	 1737336 B/op	     802 allocs/op
PASS
`))["BenchmarkWebhook/200_alerts"]
	for unit, want := range map[string]float64{"N": 100, "ns/op": 2e6, "MB/s": 57.1, "facts/op": 401, "allocs/op": 802} {
		if got[unit] != want {
			t.Errorf("%s: got %v, want %v", unit, got[unit], want)
		}
	}
}

func TestSamples(t *testing.T) {
	var s samples
	for i := range 200 {
		s.add(time.Duration(200-i) * time.Millisecond)
	}
	for p, want := range map[float64]float64{0: 1, 50: 101, 99: 199, 100: 200} {
		if got := s.ms(p); got != want {
			t.Errorf("p%v of 1 to 200 ms: got %v, want %v", p, got, want)
		}
	}
	if got := new(samples).ms(99); got != 0 {
		t.Errorf("p99 of nothing: got %v, want 0", got)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0.00", 1.234: "1.23", 12.34: "12.3", 432.1: "432", 50_000: "50,000", 10_000_000: "10,000,000", 1005: "1,005"} {
		if got := number(v); got != want {
			t.Errorf("%v: got %s, want %s", v, got, want)
		}
	}
}

func TestPushesDiffer(t *testing.T) {
	at := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	push := func(n int) string { return string(pushBody(n, at, linesPerPush)) }
	if first, again := push(1), push(1); first != again {
		t.Error("one number gave two pushes")
	}
	if push(1) == push(1+nodes) {
		t.Error("two numbers gave one push")
	}
}
