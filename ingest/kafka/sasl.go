package kafka

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// mechanism is nil when SASL is off. Files are read once to see that they are
// there, and again for each connection.
func (s *SASL) mechanism(timeout time.Duration) (sasl.Mechanism, error) {
	var m sasl.Mechanism
	file, key := s.PasswordFile, "password_file"
	switch s.Mechanism {
	case "":
		return nil, nil
	case MechanismPlain:
		m = passwordMechanism{name: "PLAIN", file: file, make: func(password string) (sasl.Mechanism, error) {
			return plain.Mechanism{Username: s.Username, Password: password}, nil
		}}
	case MechanismScramSHA256, MechanismScramSHA512:
		algorithm := scram.SHA256
		if s.Mechanism == MechanismScramSHA512 {
			algorithm = scram.SHA512
		}
		m = passwordMechanism{name: algorithm.Name(), file: file, make: func(password string) (sasl.Mechanism, error) {
			return scram.Mechanism(algorithm, s.Username, password)
		}}
	case MechanismOAuthBearer:
		bearer := oauthBearer{extensions: s.Extensions}
		if s.TokenURL != "" {
			file, key = s.ClientSecretFile, "client_secret_file"
			bearer.token = newClientCredentials(s, timeout).token
		} else {
			file, key = s.TokenFile, "token_file"
			bearer.token = func(context.Context) (string, error) { return readSecret(s.TokenFile) }
		}
		m = bearer
	}
	if _, err := readSecret(file); err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return m, nil
}

// passwordMechanism reads the password for each connection: it may be changed
// while we run.
type passwordMechanism struct {
	name, file string
	make       func(password string) (sasl.Mechanism, error)
}

func (m passwordMechanism) Name() string { return m.name }

func (m passwordMechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	password, err := readSecret(m.file)
	if err != nil {
		return nil, nil, fmt.Errorf("read password_file: %w", err)
	}
	with, err := m.make(password)
	if err != nil {
		// What failed may quote the password.
		return nil, nil, fmt.Errorf("the user name or the password cannot be used with %s", m.name)
	}
	return with.Start(ctx)
}

// oauthBearer is OAUTHBEARER (RFC 7628), which kafka-go has not.
type oauthBearer struct {
	token      func(context.Context) (string, error)
	extensions map[string]string
}

func (oauthBearer) Name() string { return "OAUTHBEARER" }

func (m oauthBearer) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	token, err := m.token(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("get a token: %w", err)
	}
	if strings.ContainsAny(token, "\x00\x01\r\n ") {
		return nil, nil, errors.New("the token holds characters that no token has")
	}
	var b strings.Builder
	b.WriteString("n,,\x01auth=Bearer " + token + "\x01")
	names := make([]string, 0, len(m.extensions))
	for name := range m.extensions {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b.WriteString(name + "=" + m.extensions[name] + "\x01")
	}
	b.WriteString("\x01")
	return bearerExchange{token: token}, []byte(b.String()), nil
}

// bearerExchange is what follows when a token was sent.
type bearerExchange struct{ token string }

// Next is called with nothing when the broker took the token, else with why it
// did not.
func (e bearerExchange) Next(_ context.Context, challenge []byte) (bool, []byte, error) {
	if len(challenge) == 0 {
		return true, nil, nil
	}
	var why struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(challenge, &why); err != nil || why.Status == "" {
		return false, nil, errors.New("the broker refused the token")
	}
	if repeats(why.Status, e.token) {
		return false, nil, errors.New("the broker refused the token, and repeats it where it should say why")
	}
	return false, nil, fmt.Errorf("the broker refused the token: %s", clip(why.Status, maxReason))
}

// clientCredentials asks for tokens as RFC 6749, section 4.4, has it, and keeps
// one while it is valid.
type clientCredentials struct {
	sasl    *SASL
	timeout time.Duration
	// turn holds one: whoever took it may use the rest, and asks. A mutex would have
	// the others wait longer than they may.
	turn  chan struct{}
	last  string
	until time.Time
}

func newClientCredentials(s *SASL, timeout time.Duration) *clientCredentials {
	c := &clientCredentials{sasl: s, timeout: timeout, turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	return c
}

// maxTokenAnswer bounds what a token endpoint may answer, in bytes.
const maxTokenAnswer = 1 << 20

func (c *clientCredentials) token(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	select {
	case <-c.turn:
		defer func() { c.turn <- struct{}{} }()
	case <-ctx.Done():
		return "", fmt.Errorf("wait for token_url, which another connection asks: %w", ctx.Err())
	}
	if time.Now().Before(c.until) {
		return c.last, nil
	}
	secret, err := readSecret(c.sasl.ClientSecretFile)
	if err != nil {
		return "", fmt.Errorf("read client_secret_file: %w", err)
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(c.sasl.Scopes) > 0 {
		form.Set("scope", strings.Join(c.sasl.Scopes, " "))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.sasl.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", errors.New("ask token_url: it is not a URL") // the error tells it
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.SetBasicAuth(url.QueryEscape(c.sasl.ClientID), url.QueryEscape(secret))
	// Not by a client: that follows redirections, and the secret is for this
	// address only; and its errors tell the URL.
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return "", fmt.Errorf("ask token_url: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxTokenAnswer))
	if err != nil {
		return "", fmt.Errorf("read the answer of token_url: %w", err)
	}
	var answer struct {
		Token   string  `json:"access_token"`
		Seconds float64 `json:"expires_in"`
		Error   string  `json:"error"`
	}
	err = json.Unmarshal(text, &answer)
	if response.StatusCode != http.StatusOK || err != nil || answer.Token == "" {
		why := answer.Error
		user, password, _ := request.BasicAuth()
		if repeats(why, secret) || repeats(why, password) || repeats(why, base64.StdEncoding.EncodeToString([]byte(user+":"+password))) {
			why = "it repeats the secret"
		}
		return "", fmt.Errorf("token_url answered %d %s without a token (error %q)", response.StatusCode, http.StatusText(response.StatusCode), clip(why, maxReason))
	}
	// Renewed before it expires, so that no connection is begun with an old one.
	valid := time.Duration(max(0, min(answer.Seconds, 24*3600)) * float64(time.Second))
	c.last, c.until = answer.Token, time.Now().Add(valid*8/10)
	return answer.Token, nil
}

// maxReason bounds what is passed on of why another end refused, in bytes.
const maxReason = 100

// repeats reports whether a text, as far as [maxReason] passes it on, holds a secret
// or a part of it that says something.
func repeats(text, secret string) bool {
	const part = 8
	if strings.Contains(text, secret) {
		return true
	}
	text = text[:min(len(text), maxReason)]
	for i := range max(len(text)-part+1, 0) {
		if strings.Contains(secret, text[i:i+part]) {
			return true
		}
	}
	return false
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
