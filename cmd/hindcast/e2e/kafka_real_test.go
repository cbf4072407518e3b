package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/cmd/child/component"
	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// TestRealServersOverKafka lets a rule of a real Prometheus fire and end while a
// silence of a real Alertmanager is set, updated and expires, and another one is
// set and deleted. Alertmanager's recorder writes each event to a webhook and to
// two topics of a real Kafka, as JSON and as protobuf; its ordinary webhook,
// Prometheus' own posts and the poll tell of the same. One alert must stay one.
func TestRealServersOverKafka(t *testing.T) {
	s := startKafkaSite(t)

	s.target.fail(true)
	s.await("the incident", time.Minute, func(tl *timeline.Timeline) bool { return tl.Milestone(timeline.Alerted) != nil })
	fired := s.alertmanager.alert()

	began := time.Now().UTC()
	first := s.alertmanager.setSilence("", "dana", "looking into it", began, began.Add(time.Hour))
	s.await("the silence", liveness, silenced(first, event.SilenceCreated))
	s.await("the alert to be muted", liveness, func(tl *timeline.Timeline) bool { return has(tl, timeline.EntryMuted) })
	if id := s.alertmanager.setSilence(first, "dana", "a few seconds more", began, time.Now().UTC().Add(8*time.Second)); id != first {
		t.Fatalf("the update made another silence, %s: then this test shows nothing", id)
	}
	s.await("the update of the silence", liveness, silenced(first, event.SilenceUpdated))
	s.await("the silence to expire", liveness, silenced(first, event.SilenceExpired))

	second := s.alertmanager.silence("dana", "once more")
	s.await("the second silence", liveness, silenced(second, event.SilenceCreated))
	s.alertmanager.unsilence(second)
	s.await("the second silence to be deleted", liveness, silenced(second, event.SilenceExpired))

	s.target.fail(false)
	s.await("the end", time.Minute, func(tl *timeline.Timeline) bool {
		return tl.Milestone(timeline.Restored) != nil && tl.Incident.Status == timeline.StatusRestored
	})

	// What the recorder still holds comes when Alertmanager stops.
	s.alertmanager.stop(t)
	for _, topic := range s.topics {
		awaitCommitted(t, s.broker, s.group, topic, 0, endOf(t, s.broker, topic, 0))
	}
	metrics, err := get(t.Context(), s.url+"/metrics", "text/plain")
	if err != nil {
		t.Fatal(err)
	}
	for _, endpoint := range []string{"/ingest/alertmanager/events", "/ingest/alertmanager", "/api/v2/alerts"} {
		if !strings.Contains(string(metrics), fmt.Sprintf(`hindcast_ingest_requests_total{code="200",endpoint=%q}`, endpoint)) {
			t.Errorf("nothing was taken over HTTP at %s: then this test shows little", endpoint)
		}
	}
	s.servers = []*process{s.hindcast}
	tl := s.await("the end, once more", liveness, func(tl *timeline.Timeline) bool { return tl.Milestone(timeline.Restored) != nil })

	checkAlert(t, s.site, tl, fired)
	want := map[string]int{}
	for _, silence := range []struct {
		id      string
		actions []event.SilenceAction
	}{
		{first, []event.SilenceAction{event.SilenceCreated, event.SilenceUpdated, event.SilenceExpired}},
		{second, []event.SilenceAction{event.SilenceCreated, event.SilenceExpired}},
	} {
		for _, action := range silence.actions {
			want[silence.id+" "+string(action)] = 1
		}
	}
	got := map[string]int{}
	for _, e := range tl.Entries {
		if e.Kind == timeline.EntrySilenced {
			got[e.Labels["silence"]+" "+e.Labels["action"]]++
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("entries of silences: got %v, want %v", got, want)
	}
	if list := s.incidents(); len(list) != 1 {
		t.Errorf("incidents: got %d, want 1: %+v", len(list), list)
	}
	if t.Failed() {
		t.Logf("the timeline:\n%s", s.markdown(tl.Incident.ID))
	}
	s.hindcast.stop(t)
	s.checkFacts()
}

// silenced says whether a timeline tells of something that happened to a silence.
func silenced(id string, action event.SilenceAction) func(*timeline.Timeline) bool {
	return func(tl *timeline.Timeline) bool {
		for _, e := range tl.Entries {
			if e.Kind == timeline.EntrySilenced && e.Labels["silence"] == id && e.Labels["action"] == string(action) {
				return true
			}
		}
		return false
	}
}

// kafkaSite is a site whose Alertmanager writes to Kafka as well.
type kafkaSite struct {
	*site
	hindcast *process
	store    string
	broker   *kafkatest.Broker
	group    string
	topics   map[string]string // by format
	letters  string
}

func startKafkaSite(t *testing.T) *kafkaSite {
	t.Helper()
	amBinary := component.Binary(t, "Alertmanager", "HINDCAST_TEST_ALERTMANAGER")
	prometheusBinary := component.Binary(t, "Prometheus", "HINDCAST_TEST_PROMETHEUS")
	broker := kafkatest.Shared(t)
	binary := buildHindcast(t)

	s := &kafkaSite{
		site:   &site{t: t, target: newTarget(t), pager: newPager(t)},
		store:  "sqlite:" + filepath.Join(t.TempDir(), "hindcast.db"),
		broker: broker, group: kafkatest.Name(t), letters: broker.Topic(t, 1, nil),
		topics: map[string]string{
			"alertmanager-events":          broker.Topic(t, 1, nil),
			"alertmanager-events-protobuf": broker.Topic(t, 1, nil),
		},
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	amAddress := freeAddress(t)
	config := writeFile(t, "hindcast.yml", fmt.Sprintf(`
alertmanagers: [{url: 'http://%s', name: am, interval: 1s}]
kafka:
  brokers: ['%s']
  group: %s
  dead_letters: %s
  topics:
    - {name: %s, format: alertmanager-events}
    - {name: %s, format: alertmanager-events-protobuf}
`, amAddress, broker.Addr(), s.group, s.letters, s.topics["alertmanager-events"], s.topics["alertmanager-events-protobuf"]))
	s.hindcast = serve(t, binary, s.store, "--config.file="+config)
	wait(t, "hindcast serves", 30*time.Second, func() bool { return s.hindcast.address() != "" }, s.hindcast)
	s.url = s.hindcast.address()
	s.alertmanager = startAlertmanager(t, amBinary, amAddress, s.url, s.pager.url(), fmt.Sprintf(`
  kafka_outputs:
    - {brokers: ['%[1]s'], topic: %[2]s, acks: all, compression: zstd}
    - {brokers: ['%[1]s'], topic: %[3]s, format: protobuf}
`, broker.Addr(), s.topics["alertmanager-events"], s.topics["alertmanager-events-protobuf"]))
	prometheus := startPrometheus(t, prometheusBinary, s.target.address(), amAddress, strings.TrimPrefix(s.url, "http://"))
	s.servers = []*process{s.hindcast, s.alertmanager.process, prometheus}
	return s
}

// checkFacts wants that both topics tell of the same facts, that the store has
// them, and that it has none of the recorder that the topics do not tell of: what
// the webhook brought has the same IDs.
func (s *kafkaSite) checkFacts() {
	s.t.Helper()
	defaults := config.Default()
	formats := ingest.DefaultFormats(defaults.Formats())
	told := map[string]map[event.ID]bool{}
	for name, topic := range s.topics {
		format, ok := formats.Named(name)
		if !ok {
			s.t.Fatalf("there is no format %s", name)
		}
		told[name] = map[event.ID]bool{}
		for _, r := range recordsOf(s.t, s.broker, topic) {
			batch, err := format.Take(ingest.Input{Body: r.Value, ReceivedAt: r.Timestamp})
			if err != nil {
				s.t.Fatalf("%s: %v in %q", name, err, r.Value)
			}
			for i := range batch.Events {
				told[name][batch.Events[i].ID] = true
			}
			for i := range batch.Observations {
				told[name][batch.Observations[i].ID()] = true
			}
		}
	}
	over := told["alertmanager-events"]
	if !maps.Equal(over, told["alertmanager-events-protobuf"]) {
		s.t.Errorf("JSON tells of %d facts, protobuf of %d, and they are not the same", len(over), len(told["alertmanager-events-protobuf"]))
	}
	facts, _, recorded := factsOf(s.t, s.store)
	for id := range over {
		if facts[id] == "" {
			s.t.Errorf("the fact %s is in Kafka and not in the store", id)
		}
	}
	for id := range recorded {
		if !over[id] {
			s.t.Errorf("%s %s came by the recorder's webhook alone", facts[id], id)
		}
	}
	if n := endOf(s.t, s.broker, s.letters, 0); n > 0 {
		s.t.Errorf("%d records could not be decoded", n)
	}
	s.t.Logf("%d facts of the recorder in Kafka, %d facts in the store", len(over), len(facts))
}
