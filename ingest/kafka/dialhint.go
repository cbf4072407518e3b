package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"syscall"

	kafkago "github.com/segmentio/kafka-go"
)

// A broker does not say that a client has TLS or SASL otherwise than its listener:
// it closes the connection, or answers something that fits in neither. What is
// here says what was seen in words of the configuration.

// errSpeaksTLS is what comes of an alert of TLS where an answer should be.
var errSpeaksTLS = errors.New("the listener speaks TLS, and kafka.tls.enabled is not true")

// unanswered is the error of a connection that ended before the broker said
// anything. It does not unwrap to io.EOF, of which kafka-go makes an error of its own.
type unanswered struct {
	err  error
	hint string
}

func (e *unanswered) Error() string { return e.err.Error() + ": " + e.hint }

const (
	hintNoTLS  = "the broker closed the connection without an answer: the listener may not speak TLS (kafka.tls.enabled)"
	hintTLS    = "the broker closed the connection without an answer: the listener may want TLS (kafka.tls.enabled)"
	hintSASL   = "the broker closed the connection: the listener may want SASL (kafka.sasl)"
	hintNoSASL = "the listener wants no SASL: leave kafka.sasl out, or take another listener"
	hintPlain  = "the listener does not speak TLS (kafka.tls.enabled)"
	hintClient = "the listener may want a certificate of the client (kafka.tls.cert_file)"
)

// alert is the type of a record of TLS, and the first byte that a listener sends
// which speaks TLS and was spoken to without. An answer that begins with it would
// have 336 MiB.
const alert = 0x15

// Read implements [net.Conn].
func (c *boundedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	switch {
	case c.answered:
	case n > 0:
		c.answered = true
		if b[0] == alert && !c.set.tls {
			return 0, errSpeaksTLS
		}
	case closedByBroker(err) && c.set.tls:
		err = &unanswered{err, hintNoTLS}
	case closedByBroker(err):
		err = &unanswered{err, hintTLS}
	}
	return n, err
}

func closedByBroker(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// hintingTransport says behind an error what in the configuration may be the
// cause.
type hintingTransport struct {
	kafkago.RoundTripper
	config *Config
	// worked is whether a request was answered: then the listener wants what we
	// have, and a connection that is closed means something else.
	worked atomic.Bool
}

// RoundTrip implements [kafkago.RoundTripper].
func (t *hintingTransport) RoundTrip(ctx context.Context, addr net.Addr, request kafkago.Request) (kafkago.Response, error) {
	response, err := t.RoundTripper.RoundTrip(ctx, addr, request)
	if err == nil {
		t.worked.Store(true)
		return response, nil
	}
	if hint := t.hint(err); hint != "" {
		err = fmt.Errorf("%w: %s", err, hint)
	}
	return response, err
}

// hint is "" when there is nothing to say.
func (t *hintingTransport) hint(err error) string {
	var (
		noTLS  tls.RecordHeaderError
		silent *unanswered
	)
	switch {
	case errors.Is(err, kafkago.IllegalSASLState):
		return hintNoSASL
	case errors.Is(err, kafkago.UnsupportedSASLMechanism):
		return fmt.Sprintf("the listener does not take kafka.sasl.mechanism %s", t.config.SASL.Mechanism)
	case errors.As(err, &noTLS):
		return hintPlain
	case t.config.TLS.CertFile == "" && wantsCertificate(err):
		return hintClient
	case errors.As(err, &silent), t.worked.Load():
		return ""
	case t.config.SASL.Mechanism == "" && closedByBroker(err):
		return hintSASL
	}
	return ""
}

// wantsCertificate reports whether the other end ended TLS as brokers do without
// a certificate. crypto/tls tells the alert by its text only.
func wantsCertificate(err error) bool {
	var remote *net.OpError
	return errors.As(err, &remote) && remote.Op == "remote error" &&
		slices.Contains([]string{"tls: bad certificate", "tls: certificate required"}, remote.Err.Error())
}
