package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/kafka"
)

func TestParseEmptyIsDefault(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "comment": "# nothing\n", "document": "---\n", "null": "retention:\nlimits: ~\n"} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse([]byte(text), "x.yml")
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, Default()) {
				t.Errorf("got %+v, want the defaults", got)
			}
		})
	}
	if got, err := Load(""); err != nil || !reflect.DeepEqual(got, Default()) {
		t.Errorf("without a file: got error %v, want the defaults", err)
	}
}

func TestDefaultIsValid(t *testing.T) {
	c := Default()
	for _, wrong := range c.validate() {
		t.Errorf("%s: %s", wrong.keys, wrong.message)
	}
}

func TestParseOverrides(t *testing.T) {
	got, err := Parse([]byte(`
link_within: 1h30m
seal_after: 2d
labels:
  service: [svc]
receivers:
  - name: oncall
    class: page
    person: dana
retention: {lines: 1w, events: 0}
limits:
  max_body: 8MiB
  alerts: {requests: 7, linger: 1.5ms}
github:
  secrets: [s3cret]
clickhouse: {cluster: prod, insert_quorum: 2, ttl_margin: 1d}
forward: kafka
kafka:
  brokers: [k1:9092]
  tls: {enabled: true, ca_file: ca.pem}
  topics: [{name: app, format: deploys, labels: {environment: prod}}]
  memory: 64MiB
`), "x.yml")
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.LinkWithin, want.SealAfter = 90*time.Minute, 48*time.Hour
	want.Labels.Service = []string{"svc"}
	want.Receivers = append(want.Receivers, got.Receivers...)
	want.Retention.Lines, want.Retention.Events = 7*24*time.Hour, 0
	want.Limits.MaxBody = 8 << 20
	want.Limits.Alerts.Requests, want.Limits.Alerts.Linger = 7, 1500*time.Microsecond
	want.GitHub.Secrets = []string{"s3cret"}
	want.Forward, want.Kafka.Brokers, want.Kafka.Memory = ForwardKafka, []string{"k1:9092"}, 64<<20
	want.Kafka.TLS = kafka.TLS{Enabled: true, CAFile: "ca.pem"}
	want.Kafka.Topics = []kafka.Topic{{Name: "app", Format: "deploys", Labels: map[string]string{"environment": "prod"}}}
	want.ClickHouse = ClickHouse{Cluster: "prod", InsertQuorum: "2", TTLMargin: 24 * time.Hour}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if r := got.Receivers; len(r) != 1 || r[0].Name != "oncall" || r[0].Class != "page" || r[0].Person != "dana" {
		t.Errorf("receivers: got %+v", r)
	}
}

