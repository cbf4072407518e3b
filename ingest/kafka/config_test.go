package kafka

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/ingest/event"
)

func TestDefaultConfigIsValid(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		// want are the keys that are told; none: it is valid.
		want []string
	}{
		"a topic":               {func(*Config) {}, nil},
		"no brokers":            {func(c *Config) { c.Brokers = nil }, []string{"brokers"}},
		"a broker without port": {func(c *Config) { c.Brokers = append(c.Brokers, "kafka-2") }, []string{"brokers[1]"}},
		"a broker as URL":       {func(c *Config) { c.Brokers[0] = "kafka://k:9092" }, []string{"brokers[0]"}},
		"a broker's port":       {func(c *Config) { c.Brokers = []string{"k:0", "k:65535", "k:65536", "k:abc", "k:-1", "k:99999"} }, []string{"brokers[0]", "brokers[2]", "brokers[3]", "brokers[4]", "brokers[5]"}},
		"a broker twice":        {func(c *Config) { c.Brokers = []string{"k-1:9092", "[::1]:9092", "K-1:9092"} }, []string{"brokers[2]"}},
		"no group":              {func(c *Config) { c.Group = "" }, []string{"group"}},
		"a topic's name":        {func(c *Config) { c.Topics[0].Name = "a b" }, []string{"topics[0].name"}},
		"no format":             {func(c *Config) { c.Topics[0].Format = "" }, []string{"topics[0].format"}},
		"start":                 {func(c *Config) { c.Topics[0].Start = "now" }, []string{"topics[0].start"}},
		"twice":                 {func(c *Config) { c.Topics = append(c.Topics, c.Topics[0]) }, []string{"topics[1].name"}},
		"dead letters":          {func(c *Config) { c.Topics[0].Name = c.DeadLetters }, []string{"topics[0].name"}},
		"one topic for both":    {func(c *Config) { c.ForwardTopics.Logs = c.ForwardTopics.Alerts }, []string{"forward_topics.logs"}},
		"memory":                {func(c *Config) { c.Memory = 2 << 20 }, []string{"memory"}},
		"little memory":         {func(c *Config) { c.Memory = 1 << 10 }, []string{"memory"}},
		"much to fetch":         {func(c *Config) { c.FetchBytes = 1 << 40 }, []string{"fetch_bytes"}},
		"no heartbeats":         {func(c *Config) { c.HeartbeatInterval = 2 * time.Hour }, []string{"heartbeat_interval"}},
		"dead letters for all":  {func(c *Config) { c.ForwardTopics.Alerts, c.ForwardTopics.Logs = c.DeadLetters, c.DeadLetters }, []string{"forward_topics.logs", "forward_topics.alerts", "forward_topics.logs"}},
		"heartbeats":            {func(c *Config) { c.HeartbeatInterval = 5 * time.Second }, []string{"heartbeat_interval", "heartbeat_interval"}},
		"a slow heartbeat":      {func(c *Config) { c.HeartbeatInterval, c.SessionTimeout = 2*time.Second, 45*time.Second }, []string{"heartbeat_interval"}},
		"zero":                  {func(c *Config) { c.FetchWait, c.BatchRecords = 0, 0 }, []string{"fetch_wait", "batch_records"}},
		"TLS":                   {func(c *Config) { c.TLS = TLS{CAFile: "x"} }, []string{"tls.enabled"}},
		"half a certificate":    {func(c *Config) { c.TLS = TLS{Enabled: true, CertFile: "x"} }, []string{"tls.key_file"}},
		"mechanism":             {func(c *Config) { c.SASL.Mechanism = "gssapi" }, []string{"sasl.mechanism"}},
		"plain":                 {func(c *Config) { c.SASL = SASL{Mechanism: MechanismPlain, Username: "u", PasswordFile: "f"} }, nil},
		"plain without":         {func(c *Config) { c.SASL = SASL{Mechanism: MechanismPlain} }, []string{"sasl.username", "sasl.password_file"}},
		"a name without":        {func(c *Config) { c.SASL.Username = "u" }, []string{"sasl.username"}},
		"a token":               {func(c *Config) { c.SASL = SASL{Mechanism: MechanismOAuthBearer, TokenFile: "f"} }, nil},
		"no token":              {func(c *Config) { c.SASL = SASL{Mechanism: MechanismOAuthBearer} }, []string{"sasl.token_file"}},
		"a token's URL": {func(c *Config) {
			c.SASL = SASL{Mechanism: MechanismOAuthBearer, TokenURL: "https://idp/token", ClientID: "c", ClientSecretFile: "f", Scopes: []string{"kafka"}, Extensions: map[string]string{"logicalCluster": "lkc-1"}}
		}, nil},
		"a secret in a URL": {func(c *Config) {
			c.SASL = SASL{Mechanism: MechanismOAuthBearer, TokenURL: "https://u:s3cret@idp/token", ClientID: "c", ClientSecretFile: "f"}
		}, []string{"sasl.token_url"}},
		"a token over HTTP": {func(c *Config) {
			c.SASL = SASL{Mechanism: MechanismOAuthBearer, TokenURL: "http://idp/token?x=s3cret", ClientID: "c", ClientSecretFile: "f"}
		}, []string{"sasl.token_url"}},
		"a token from this machine": {func(c *Config) {
			c.SASL = SASL{Mechanism: MechanismOAuthBearer, TokenURL: "http://[::1]:8080/token", ClientID: "c", ClientSecretFile: "f"}
		}, nil},
		"both tokens": {func(c *Config) {
			c.SASL = SASL{Mechanism: MechanismOAuthBearer, TokenURL: "https://idp/token", TokenFile: "f", ClientID: "c", ClientSecretFile: "f"}
		}, []string{"sasl.token_file"}},
		"an extension": {func(c *Config) {
			c.SASL = SASL{Mechanism: MechanismOAuthBearer, TokenFile: "f", Extensions: map[string]string{"auth": "x"}}
		}, []string{"sasl.extensions"}},
	} {
		t.Run(name, func(t *testing.T) {
			config := DefaultConfig()
			config.Brokers = []string{"kafka-1:9092"}
			config.Topics = []Topic{{Name: "alerts", Format: "alertmanager-events-protobuf", Labels: event.Labels{"environment": "prod"}}}
			c.change(&config)
			var got []string
			if err := config.Validate(); err != nil {
				for _, line := range strings.Split(err.Error(), "\n") {
					key, _, _ := strings.Cut(line, ":")
					got = append(got, key)
				}
				if strings.Contains(err.Error(), "s3cret") {
					t.Errorf("the error tells the secret: %v", err)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("told of %q, want %q", got, c.want)
			}
		})
	}
}

