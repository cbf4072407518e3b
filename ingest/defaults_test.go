package ingest

import (
	"maps"
	"testing"

	"github.com/hindcast/hindcast/ingest/envelope"
	"github.com/hindcast/hindcast/ingest/event"
)

// An alert that gets labels beside its own is still the alert that its sender
// knows, also after a backup.
func TestDefaultsOfAlerts(t *testing.T) {
	f, _ := defaultFormats().Named("prometheus")
	for _, tc := range []struct {
		name         string
		sent         string
		labels, want event.Labels
	}{
		{"missing", `{"alertname":"Errors"}`, event.Labels{"environment": "prod", "region": "eu"},
			event.Labels{"alertname": "Errors", "environment": "prod", "region": "eu"}},
		{"there", `{"alertname":"Errors","environment":"dev","region":"us"}`, event.Labels{"environment": "prod", "region": "eu"},
			event.Labels{"alertname": "Errors", "environment": "dev", "region": "us"}},
		{"there by another name", `{"alertname":"Errors","env":"dev"}`, event.Labels{"environment": "prod", "service": "payments"},
			event.Labels{"alertname": "Errors", "env": "dev", "service": "payments"}},
	} {
		body := []byte(`[{"labels":` + tc.sent + `,"startsAt":"2026-02-03T04:00:00Z"}]`)
		plain, err := f.Take(Input{Body: body, ReceivedAt: testTime})
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		batch, err := f.Take(Input{Body: body, ReceivedAt: testTime, Defaults: tc.labels})
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		o := batch.Observations[0]
		if !maps.Equal(o.Labels, tc.want) {
			t.Errorf("%s: labels are %v, want %v", tc.name, o.Labels, tc.want)
		}
		if o.ID() != plain.Observations[0].ID() {
			t.Errorf("%s: the alert became another one", tc.name)
		}

		body, err = envelope.EncodeJSON(batch)
		if err != nil {
			t.Fatal(err)
		}
		restored, err := envelope.Decoder{}.Restore(body, testTime)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if got := restored.Observations[0]; got.ID() != o.ID() || !maps.Equal(got.Labels, tc.want) {
			t.Errorf("%s: restored as %+v", tc.name, got)
		}
	}
}

func TestDefaultsOfEvents(t *testing.T) {
	f, _ := defaultFormats().Named("envelope")
	batch, err := f.Take(Input{
		Body: []byte(`[{"occurred_at":"2026-02-03T04:00:00Z","labels":{"region":"us"},"message":{"author":"dana","text":"on it"}},
			{"log_lines":{"lines":[{"at":"2026-02-03T04:00:00Z","text":"no connection"}]}}]`),
		ReceivedAt: testTime, Defaults: event.Labels{"app": "payments", "env": "prod", "region": "eu", "cluster": "c1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	e := batch.Events[0]
	if want := (event.Labels{"region": "us", "cluster": "c1"}); e.Service != "payments" || e.Environment != "prod" || !maps.Equal(e.Labels, want) {
		t.Errorf("the message is of %q in %q with %v", e.Service, e.Environment, e.Labels)
	}
	if c := batch.Chunks[0]; c.Counts[0].Service != "payments" || c.Counts[0].Environment != "prod" {
		t.Errorf("the line is counted as %+v", c.Counts[0].CountKey)
	}
}

func TestDecodedSize(t *testing.T) {
	push := lokiPush(t, 3, 500)
	loki, _ := defaultFormats().Named("loki")
	if n := loki.DecodedSize(push); n < 2*int64(len(push)) {
		t.Errorf("a push of %d bytes opens to %d", len(push), n)
	}
	if n := loki.DecodedSize([]byte{0xff}); n != 1 {
		t.Errorf("what is no snappy opens to %d bytes, want its own size", n)
	}
	deploys, _ := defaultFormats().Named("deploys")
	if n := deploys.DecodedSize(push); n != int64(len(push)) {
		t.Errorf("a plain body of %d bytes opens to %d", len(push), n)
	}
}