// TestParseProblems names what is wrong, where, and what was probably meant.
func TestParseProblems(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":     {"\nlink_withn: 5m", `x.yml:2: link_withn: unknown key; did you mean "link_within"?`},
		"unknown in list": {"receivers:\n  - nme: a\n    class: page", `x.yml:2: receivers[0].nme: unknown key; did you mean "name"?`},
		"no suggestion":   {"zzzzzzzzzz: 1", "x.yml:1: zzzzzzzzzz: unknown key\n"},
		"twice":           {"quiet_period: 1m\nquiet_period: 2m", "x.yml:2: quiet_period: the key stands here twice"},
		"duration":        {"quiet_period: soon", `x.yml:1: quiet_period: want a duration like 30s, 5m, 1h30m or 7d, got "soon"`},
		"negative":        {"quiet_period: -5m", "want a duration"},
		"size":            {"limits:\n  max_body: huge", `x.yml:2: limits.max_body: want a size like 512KiB, 10MiB or a number of bytes, got "huge"`},
		"number":          {"flap_firings: many", `x.yml:1: flap_firings: want number, got "many"`},
		"list":            {"heartbeats: Watchdog", `x.yml:1: heartbeats: want a list, got "Watchdog"`},
		"section":         {"labels: [a]", "x.yml:1: labels: want a section with keys, got a list"},
		"single":          {"heartbeats: [{a: 1}]", "x.yml:1: heartbeats[0]: want a single value, got a section with keys"},
		"map":             {"kafka: {topics: [{labels: [a]}]}", "x.yml:1: kafka.topics[0].labels: want a section with keys, got a list"},
		"no map":          {"kafka: {topics: [{labels: a}]}", `x.yml:1: kafka.topics[0].labels: want a section with keys, got "a"`},
		"class":           {"receivers:\n  - name: a\n    class: pge", `x.yml:3: receivers[0].class: "pge" is none of page, chat, self, heartbeat, other`},
		"means":           {"phrases: [{pattern: a, means: b}]", `phrases[0].means: "b" is none of acknowledges`},
		"pattern":         {"phrases: [{pattern: '(', means: reports}]", "phrases[0].pattern: error parsing regexp"},
		"no name":         {"receivers:\n  - class: page", "x.yml:2: receivers[0].name: must not be empty"},
		"zero":            {"link_within: 0s", "x.yml:1: link_within: must be greater than zero"},
		"retention":       {"retention:\n  lines: 2d", "x.yml:2: retention.lines: 2d is not longer than seal_after (6d)"},
		"limits":          {"limits:\n  logs:\n    requests: 0", "x.yml:3: limits.logs.requests: must be greater than zero"},
		"workflows":       {"github: {deploy_workflows: '['}", "github.deploy_workflows: error parsing regexp"},
		"secret file":     {"github:\n  secret_files: [absent]", "x.yml:2: github.secret_files[0]: open absent"},
		"alertmanager":    {"alertmanagers:\n  - url: ftp://x", "x.yml:2: alertmanagers[0]: url \"ftp://x\": want http://HOST:PORT"},
		"in its client":   {"alertmanagers:\n  - url: http://x\n    basic_auth: {usrname: a}", `x.yml:3: alertmanagers[0].basic_auth.usrname: unknown key; did you mean "username"?`},
		"its interval":    {"alertmanagers: [{url: http://x, interval: often}]", "alertmanagers[0].interval: want a duration"},
		"clickhouse":      {"clickhouse: {clustr: a}", `x.yml:1: clickhouse.clustr: unknown key; did you mean "cluster"?`},
		"address":         {"clickhouse: {url: a}", `x.yml:1: clickhouse.url: unknown key; the address, with the user and the database, is given by --store`},
		"password":        {"clickhouse: {password: a}", `x.yml:1: clickhouse.password: unknown key; the password is in the environment, as HINDCAST_CLICKHOUSE_PASSWORD, or in a file that --store names: ?password_file=FILE`},
		"quorum":          {"clickhouse:\n  insert_quorum: most", `x.yml:2: clickhouse.insert_quorum: "most": want auto, or a number of replicas`},
		"forward":         {"forward: kafk", `x.yml:1: forward: "kafk" is neither empty nor kafka`},
		"no brokers":      {"forward: kafka\nkafka:\n  group: x", "x.yml:1: forward: kafka: kafka.brokers must say where"},
		"no broker":       {"kafka:\n  brokers: [here]", `x.yml:2: kafka.brokers[0]: "here" is not HOST:PORT`},
		"kafka":           {"kafka: {broker: [a]}", `x.yml:1: kafka.broker: unknown key; did you mean "brokers"?`},
		"a port":          {"kafka:\n  brokers:\n    - kafka-1:9092\n    - kafka-3:99999", `x.yml:4: kafka.brokers[1]: "kafka-3:99999" is not HOST:PORT: a port is a number from 1 to 65535`},
		"inline password": {"kafka:\n  sasl:\n    password: hush", "x.yml:3: kafka.sasl.password: unknown key; put it into a file of its own, and name that: password_file: FILE\n"},
		"inline token":    {"kafka: {sasl: {token: hush}}", "kafka.sasl.token: unknown key; put it into a file of its own, and name that: token_file: FILE\n"},
		"inline secret":   {"kafka: {sasl: {client_secret: hush}}", "kafka.sasl.client_secret: unknown key; put it into a file of its own, and name that: client_secret_file: FILE\n"},
		"inline CA":       {"kafka: {tls: {ca: x}}", "kafka.tls.ca: unknown key; put it into a file of its own, and name that: ca_file: FILE\n"},
		"little memory":   {"kafka:\n  memory: 1KiB", "x.yml:2: kafka.memory: must be from 1MiB to 1TiB, not 1KiB\n"},
		"small lane":      {"limits:\n  max_body: 1GiB", "x.yml:2: limits.alerts.bytes: must hold the largest body"},
		"no format":       {"kafka: {brokers: ['h:1'], topics: [{name: a, format: jsonlines}]}", `x.yml:1: kafka.topics[0].format: "jsonlines" is none of alertmanager`},
		"twice consumed":  {"forward: kafka\nkafka: {brokers: ['h:1'], topics: [{name: hindcast-logs, format: deploys}]}", "x.yml:2: kafka.topics[0].name: \"hindcast-logs\" is one of kafka.forward_topics"},
		"session":         {"kafka: {session_timeout: 1s}", "kafka.heartbeat_interval: 1s is longer than a third of session_timeout"},
		"with a default":  {"kafka:\n  brokers: ['h:1']\n  session_timeout: 2s", "x.yml:3: kafka.heartbeat_interval: 1s is longer than a third of session_timeout (2s): a process would be taken for dead when one sign of life is late; kafka.heartbeat_interval is not in the file, and has its default\n"},
		"none by default": {"kafka:\n  sasl:\n    mechanism: oauthbearer", "x.yml:3: kafka.sasl.token_file: must be given for the mechanism oauthbearer\n"},
		"both given":      {"kafka:\n  session_timeout: 2s\n  heartbeat_interval: 1s", "x.yml:3: kafka.heartbeat_interval: 1s is longer than a third of session_timeout (2s): a process would be taken for dead when one sign of life is late\n"},
		"seal_after":      {"link_within: 1m\nseal_after: 8d", "x.yml:2: retention.lines: 1w is not longer than seal_after (8d): incidents would lose their evidence before they are sealed; retention.lines is not in the file, and has its default\n"},
		"dead letters":    {"kafka:\n  group: x\n  dead_letters: hindcast-logs", "x.yml:3: kafka.forward_topics.logs: "},
		"not YAML":        {"a: [\nb: c", "x.yml:"},
		"a list":          {"- a", "x.yml:1: want a section with keys, got a list"},
		"two documents":   {"quiet_period: 1m\n---\nquiet_period: 1m", "more than one YAML document"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.text), "x.yml")
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got error %v, want problems", err)
			}
			if got := err.Error() + "\n"; !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q in it", got, c.want)
			}
		})
	}
}

