package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hindcast/hindcast/cmd/child/component"
)

// TestSmokeRun kills, restarts and freezes in small.
func TestSmokeRun(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs servers")
	}
	var result, progress bytes.Buffer
	err := run(t.Context(), []string{"-short", "-dir", t.TempDir()}, &result, &progress)
	component.Skip(t, err)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, &result, &progress)
	}
	t.Logf("\n%s", &result)
	for _, want := range []string{"10,000 messages", "1 restarts of the broker, 1 freezes", "soak-lines: 9,000 there", "soak-alerts: 500 there", "soak-deploys: 500 there", "9,000 in all", "PASS"} {
		if !strings.Contains(result.String(), want) {
			t.Errorf("the result lacks %q:\n%s", want, &result)
		}
	}
	if strings.Contains(result.String(), "faults: 0 kills") {
		t.Error("nothing was killed: then this test shows nothing")
	}
}

func TestBadFlags(t *testing.T) {
	for _, args := range [][]string{{"-messages=3"}, {"-partitions=2"}, {"-facts=51"}, {"-rate=0"}, {"-session=1ms"}, {"extra"}, {"-nonsense"}} {
		var out bytes.Buffer
		if err := run(t.Context(), args, &out, &out); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func TestShortKeepsWhatWasGiven(t *testing.T) {
	var out bytes.Buffer
	got, _, err := parse([]string{"-short", "-messages=500"}, &out)
	want := short
	if want.messages = 500; err != nil || got != want {
		t.Errorf("got %+v, error %v, want %+v", got, err, want)
	}
}

// The truth is counted from the messages, so all of them must be different and of
// a kind that is checked.
func TestMessages(t *testing.T) {
	m := messages{plan: plan{messages: 4000, facts: 5, partitions: 12}}
	seen, kinds := map[string]bool{}, map[string]int{}
	for n := range m.plan.messages {
		one := m.at(n)
		if seen[string(one.body)] {
			t.Fatalf("message %d is there twice: %s", n, one.body)
		}
		seen[string(one.body)] = true
		kinds[one.topic]++
	}
	want := map[string]int{linesTopic: 3600, alertsTopic: 200, deploysTopic: 200}
	truth := m.truth()
	for topic, n := range want {
		var total sums
		for _, s := range truth.facts[topic] {
			total.count += s.count
		}
		if kinds[topic] != n || total.count != uint64(n) || len(truth.facts[topic]) != services {
			t.Errorf("%s: %d messages, %d of %d services counted; want %d of %d", topic, kinds[topic], total.count, len(truth.facts[topic]), n, services)
		}
	}
	spread := m.plan.spread()
	if spread[linesTopic] != 8 || spread[alertsTopic] != 2 || spread[deploysTopic] != 2 {
		t.Errorf("12 partitions are shared out as %v, want 8, 2 and 2", spread)
	}
}
