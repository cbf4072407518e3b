// Package config reads hindcast's configuration file: YAML, every key
// optional, unknown keys refused with their line and what was probably meant.
//
// It is read once when the process starts and again at SIGHUP; what it holds
// is handed to the receivers, the runner and the retention loop by the wiring
// in cmd/hindcast/server.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hindcast/hindcast/correlate"
	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/github"
	"github.com/hindcast/hindcast/ingest/kafka"
	"github.com/hindcast/hindcast/ingest/logs"
	"github.com/hindcast/hindcast/ingest/poll"
)

// Config is everything that the file can say. Start from [Default].
type Config struct {
	// Config is how incidents are derived; its keys stand at the top level.
	correlate.Config `yaml:",inline"`
	// Alertmanagers are asked for what no webhook tells: silences that are
	// deleted, and silenced alerts that are gone.
	Alertmanagers []poll.Alertmanager `yaml:"alertmanagers"`
	// GitHub is what is taken of GitHub's webhooks.
	GitHub GitHub `yaml:"github"`
	// JSONLines names the fields of log lines that come as JSON objects, at
	// /ingest/logs and in Kafka with the format json-lines.
	JSONLines logs.JSONFields `yaml:"json_lines"`
	// Retention is how long facts are kept.
	Retention Retention `yaml:"retention"`
	// ClickHouse is how the data lies in ClickHouse, where --store names one. It
	// takes effect at the start, not at a reload.
	ClickHouse ClickHouse `yaml:"clickhouse"`
	// Limits bounds what receiving may use. They take effect at the start, not
	// at a reload.
	Limits ingest.Limits `yaml:"limits"`
	// Forward is where receivers and polls put what they took: kafka, into
	// kafka.forward_topics, from where processes of the role consume bring it to
	// the store; senders are then answered also while the store is down. Empty:
	// into the store. It takes effect at the start, not at a reload.
	Forward string `yaml:"forward"`
	// Kafka is how hindcast reads from Kafka, and forwards to it. It takes effect
	// at the start, not at a reload.
	Kafka kafka.Config `yaml:"kafka"`
}

// ForwardKafka is the value of [Config.Forward] other than "".
const ForwardKafka = "kafka"

// Forwards reports whether receivers put what they took into Kafka.
func (c *Config) Forwards() bool { return c.Forward == ForwardKafka }

// Consumes reports whether there is anything in Kafka to bring to the store.
func (c *Config) Consumes() bool { return c.Forwards() || len(c.Kafka.Topics) > 0 }

// GitHub is what is taken of GitHub's webhooks.
type GitHub struct {
	// Secrets are the webhooks' secrets: one of them must have signed a body.
	// Without any, signatures are not checked and everybody can post.
	Secrets []string `yaml:"secrets"`
	// SecretFiles are files that hold one secret each; relative paths are
	// relative to the configuration file.
	SecretFiles []string `yaml:"secret_files"`
	// DeployWorkflows is a regular expression (RE2) for the names or paths of
	// the workflows whose runs are changes. Groups named "service" and
	// "environment" take these from the name.
	DeployWorkflows string `yaml:"deploy_workflows"`
	// DefaultBranchOnly leaves out commits that are pushed to another branch
	// than the repository's default one.
	DefaultBranchOnly bool `yaml:"default_branch_only"`
}

// Retention is how long facts are kept, counted from when they happened. 0
// keeps them for ever.
type Retention struct {
	// Lines is the age at which raw log lines are deleted. What an incident
	// cites is kept with the incident.
	Lines time.Duration `yaml:"lines"`
	// Counts is the age at which the counts of log patterns are deleted.
	Counts time.Duration `yaml:"counts"`
	// Events is the age at which alerts, notifications, silences, changes,
	// commits and messages are deleted.
	Events time.Duration `yaml:"events"`
	// Asides is the age at which entries that could not be read, and were put
	// aside, are deleted.
	Asides time.Duration `yaml:"asides"`
}

// ClickHouse is how the data lies in ClickHouse, where --store names one. Where
// it is, and how to get there, stands in --store.
type ClickHouse struct {
	// Cluster is the name of the cluster to spread the data over, as the servers'
	// configuration has it; empty is one node. It cannot be changed once the
	// tables are made.
	Cluster string `yaml:"cluster"`
	// InsertQuorum is how many replicas of a shard must have an insert before it
	// is answered: a number, or auto for the majority. It counts in a cluster.
	InsertQuorum string `yaml:"insert_quorum"`
	// TTLMargin is how much older than the retention allows, counted from their
	// insert, rows become before ClickHouse deletes them by itself. This stands
	// behind the retention, for the time when no hindcast runs. It, and a changed
	// retention, reach existing tables by `hindcast migrate --config.file=…`.
	TTLMargin time.Duration `yaml:"ttl_margin"`
}