func TestParseReportsAllProblems(t *testing.T) {
	_, err := Parse([]byte("flap_firings: 1\nretention: {counts: 1d}\nreceivers: [{class: page}]\n"), "x.yml")
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 3 || problems[0].Line != 1 || problems[2].Line != 3 {
		t.Errorf("got %v, want three problems in the order of the file", err)
	}
}

// TestParseReportsBehindUnreadable: what cannot be read, and keys that there are
// not, do not hide what is wrong with the rest; and nothing is told that hangs on
// them.
func TestParseReportsBehindUnreadable(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		// want are lines and keys.
		want []string
	}{
		"a duration":      {"kafka:\n  fetch_wait: -1s\n  memory: 1KiB\nflap_firings: 1", []string{"2 kafka.fetch_wait", "3 kafka.memory", "4 flap_firings"}},
		"a typo":          {"quiet_perod: 5m\nretention: {lines: 1d}", []string{"1 quiet_perod", "2 retention.lines"}},
		"twice":           {"quiet_period: 5m\nquiet_period: 6m\nflap_firings: 1", []string{"2 quiet_period", "3 flap_firings"}},
		"inline":          {"kafka:\n  sasl:\n    mechanism: plain\n    username: u\n    password: hush", []string{"5 kafka.sasl.password"}},
		"in a list":       {"kafka:\n  brokers:\n    - [a]\n    - b\n  memory: 1KiB", []string{"3 kafka.brokers[0]", "5 kafka.memory"}},
		"in a map":        {"kafka:\n  memory: 1KiB\n  sasl: {extensions: {a: [b]}}", []string{"2 kafka.memory", "3 kafka.sasl.extensions.a"}},
		"a section":       {"limits: 7\nflap_firings: 1", []string{"1 limits", "2 flap_firings"}},
		"of the pair":     {"kafka:\n  session_timeout: soon\n  heartbeat_interval: 30s\n  rebalance_timeout: 5m", []string{"2 kafka.session_timeout"}},
		"the missing":     {"kafka:\n  brokrs: ['a:1']\n  topics: [{name: a, format: deploys}]", []string{"2 kafka.brokrs"}},
		"the missing one": {"kafka:\n  brokers: ['a:1']\n  topics:\n    - nam: a\n      format: deploiz", []string{"4 kafka.topics[0].nam", "5 kafka.topics[0].format"}},
		"a secret's file": {"flap_firings: many\ngithub: {secret_files: [absent]}", []string{"1 flap_firings", "2 github.secret_files[0]"}},
		"the whole":       {"7", []string{"1 "}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.text), "x.yml")
			var problems Problems
			errors.As(err, &problems)
			var got []string
			for _, p := range problems {
				got = append(got, fmt.Sprintf("%d %s", p.Line, p.Key))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("told of %q, want %q: %v", got, c.want, err)
			}
		})
	}
}

// TestCheckFiles: files of Kafka that cannot be read are told like all else: each,
// with its line.
func TestCheckFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.yml")
	text := "kafka:\n  memory: 1KiB\n  brokers: ['k:1']\n  tls:\n    enabled: true\n    ca_file: absent.pem\n  sasl:\n    mechanism: plain\n    username: u\n    password_file: absent\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Check(file)
	var problems Problems
	errors.As(err, &problems)
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprintf("%d %s", p.Line, p.Key))
	}
	if want := []string{"2 kafka.memory", "6 kafka.tls.ca_file", "10 kafka.sasl.password_file"}; !slices.Equal(got, want) {
		t.Errorf("told of %q, want %q: %v", got, want, err)
	}
	// A process that does not use Kafka need not have them.
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "1KiB", "1GiB")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file); err != nil {
		t.Errorf("only read, it is an error: %v", err)
	}
	if _, err := Check(filepath.Join(t.TempDir(), "absent.yml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got error %v", err)
	}
}

