package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tokenServer gives tokens for client credentials.
func tokenServer(t *testing.T, secure *kafkatest.Secure) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if id != "hindcast" || secret != "s3cret%2F1" || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "kafka read" {
			w.WriteHeader(http.StatusUnauthorized)
			_ = json.NewEncoder(w).Encode(map[string]any{"error": "invalid_client"})
			return
		}
		asked.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": secure.Token(time.Hour), "token_type": "Bearer", "expires_in": 3600})
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

// TestSecureBroker consumes over each way that a real broker can be secured.
func TestSecureBroker(t *testing.T) {
	broker := kafkatest.Start(t, kafkatest.Options{Secure: true})
	secure := broker.Secure()
	topic := broker.Topic(t, 1, nil)
	client := broker.Client(t)
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte(deploy(0))}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	ca := TLS{Enabled: true, CAFile: secure.CAFile}
	password := secretFile(t, secure.Password)
	tokenURL, asked := tokenServer(t, secure)
	credentials := SASL{Mechanism: MechanismOAuthBearer, TokenURL: tokenURL, ClientID: "hindcast", ClientSecretFile: secretFile(t, "s3cret/1"), Scopes: []string{"kafka", "read"}}
	for name, c := range map[string]struct {
		address string
		tls     TLS
		sasl    SASL
		// refused is what is logged when it does not work.
		refused string
	}{
		"TLS":             {address: secure.TLS, tls: ca},
		"TLS, other name": {address: secure.TLS, tls: TLS{Enabled: true, CAFile: secure.CAFile, ServerName: "kafka.example"}, refused: "kafka.example"},
		"TLS unknown":     {address: secure.TLS, tls: TLS{Enabled: true}, refused: "certificate"},
		"mutual":          {address: secure.Mutual, tls: TLS{Enabled: true, CAFile: secure.CAFile, CertFile: secure.CertFile, KeyFile: secure.KeyFile}},
		"PLAIN":           {address: secure.SASLTLS, tls: ca, sasl: SASL{Mechanism: MechanismPlain, Username: secure.Username, PasswordFile: password}},
		"SCRAM-SHA-256":   {address: secure.SASLTLS, tls: ca, sasl: SASL{Mechanism: MechanismScramSHA256, Username: secure.Username, PasswordFile: password}},
		"SCRAM-SHA-512":   {address: secure.SASL, sasl: SASL{Mechanism: MechanismScramSHA512, Username: secure.Username, PasswordFile: password}},
		"wrong password":  {address: secure.SASL, sasl: SASL{Mechanism: MechanismScramSHA256, Username: secure.Username, PasswordFile: secretFile(t, "wr0ng-s3cret")}, refused: "uthentication"},
		"token":           {address: secure.SASL, sasl: SASL{Mechanism: MechanismOAuthBearer, TokenFile: secretFile(t, secure.Token(time.Hour))}},
		"old token":       {address: secure.SASL, sasl: SASL{Mechanism: MechanismOAuthBearer, TokenFile: secretFile(t, secure.Token(-time.Hour))}, refused: "refused the token: invalid_token"},
		"credentials":     {address: secure.SASLTLS, tls: ca, sasl: credentials},
		"wrong secret": {address: secure.SASL, refused: "invalid_client", sasl: SASL{
			Mechanism: MechanismOAuthBearer, TokenURL: tokenURL, ClientID: "hindcast", ClientSecretFile: secretFile(t, "wr0ng-s3cret"),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, &broker.Admin, Topic{Name: topic, Format: "deploys"})
			r.options.Config.Brokers, r.options.Config.TLS, r.options.Config.SASL = []string{c.address}, c.tls, c.sasl
			r.options.Config.Group = kafkatest.Name(t)
			stop := r.start(t)
			if c.refused == "" {
				r.wantVersions(t, 0, 1)
			} else {
				eventually(t, "a refusal", func() bool { return strings.Contains(r.log.String(), c.refused) })
			}
			stop()
			for _, secret := range []string{secure.Password, "s3cret", "eyJ"} {
				if strings.Contains(r.log.String(), secret) {
					t.Errorf("the log tells a secret: %s", r.log)
				}
			}
		})
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("a token was given %d times, want it to be kept", n)
	}
}