const day = 24 * time.Hour

// Default is the configuration of an empty file.
func Default() Config {
	return Config{
		Config:     correlate.DefaultConfig(),
		GitHub:     GitHub{DeployWorkflows: github.DefaultWorkflows.String()},
		JSONLines:  logs.DefaultJSONFields(),
		Retention:  Retention{Lines: 7 * day, Counts: 30 * day, Events: 400 * day, Asides: 30 * day},
		ClickHouse: ClickHouse{InsertQuorum: "auto", TTLMargin: 3 * day},
		Limits:     ingest.DefaultLimits(),
		Kafka:      kafka.DefaultConfig(),
	}
}

// MaxFile bounds a configuration file, in bytes.
const MaxFile = 4 << 20

// Load reads a file. An empty path is [Default]. An error that tells of the
// file's content is of type [Problems] and holds all that is wrong.
func Load(path string) (Config, error) {
	if path == "" {
		return Default(), nil
	}
	text, err := read(path)
	if err != nil {
		return Config{}, err
	}
	return Parse(text, path)
}

// Check is [Load], and says as well what is wrong with the files that the
// section kafka names: a process that does not use Kafka need not have them.
func Check(path string) (Config, error) {
	text, err := read(path)
	if err != nil {
		return Config{}, err
	}
	return parse(text, path, true)
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(text) > MaxFile {
		return nil, Problems{{File: path, Message: fmt.Sprintf("the file is larger than %d MiB", MaxFile>>20)}}
	}
	return text, nil
}

// Parse reads the text of a file; the name is used in messages.
func Parse(text []byte, name string) (Config, error) { return parse(text, name, false) }

func parse(text []byte, name string, files bool) (Config, error) {
	c := Default()
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, more yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return c, nil
	case err != nil:
		return Config{}, Problems{yamlProblem(name, err)}
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return Config{}, Problems{{File: name, Line: more.Line, Message: "the file holds more than one YAML document"}}
	}
	checked := checker{file: name, lines: map[string]int{}, unread: map[string]bool{}, holdsUnread: map[string]bool{}, meant: map[string]bool{}}
	for _, root := range document.Content {
		checked.check(root, reflect.TypeFor[Config](), "")
	}
	if !checked.unread[""] {
		checked.judge(&c, &document, files)
	}
	if problems := checked.problems; len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int { return a.Line - b.Line })
		return Config{}, problems
	}
	return c, nil
}

// judge decodes what could be read of a document, and reports what is wrong with
// the values.
func (c *checker) judge(into *Config, document *yaml.Node, files bool) {
	if err := document.Decode(into); err != nil {
		c.problems = append(c.problems, yamlProblem(c.file, err))
		return
	}
	into.findFiles(filepath.Dir(c.file), c)
	wrong := into.validate()
	if files && len(into.Kafka.Brokers) > 0 {
		wrong.joined("kafka", into.Kafka.CheckFiles())
	}
	for _, w := range wrong {
		if !slices.ContainsFunc(w.keys, c.hidden) {
			c.reportAt(w.keys, w.message)
		}
	}
}

// findFiles takes relative paths as relative to the configuration file, and
// replaces files that hold secrets by what they hold.
func (c *Config) findFiles(dir string, checked *checker) {
	for i := range c.Alertmanagers {
		c.Alertmanagers[i].HTTPClientConfig.SetDirectory(dir)
	}
	c.Kafka.SetDirectory(dir)
	for i, file := range c.GitHub.SecretFiles {
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		key := fmt.Sprintf("github.secret_files[%d]", i)
		text, err := os.ReadFile(file)
		secret := string(bytes.TrimSpace(text))
		switch {
		case err != nil:
			checked.reportAt([]string{key}, err.Error())
		case secret == "":
			checked.reportAt([]string{key}, file+" is empty")
		default:
			c.GitHub.Secrets = append(c.GitHub.Secrets, secret)
		}
	}
}

// Poll is what is to be asked of which Alertmanagers.
func (c *Config) Poll() poll.Config { return poll.Config{Alertmanagers: c.Alertmanagers} }

// Formats is what the decoders are to know. The configuration must be one that
// [Parse] or [Default] gave.
func (c *Config) Formats() ingest.FormatOptions {
	o := ingest.FormatOptions{
		Labels: c.Labels, JSONLines: c.JSONLines, Limits: c.Limits,
		GitHub: github.Config{Workflows: regexp.MustCompile(c.GitHub.DeployWorkflows), DefaultBranchOnly: c.GitHub.DefaultBranchOnly},
	}
	for _, secret := range c.GitHub.Secrets {
		o.GitHubSecrets = append(o.GitHubSecrets, []byte(secret))
	}
	return o
}