// TestSummaryOfMaps: labels are shown, and of what may be a secret the names.
func TestSummaryOfMaps(t *testing.T) {
	c, err := Parse([]byte(`
kafka:
  brokers: ["k:1"]
  sasl: {mechanism: oauthbearer, token_file: token, extensions: {logicalCluster: hush}}
  topics: [{name: app, format: deploys, labels: {service: "a b", environment: prod}}]
`), "x.yml")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := WriteSummary(&out, c); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`labels: {environment: prod, service: "a b"}}]`, "{logicalCluster} (values not shown)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the summary lacks %s:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "hush") {
		t.Errorf("the summary shows what may be a secret:\n%s", out.String())
	}
}

func TestParseBoundsAliases(t *testing.T) {
	text := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'k'; c++ {
		p := string(c - 1)
		text += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+p+", ", 9) + "*" + p + "]\n"
	}
	if _, err := Parse([]byte(text+"heartbeats: *j\n"), "x.yml"); err == nil {
		t.Error("a file that unfolds to a billion values was taken")
	}
}

func TestAlertmanagers(t *testing.T) {
	got, err := Parse([]byte(`
alertmanagers:
  - url: http://one:9093
    interval: 1m
    basic_auth: {username: u, password: hush, password_file: ""}
    tls_config: {min_version: TLS12}
    proxy_url: http://u:hush@proxy:3128
    http_headers:
      X-Scope: {secrets: [hush]}
  - url: http://two:9093
    tls_config: {ca_file: ca.pem}
`), "conf/x.yml")
	if err != nil {
		t.Fatal(err)
	}
	one, two := got.Alertmanagers[0], got.Alertmanagers[1]
	if one.Interval != time.Minute || one.Timeout != 10*time.Second || one.HTTPClientConfig.BasicAuth.Password != "hush" || len(one.HTTPClientConfig.HTTPHeaders.Headers) != 1 {
		t.Errorf("first: got %+v", one)
	}
	if two.Interval != 15*time.Second || two.HTTPClientConfig.TLSConfig.CAFile != filepath.Join("conf", "ca.pem") {
		t.Errorf("second: got %+v, want its default interval, and the file beside the configuration", two)
	}
	var out bytes.Buffer
	if err := WriteSummary(&out, got); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Contains(text, "hush") || !strings.Contains(text, "http://two:9093") {
		t.Errorf("the summary shows a secret, or not what is polled:\n%s", text)
	}
}

func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("secret", "hush\n")
	write("x.yml", "github: {secrets: [one], secret_files: [secret]}")
	got, err := Load(filepath.Join(dir, "x.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if secrets := got.GitHub.Secrets; len(secrets) != 2 || secrets[1] != "hush" {
		t.Errorf("got %d secrets, want the one in the file after the one in the configuration", len(secrets))
	}
	var out bytes.Buffer
	if err := WriteSummary(&out, got); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "hush") || !strings.Contains(out.String(), "* github.secrets") {
		t.Errorf("the summary shows a secret, or does not mark it:\n%s", out.String())
	}
	write("secret", " \n")
	if _, err := Load(filepath.Join(dir, "x.yml")); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("an empty secret: got error %v", err)
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "17": 17, "1KB": 1000, "1KiB": 1024, "1.5 MiB": 3 << 19, "2GiB": 2 << 30, "1 TiB": 1 << 40, "9B": 9} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q: got %d, error %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1", "1e300", "NaN", "Inf", "1 PiB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

// What is written is what is read.
func TestFormatDuration(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]time.Duration{1, time.Millisecond, time.Minute, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}).Draw(t, "unit")
		d := time.Duration(rapid.Int64Range(0, int64(1000*24*time.Hour/unit)).Draw(t, "times")) * unit
		text := ingest.FormatDuration(d)
		if got, err := ParseDuration(text); err != nil || got != d {
			t.Errorf("%d ns are written as %q and read as %d, error %v", d, text, got, err)
		}
		if want := model.Duration(d).String(); d%time.Millisecond == 0 && text != want {
			t.Errorf("%d ns are written as %q, and as %q by Prometheus", d, text, want)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("receivers: [{name: a, class: page}]\nretention: {lines: 7d}\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, err := Parse(text, "x.yml"); err == nil {
			for _, wrong := range c.validate() {
				t.Errorf("taken, and not valid: %s: %s", wrong.keys, wrong.message)
			}
		}
	})
}
