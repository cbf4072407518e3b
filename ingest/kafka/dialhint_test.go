package kafka

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// TestHints connects to each listener of a real broker with all that may be
// configured otherwise than it wants, and looks for what is said of it.
func TestHints(t *testing.T) {
	broker := kafkatest.Start(t, kafkatest.Options{Secure: true})
	secure := broker.Secure()
	trusting := TLS{Enabled: true, CAFile: secure.CAFile}
	scram := SASL{Mechanism: MechanismScramSHA256, Username: secure.Username, PasswordFile: secretFile(t, secure.Password)}
	const works = "a topic does not exist"
	for _, c := range []struct {
		listener, address string
		// want is by what the client has: nothing, TLS, SASL, both.
		want [4]string
	}{
		{"plain", broker.Addr(), [4]string{works, hintNoTLS, hintNoSASL, hintNoTLS}},
		{"TLS", secure.TLS, [4]string{errSpeaksTLS.Error(), works, errSpeaksTLS.Error(), hintNoSASL}},
		{"mutual", secure.Mutual, [4]string{errSpeaksTLS.Error(), hintClient, errSpeaksTLS.Error(), hintClient}},
		{"SASL", secure.SASL, [4]string{hintSASL, hintNoTLS, works, hintNoTLS}},
		{"SASL over TLS", secure.SASLTLS, [4]string{errSpeaksTLS.Error(), hintSASL, errSpeaksTLS.Error(), works}},
	} {
		for i, client := range []struct {
			name string
			tls  TLS
			sasl SASL
		}{{"nothing", TLS{}, SASL{}}, {"TLS", trusting, SASL{}}, {"SASL", TLS{}, scram}, {"both", trusting, scram}} {
			t.Run(client.name+" to "+c.listener, func(t *testing.T) {
				r := newRig(t, &broker.Admin, Topic{Name: kafkatest.Name(t), Format: "deploys"})
				r.options.Config.Brokers, r.options.Config.TLS, r.options.Config.SASL = []string{c.address}, client.tls, client.sasl
				stop := r.start(t)
				eventually(t, c.want[i], func() bool { return strings.Contains(r.log.String(), c.want[i]) })
				stop()
				if c.want[i] == works && strings.Contains(r.log.String(), "the listener") {
					t.Errorf("something is wrong with the listener, and it works:\n%s", r.log)
				}
			})
		}
	}
}

// What is no broker, or ends without a word, has a hint too.
func TestHintsWithoutBroker(t *testing.T) {
	listen := func(t *testing.T, answer string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Read(make([]byte, 1<<10))
				_, _ = io.WriteString(conn, answer)
				_ = conn.Close()
			}
		}()
		return l.Addr().String()
	}
	for name, c := range map[string]struct {
		answer string
		tls    bool
		want   string
	}{
		"silent":          {"", false, hintTLS},
		"silent with TLS": {"", true, hintNoTLS},
		"HTTP with TLS":   {"HTTP/1.1 400 Bad Request\r\n\r\n", true, hintPlain},
		"an alert":        {"\x15\x03\x03\x00\x02\x02\x50", false, errSpeaksTLS.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			config := DefaultConfig()
			config.Brokers, config.TLS.Enabled = []string{listen(t, c.answer)}, c.tls
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			topic, err := OpenDeadLetters(ctx, config)
			if err == nil {
				topic.Close()
			}
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

// Once the listener has answered, a connection that it closes says nothing about
// what it wants.
func TestHintOnlyWhatIsNew(t *testing.T) {
	config := Config{SASL: SASL{Mechanism: MechanismPlain}}
	for name, c := range map[string]struct {
		err    error
		sasl   SASL
		worked bool
		want   string
	}{
		"closed":       {err: io.ErrUnexpectedEOF, want: hintSASL},
		"closed later": {err: io.ErrUnexpectedEOF, worked: true},
		"with SASL":    {err: io.ErrUnexpectedEOF, sasl: config.SASL},
		"refused":      {err: errors.New("connection refused")},
		"a mechanism":  {err: kafkago.UnsupportedSASLMechanism, sasl: config.SASL, want: "the listener does not take kafka.sasl.mechanism plain"},
	} {
		transport := &hintingTransport{config: &Config{SASL: c.sasl}}
		transport.worked.Store(c.worked)
		if got := transport.hint(c.err); got != c.want {
			t.Errorf("%s: said %q, want %q", name, got, c.want)
		}
	}
}
