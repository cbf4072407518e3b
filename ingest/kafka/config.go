package kafka

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Config is how hindcast reads from Kafka and forwards to it. Passwords and tokens
// do not stand here but in files that are named here, relative to the
// configuration file. What is left out has its default.
type Config struct {
	// Brokers are addresses, HOST:PORT, of brokers that are asked for all others of
	// the cluster: one will do, and several are safer. Empty: Kafka is not used.
	Brokers []string `yaml:"brokers"`
	// ClientID is how hindcast names itself to the brokers: in their logs and
	// quotas.
	ClientID string `yaml:"client_id"`
	// TLS is how connections to the brokers are encrypted.
	TLS TLS `yaml:"tls"`
	// SASL is how hindcast proves to the brokers who it is.
	SASL SASL `yaml:"sasl"`
	// Group is the consumer group. All processes of one hindcast have the same, and
	// share the partitions by it; two hindcasts have two. A new name reads again
	// all that the topics still hold.
	Group string `yaml:"group"`
	// Topics are what is consumed, beside forward_topics, which do not belong here.
	// None is created: a topic that does not exist is waited for.
	Topics []Topic `yaml:"topics"`
	// DeadLetters is the topic for records that could not be decoded. It must
	// exist, or the brokers must create topics by themselves; while it cannot be
	// written, a partition with such a record waits.
	DeadLetters string `yaml:"dead_letters"`
	// ForwardTopics are where receivers put facts with forward: kafka, and from
	// where these are consumed then. Without it they are not used.
	ForwardTopics ForwardTopics `yaml:"forward_topics"`
	// Memory bounds what was fetched and is not appended yet, over all partitions
	// of a process: as it was sent, decompressed, and as records. Half of it is
	// shared out to the partitions; who needs more waits for the rest. So that a
	// batch which is larger than what is left is read all the same, one partition
	// at a time may exceed memory: by twice max_decompressed, batch_bytes and 9 MiB
	// at most, together. What records are decoded to is not counted: about as much
	// again as is being appended, batch_bytes a partition.
	Memory int64 `yaml:"memory"`
	// FetchBytes is how much is fetched of a partition at once, as it is sent:
	// compressed. A single larger record still comes.
	FetchBytes int64 `yaml:"fetch_bytes"`
	// FetchWait is how long a broker waits for records when there are none. It
	// does not delay those that are there.
	FetchWait time.Duration `yaml:"fetch_wait"`
	// BatchBytes and BatchRecords bound what is appended at once of a partition,
	// decompressed. A single larger record is appended alone.
	BatchBytes   int64 `yaml:"batch_bytes"`
	BatchRecords int   `yaml:"batch_records"`
	// MaxDecompressed is the greatest size of one batch of records, as a producer
	// sent it, before decompression and after it. A larger one stops its partition
	// until this is raised, or the batch is passed over by hand.
	MaxDecompressed int64 `yaml:"max_decompressed"`
	// AppendTimeout is how long one attempt to append to the store may take; it is
	// tried again then, with up to four times as much time. It need not be shorter
	// than the time-outs of the group: when a partition goes to another process, the
	// attempt is cancelled.
	AppendTimeout time.Duration `yaml:"append_timeout"`
	// SessionTimeout is how long after its last sign of life a process is taken for
	// dead, and its partitions go to others. A broker takes no less than its
	// group.min.session.timeout.ms, 6 s by default.
	SessionTimeout time.Duration `yaml:"session_timeout"`
	// HeartbeatInterval is how often a process gives a sign of life: at most a third
	// of SessionTimeout and a quarter of RebalanceTimeout.
	HeartbeatInterval time.Duration `yaml:"heartbeat_interval"`
	// RebalanceTimeout is how long the group waits, when partitions are assigned
	// anew, for its members to end what they are at and to join again. What a process
	// is at gets three quarters of it, or of SessionTimeout where that is shorter.
	RebalanceTimeout time.Duration `yaml:"rebalance_timeout"`
	// JoinBackoff is how long a process waits after it failed to join the group.
	JoinBackoff time.Duration `yaml:"join_backoff"`
	// RequestTimeout is how long a broker may take to answer, and the server at
	// sasl.token_url. The time that a fetch waits for records is added.
	RequestTimeout time.Duration `yaml:"request_timeout"`
	// MetadataInterval is how often hindcast looks whether topics came, went,
	// were made anew or have more partitions.
	MetadataInterval time.Duration `yaml:"metadata_interval"`
}

