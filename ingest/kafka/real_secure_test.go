package kafka_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/kafka"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// Each way to connect, and what is said when it is refused.
func TestRealSecure(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Start(t, kafkatest.Options{Secure: true})
	s := broker.Secure()
	const wrong = "wr0ng-passw0rd"
	expired := s.Token(-time.Hour)
	password, wrongFile := secret(t, s.Password+"\n"), secret(t, wrong)
	token, expiredFile := secret(t, s.Token(time.Hour)), secret(t, expired)
	trusting := kafka.TLS{Enabled: true, CAFile: s.CAFile}
	mutual := kafka.TLS{Enabled: true, CAFile: s.CAFile, CertFile: s.CertFile, KeyFile: s.KeyFile}
	user := func(mechanism, file string) kafka.SASL {
		return kafka.SASL{Mechanism: mechanism, Username: s.Username, PasswordFile: file}
	}
	oauth := func(file string) kafka.SASL {
		return kafka.SASL{Mechanism: kafka.MechanismOAuthBearer, TokenFile: file}
	}
	for _, test := range []struct {
		name string
		addr string
		tls  kafka.TLS
		sasl kafka.SASL
		// refused is what the log says when it is.
		refused string
	}{
		{name: "tls", addr: s.TLS, tls: trusting},
		{name: "tls mutual", addr: s.Mutual, tls: mutual},
		{name: "tls unknown authority", addr: s.TLS, tls: kafka.TLS{Enabled: true}, refused: "certificate"},
		{name: "tls unverified", addr: s.TLS, tls: kafka.TLS{Enabled: true, InsecureSkipVerify: true}},
		{name: "tls another name", addr: s.TLS, tls: kafka.TLS{Enabled: true, CAFile: s.CAFile, ServerName: "localhost"}},
		{name: "tls wrong name", addr: s.TLS, tls: kafka.TLS{Enabled: true, CAFile: s.CAFile, ServerName: "elsewhere"}, refused: "elsewhere"},
		{name: "plain", addr: s.SASL, sasl: user(kafka.MechanismPlain, password)},
		{name: "plain over tls", addr: s.SASLTLS, tls: trusting, sasl: user(kafka.MechanismPlain, password)},
		{name: "plain wrong", addr: s.SASL, sasl: user(kafka.MechanismPlain, wrongFile), refused: "uthentication"},
		{name: "scram 256", addr: s.SASL, sasl: user(kafka.MechanismScramSHA256, password)},
		{name: "scram 512", addr: s.SASLTLS, tls: trusting, sasl: user(kafka.MechanismScramSHA512, password)},
		{name: "scram wrong", addr: s.SASL, sasl: user(kafka.MechanismScramSHA512, wrongFile), refused: "uthentication"},
		{name: "oauthbearer", addr: s.SASLTLS, tls: trusting, sasl: oauth(token)},
		{name: "oauthbearer expired", addr: s.SASL, sasl: oauth(expiredFile), refused: "refused the token"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			topic, dead := broker.Topic(t, 1, nil), broker.Topic(t, 1, nil)
			c := config(t, test.addr, kafka.Topic{Name: topic, Format: facts})
			c.TLS, c.SASL, c.DeadLetters = test.tls, test.sasl, dead
			store := newMemory()
			want := tokens("fact", 0, 3)
			// The bad one has dead letters written on the same road.
			produce(t, broker.Client(t), topic, 0, append(mapped(want, fact), "bad")...)
			m := consume(t, store, c)
			if test.refused != "" {
				m.waitLog(t, test.refused)
				if kept := store.kept(); len(kept) > 0 {
					t.Errorf("%d facts came through", len(kept))
				}
			} else {
				store.waitFor(t, "over "+test.name, want)
				waitCommitted(t, &broker.Admin, &c, topic, 0, 4)
			}
			m.stop(t)
			for _, kept := range []string{s.Password, wrong, expired, s.Token(time.Hour)[:40]} {
				if strings.Contains(m.logs.all(), kept) {
					t.Error("a secret is in the log")
				}
			}
		})
	}
	t.Run("password changes", func(t *testing.T) { testPasswordChanges(t, broker) })
}

// testPasswordChanges has a password set right in its file: it counts for the
// next connection, and nothing has to be started again.
func testPasswordChanges(t *testing.T, broker *kafkatest.Broker) {
	t.Parallel()
	s := broker.Secure()
	topic := broker.Topic(t, 1, nil)
	c := config(t, s.SASL, kafka.Topic{Name: topic, Format: facts})
	file := secret(t, "not yet")
	c.SASL = kafka.SASL{Mechanism: kafka.MechanismScramSHA256, Username: s.Username, PasswordFile: file}
	store := newMemory()
	want := tokens("fact", 0, 3)
	produce(t, broker.Client(t), topic, 0, mapped(want, fact)...)
	m := consume(t, store, c)
	m.waitLog(t, "uthentication")
	if err := os.WriteFile(file, []byte(s.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	store.waitFor(t, "after the password was set right", want)
}

// secret writes a file that holds a secret.
func secret(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
