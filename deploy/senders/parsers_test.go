package senders

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/parser"
	"go.yaml.in/yaml/v3"

	"github.com/hindcast/hindcast/cmd/child"
	"github.com/hindcast/hindcast/cmd/child/component"
	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/correlate"
	"github.com/hindcast/hindcast/ingest/event"
)

// alertmanagerConfig is what our configuration uses of Alertmanager's.
type alertmanagerConfig struct {
	Route struct {
		Receiver string   `yaml:"receiver"`
		GroupBy  []string `yaml:"group_by"`
		Routes   []struct {
			Receiver      string   `yaml:"receiver"`
			Matchers      []string `yaml:"matchers"`
			GroupWait     string   `yaml:"group_wait"`
			GroupInterval string   `yaml:"group_interval"`
			Continue      bool     `yaml:"continue"`
		} `yaml:"routes"`
	} `yaml:"route"`
	Receivers []struct {
		Name           string `yaml:"name"`
		WebhookConfigs []struct {
			URL          string `yaml:"url"`
			SendResolved bool   `yaml:"send_resolved"`
		} `yaml:"webhook_configs"`
	} `yaml:"receivers"`
	EventRecorder struct {
		WebhookOutputs []struct {
			URL   string `yaml:"url"`
			Batch bool   `yaml:"batch"`
		} `yaml:"webhook_outputs"`
	} `yaml:"event_recorder"`
}

func TestAlertmanager(t *testing.T) {
	var c alertmanagerConfig
	d := yaml.NewDecoder(strings.NewReader(read(t, "alertmanager.yml")))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	if len(c.Route.Routes) < 2 {
		t.Fatal("an alert that only hindcast's route takes reaches nobody else: there must be another route behind it")
	}
	first := c.Route.Routes[0]
	if first.Receiver != "hindcast" || !first.Continue || len(first.Matchers) > 0 {
		t.Errorf("the first route is %+v, want one to hindcast that takes all and hands it on", first)
	}
	names := map[string]bool{}
	for _, r := range c.Receivers {
		names[r.Name] = true
		if r.Name == "hindcast" && (len(r.WebhookConfigs) != 1 || !r.WebhookConfigs[0].SendResolved) {
			t.Errorf("the receiver hindcast is %+v, want one webhook that tells of ends", r)
		}
	}
	for _, r := range c.Route.Routes {
		if !names[r.Receiver] {
			t.Errorf("there is no receiver %s", r.Receiver)
		}
	}
	if outputs := c.EventRecorder.WebhookOutputs; len(outputs) != 1 || !outputs[0].Batch {
		t.Errorf("the event recorder has %+v, want one webhook that sends batches", outputs)
	}
}

