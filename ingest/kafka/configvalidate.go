package kafka

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest"
)

// Validate says all that is wrong, joined. Each error begins with its key, and has a
// method Keys() []string, which tells that key and the others that it does not go
// with. Files are not read: [Config.CheckFiles] does.
func (c *Config) Validate() error {
	var v problems
	if len(c.Topics) > 0 && len(c.Brokers) == 0 {
		v.conflict([]string{"brokers", "topics"}, "must not be empty: there are topics")
	}
	c.validateBrokers(&v)
	if c.Group == "" {
		v.add("group", "must not be empty")
	}
	v.topic("dead_letters", c.DeadLetters)
	v.topic("forward_topics.alerts", c.ForwardTopics.Alerts)
	v.topic("forward_topics.logs", c.ForwardTopics.Logs)
	c.validateTopics(&v)
	c.validateBounds(&v)
	c.TLS.validate(&v)
	c.SASL.validate(&v)
	return errors.Join(v...)
}

func (c *Config) validateBrokers(v *problems) {
	for i, broker := range c.Brokers {
		key := fmt.Sprintf("brokers[%d]", i)
		host, port, err := net.SplitHostPort(broker)
		if err != nil || host == "" || port == "" || strings.ContainsAny(broker, ", /@") {
			v.add(key, "%q is not HOST:PORT", broker)
			continue
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			v.add(key, "%q is not HOST:PORT: a port is a number from 1 to 65535", broker)
			continue
		}
		if slices.ContainsFunc(c.Brokers[:i], func(other string) bool { return strings.EqualFold(other, broker) }) {
			v.add(key, "%q stands here twice", broker)
		}
	}
}

func (c *Config) validateTopics(v *problems) {
	for i, topic := range c.Topics {
		key := fmt.Sprintf("topics[%d]", i)
		v.topic(key+".name", topic.Name)
		if topic.Format == "" {
			v.add(key+".format", "must not be empty")
		}
		if !slices.Contains([]string{"", StartEarliest, StartLatest}, topic.Start) {
			v.add(key+".start", "%q is none of %s, %s", topic.Start, StartEarliest, StartLatest)
		}
		if topic.Name == c.DeadLetters && topic.Name != "" {
			v.conflict([]string{key + ".name", "dead_letters"}, "%q is where dead letters are put", topic.Name)
		}
		if slices.ContainsFunc(c.Topics[:i], func(t Topic) bool { return t.Name == topic.Name }) {
			v.add(key+".name", "%q stands here twice", topic.Name)
		}
	}
	if c.ForwardTopics.Alerts == c.ForwardTopics.Logs && c.ForwardTopics.Logs != "" {
		v.conflict([]string{"forward_topics.logs", "forward_topics.alerts"}, "must be another topic than that of alerts")
	}
	for _, to := range []struct{ key, name string }{{"forward_topics.alerts", c.ForwardTopics.Alerts}, {"forward_topics.logs", c.ForwardTopics.Logs}} {
		if to.name == c.DeadLetters && to.name != "" {
			v.conflict([]string{to.key, "dead_letters"}, "%q is where dead letters are put: what cannot be read would come again for ever", to.name)
		}
	}
	if c.ForwardTopics.Outage <= 0 {
		v.add("forward_topics.outage", "must be greater than zero, not %s", ingest.FormatDuration(c.ForwardTopics.Outage))
	}
}

// maxTimeout bounds time-outs: the protocol has them as milliseconds in 32
// bits, and hours are no time-out.
const maxTimeout = time.Hour

const maxBatchRecords = 1_000_000

func (c *Config) validateBounds(v *problems) {
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"fetch_wait", c.FetchWait}, {"append_timeout", c.AppendTimeout}, {"session_timeout", c.SessionTimeout},
		{"heartbeat_interval", c.HeartbeatInterval}, {"rebalance_timeout", c.RebalanceTimeout}, {"join_backoff", c.JoinBackoff},
		{"request_timeout", c.RequestTimeout}, {"metadata_interval", c.MetadataInterval},
	} {
		if d.value < time.Millisecond || d.value > maxTimeout {
			v.add(d.key, "must be from 1ms to %s, not %s", ingest.FormatDuration(maxTimeout), ingest.FormatDuration(d.value))
		}
	}
	c.validateHeartbeats(v)
	if n := c.BatchRecords; n < 1 || n > maxBatchRecords {
		v.add("batch_records", "must be from 1 to %d, not %d", maxBatchRecords, n)
	}
	for _, n := range []struct {
		key              string
		value, min, most int64
	}{
		{"fetch_bytes", c.FetchBytes, 1 << 10, 256 << 20}, {"batch_bytes", c.BatchBytes, 1 << 10, 256 << 20},
		{"max_decompressed", c.MaxDecompressed, 1 << 20, 1 << 30}, {"memory", c.Memory, 1 << 20, 1 << 40},
	} {
		if n.value < n.min || n.value > n.most {
			v.add(n.key, "must be from %s to %s, not %s", ingest.FormatSize(n.min), ingest.FormatSize(n.most), ingest.FormatSize(n.value))
		}
	}
	if c.Memory < 4*c.FetchBytes && !v.told("memory") && !v.told("fetch_bytes") {
		v.conflict([]string{"memory", "fetch_bytes"}, "must be at least four times fetch_bytes (%s), not %s", ingest.FormatSize(4*c.FetchBytes), ingest.FormatSize(c.Memory))
	}
}

