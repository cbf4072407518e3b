package kafka

import "time"

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
