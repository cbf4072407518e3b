package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/storage/clickhouse"
)

// validation collects what is wrong with values.
type validation []wrong

// wrong is a value that is, or several that do not go together.
type wrong struct {
	// keys are what it is about, the one to be named first.
	keys    []string
	message string
}

// validate says all that is wrong.
func (c *Config) validate() validation {
	v := &validation{}
	c.validateNames(v)
	c.validateRetention(v)
	if err := clickhouse.ValidQuorum(c.ClickHouse.InsertQuorum); err != nil {
		v.report("clickhouse.insert_quorum", "%v", err)
	}
	v.joined("", c.Config.Validate())
	v.joined("limits", c.Limits.Validate())
	asked := c.Poll()
	v.joined("", asked.Validate())
	c.validateKafka(v)
	return *v
}

func (v *validation) report(key, format string, args ...any) {
	v.conflict([]string{key}, format, args...)
}

// conflict reports that the first key does not go with the others.
func (v *validation) conflict(keys []string, format string, args ...any) {
	*v = append(*v, wrong{keys, fmt.Sprintf(format, args...)})
}

func (v *validation) notEmpty(key, got string) {
	if got == "" {
		v.report(key, "must not be empty")
	}
}

// against are keys that others must fit to, where the errors do not tell.
var against = map[string][]string{
	"limits.alerts.bytes": {"limits.max_body", "limits.max_decompressed"},
	"limits.logs.bytes":   {"limits.max_body", "limits.max_decompressed"},
}

// joined reports errors that were joined and each begin with the key that they
// are about, below a section. Where they have a method Keys they are about more.
func (v *validation) joined(section string, err error) {
	var all []error
	switch joined := err.(type) {
	case nil:
		return
	case interface{ Unwrap() []error }:
		all = joined.Unwrap()
	default:
		all = []error{err}
	}
	for _, err := range all {
		key, message, _ := strings.Cut(err.Error(), " ")
		keys := []string{strings.TrimSuffix(key, ":")}
		if about, ok := err.(interface{ Keys() []string }); ok {
			keys = slices.Clone(about.Keys())
		}
		for i, key := range keys {
			keys[i] = join(section, key)
		}
		v.conflict(append(keys, against[keys[0]]...), "%s", message)
	}
}

func (c *Config) validateNames(v *validation) {
	for i, words := range c.Severities {
		if len(words) == 0 {
			v.report(fmt.Sprintf("severities[%d]", i), "a rank needs at least one word")
		}
	}
	for i, r := range c.Receivers {
		v.notEmpty(fmt.Sprintf("receivers[%d].name", i), r.Name)
	}
	for i, d := range c.Topology {
		key := fmt.Sprintf("topology[%d]", i)
		v.notEmpty(key+".service", d.Service)
		for j, callee := range d.Calls {
			v.notEmpty(fmt.Sprintf("%s.calls[%d]", key, j), callee)
		}
	}
	for i, p := range c.Phrases {
		v.notEmpty(fmt.Sprintf("phrases[%d].pattern", i), p.Pattern)
	}
	for i, secret := range c.GitHub.Secrets {
		v.notEmpty(fmt.Sprintf("github.secrets[%d]", i), secret)
	}
	if _, err := regexp.Compile(c.GitHub.DeployWorkflows); err != nil {
		v.report("github.deploy_workflows", "%v", err)
	}
}

// validateKafka says what is wrong with Kafka's section, and with what the others
// want of it.
func (c *Config) validateKafka(v *validation) {
	v.joined("kafka", c.Kafka.Validate())
	switch {
	case c.Forward != "" && c.Forward != ForwardKafka:
		v.report("forward", "%q is neither empty nor %s", clip(c.Forward), ForwardKafka)
	case c.Forwards() && len(c.Kafka.Brokers) == 0:
		v.conflict([]string{"forward", "kafka.brokers"}, "%s: kafka.brokers must say where", ForwardKafka)
	}
	formats := ingest.DefaultFormats(ingest.FormatOptions{Limits: ingest.DefaultLimits()})
	for i, topic := range c.Kafka.Topics {
		key := fmt.Sprintf("kafka.topics[%d]", i)
		if _, ok := formats.Named(topic.Format); !ok && topic.Format != "" {
			v.report(key+".format", "%q is none of %s", clip(topic.Format), namesOf(formats))
		}
		if to := c.Kafka.ForwardTopics; c.Forwards() && (topic.Name == to.Alerts || topic.Name == to.Logs) {
			v.conflict([]string{key + ".name", "kafka.forward_topics", "forward"}, "%q is one of kafka.forward_topics, which are consumed by themselves", clip(topic.Name))
		}
	}
}

func namesOf(formats ingest.Formats) string {
	names := make([]string, len(formats))
	for i := range formats {
		names[i] = formats[i].Name
	}
	return strings.Join(names, ", ")
}

// validateRetention keeps facts at least until the incidents that need them
// are sealed.
func (c *Config) validateRetention(v *validation) {
	if c.SealAfter < c.QuietPeriod {
		v.conflict([]string{"seal_after", "quiet_period"}, "%s is shorter than quiet_period (%s)", ingest.FormatDuration(c.SealAfter), ingest.FormatDuration(c.QuietPeriod))
	}
	for _, r := range []struct {
		key  string
		kept time.Duration
	}{{"retention.lines", c.Retention.Lines}, {"retention.counts", c.Retention.Counts}, {"retention.events", c.Retention.Events}} {
		if r.kept != 0 && r.kept <= c.SealAfter {
			v.conflict([]string{r.key, "seal_after"}, "%s is not longer than seal_after (%s): incidents would lose their evidence before they are sealed",
				ingest.FormatDuration(r.kept), ingest.FormatDuration(c.SealAfter))
		}
	}
}
