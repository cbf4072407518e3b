package logs

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// wantLine is what a test expects of a line.
type wantLine struct {
	text, at             string
	service, environment string
	version, trace       string
	level                event.Level
	labels               event.Labels
	// metadata must be there; there may be more.
	metadata event.Labels
	template string // "" is not looked at
}

// senders are bodies as shippers and loggers write them.
var senders = []struct {
	name, body string
	want       []wantLine
}{
	{"Vector, http sink with codec json, a file",
		`[{"file":"/var/log/payments/app.log","host":"node-1","message":"level=error upstream=ledger timeout after 30ms","source_type":"file","timestamp":"2026-11-22T15:19:08.123456789Z"},` +
			`{"file":"/var/log/payments/app.log","host":"node-1","message":"level=info done","source_type":"file","timestamp":"2026-11-22T15:19:08.2Z"}]`,
		[]wantLine{
			{text: "level=error upstream=ledger timeout after 30ms", at: "2026-11-22T15:19:08.123456789Z", level: event.LevelError,
				labels: event.Labels{"host": "node-1"}, metadata: event.Labels{"file": "/var/log/payments/app.log", "source_type": "file"}},
			{text: "level=info done", at: "2026-11-22T15:19:08.2Z", level: event.LevelInfo, labels: event.Labels{"host": "node-1"}},
		}},
	{"Vector, kafka sink with codec json, Kubernetes",
		`{"file":"/var/log/pods/shop_payments-7d9_1f/payments/0.log","kubernetes":{"container_id":"containerd://f8","container_image":"acme/payments:2.0.0","container_name":"main",` +
			`"namespace_labels":{"kubernetes.io/metadata.name":"shop"},"pod_annotations":{"prometheus.io/scrape":"true"},"pod_ip":"10.1.2.3",` +
			`"pod_labels":{"app.kubernetes.io/name":"payments","app.kubernetes.io/version":"2.0.0","pod-template-hash":"7d9"},"pod_name":"payments-7d9-x2","pod_namespace":"shop","pod_node_name":"node-1","pod_owner":"ReplicaSet/payments-7d9"},` +
			`"message":"panic: nil pointer","source_type":"kubernetes_logs","stream":"stderr","timestamp":"2026-11-22T15:19:08Z"}`,
		[]wantLine{{text: "panic: nil pointer", at: "2026-11-22T15:19:08Z", service: "payments", version: "2.0.0", level: event.LevelFatal,
			labels:   event.Labels{"namespace": "shop", "pod": "payments-7d9-x2", "container": "main"},
			metadata: event.Labels{"stream": "stderr", "kubernetes.pod_node_name": "node-1", "kubernetes.pod_labels.pod-template-hash": "7d9"}}}},
	{"Vector, parsed JSON, one object a line",
		`{"level":"warn","msg":"slow query","service":"search","took_ms":712,"timestamp":"2026-11-22T15:19:08Z"}` + "\n" +
			`{"level":"info","msg":"ok","service":"search","timestamp":"2026-11-22T15:19:09Z"}` + "\n",
		[]wantLine{
			{text: "slow query", at: "2026-11-22T15:19:08Z", service: "search", level: event.LevelWarn, metadata: event.Labels{"took_ms": "712"}},
			{text: "ok", at: "2026-11-22T15:19:09Z", service: "search", level: event.LevelInfo},
		}},
	{"Fluent Bit, json_lines, tail of Docker's log",
		`{"date":1795360748.123456,"log":"E1122 15:19:08.123456       1 main.go:7] no connection\n","stream":"stderr","time":"2026-11-22T15:19:08.123456789Z"}` + "\n",
		[]wantLine{{text: "E1122 15:19:08.123456       1 main.go:7] no connection\n", at: "2026-11-22T15:19:08.123456789Z", level: event.LevelError}}},
	{"Fluent Bit, json, with the filter for Kubernetes",
		`[{"date":1795360748.5,"stream":"stdout","logtag":"F","log":"{\"level\":\"error\",\"msg\":\"charge failed\",\"err\":\"timeout\"}","kubernetes":{"pod_name":"payments-7d9-x2","namespace_name":"shop",` +
			`"pod_id":"0b0e","labels":{"app":"payments","pod-template-hash":"7d9"},"annotations":{"a":"b"},"host":"node-1","container_name":"main","docker_id":"f8","container_image":"acme/payments:2"}}]`,
		[]wantLine{{text: `{"level":"error","msg":"charge failed","err":"timeout"}`, at: "2026-11-22T15:19:08.5Z", service: "payments", level: event.LevelError,
			labels: event.Labels{"namespace": "shop", "pod": "payments-7d9-x2", "container": "main"}, template: "charge failed err=timeout"}}},
	{"Fluent Bit, json_stream, epoch_ms", `{"date":1795360748123,"log":"one"}{"date":1795360748124,"log":"two"}`,
		[]wantLine{{text: "one", at: "2026-11-22T15:19:08.123Z"}, {text: "two", at: "2026-11-22T15:19:08.124Z"}}},
	{"Fluent Bit, java_sql_timestamp", `{"date":"2026-11-22 15:19:08.000681","log":"one"}`, []wantLine{{text: "one", at: "2026-11-22T15:19:08.000681Z"}}},
	{"Fluent Bit, kafka output", `{"@timestamp":1795360748.250000, "log":"one", "env":"prod"}`, []wantLine{{text: "one", at: "2026-11-22T15:19:08.25Z", environment: "prod"}}},
	{"GELF, as Graylog's documentation has it",
		`{"version": "1.1", "host": "example.org", "short_message": "A short message that helps you identify what is going on", "full_message": "Backtrace here\n\nmore stuff",
		  "timestamp": 1385053862.3072, "level": 1, "_user_id": 9001, "_some_info": "foo", "_some_env_var": "bar"}`,
		[]wantLine{{text: "A short message that helps you identify what is going on", at: "2013-11-21T17:11:02.3072Z", level: event.LevelFatal,
			labels: event.Labels{"host": "example.org"}, metadata: event.Labels{"_some_info": "foo", "_user_id": "9001", "full_message": "Backtrace here\n\nmore stuff"}}}},
	{"GELF, as Docker's driver writes it, with a version of the service",
		`{"version":"1.1","host":"node-1","short_message":"no connection to ledger","timestamp":1795360748.123,"level":3,"_command":"/app/payments","_container_id":"f8","_container_name":"payments-1",` +
			`"_created":"2026-11-22T15:00:00Z","_image_name":"acme/payments:2.0.0","_tag":"f8","_service":"payments","_version":"2.0.0"}`,
		[]wantLine{{text: "no connection to ledger", at: "2026-11-22T15:19:08.123Z", level: event.LevelError, service: "payments", version: "2.0.0",
			labels: event.Labels{"host": "node-1", "container": "payments-1"}, metadata: event.Labels{"_command": "/app/payments"}}}},
	{"GELF in what Docker wraps",
		`{"log":"{\"version\":\"1.1\",\"host\":\"node-1\",\"short_message\":\"no connection to ledger\",\"level\":3}\n","stream":"stderr","time":"2026-11-22T15:19:08Z"}`,
		[]wantLine{{text: `{"version":"1.1","host":"node-1","short_message":"no connection to ledger","level":3}` + "\n", at: "2026-11-22T15:19:08Z", level: event.LevelError,
			template: "no connection to ledger"}}},
	{"a version beside a host that is not GELF's", `{"version":"1.1","host":"node-1","message":"done","timestamp":1795360748}`,
		[]wantLine{{text: "done", at: "2026-11-22T15:19:08Z", version: "1.1", labels: event.Labels{"host": "node-1"}}}},
	{"a version in a line that is not GELF's", `{"log":"{\"version\":\"1.1\",\"msg\":\"done\"}","time":"2026-11-22T15:19:08Z"}`,
		[]wantLine{{text: `{"version":"1.1","msg":"done"}`, at: "2026-11-22T15:19:08Z", version: "1.1"}}},
	{"Filebeat, kafka output",
		`{"@timestamp":"2026-11-22T15:19:08.123Z","@metadata":{"beat":"filebeat","type":"_doc","version":"8.15.0"},"message":"upstream ledger timeout","log":{"offset":812,"file":{"path":"/var/log/containers/p.log"},"level":"error"},` +
			`"input":{"type":"container"},"ecs":{"version":"8.0.0"},"host":{"name":"node-1"},"agent":{"id":"0b","name":"node-1","type":"filebeat","version":"8.15.0","ephemeral_id":"1f"},` +
			`"service":{"name":"payments","version":"2.0.0","environment":"prod"},"trace":{"id":"4bf92f3577b34da6a3ce929d0e0e4736"},"fields":{"team":"pay"},` +
			`"kubernetes":{"pod":{"name":"payments-7d9-x2","uid":"0b"},"namespace":"shop","container":{"name":"main"},"labels":{"app":"other"},"deployment":{"name":"payments"}}}`,
		[]wantLine{{text: "upstream ledger timeout", at: "2026-11-22T15:19:08.123Z", service: "payments", environment: "prod", version: "2.0.0", trace: "4bf92f3577b34da6a3ce929d0e0e4736", level: event.LevelError,
			labels:   event.Labels{"namespace": "shop", "pod": "payments-7d9-x2", "container": "main", "host": "node-1"},
			metadata: event.Labels{"fields.team": "pay", "log.file.path": "/var/log/containers/p.log"}}}},
	{"ECS logging with dotted names",
		`{"@timestamp":"2026-11-22T15:19:08.123Z","log.level":"ERROR","message":"charge failed","ecs.version":"1.6.0","service.name":"payments","process.thread.name":"main","log.logger":"pay.Charge","error.type":"java.net.SocketTimeoutException","error.message":"Read timed out"}`,
		[]wantLine{{text: "charge failed", at: "2026-11-22T15:19:08.123Z", service: "payments", level: event.LevelError,
			metadata: event.Labels{"error.message": "Read timed out", "log.logger": "pay.Charge"},
			template: "charge failed error.type=java.net.SocketTimeoutException error.message=Read timed out"}}},
	{"Logstash's encoder", `{"@timestamp":"2026-11-22T15:19:08.123+01:00","@version":"1","message":"no stock","logger_name":"shop.Cart","thread_name":"main","level":"WARN","level_value":30000}`,
		[]wantLine{{text: "no stock", at: "2026-11-22T14:19:08.123Z", level: event.LevelWarn, metadata: event.Labels{"logger_name": "shop.Cart"}}}},
	{"zap", `{"level":"error","ts":1795360748.1234567,"caller":"pay/charge.go:42","msg":"charge failed","service":"payments","error":"no route to ledger","order_id":"o-1"}`,
		[]wantLine{{text: "charge failed", at: "2026-11-22T15:19:08.1234567Z", service: "payments", level: event.LevelError,
			metadata: event.Labels{"caller": "pay/charge.go:42", "order_id": "o-1"}, template: "charge failed error=no route to ledger"}}},
	{"zap, ISO 8601", `{"level":"info","ts":"2026-11-22T16:19:08.123+0100","msg":"ok"}`, []wantLine{{text: "ok", at: "2026-11-22T15:19:08.123Z", level: event.LevelInfo}}},
	{"logrus", `{"level":"warning","msg":"retry","time":"2026-11-22T15:19:08Z","app":"payments"}`, []wantLine{{text: "retry", at: "2026-11-22T15:19:08Z", service: "payments", level: event.LevelWarn}}},
	{"slog", `{"time":"2026-11-22T15:19:08.123456789+01:00","level":"ERROR","msg":"boom","req":{"id":7,"deep":{"a":[1,2]}}}`,
		[]wantLine{{text: "boom", at: "2026-11-22T14:19:08.123456789Z", level: event.LevelError, metadata: event.Labels{"req.id": "7", "req.deep.a": "[1,2]"}}}},
	{"bunyan", `{"name":"payments","hostname":"node-1","pid":71,"level":50,"msg":"no connection","time":"2026-11-22T15:19:08.123Z","v":0}`,
		[]wantLine{{text: "no connection", at: "2026-11-22T15:19:08.123Z", service: "payments", level: event.LevelError, labels: event.Labels{"host": "node-1"}}}},
	{"pino", `{"level":30,"time":1795360748123,"pid":71,"hostname":"node-1","msg":"hello"}`,
		[]wantLine{{text: "hello", at: "2026-11-22T15:19:08.123Z", level: event.LevelInfo, labels: event.Labels{"host": "node-1"}}}},
	{"python-json-logger", `{"asctime": "2026-11-22 15:19:08,123", "levelname": "CRITICAL", "name": "root", "message": "down"}`,
		[]wantLine{{text: "down", at: "2026-11-22T15:19:08.123Z", level: event.LevelFatal, metadata: event.Labels{"name": "root"}}}},
	{"structlog", `{"event": "user signed in", "level": "info", "timestamp": "2026-11-22T15:19:08.123456Z", "logger": "auth"}`,
		[]wantLine{{text: "user signed in", at: "2026-11-22T15:19:08.123456Z", level: event.LevelInfo}}},
	{"Serilog, compact", `{"@t":"2026-11-22T15:19:08.1230000Z","@mt":"Hello, {User}","@l":"Warning","User":"dana"}`,
		[]wantLine{{text: "Hello, {User}", at: "2026-11-22T15:19:08.123Z", level: event.LevelWarn, metadata: event.Labels{"User": "dana"}}}},
	{"MongoDB", `{"t":{"$date":"2026-11-22T15:19:08.123+00:00"},"s":"E","c":"NETWORK","id":22943,"ctx":"listener","msg":"Connection ended","attr":{"remote":"10.0.0.1:51"}}`,
		[]wantLine{{text: "Connection ended", at: "2026-11-22T15:19:08.123Z", level: event.LevelError, metadata: event.Labels{"attr.remote": "10.0.0.1:51"}}}},
	{"Vector, journald", `{"PRIORITY":"3","SYSLOG_IDENTIFIER":"ledger","_SYSTEMD_UNIT":"ledger.service","__REALTIME_TIMESTAMP":"1795360748123456","host":"node-1","message":"no space left on device","source_type":"journald"}`,
		[]wantLine{{text: "no space left on device", at: "2026-11-22T15:19:08.123456Z", service: "ledger", level: event.LevelError, labels: event.Labels{"host": "node-1"}}}},
	{"no message: the object is the line", `{"ts":1795360748,"service":"payments","kind":"charge","outcome":"refused"}`,
		[]wantLine{{text: `{"ts":1795360748,"service":"payments","kind":"charge","outcome":"refused"}`, at: "2026-11-22T15:19:08Z", service: "payments"}}},
	{"an empty message, no time", `{"message":"","service":"payments"}`, []wantLine{{text: "", at: "2026-11-22T15:04:05Z", service: "payments"}}},
	{"a time that is none, or out of reach", `{"msg":"a","time":"noon"}{"msg":"b","time":12.5}{"msg":"c","time":99999999999}`,
		[]wantLine{{text: "a", at: "2026-11-22T15:04:05Z", metadata: event.Labels{"time": "noon"}}, {text: "b", at: "2026-11-22T15:04:05Z"}, {text: "c", at: "2026-11-22T15:04:05Z"}}},
	{"text", "level=error service=payments refused\n[info] started\n\"quoted \\\"text\\\"\"\n42\njava.lang.Exception: x\n\tat a.B(C.java:1)\n\tat d\n\nlast",
		[]wantLine{
			{text: "level=error service=payments refused", at: "2026-11-22T15:04:05Z", service: "payments", level: event.LevelError},
			{text: "[info] started", at: "2026-11-22T15:04:05Z", level: event.LevelInfo},
			{text: `quoted "text"`, at: "2026-11-22T15:04:05Z"},
			{text: "42", at: "2026-11-22T15:04:05Z"},
			{text: "java.lang.Exception: x\n\tat a.B(C.java:1)\n\tat d", at: "2026-11-22T15:04:05Z", level: event.LevelError},
			{text: "last", at: "2026-11-22T15:04:05Z"},
		}},
	{"an array of what is no object", `["one", 2, null, [3], {"msg":"four"}]`,
		[]wantLine{{text: "one", at: "2026-11-22T15:04:05Z"}, {text: "2", at: "2026-11-22T15:04:05Z"}, {text: "null", at: "2026-11-22T15:04:05Z"},
			{text: "[3]", at: "2026-11-22T15:04:05Z"}, {text: "four", at: "2026-11-22T15:04:05Z"}}},
}

