package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
)

// link is how everything here talks to the cluster. It is made in one place,
// so that TLS, SASL and time-outs are the same for all.
type link struct {
	config    *Config
	client    *kafkago.Client
	transport *kafkago.Transport
	conns     *connSet
	stop      context.CancelFunc
	tls       *tls.Config
	sasl      sasl.Mechanism
}

// newLink prepares connections and makes none. Topics are those whose leaders
// it is to know. It reads the files that hold secrets and certificates, to
// tell what is wrong with them early.
func newLink(c *Config, topics []string) (*link, error) {
	if err := c.CheckFiles(); err != nil {
		return nil, err
	}
	tlsConfig, err := c.TLS.config()
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	mechanism, err := c.SASL.mechanism(c.RequestTimeout)
	if err != nil {
		return nil, fmt.Errorf("sasl: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	l := &link{config: c, conns: newConnSet(c), stop: stop, tls: tlsConfig, sasl: mechanism}
	l.transport = &kafkago.Transport{
		Dial: l.conns.dial, DialTimeout: c.RequestTimeout, IdleTimeout: 30 * time.Second,
		MetadataTTL: c.MetadataInterval, MetadataTopics: topics,
		ClientID: c.ClientID, TLS: tlsConfig, SASL: mechanism, Context: ctx,
	}
	l.client = &kafkago.Client{Addr: kafkago.TCP(c.Brokers...), Timeout: c.RequestTimeout, Transport: &hintingTransport{RoundTripper: l.transport, config: c}}
	return l, nil
}

// close ends all connections, and with them every request under way.
func (l *link) close() {
	l.stop()
	l.conns.close()
	l.transport.CloseIdleConnections()
}

// dialer is for what kafka-go connects by itself: a member of a group. Its
// connections are ended by closing the set.
func (l *link) dialer() (*kafkago.Dialer, *connSet) {
	conns := newConnSet(l.config)
	return &kafkago.Dialer{
		ClientID: l.config.ClientID, DialFunc: conns.dial, Timeout: l.config.RequestTimeout,
		TLS: l.tls, SASLMechanism: l.sasl,
	}, conns
}

// connSet knows its open connections, so that they can be ended at once:
// kafka-go's own ways of closing wait for answers.
type connSet struct {
	timeout, bound time.Duration
	tls            bool

	mu     sync.Mutex
	closed bool
	conns  map[*boundedConn]struct{}
}

func newConnSet(c *Config) *connSet {
	return &connSet{timeout: c.RequestTimeout, bound: c.RequestTimeout + c.RebalanceTimeout, tls: c.TLS.Enabled, conns: map[*boundedConn]struct{}{}}
}

func (s *connSet) close() {
	s.mu.Lock()
	s.closed = true
	conns := s.conns
	s.conns = nil
	s.mu.Unlock()
	for c := range conns {
		_ = c.Conn.Close()
	}
}

var errClosed = errors.New("the connections to Kafka are closed")

func (s *connSet) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: s.timeout, KeepAlive: 15 * time.Second}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close()
		return nil, errClosed
	}
	c := &boundedConn{Conn: conn, set: s}
	s.conns[c] = struct{}{}
	return c, nil
}

// boundedConn gives every read and write a deadline: kafka-go leaves them
// without one while it authenticates, and a broker that hangs then would hang
// us for ever.
type boundedConn struct {
	net.Conn
	set *connSet
	// answered is whether the broker sent anything. Who reads alone uses it.
	answered bool
}

func (c *boundedConn) deadline(t time.Time) time.Time {
	if t.IsZero() {
		return time.Now().Add(c.set.bound)
	}
	return t
}

func (c *boundedConn) SetDeadline(t time.Time) error { return c.Conn.SetDeadline(c.deadline(t)) }
func (c *boundedConn) SetReadDeadline(t time.Time) error {
	return c.Conn.SetReadDeadline(c.deadline(t))
}
func (c *boundedConn) SetWriteDeadline(t time.Time) error {
	return c.Conn.SetWriteDeadline(c.deadline(t))
}

func (c *boundedConn) Close() error {
	c.set.mu.Lock()
	delete(c.set.conns, c)
	c.set.mu.Unlock()
	return c.Conn.Close()
}

// config is nil when TLS is off.
func (t *TLS) config() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	c := &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: t.ServerName,
		InsecureSkipVerify: t.InsecureSkipVerify, //nolint:gosec // It is asked for by a key that says so.
	}
	if t.CAFile != "" {
		text, err := readBounded(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca_file %s holds no certificate in PEM", t.CAFile)
		}
	}
	if t.CertFile != "" {
		load := func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("read cert_file and key_file: %w", err)
			}
			return &pair, nil
		}
		if _, err := load(); err != nil {
			return nil, err
		}
		// Read for each connection: certificates are renewed while we run.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	}
	return c, nil
}

// maxSecretFile bounds files of secrets and certificates, in bytes.
const maxSecretFile = 1 << 20

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSecretFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxSecretFile)
	}
	return os.ReadFile(path)
}

// readSecret is the first line of a file.
func readSecret(path string) (string, error) {
	text, err := readBounded(path)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("%s begins with an empty line", path)
	}
	return line, nil
}
