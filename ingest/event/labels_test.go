package event_test

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/prometheus/common/model"
	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/ingest/event"
)

// TestFingerprintIsPrometheus holds the fingerprint against the one that
// Prometheus and Alertmanager compute.
func TestFingerprintIsPrometheus(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		labels := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "labels")
		set := make(model.LabelSet)
		for name, value := range labels {
			if value != "" { // dropped before label sets are compared
				set[model.LabelName(name)] = model.LabelValue(value)
			}
		}
		got, want := event.Labels(labels).Fingerprint(), set.Fingerprint()
		if uint64(got) != uint64(want) || got.String() != want.String() {
			t.Fatalf("fingerprint of %s: got %s, want %s", event.Labels(labels), got, want)
		}
		b, err := json.Marshal(got)
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		var back event.Fingerprint
		if err := json.Unmarshal(b, &back); err != nil || back != got {
			t.Fatalf("decode %s: got %s and error %v", b, back, err)
		}
	})
}

func TestParseFingerprintRefuses(t *testing.T) {
	for _, text := range []string{"", "1", "00000000deadbee", "00000000deadbeef0", "00000000deadbeeg", "-0000000deadbeef", "+0000000deadbeef"} {
		if f, err := event.ParseFingerprint(text); err == nil {
			t.Errorf("parse %q: got %s, want an error", text, f)
		}
	}
}

func TestLabels(t *testing.T) {
	l := event.Labels{"b": "2", "a": `1"`, "empty": ""}
	if got, want := l.String(), `{a="1\"", b="2", empty=""}`; got != want {
		t.Errorf("text: got %s, want %s", got, want)
	}
	if got := l.First("none", "empty", "b", "a"); got != "2" {
		t.Errorf("first that has a value: got %q, want 2", got)
	}
	m := event.DefaultLabelMap()
	if got := m.ServiceOf(event.Labels{"job": "j", "service": "s"}); got != "s" {
		t.Errorf("service: got %q, want s", got)
	}
	if got := m.SeverityOf(event.Labels{"severity": "CRITICAL"}); got != "critical" {
		t.Errorf("severity: got %q, want critical", got)
	}
	if got := m.EnvironmentOf(nil); got != "" {
		t.Errorf("environment of no labels: got %q, want none", got)
	}
}

func TestLabelsOr(t *testing.T) {
	own := event.Labels{"a": "1", "b": ""}
	got := own.Or(event.Labels{"a": "2", "b": "2", "c": "2", "d": ""})
	if want := (event.Labels{"a": "1", "b": "2", "c": "2"}); !maps.Equal(got, want) {
		t.Errorf("labels are %v, want %v", got, want)
	}
	if want := (event.Labels{"a": "1", "b": ""}); !maps.Equal(own, want) {
		t.Errorf("the labels were changed: %v", own)
	}
	if got := event.Labels(nil).Or(nil); got != nil {
		t.Errorf("no labels and no defaults are %v, want nil", got)
	}
}
