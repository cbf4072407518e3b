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
)

// link is how everything here talks to the cluster. It is made in one place,
// so that TLS, SASL and time-outs are the same for all.
type link struct {
	config *Config
	client *kafkago.Client
	// dialer is for what kafka-go connects by itself: group members.
	dialer *kafkago.Dialer

	transport *kafkago.Transport
	stop      context.CancelFunc
	mu        sync.Mutex
	closed    bool
	conns     map[*boundedConn]struct{}
}

// newLink prepares connections and makes none. Topics are those whose leaders
// it is to know. It reads the files that hold secrets and certificates, to
// tell what is wrong with them early.
func newLink(c *Config, topics []string) (*link, error) {
	tlsConfig, err := c.TLS.config()
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	mechanism, err := c.SASL.mechanism(c.RequestTimeout)
	if err != nil {
		return nil, fmt.Errorf("sasl: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	l := &link{config: c, stop: stop, conns: map[*boundedConn]struct{}{}}
	l.transport = &kafkago.Transport{
		Dial: l.dial, DialTimeout: c.RequestTimeout, IdleTimeout: 30 * time.Second,
		MetadataTTL: c.MetadataInterval, MetadataTopics: topics,
		ClientID: c.ClientID, TLS: tlsConfig, SASL: mechanism, Context: ctx,
	}
	l.client = &kafkago.Client{Addr: kafkago.TCP(c.Brokers...), Timeout: c.RequestTimeout, Transport: l.transport}
	l.dialer = &kafkago.Dialer{ClientID: c.ClientID, DialFunc: l.dial, Timeout: c.RequestTimeout, TLS: tlsConfig, SASLMechanism: mechanism}
	return l, nil
}

// close ends all connections, and with them every request under way.
func (l *link) close() {
	l.stop()
	l.mu.Lock()
	l.closed = true
	conns := l.conns
	l.conns = nil
	l.mu.Unlock()
	for c := range conns {
		_ = c.Conn.Close()
	}
	l.transport.CloseIdleConnections()
}

var errLinkClosed = errors.New("the connections to Kafka are closed")

func (l *link) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: l.config.RequestTimeout, KeepAlive: 15 * time.Second}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &boundedConn{Conn: conn, link: l, bound: l.config.RequestTimeout + l.config.RebalanceTimeout}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = conn.Close()
		return nil, errLinkClosed
	}
	l.conns[c] = struct{}{}
	return c, nil
}

// boundedConn gives every read and write a deadline: kafka-go leaves them
// without one while it authenticates, and a broker that hangs then would hang
// us for ever.
type boundedConn struct {
	net.Conn
	link  *link
	bound time.Duration
}

func (c *boundedConn) deadline(t time.Time) time.Time {
	if t.IsZero() {
		return time.Now().Add(c.bound)
	}
	return t
}

func (c *boundedConn) SetDeadline(t time.Time) error      { return c.Conn.SetDeadline(c.deadline(t)) }
func (c *boundedConn) SetReadDeadline(t time.Time) error  { return c.Conn.SetReadDeadline(c.deadline(t)) }
func (c *boundedConn) SetWriteDeadline(t time.Time) error { return c.Conn.SetWriteDeadline(c.deadline(t)) }

func (c *boundedConn) Close() error {
	c.link.mu.Lock()
	delete(c.link.conns, c)
	c.link.mu.Unlock()
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