func TestSendersOfJSONLines(t *testing.T) {
	d := newTestDecoder().JSONLines(JSONFields{})
	for _, tc := range senders {
		batch, err := d.Decode([]byte(tc.body), testReceived)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		c := batch.Chunks[0]
		if len(c.Lines) != len(tc.want) {
			t.Errorf("%s: %d lines, want %d: %+v", tc.name, len(c.Lines), len(tc.want), c.Lines)
			continue
		}
		templates := map[event.PatternID]string{}
		for _, n := range c.Counts {
			templates[n.Pattern] = n.Template
		}
		for i, want := range tc.want {
			got := c.Lines[i]
			of := c.Streams[got.Stream]
			if at := got.At.Format(time.RFC3339Nano); got.Text != want.text || at != want.at || got.Level != want.level || got.Version != want.version || got.Trace != want.trace {
				t.Errorf("%s: line %d is %+v\nwant %+v", tc.name, i, got, want)
			}
			service := want.service
			if service == "" {
				service = want.labels["container"]
			}
			if of.Service != service || of.Environment != want.environment || !maps.Equal(of.Labels, want.labels) {
				t.Errorf("%s: line %d is of %+v, want %+v", tc.name, i, of, want)
			}
			for name, value := range want.metadata {
				if got.Metadata[name] != value {
					t.Errorf("%s: line %d has %s=%q beside it, want %q: %v", tc.name, i, name, got.Metadata[name], value, got.Metadata)
				}
			}
			for name := range got.Metadata {
				if strings.HasPrefix(name, "agent") || strings.Contains(name, "annotations") || strings.HasPrefix(name, "@") && name != "@m" {
					t.Errorf("%s: line %d has %s beside it, which nobody needs", tc.name, i, name)
				}
			}
			if want.template != "" && templates[got.Pattern] != want.template {
				t.Errorf("%s: line %d has the pattern %q, want %q", tc.name, i, templates[got.Pattern], want.template)
			}
		}
	}
}