// Topic is one topic that is consumed, with what its records are.
type Topic struct {
	// Name is the topic's name.
	Name string `yaml:"name"`
	// Format is what its records are, by the name of a format, as
	// alertmanager-events-protobuf, deploys or json-lines; docs/kafka.md has all.
	Format string `yaml:"format"`
	// Labels are those of facts and log lines that do not say otherwise themselves,
	// as environment: prod; service is one like the others.
	Labels map[string]string `yaml:"labels"`
	// Start is where to begin in a partition of which the group never committed
	// anything: earliest, at its beginning, also when this is empty; or latest, at
	// what comes from now on.
	Start string `yaml:"start"`
}

// ForwardTopics are the topics that receivers forward to, by lane.
type ForwardTopics struct {
	// Alerts carries everything but log lines.
	Alerts string `yaml:"alerts"`
	// Logs carries log lines. Its max.message.bytes must be 300000 or more.
	Logs string `yaml:"logs"`
	// Outage is how long consumers must be able to be down without a loss. It sets
	// nothing: receivers warn at the start when the topics keep records for less.
	Outage time.Duration `yaml:"outage"`
}

// TLS is how connections are encrypted. The certificate and its key are read again
// for each connection, so that renewed ones count; the authorities are read at the
// start.
type TLS struct {
	// Enabled says that the brokers' listener speaks TLS.
	Enabled bool `yaml:"enabled"`
	// CAFile is a file in PEM with the authorities that may sign the brokers'
	// certificates. Empty: those that the system knows.
	CAFile string `yaml:"ca_file"`
	// CertFile and KeyFile are files in PEM with the certificate and the key by which
	// the brokers know hindcast; either both or none.
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// ServerName is the name to expect in the brokers' certificates. Empty: the
	// host of the address.
	ServerName string `yaml:"server_name"`
	// InsecureSkipVerify takes any certificate: anybody in between can read and
	// change everything.
	InsecureSkipVerify bool `yaml:"insecure_skip_verify"`
}

// SASL is how hindcast proves who it is. Files are read again for new
// connections when they change; the first line counts.
type SASL struct {
	// Mechanism is one of plain, scram-sha-256, scram-sha-512 and oauthbearer. Empty:
	// hindcast does not say who it is. plain and oauthbearer send the password or the
	// token itself, and need TLS.
	Mechanism string `yaml:"mechanism"`
	// Username is the user's name, for plain and scram.
	Username string `yaml:"username"`
	// PasswordFile is a file with the user's password, for plain and scram.
	PasswordFile string `yaml:"password_file"`
	// TokenFile is a file with the token for oauthbearer, which something else
	// renews. Either this or TokenURL.
	TokenFile string `yaml:"token_file"`
	// TokenURL is where a token for oauthbearer is asked for, with OAuth 2 client
	// credentials: https://HOST/PATH, or http for this machine only, without a user.
	TokenURL string `yaml:"token_url"`
	// ClientID is the ID of the client at TokenURL.
	ClientID string `yaml:"client_id"`
	// ClientSecretFile is a file with the secret of that client.
	ClientSecretFile string `yaml:"client_secret_file"`
	// Scopes are what the token is asked for at TokenURL.
	Scopes []string `yaml:"scopes"`
	// Extensions are names and values that go to the brokers with the token, as some
	// services want them (RFC 7628).
	Extensions map[string]string `yaml:"extensions"`
}

// The mechanisms of [SASL].
const (
	MechanismPlain       = "plain"
	MechanismScramSHA256 = "scram-sha-256"
	MechanismScramSHA512 = "scram-sha-512"
	MechanismOAuthBearer = "oauthbearer"
)

// Where reading begins when nothing is committed.
const (
	StartEarliest = "earliest"
	StartLatest   = "latest"
)

// DefaultConfig is what holds for keys that are left out; a Config begins with it.
// Its time-outs were measured to survive kills: with the longer ones that are
// usual, a group whose members die often commits nothing.
func DefaultConfig() Config {
	return Config{
		ClientID:          "hindcast",
		Group:             "hindcast",
		DeadLetters:       "hindcast-dead-letters",
		ForwardTopics:     ForwardTopics{Alerts: "hindcast-alerts", Logs: "hindcast-logs", Outage: 24 * time.Hour},
		Memory:            128 << 20,
		FetchBytes:        1 << 20,
		FetchWait:         500 * time.Millisecond,
		BatchBytes:        8 << 20,
		BatchRecords:      10_000,
		MaxDecompressed:   64 << 20,
		AppendTimeout:     20 * time.Second,
		SessionTimeout:    6 * time.Second,
		HeartbeatInterval: time.Second,
		RebalanceTimeout:  6 * time.Second,
		JoinBackoff:       time.Second,
		RequestTimeout:    5 * time.Second,
		MetadataInterval:  2 * time.Second,
	}
}

