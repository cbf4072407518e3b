package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// alertmanager is a running Alertmanager.
type alertmanager struct {
	*process
	t   *testing.T
	url string
}

// startAlertmanager runs one that pages through a webhook, and that tells
// hindcast by its webhook and by its event recorder. The recorder may have further
// outputs, as they stand in the configuration.
func startAlertmanager(t *testing.T, binary, address, hindcast, pager string, outputs ...string) *alertmanager {
	t.Helper()
	config := writeFile(t, "alertmanager.yml", fmt.Sprintf(`
route:
  receiver: oncall-pager
  group_by: [service]
  group_wait: 1s
  group_interval: 1s
  repeat_interval: 1h
  routes:
    - {receiver: hindcast, continue: true}
    - {receiver: oncall-pager}
receivers:
  - name: oncall-pager
    webhook_configs: [{url: '%[2]s/page', send_resolved: true}]
  - name: hindcast
    webhook_configs: [{url: '%[1]s/ingest/alertmanager', send_resolved: true}]
event_recorder:
  webhook_outputs:
    - url: %[1]s/ingest/alertmanager/events
      batch: true
`, hindcast, pager)+strings.Join(outputs, ""))
	am := &alertmanager{t: t, url: "http://" + address}
	am.process = start(t, "Alertmanager", binary, "--config.file="+config, "--storage.path="+t.TempDir(),
		"--web.listen-address="+address, "--cluster.listen-address=", "--enable-feature=event-recorder")
	waitReady(t, am.url, am.process)
	return am
}

// alert is an alert as Alertmanager's API shows it.
type alert struct {
	Fingerprint string            `json:"fingerprint"`
	StartsAt    time.Time         `json:"startsAt"`
	Labels      map[string]string `json:"labels"`
}

// alert is the one alert that it holds.
func (am *alertmanager) alert() alert {
	am.t.Helper()
	var list []alert
	getJSON(am.t, am.url+"/api/v2/alerts", &list)
	if len(list) != 1 {
		am.t.Fatalf("Alertmanager has %d alerts, want 1: %+v", len(list), list)
	}
	return list[0]
}

// silence silences the service's alerts for an hour and returns the silence's ID.
func (am *alertmanager) silence(by, why string) string {
	am.t.Helper()
	now := time.Now().UTC()
	return am.setSilence("", by, why, now, now.Add(time.Hour))
}

// setSilence makes a silence, or changes the one with the ID.
func (am *alertmanager) setSilence(id, by, why string, from, to time.Time) string {
	am.t.Helper()
	silence := map[string]any{
		"matchers": []map[string]any{{"name": "service", "value": "payments", "isRegex": false, "isEqual": true}},
		"startsAt": from, "endsAt": to, "createdBy": by, "comment": why,
	}
	if id != "" {
		silence["id"] = id
	}
	var set struct {
		ID string `json:"silenceID"`
	}
	sendJSON(am.t, http.MethodPost, am.url+"/api/v2/silences", silence, &set)
	return set.ID
}

// unsilence deletes a silence.
func (am *alertmanager) unsilence(id string) {
	am.t.Helper()
	sendJSON(am.t, http.MethodDelete, am.url+"/api/v2/silence/"+id, nil, nil)
}

// startPrometheus runs one with a rule on the target's error ratio, and both
// Alertmanager and hindcast to tell.
func startPrometheus(t *testing.T, binary, target, alertmanager, hindcast string) *process {
	t.Helper()
	rules := writeFile(t, "rules.yml", `
groups:
  - name: slo
    interval: 1s
    rules:
      - alert: HighErrorRate
        expr: error_ratio > 0.5
        labels: {severity: critical}
        annotations: {summary: '{{ $labels.service }} fails', runbook_url: 'https://runbooks.example/errors'}
`)
	config := writeFile(t, "prometheus.yml", fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: ['%s']
alerting:
  alertmanagers:
    - timeout: 2s
      static_configs: [{targets: ['%s', '%s']}]
scrape_configs:
  - job_name: payments
    static_configs: [{targets: ['%s']}]
`, rules, alertmanager, hindcast, target))
	address := freeAddress(t)
	p := start(t, "Prometheus", binary, "--config.file="+config, "--storage.tsdb.path="+t.TempDir(),
		"--web.listen-address="+address, "--log.level=warn")
	waitReady(t, "http://"+address, p)
	return p
}

// waitReady waits until a server of the Prometheus family is ready.
func waitReady(t *testing.T, url string, p *process) {
	t.Helper()
	wait(t, p.Name+" is ready", 30*time.Second, func() bool {
		_, err := get(t.Context(), url+"/-/ready", "text/plain")
		return err == nil
	}, p)
}