// validateHeartbeats compares time-outs, where each for itself is right.
func (c *Config) validateHeartbeats(v *problems) {
	if v.told("heartbeat_interval") {
		return
	}
	every := ingest.FormatDuration(c.HeartbeatInterval)
	if c.HeartbeatInterval*3 > c.SessionTimeout && !v.told("session_timeout") {
		v.conflict([]string{"heartbeat_interval", "session_timeout"}, "%s is longer than a third of session_timeout (%s): a process would be taken for dead when one sign of life is late", every, ingest.FormatDuration(c.SessionTimeout))
	}
	// A member hears of a rebalance with the answer to a heartbeat, ends its work
	// in stopTimeout, and joins again: all in the time that the group waits.
	if c.HeartbeatInterval*4 > c.RebalanceTimeout && !v.told("rebalance_timeout") {
		v.conflict([]string{"heartbeat_interval", "rebalance_timeout"}, "%s is longer than a quarter of rebalance_timeout (%s): a process would hear too late that partitions are assigned anew, and the group would not wait for it", every, ingest.FormatDuration(c.RebalanceTimeout))
	}
}

func (t *TLS) validate(v *problems) {
	if (t.CertFile == "") != (t.KeyFile == "") {
		v.conflict([]string{"tls.key_file", "tls.cert_file"}, "and cert_file are given both, or neither")
	}
	if !t.Enabled && *t != (TLS{}) {
		v.conflict([]string{"tls.enabled", "tls"}, "must be true where other keys of tls are given")
	}
}

func (s *SASL) validate(v *problems) {
	given := map[string]bool{
		"username": s.Username != "", "password_file": s.PasswordFile != "",
		"token_file": s.TokenFile != "", "token_url": s.TokenURL != "", "client_id": s.ClientID != "",
		"client_secret_file": s.ClientSecretFile != "", "scopes": len(s.Scopes) > 0, "extensions": len(s.Extensions) > 0,
	}
	var needed, taken []string
	switch s.Mechanism {
	case "":
	case MechanismPlain, MechanismScramSHA256, MechanismScramSHA512:
		needed = []string{"username", "password_file"}
	case MechanismOAuthBearer:
		taken = []string{"extensions"}
		if s.TokenURL == "" {
			needed = []string{"token_file"}
			break
		}
		needed, taken = []string{"token_url", "client_id", "client_secret_file"}, append(taken, "scopes")
	default:
		v.add("sasl.mechanism", "%q is none of %s, %s, %s, %s", s.Mechanism, MechanismPlain, MechanismScramSHA256, MechanismScramSHA512, MechanismOAuthBearer)
		return
	}
	for _, key := range []string{"username", "password_file", "token_file", "token_url", "client_id", "client_secret_file", "scopes", "extensions"} {
		switch need := slices.Contains(needed, key); {
		case need && !given[key]:
			v.conflict([]string{"sasl." + key, "sasl.mechanism"}, "must be given for the mechanism %s", s.Mechanism)
		case !need && given[key] && !slices.Contains(taken, key):
			v.add("sasl."+key, "is not used with what else stands in sasl")
		}
	}
	if u, err := url.Parse(s.TokenURL); s.TokenURL != "" {
		switch {
		case err != nil:
			v.add("sasl.token_url", "is not a URL")
		case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
			v.add("sasl.token_url", "want https://HOST/PATH")
		case u.Scheme == "http" && !loopback(u.Hostname()):
			v.add("sasl.token_url", "must begin with https: the client's secret is sent there, and http shows it to everybody in between; http is taken for this machine only (localhost, 127.0.0.1, ::1)")
		case u.User != nil:
			v.add("sasl.token_url", "must not hold a user or a password")
		}
	}
	s.validateExtensions(v)
}

// As RFC 7628 has them; "auth" is the token itself.
var (
	extensionName  = regexp.MustCompile(`^[A-Za-z]+$`)
	extensionValue = regexp.MustCompile(`^[\x20-\x7E\t\r\n]*$`)
)

func (s *SASL) validateExtensions(v *problems) {
	for name, value := range s.Extensions {
		if !extensionName.MatchString(name) || strings.EqualFold(name, "auth") || !extensionValue.MatchString(value) {
			v.add("sasl.extensions", "%q cannot be an extension", name)
		}
	}
}

// problem is an error about a key.
type problem struct {
	// keys are that key, and behind it those that it does not go with.
	keys    []string
	message string
}

func (p *problem) Error() string { return p.keys[0] + ": " + p.message }

// Keys are all keys that the error is about, the one that it begins with first.
func (p *problem) Keys() []string { return p.keys }

// problems collects errors that begin with a key.
type problems []error

func (p *problems) add(key, format string, args ...any) { p.conflict([]string{key}, format, args...) }

func (p *problems) conflict(keys []string, format string, args ...any) {
	*p = append(*p, &problem{keys: keys, message: fmt.Sprintf(format, args...)})
}

// told reports whether something is wrong with a key by itself.
func (p *problems) told(key string) bool {
	return slices.ContainsFunc(*p, func(err error) bool {
		var about *problem
		return errors.As(err, &about) && len(about.keys) == 1 && about.keys[0] == key
	})
}

var topicName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)

func (p *problems) topic(key, name string) {
	switch {
	case name == "":
		p.add(key, "must not be empty")
	case !topicName.MatchString(name), name == ".", name == "..":
		p.add(key, "%q cannot be the name of a topic: up to 249 of a-z, A-Z, 0-9, '.', '_' and '-'", name)
	}
}
