package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
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
			bearer.token = (&clientCredentials{sasl: s, timeout: timeout}).token
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
	return m, []byte(b.String()), nil
}

// Next is called with nothing when the broker took the token, else with why it
// did not.
func (oauthBearer) Next(_ context.Context, challenge []byte) (bool, []byte, error) {
	if len(challenge) == 0 {
		return true, nil, nil
	}
	var why struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(challenge, &why); err != nil || why.Status == "" {
		return false, nil, errors.New("the broker refused the token")
	}
	return false, nil, fmt.Errorf("the broker refused the token: %s", clip(why.Status, 100))
}

// clientCredentials asks for tokens as RFC 6749, section 4.4, has it, and keeps
// one while it is valid.
type clientCredentials struct {
	sasl    *SASL
	timeout time.Duration

	mu    sync.Mutex
	last  string
	until time.Time
}

// maxTokenAnswer bounds what a token endpoint may answer, in bytes.
const maxTokenAnswer = 1 << 20

func (c *clientCredentials) token(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
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
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
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
		if strings.Contains(why, secret) {
			why = "it repeats the secret"
		}
		return "", fmt.Errorf("token_url answered %d %s without a token (error %q)", response.StatusCode, http.StatusText(response.StatusCode), clip(why, 100))
	}
	// Renewed before it expires, so that no connection is begun with an old one.
	valid := time.Duration(max(0, min(answer.Seconds, 24*3600)) * float64(time.Second))
	c.last, c.until = answer.Token, time.Now().Add(valid*8/10)
	return answer.Token, nil
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
