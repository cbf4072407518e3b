package kafka

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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
		"no group":              {func(c *Config) { c.Group = "" }, []string{"group"}},
		"a topic's name":        {func(c *Config) { c.Topics[0].Name = "a b" }, []string{"topics[0].name"}},
		"no format":             {func(c *Config) { c.Topics[0].Format = "" }, []string{"topics[0].format"}},
		"start":                 {func(c *Config) { c.Topics[0].Start = "now" }, []string{"topics[0].start"}},
		"twice":                 {func(c *Config) { c.Topics = append(c.Topics, c.Topics[0]) }, []string{"topics[1].name"}},
		"dead letters":          {func(c *Config) { c.Topics[0].Name = c.DeadLetters }, []string{"topics[0].name"}},
		"one topic for both":    {func(c *Config) { c.ForwardTopics.Logs = c.ForwardTopics.Alerts }, []string{"forward_topics.logs"}},
		"memory":                {func(c *Config) { c.Memory = 2 << 20 }, []string{"memory"}},
		"heartbeats":            {func(c *Config) { c.HeartbeatInterval = 5 * time.Second }, []string{"heartbeat_interval"}},
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