// Sizes and durations are told as they are written.
func TestValidateTellsUnits(t *testing.T) {
	c := DefaultConfig()
	c.Memory, c.AppendTimeout, c.MaxDecompressed = 1<<10, 90*time.Minute, 1<<41
	c.ForwardTopics.Outage, c.HeartbeatInterval = 0, 3*time.Second
	want := []string{
		"forward_topics.outage: must be greater than zero, not 0s",
		"append_timeout: must be from 1ms to 1h, not 1h30m",
		"heartbeat_interval: 3s is longer than a third of session_timeout (6s)",
		"heartbeat_interval: 3s is longer than a quarter of rebalance_timeout (6s)",
		"max_decompressed: must be from 1MiB to 1GiB, not 2TiB",
		"memory: must be from 1MiB to 1TiB, not 1KiB",
	}
	got := strings.Split(c.Validate().Error(), "\n")
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	c = DefaultConfig()
	c.Memory = 3 << 20
	if err := c.Validate(); err == nil || err.Error() != "memory: must be at least four times fetch_bytes (4MiB), not 3MiB" {
		t.Errorf("too little memory: got error %v", err)
	}
}

// What does not go together tells all keys that are involved.
func TestValidateTellsKeys(t *testing.T) {
	c := DefaultConfig()
	c.SessionTimeout = 2 * time.Second
	joined, ok := c.Validate().(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 1 {
		t.Fatalf("got error %v, want one", c.Validate())
	}
	about, ok := joined.Unwrap()[0].(interface{ Keys() []string })
	if want := []string{"heartbeat_interval", "session_timeout"}; !ok || !slices.Equal(about.Keys(), want) {
		t.Errorf("the error %v does not tell the keys %q", joined.Unwrap()[0], want)
	}
}

// All files are looked at, and nothing of what they hold is told.
func TestCheckFiles(t *testing.T) {
	folder := t.TempDir()
	absent, noise, empty := filepath.Join(folder, "absent"), secretFile(t, "n0ise"), secretFile(t, "")
	for name, c := range map[string]struct {
		tls  TLS
		sasl SASL
		// want are the beginnings of the errors.
		want []string
	}{
		"none":           {},
		"off":            {tls: TLS{CAFile: absent}, sasl: SASL{PasswordFile: absent}},
		"all of TLS":     {tls: TLS{Enabled: true, CAFile: absent, CertFile: absent, KeyFile: absent}, want: []string{"tls.ca_file: cannot be used: stat " + absent, "tls.cert_file: ", "tls.key_file: "}},
		"no certificate": {tls: TLS{Enabled: true, CAFile: noise, CertFile: noise, KeyFile: noise}, want: []string{"tls.ca_file: cannot be used: " + noise + " holds no certificate in PEM", "tls.cert_file: cannot be used with key_file: "}},
		"both":           {tls: TLS{Enabled: true, CAFile: absent}, sasl: SASL{Mechanism: MechanismPlain, PasswordFile: empty}, want: []string{"tls.ca_file: ", "sasl.password_file: cannot be used: " + empty + " begins with an empty line"}},
		"a token":        {sasl: SASL{Mechanism: MechanismOAuthBearer, TokenFile: absent}, want: []string{"sasl.token_file: "}},
		"a secret":       {sasl: SASL{Mechanism: MechanismOAuthBearer, TokenURL: "https://idp", ClientSecretFile: folder}, want: []string{"sasl.client_secret_file: "}},
		"a password":     {sasl: SASL{Mechanism: MechanismScramSHA256, PasswordFile: noise}},
	} {
		config := Config{TLS: c.tls, SASL: c.sasl}
		var got []string
		if err := config.CheckFiles(); err != nil {
			got = strings.Split(err.Error(), "\n")
		}
		if !slices.EqualFunc(got, c.want, strings.HasPrefix) || strings.Contains(strings.Join(got, ""), "n0ise") {
			t.Errorf("%s: told %q, want %q", name, got, c.want)
		}
	}
}

// Whatever is valid, the time-outs fit into one another.
func TestTimeoutsFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := DefaultConfig()
		draw := func(name string) time.Duration {
			return time.Duration(rapid.Int64Range(1, maxTimeout.Milliseconds()).Draw(t, name)) * time.Millisecond
		}
		c.SessionTimeout, c.RebalanceTimeout, c.RequestTimeout, c.AppendTimeout = draw("session"), draw("rebalance"), draw("request"), draw("append")
		c.HeartbeatInterval = max(min(c.SessionTimeout, c.RebalanceTimeout)/time.Duration(rapid.IntRange(1, 12).Draw(t, "part")), time.Millisecond)
		if c.Validate() != nil {
			return
		}
		if c.HeartbeatInterval+c.stopTimeout() > c.RebalanceTimeout {
			t.Errorf("a member hears of a rebalance after %s, ends its work in %s, and the group waits for %s", c.HeartbeatInterval, c.stopTimeout(), c.RebalanceTimeout)
		}
		if c.stopTimeout() >= c.SessionTimeout {
			t.Errorf("a member sends no sign of life for %s, and is lost after %s", c.stopTimeout(), c.SessionTimeout)
		}
		if c.commitTimeout() >= c.stopTimeout() {
			t.Errorf("a commit may take %s, and is waited for for %s", c.commitTimeout(), c.stopTimeout())
		}
	})
}