// SetDirectory takes relative paths as relative to the folder of the
// configuration file.
func (c *Config) SetDirectory(dir string) {
	for _, file := range c.files() {
		if *file.path != "" && !filepath.IsAbs(*file.path) {
			*file.path = filepath.Join(dir, *file.path)
		}
	}
}

// files are the keys that name files.
func (c *Config) files() []configFile {
	return []configFile{
		{"tls.ca_file", &c.TLS.CAFile}, {"tls.cert_file", &c.TLS.CertFile}, {"tls.key_file", &c.TLS.KeyFile},
		{"sasl.password_file", &c.SASL.PasswordFile}, {"sasl.token_file", &c.SASL.TokenFile}, {"sasl.client_secret_file", &c.SASL.ClientSecretFile},
	}
}

type configFile struct {
	key  string
	path *string
}

// Validate says all that is wrong, joined; each error begins with its key.
// Files are not read: New does.
func (c *Config) Validate() error {
	var v problems
	if len(c.Topics) > 0 && len(c.Brokers) == 0 {
		v.add("brokers", "must not be empty: there are topics")
	}
	for i, broker := range c.Brokers {
		if host, port, err := net.SplitHostPort(broker); err != nil || host == "" || port == "" || strings.ContainsAny(broker, ", /@") {
			v.add(fmt.Sprintf("brokers[%d]", i), "%q is not HOST:PORT", broker)
		}
	}
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
			v.add(key+".name", "%q is where dead letters are put", topic.Name)
		}
		if slices.ContainsFunc(c.Topics[:i], func(t Topic) bool { return t.Name == topic.Name }) {
			v.add(key+".name", "%q stands here twice", topic.Name)
		}
	}
	if c.ForwardTopics.Alerts == c.ForwardTopics.Logs {
		v.add("forward_topics.logs", "must be another topic than that of alerts")
	}
	for key, name := range map[string]string{"forward_topics.alerts": c.ForwardTopics.Alerts, "forward_topics.logs": c.ForwardTopics.Logs} {
		if name == c.DeadLetters && name != "" {
			v.add(key, "%q is where dead letters are put: what cannot be read would come again for ever", name)
		}
	}
	if c.ForwardTopics.Outage <= 0 {
		v.add("forward_topics.outage", "must be greater than zero, not %s", c.ForwardTopics.Outage)
	}
}

// maxTimeout bounds time-outs: the protocol has them as milliseconds in 32
// bits, and hours are no time-out.
const maxTimeout = time.Hour

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
			v.add(d.key, "must be from 1ms to 1h, not %s", d.value)
		}
	}
	if c.HeartbeatInterval*3 > c.SessionTimeout {
		v.add("heartbeat_interval", "%s is longer than a third of session_timeout (%s): a process would be taken for dead when one sign of life is late", c.HeartbeatInterval, c.SessionTimeout)
	}
	// A member hears of a rebalance with the answer to a heartbeat, ends its work
	// in stopTimeout, and joins again: all in the time that the group waits.
	if c.HeartbeatInterval*4 > c.RebalanceTimeout {
		v.add("heartbeat_interval", "%s is longer than a quarter of rebalance_timeout (%s): a process would hear too late that partitions are assigned anew, and the group would not wait for it", c.HeartbeatInterval, c.RebalanceTimeout)
	}
	for _, n := range []struct {
		key              string
		value, min, most int64
	}{
		{"fetch_bytes", c.FetchBytes, 1 << 10, 256 << 20}, {"batch_bytes", c.BatchBytes, 1 << 10, 256 << 20},
		{"batch_records", int64(c.BatchRecords), 1, 1_000_000}, {"max_decompressed", c.MaxDecompressed, 1 << 20, 1 << 30},
		{"memory", c.Memory, 1 << 20, 1 << 40},
	} {
		if n.value < n.min || n.value > n.most {
			v.add(n.key, "must be from %d to %d, not %d", n.min, n.most, n.value)
		}
	}
	if c.Memory < 4*c.FetchBytes {
		v.add("memory", "must be at least four times fetch_bytes (%d), not %d", 4*c.FetchBytes, c.Memory)
	}
}

func (t *TLS) validate(v *problems) {
	if (t.CertFile == "") != (t.KeyFile == "") {
		v.add("tls.key_file", "and cert_file are given both, or neither")
	}
	if !t.Enabled && *t != (TLS{}) {
		v.add("tls.enabled", "must be true where other keys of tls are given")
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
			v.add("sasl."+key, "must be given for the mechanism %s", s.Mechanism)
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

// problems collects errors that begin with a key.
type problems []error

func (p *problems) add(key, format string, args ...any) {
	*p = append(*p, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
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
