package poll

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hindcast/hindcast/cmd/child"
	"github.com/hindcast/hindcast/cmd/child/component"
	"github.com/hindcast/hindcast/ingest/alertmanager"
	"github.com/hindcast/hindcast/ingest/event"
)

// TestRealAlertmanager polls the Alertmanager that the environment variable
// HINDCAST_TEST_ALERTMANAGER names (the path of its binary). An alert fires, is
// silenced, ends in silence; the silence is deleted. The webhook would tell
// nothing of the last three.
func TestRealAlertmanager(t *testing.T) {
	am := startAlertmanager(t, component.Binary(t, "Alertmanager", "HINDCAST_TEST_ALERTMANAGER"))
	store := newStore()
	p, err := New(Config{Alertmanagers: []Alertmanager{{URL: am.url, Name: "am"}}}, store, Options{})
	if err != nil {
		t.Fatal(err)
	}
	poll := func() event.Batch {
		t.Helper()
		p.watches[0].tick(t.Context())
		if p.watches[0].reached != reachYes {
			t.Fatal("the Alertmanager cannot be polled")
		}
		return store.last()
	}
	poll()

	start := time.Now().UTC().Truncate(time.Millisecond)
	alert := func(endsAt time.Time) []map[string]any {
		return []map[string]any{{"labels": map[string]string{"alertname": "A", "service": "payments"}, "startsAt": start, "endsAt": endsAt}}
	}
	am.post(t, "/api/v2/alerts", alert(start.Add(time.Hour)))
	b := poll()
	if len(b.Observations) != 1 || !b.Observations[0].StartsAt.Equal(start) || !b.Observations[0].KeepAliveUntil.Equal(start.Add(time.Hour)) {
		t.Fatalf("the alert: got %+v", b.Observations)
	}
	id := b.Observations[0].ID()

	created := am.post(t, "/api/v2/silences", map[string]any{
		"matchers": []map[string]any{{"name": "service", "value": "pay.*", "isRegex": true, "isEqual": true}},
		"startsAt": start, "endsAt": start.Add(time.Hour), "createdBy": "dana", "comment": "looking",
	})
	b = poll()
	var silence, mute *event.Event
	for i := range b.Events {
		switch b.Events[i].Kind {
		case event.KindSilence:
			silence = &b.Events[i]
		case event.KindMute:
			mute = &b.Events[i]
		}
	}
	if silence == nil || silence.Silence.Action != event.SilenceCreated || silence.Silence.ID != created["silenceID"] || silence.Silence.CreatedBy != "dana" ||
		silence.Silence.MatcherSets[0][0] != (event.Matcher{Name: "service", Op: "=~", Value: "pay.*"}) {
		t.Fatalf("the silence: got %+v", b.Events)
	}
	if mute == nil || mute.Mute.SilenceID != silence.Silence.ID || !mute.OccurredAt.Equal(silence.Silence.StartsAt) {
		t.Fatalf("the mute: got %+v", b.Events)
	}

	time.Sleep(2 * time.Millisecond) // the end must lie behind the start
	am.post(t, "/api/v2/alerts", alert(time.Now().UTC()))
	b = poll()
	if len(b.Observations) != 1 || b.Observations[0].ID() != id || b.Observations[0].GoneBy.IsZero() {
		t.Fatalf("the end in silence: got %+v", b.Observations)
	}

	before := time.Now()
	am.do(t, http.MethodDelete, "/api/v2/silence/"+silence.Silence.ID, nil)
	b = poll()
	if len(b.Events) != 1 || b.Events[0].Silence == nil || b.Events[0].Silence.Action != event.SilenceExpired {
		t.Fatalf("the deletion: got %+v", b.Events)
	}
	if at := b.Events[0].OccurredAt; at.Before(before.Truncate(time.Millisecond)) || at.After(time.Now()) || !at.Equal(b.Events[0].Silence.EndsAt) {
		t.Errorf("the silence was deleted at %v, told is %v", before, at)
	}

	am.checkRecorder(t, silence)
}

type realAM struct {
	url, records string
}

func startAlertmanager(t *testing.T, binary string) *realAM {
	t.Helper()
	dir := t.TempDir()
	am := &realAM{records: filepath.Join(dir, "events.jsonl")}
	file := filepath.Join(dir, "alertmanager.yml")
	text := fmt.Sprintf("route: {receiver: none}\nreceivers: [{name: none}]\nevent_recorder:\n  file_outputs:\n    - path: %s\n", am.records)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	addr, err := child.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	am.url = "http://" + addr
	p := &child.Process{Name: "Alertmanager", Command: []string{binary, "--config.file=" + file, "--storage.path=" + dir, "--web.listen-address=" + addr,
		"--cluster.listen-address=", "--enable-feature=event-recorder"}}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(time.Minute); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("Alertmanager: %s", p.Said())
		}
		http.DefaultClient.CloseIdleConnections()
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Ready(ctx, child.Answers(am.url+"/-/ready")); err != nil {
		t.Fatal(err)
	}
	return am
}

func (am *realAM) post(t *testing.T, path string, body any) map[string]string {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]string
	_ = json.Unmarshal(am.do(t, http.MethodPost, path, text), &answer)
	return answer
}

func (am *realAM) do(t *testing.T, method, path string, body []byte) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, am.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s %v", method, path, resp.Status, answer, err)
	}
	return answer
}

// checkRecorder checks that the recorder's file, decoded, tells the silence's
// creation as the same event as the poll did.
func (am *realAM) checkRecorder(t *testing.T, polled *event.Event) {
	t.Helper()
	for range 100 {
		text, err := os.ReadFile(am.records)
		if err == nil && bytes.Contains(text, []byte("silenceCreated")) {
			b, err := alertmanager.Decoder{}.DecodeEvents(text, time.Now())
			if err != nil || len(b.Asides) > 0 {
				t.Fatalf("the recorder's file: %v, put aside %+v", err, b.Asides)
			}
			for _, e := range b.Events {
				if e.Silence == nil {
					continue
				}
				if e.ID != polled.ID || !e.OccurredAt.Equal(polled.OccurredAt) {
					t.Errorf("recorded: %s at %v, polled: %s at %v", e.ID, e.OccurredAt, polled.ID, polled.OccurredAt)
				}
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("the recorder did not tell of the silence")
}