func TestWarnings(t *testing.T) {
	plain, bearer := SASL{Mechanism: MechanismPlain}, SASL{Mechanism: MechanismOAuthBearer}
	for name, c := range map[string]struct {
		brokers string
		tls     TLS
		sasl    SASL
		// want are parts of the warnings.
		want []string
	}{
		"no SASL":          {"kafka-1:9092", TLS{}, SASL{}, nil},
		"plain":            {"kafka-1:9092", TLS{}, plain, []string{"tls.enabled: plain sends the password to kafka-1:9092 without TLS"}},
		"plain over TLS":   {"kafka-1:9092", TLS{Enabled: true}, plain, nil},
		"scram":            {"kafka-1:9092", TLS{}, SASL{Mechanism: MechanismScramSHA256}, nil},
		"a token":          {"10.0.0.1:9092", TLS{}, bearer, []string{"sends the token to 10.0.0.1:9092"}},
		"this machine":     {"localhost:9092 127.0.0.1:9092 [::1]:9092 kafka.localhost:1 [::ffff:127.0.0.1]:9092 127.8.8.8:1", TLS{}, plain, nil},
		"among others":     {"localhost:9092 localhost.example:9092", TLS{}, plain, []string{"to localhost.example:9092"}},
		"any certificate":  {"kafka-1:9092", TLS{Enabled: true, InsecureSkipVerify: true}, bearer, []string{"tls.insecure_skip_verify: oauthbearer sends the token"}},
		"no secret is out": {"kafka-1:9092", TLS{Enabled: true, InsecureSkipVerify: true}, SASL{Mechanism: MechanismScramSHA512}, nil},
	} {
		config := DefaultConfig()
		config.Brokers, config.TLS, config.SASL = strings.Fields(c.brokers), c.tls, c.sasl
		got := config.Warnings()
		if len(got) != len(c.want) {
			t.Errorf("%s: warned of %q, want %q", name, got, c.want)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(got[i], want) {
				t.Errorf("%s: warned of %q, want %q", name, got[i], want)
			}
		}
	}
}

func TestSetDirectory(t *testing.T) {
	absolute, err := filepath.Abs("key.pem")
	if err != nil {
		t.Fatal(err)
	}
	c := Config{TLS: TLS{CAFile: "ca.pem", KeyFile: absolute}, SASL: SASL{PasswordFile: "secrets/password"}}
	c.SetDirectory("/etc/hindcast")
	want := Config{TLS: TLS{CAFile: "/etc/hindcast/ca.pem", KeyFile: absolute}, SASL: SASL{PasswordFile: "/etc/hindcast/secrets/password"}}
	if c.TLS != want.TLS || c.SASL.PasswordFile != want.SASL.PasswordFile || c.SASL.TokenFile != "" {
		t.Errorf("got %+v, want %+v", c, want)
	}
}