func TestTokenFileIsReadAgain(t *testing.T) {
	path := secretFile(t, "first")
	m, err := (&SASL{Mechanism: MechanismOAuthBearer, TokenFile: path, Extensions: map[string]string{"b": "2", "a": "1"}}).mechanism(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"first", "second"} {
		if err := os.WriteFile(path, []byte(token+"\r\nignored"), 0o600); err != nil {
			t.Fatal(err)
		}
		machine, sent, err := m.Start(context.Background())
		if want := "n,,\x01auth=Bearer " + token + "\x01a=1\x01b=2\x01\x01"; err != nil || string(sent) != want {
			t.Errorf("sent %q, error %v; want %q", sent, err, want)
		}
		if done, _, err := machine.Next(context.Background(), nil); !done || err != nil {
			t.Errorf("taken: done %v, error %v", done, err)
		}
	}
	if err := os.WriteFile(path, []byte("to ken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Start(context.Background()); err == nil || strings.Contains(err.Error(), "to ken") {
		t.Errorf("a token that is none: got error %v", err)
	}
}

// TestTokenErrorsAreDiscreet: what goes wrong with a token tells neither the
// secret nor what may be one in the URL.
func TestTokenErrorsAreDiscreet(t *testing.T) {
	answers := func(status int, location, body string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				t.Error("the secret was sent to where the answer redirects")
			}
			if location != "" {
				w.Header().Set("Location", location)
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}))
		t.Cleanup(server.Close)
		return strings.TrimPrefix(server.URL, "http://")
	}
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	for name, c := range map[string]struct{ host, want string }{
		"refused connection": {"127.0.0.1:1", "connection refused"},
		"no answer":          {strings.TrimPrefix(silent.URL, "http://"), "deadline exceeded"},
		"refused":            {answers(400, "", `{"error":"invalid_scope"}`), `400 Bad Request without a token (error "invalid_scope")`},
		"an echo of a part":  {answers(401, "", `{"error":"your header was aGluZGNhc3Q6czNjcmV0"}`), "401 Unauthorized"},
		"an echo":            {answers(401, "", `{"error":"no client has the secret s3cret"}`), "401 Unauthorized"},
		"no JSON":            {answers(200, "", "s3cret"), "200 OK without a token"},
		"redirected":         {answers(307, "/elsewhere", ""), "307 Temporary Redirect"},
		"badly redirected":   {answers(307, "http://%zz/?s3cret", ""), "307 Temporary Redirect"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, credentials := range []string{"", "someone:s3cret@"} {
				s := SASL{
					Mechanism: MechanismOAuthBearer, ClientID: "hindcast", ClientSecretFile: secretFile(t, "s3cret"),
					TokenURL: "http://" + credentials + c.host + "/token?key=s3cret#s3cret",
				}
				m, err := s.mechanism(500 * time.Millisecond)
				if err != nil {
					t.Fatal(err)
				}
				_, _, err = m.Start(t.Context())
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "token_url") {
					t.Errorf("got error %v, want one of token_url with %s", err, c.want)
				}
				if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "someone") || strings.Contains(err.Error(), "aGlu")) {
					t.Errorf("the error tells a secret: %v", err)
				}
			}
		})
	}
	s := SASL{Mechanism: MechanismOAuthBearer, ClientSecretFile: secretFile(t, "x"), TokenURL: "https://idp:s3cret/token"}
	m, err := s.mechanism(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Start(t.Context()); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("what is not a URL: got error %v", err)
	}
}

// While token_url hangs, a connection that waits for another one's answer waits no
// longer than it may.
func TestWaitingForATokenCanBeGivenUp(t *testing.T) {
	asked, given := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-given
		_, _ = io.WriteString(w, `{"access_token": "t0ken", "expires_in": 3600}`)
	}))
	t.Cleanup(server.Close)
	s := SASL{Mechanism: MechanismOAuthBearer, ClientID: "hindcast", ClientSecretFile: secretFile(t, "s3cret"), TokenURL: server.URL}
	m, err := s.mechanism(time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan error, 1)
	go func() {
		_, _, err := m.Start(context.Background())
		first <- err
	}()
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	second := make(chan error, 1)
	go func() {
		_, _, err := m.Start(ctx)
		second <- err
	}()
	select {
	case err := <-second:
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "token_url") {
			t.Errorf("who gave up waiting got error %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("who gave up waits on, for another connection's answer")
	}
	close(given)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if _, sent, err := m.Start(t.Context()); err != nil || !strings.Contains(string(sent), "t0ken") {
		t.Errorf("later it is sent %q with error %v, want the token that was kept", sent, err)
	}
}

// Why a broker refused a token is passed on, the token is not.
func TestRefusalsKeepTheToken(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJoaW5kY2FzdCJ9.c2lnbmF0dXJl"
	m, err := (&SASL{Mechanism: MechanismOAuthBearer, TokenFile: secretFile(t, token)}).mechanism(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	machine, _, err := m.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for status, want := range map[string]string{
		"invalid_token":                           ": invalid_token",
		"no key for " + token:                     "repeats it",
		"cannot verify c2lnbmF0dXJl":              "repeats it",
		strings.Repeat("x", 60) + token[:44]:      "repeats it",
		strings.Repeat("x", 200) + "c2lnbmF0dXJl": ": xxx",
	} {
		challenge, err := json.Marshal(map[string]string{"status": status})
		if err != nil {
			t.Fatal(err)
		}
		done, _, err := machine.Next(t.Context(), challenge)
		if done || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("status %q: done %v with error %v, want %q", status, done, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "eyJ") || strings.Contains(err.Error(), "c2ln")) {
			t.Errorf("the error tells the token: %v", err)
		}
	}
}

func TestNewTellsOfMissingFiles(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"CA":       {func(c *Config) { c.TLS = TLS{Enabled: true, CAFile: "/nowhere"} }, "ca_file"},
		"no CA":    {func(c *Config) { c.TLS = TLS{Enabled: true, CAFile: secretFile(t, "x")} }, "no certificate in PEM"},
		"key":      {func(c *Config) { c.TLS = TLS{Enabled: true, CertFile: "/nowhere", KeyFile: "/nowhere"} }, "cert_file"},
		"password": {func(c *Config) { c.SASL = SASL{Mechanism: MechanismPlain, Username: "u", PasswordFile: "/nowhere"} }, "password_file"},
		"empty": {func(c *Config) {
			c.SASL = SASL{Mechanism: MechanismPlain, Username: "u", PasswordFile: secretFile(t, "")}
		}, "empty line"},
		"format": {func(c *Config) { c.Topics[0].Format = "deplois" }, "topics[0].format"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, &kafkatest.Admin{}, Topic{Name: "t", Format: "deploys"})
			r.options.Config.Brokers = []string{"127.0.0.1:1"}
			c.change(&r.options.Config)
			if _, err := New(r.options); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one of %s", err, c.want)
			}
		})
	}
}