// TestRealAlertmanager starts the Alertmanager that the environment variable
// HINDCAST_TEST_ALERTMANAGER names with the configuration: it listens once it
// has loaded it, and ends when it cannot.
func TestRealAlertmanager(t *testing.T) {
	binary := component.Binary(t, "Alertmanager", "HINDCAST_TEST_ALERTMANAGER")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	p := &child.Process{Name: "Alertmanager", Command: []string{binary, "--config.file=alertmanager.yml", "--storage.path=" + t.TempDir(),
		"--web.listen-address=127.0.0.1:0", "--cluster.listen-address=", "--enable-feature=event-recorder"}}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	err := p.Ready(ctx, func(context.Context) error {
		if !strings.Contains(p.Said(), `msg="Listening on"`) {
			return errors.New("it does not listen")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestPrometheus asks promtool, where it is installed, beside the checks of
// the structure.
func TestPrometheus(t *testing.T) {
	v := parsed(t, "prometheus.yml")
	all := at(t, v, "alerting", "alertmanagers").([]any)
	if len(all) != 2 {
		t.Fatalf("there are %d Alertmanagers, want the real one and hindcast", len(all))
	}
	want(t, "the real one", at(t, all[0], "static_configs", 0, "targets", 0), "alertmanager:9093")
	want(t, "hindcast", at(t, all[1], "static_configs", 0, "targets", 0), "hindcast:9097")
	want(t, "hindcast's timeout", at(t, all[1], "timeout"), "2s")
	_, paths, _ := receivers(t)
	// Prometheus appends this to a target without a path_prefix.
	if posts := "/api/v2/alerts"; !slices.Contains(paths, posts) {
		t.Errorf("hindcast does not serve %s", posts)
	}

	promtool := "promtool"
	if prometheus := os.Getenv("HINDCAST_TEST_PROMETHEUS"); prometheus != "" {
		promtool = filepath.Join(filepath.Dir(prometheus), "promtool")
	}
	if _, err := exec.LookPath(promtool); err != nil {
		component.Need(t, &component.Unavailable{What: "promtool", Why: "it comes with Prometheus; the structure alone was checked"})
	}
	if out, err := exec.Command(promtool, "check", "config", "--syntax-only", "prometheus.yml").CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// TestAlloy parses the configuration with Alloy's own parser.
func TestAlloy(t *testing.T) {
	f, err := parser.ParseFile("config.alloy", []byte(read(t, "config.alloy")))
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]*ast.BlockStmt{}
	for _, s := range f.Body {
		b, ok := s.(*ast.BlockStmt)
		if !ok {
			t.Fatalf("%T at the top, want blocks", s)
		}
		blocks[b.GetBlockName()+" "+b.Label] = b
	}
	for _, name := range []string{"loki.write hindcast", "local.file_match payments", "loki.source.file payments"} {
		if blocks[name] == nil {
			t.Errorf("there is no block %s", name)
		}
	}
	endpoint, ok := blocks["loki.write hindcast"].Body[0].(*ast.BlockStmt)
	if !ok || endpoint.GetBlockName() != "endpoint" {
		t.Fatal("loki.write has no endpoint")
	}
	url := endpoint.Body[0].(*ast.AttributeStmt)
	want(t, url.Name.Name, url.Value.(*ast.LiteralExpr).Value, `"http://hindcast:9097/loki/api/v1/push"`)
}

// TestLogShippers checks what the shippers that speak YAML are told.
func TestLogShippers(t *testing.T) {
	const push = "/loki/api/v1/push"
	promtail := parsed(t, "promtail.yaml")
	want(t, "promtail", at(t, promtail, "clients", 0, "url"), "http://hindcast:9097"+push)
	want(t, "promtail's service", at(t, promtail, "scrape_configs", 0, "static_configs", 0, "labels", "service"), "payments")

	sink := at(t, parsed(t, "vector.yaml"), "sinks", "hindcast")
	want(t, "vector's sink", at(t, sink, "type"), "loki")
	want(t, "vector", at(t, sink, "endpoint").(string)+at(t, sink, "path").(string), "http://hindcast:9097"+push)
	want(t, "vector's input", at(t, sink, "inputs", 0), "payments")
	want(t, "vector's service", at(t, sink, "labels", "service"), "payments")

	output := at(t, parsed(t, "fluent-bit.yaml"), "pipeline", "outputs", 0)
	want(t, "fluent-bit's output", at(t, output, "name"), "loki")
	want(t, "fluent-bit", at(t, output, "host"), "hindcast")
	want(t, "fluent-bit's port", at(t, output, "port"), 9097)
	want(t, "fluent-bit's path", at(t, output, "uri"), push)
}

// TestLogShippersInJSON checks what they are told that write JSON objects.
func TestLogShippersInJSON(t *testing.T) {
	const path, topic = "/ingest/logs", "app-logs"
	vector := parsed(t, "vector-json.yaml")
	sink := at(t, vector, "sinks", "hindcast")
	want(t, "vector's sink", at(t, sink, "type"), "http")
	want(t, "vector", at(t, sink, "uri"), "http://hindcast:9097"+path)
	want(t, "vector's codec", at(t, sink, "encoding", "codec"), "json")
	want(t, "vector's topic", at(t, vector, "sinks", "kafka", "topic"), topic)
	want(t, "vector's compression", at(t, vector, "sinks", "kafka", "compression"), "zstd")
	want(t, "vector's acknowledgement", at(t, vector, "sinks", "kafka", "librdkafka_options", "request.required.acks"), "-1")

	outputs := at(t, parsed(t, "fluent-bit-json.yaml"), "pipeline", "outputs")
	want(t, "fluent-bit's output", at(t, outputs, 0, "name"), "http")
	want(t, "fluent-bit", at(t, outputs, 0, "host"), "hindcast")
	want(t, "fluent-bit's port", at(t, outputs, 0, "port"), 9097)
	want(t, "fluent-bit's path", at(t, outputs, 0, "uri"), path)
	want(t, "fluent-bit's format", at(t, outputs, 0, "format"), "json_lines")
	want(t, "fluent-bit's topic", at(t, outputs, 1, "topics"), topic)
	want(t, "fluent-bit's compression", at(t, outputs, 1, "rdkafka.compression.codec"), "lz4")
	want(t, "fluent-bit's acknowledgement", at(t, outputs, 1, "rdkafka.request.required.acks"), -1)

	filebeat := parsed(t, "filebeat.yml")
	want(t, "filebeat's topic", at(t, filebeat, "output.kafka", "topic"), topic)
	want(t, "filebeat's acknowledgement", at(t, filebeat, "output.kafka", "required_acks"), -1)
	want(t, "filebeat's compression", at(t, filebeat, "output.kafka", "compression"), "zstd")

	// What Vector posts of a line, as configured.
	c := post(t, path, `{"environment":"prod","file":"/var/log/payments/app.log","host":"node-1","message":"no connection","service":"payments","source_type":"file","timestamp":"2026-02-03T04:05:06Z"}`+"\n").Chunks[0]
	want(t, "the line's stream", c.Streams[0], event.Stream{Service: "payments", Environment: "prod", Labels: event.Labels{"host": "node-1"}})
}

func TestGrafanaAlerting(t *testing.T) {
	v := parsed(t, "grafana-alerting.yaml")
	want(t, "apiVersion", at(t, v, "apiVersion"), 1)
	receiver := at(t, v, "contactPoints", 0, "receivers", 0)
	want(t, "type", at(t, receiver, "type"), "webhook")
	want(t, "method", at(t, receiver, "settings", "httpMethod"), "POST")
	want(t, "the end is sent", at(t, receiver, "disableResolveMessage"), false)
}

// TestHindcast reads hindcast's own configuration as hindcast does.
func TestHindcast(t *testing.T) {
	c, err := config.Load("hindcast.yml")
	if err != nil {
		t.Fatal(err)
	}
	want(t, "Alertmanager", c.Alertmanagers[0].URL, "http://alertmanager:9093")
	want(t, "receivers", c.Receivers, []correlate.ReceiverClass{{Name: "oncall", Class: "page"}})
}
