package clickhouse

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Target is a database and the way to it. It does not print its password.
type Target struct {
	options  *clickhouse.Options
	scheme   string
	version  string
	warnings []string
	// password says where it came from.
	password string
}

// String names the database without its password.
func (t *Target) String() string {
	user := ""
	if t.options.Auth.Username != "" {
		user = t.options.Auth.Username + "@"
	}
	return t.scheme + "://" + user + strings.Join(t.options.Addr, ",") + "/" + t.options.Auth.Database
}

// GoString is String.
func (t *Target) GoString() string { return t.String() }

// LogValue is String.
func (t *Target) LogValue() slog.Value { return slog.StringValue(t.String()) }

func (t *Target) schema(o Options) schema {
	return schema{database: t.options.Auth.Database, cluster: o.Cluster, ttl: o.TTL}
}

// target is the way that an address leads.
func (a *address) target(o Options) (*Target, error) {
	options, err := a.driverOptions()
	if err != nil {
		return nil, err
	}
	t := &Target{options: options, scheme: a.scheme.name, version: o.Version}
	if t.version == "" {
		t.version = "dev"
	}
	if err := t.takePassword(a, o); err != nil {
		return nil, err
	}
	if err := t.secure(a); err != nil {
		return nil, err
	}
	if err := t.set(o); err != nil {
		return nil, err
	}
	t.tune()
	if a.debug && o.Logger != nil {
		options.Logger = o.Logger
	}
	return t, nil
}

func (t *Target) takePassword(a *address, o Options) error {
	auth := &t.options.Auth
	file, named := a.own["password_file"]
	switch {
	case auth.Password != "":
		t.password = "the password in the address"
		t.warnings = append(t.warnings, "the password stands in the store's address, where lists of processes show it: "+
			"use password_file or the environment")
	case named:
		secret, err := readSecret(file)
		if err != nil {
			return fmt.Errorf("password_file: %w", err)
		}
		auth.Password, t.password = secret, "the password in "+file
	case o.Password != "":
		auth.Password, t.password = string(o.Password), "the password from the environment"
	default:
		t.password = "no password"
	}
	// The driver sends a password with a name only.
	if auth.Username == "" {
		auth.Username = "default"
	}
	return nil
}

// secure sets up TLS.
func (t *Target) secure(a *address) error {
	config := t.options.TLS
	if config == nil {
		for _, name := range []string{"ca_file", "cert_file", "key_file", "server_name"} {
			if _, ok := a.own[name]; ok {
				return fmt.Errorf("%s is for TLS: add secure=true, or use https", name)
			}
		}
		if a.params.Has("skip_verify") {
			return errors.New("skip_verify is for TLS: add secure=true, or use https")
		}
		return nil
	}
	config.MinVersion = tls.VersionTLS12
	if name := a.own["server_name"]; name != "" {
		config.ServerName = name
	}
	if config.InsecureSkipVerify {
		t.warnings = append(t.warnings, "skip_verify: the store's certificate is not checked, anybody in between can read and change the data")
	}
	if file, ok := a.own["ca_file"]; ok {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return fmt.Errorf("ca_file: %s holds no certificate in PEM", file)
		}
	}
	cert, key := a.own["cert_file"], a.own["key_file"]
	if cert == "" && key == "" {
		return nil
	}
	if cert == "" || key == "" {
		return errors.New("cert_file and key_file go together")
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		return fmt.Errorf("cert_file: %w", err)
	}
	// Read again for each connection: certificates are renewed.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		return &pair, err
	}
	return nil
}

// usual are settings that a DSN may set otherwise: room for long lists of IDs,
// an end for a query whose client forgot it, and FINAL without merging
// partitions, which are functions of what deduplicates. The rows of an insert are
// not merged while it is waited for: they differ already, and it takes a quarter
// of the engine's time for lines.
var usual = clickhouse.Settings{
	"optimize_on_insert":                          0,
	"max_query_size":                              64 << 20,
	"max_ast_elements":                            4_000_000,
	"max_expanded_ast_elements":                   8_000_000,
	"max_execution_time":                          int(queryTimeout / time.Second),
	"do_not_merge_across_partitions_select_final": 1,
}

// promised are settings on which the promises of the store rest: an insert is
// in its table when it is answered, and one that is repeated is dropped.
var promised = clickhouse.Settings{
	"async_insert":       0,
	"insert_deduplicate": 1,
	"fsync_metadata":     1,
}

// promisedInCluster are those of a cluster beside them. Readers see every insert
// that was answered, whichever replica they ask: for that, inserts into one table
// follow one another.
func promisedInCluster(quorum string) clickhouse.Settings {
	if quorum == "" {
		quorum = "auto"
	}
	return clickhouse.Settings{
		"insert_quorum":                                      quorum,
		"insert_quorum_parallel":                             0,
		"insert_quorum_timeout":                              int((insertTimeout - 5*time.Second) / time.Millisecond),
		"select_sequential_consistency":                      1,
		"distributed_foreground_insert":                      1,
		"distributed_product_mode":                           "global",
		"skip_unavailable_shards":                            0,
		"fallback_to_stale_replicas_for_distributed_queries": 0,
	}
}

// set adds the settings of the session.
func (t *Target) set(o Options) error {
	if err := ValidQuorum(o.InsertQuorum); err != nil {
		return fmt.Errorf("insert quorum: %w", err)
	}
	must := maps.Clone(promised)
	if o.Cluster != "" {
		maps.Copy(must, promisedInCluster(o.InsertQuorum))
	}
	given := t.options.Settings
	for name, value := range must {
		if got, ok := given[name]; ok && fmt.Sprint(got) != fmt.Sprint(value) {
			return fmt.Errorf("the setting %s must be %v: what is stored would not be safe otherwise", name, value)
		}
	}
	t.options.Settings = maps.Clone(usual)
	maps.Copy(t.options.Settings, given)
	maps.Copy(t.options.Settings, must)
	return nil
}

// Connections at once, and those that are kept. Waiting for one counts as
// dialling.
const (
	maxConns     = 32
	maxIdleConns = 16
	// connLifetime spreads connections anew over the hosts from time to time.
	connLifetime = 10 * time.Minute
	// idleHTTP is less than the keep_alive_timeout of servers: 10 s in the
	// configuration that ClickHouse comes with, 3 s in older ones, which are
	// copied a lot. A request on a connection that the server closes in this
	// moment would fail.
	idleHTTP = 2500 * time.Millisecond
)

// tune sets what a DSN left open.
func (t *Target) tune() {
	c := t.options
	c.ClientInfo.Products = append(c.ClientInfo.Products, struct{ Name, Version string }{"hindcast", t.version})
	if c.Compression == nil {
		c.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	}
	if c.MaxIdleConns <= 0 {
		c.MaxIdleConns = maxIdleConns
	}
	if c.MaxOpenConns <= 0 {
		c.MaxOpenConns = max(maxConns, c.MaxIdleConns)
	}
	if c.ConnMaxLifetime <= 0 {
		c.ConnMaxLifetime = connLifetime
	}
	if c.ReadTimeout <= 0 {
		c.ReadTimeout = readTimeout
	}
	if c.DialTimeout <= 0 {
		c.DialTimeout = dialTimeout
	}
	one := c.DialTimeout
	c.DialStrategy = func(ctx context.Context, id int, o *clickhouse.Options, dial clickhouse.Dial) (clickhouse.DialResult, error) {
		return dialFirst(ctx, id, one, o, dial)
	}
	// The driver's bound is for all hosts together.
	c.DialTimeout *= time.Duration(min(len(c.Addr), 4))
	c.TransportFunc = func(transport *http.Transport) (http.RoundTripper, error) {
		transport.IdleConnTimeout = idleHTTP
		return transport, nil
	}
}

// dialFirst connects to the first host that answers, and gives each one its time:
// one that swallows packets must not use up that of the next.
func dialFirst(ctx context.Context, id int, timeout time.Duration, o *clickhouse.Options, dial clickhouse.Dial) (clickhouse.DialResult, error) {
	first := 0
	switch o.ConnOpenStrategy {
	case clickhouse.ConnOpenRoundRobin:
		first = id
	case clickhouse.ConnOpenRandom:
		first = rand.IntN(len(o.Addr))
	}
	each := *o
	each.DialTimeout = timeout
	var errs []error
	for i := range o.Addr {
		host := o.Addr[(first+i)%len(o.Addr)]
		result, err := dialOne(ctx, timeout, host, &each, dial)
		if err == nil {
			return result, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", host, otherPort(host, concise(err))))
	}
	return clickhouse.DialResult{}, errors.Join(errs...)
}

// refused adds to the server's word on a user or password which they were.
func (t *Target) refused(err error) error {
	switch code(err) {
	case 192, 193, 194, 516:
		return fmt.Errorf("user %s with %s: %w", t.options.Auth.Username, t.password, err)
	}
	return err
}

// otherPort adds what was probably meant when the server speaks another protocol:
// the first byte of an answer over HTTP, or of an alert of TLS. Some say nothing.
func otherPort(host string, err error) error {
	switch text := err.Error(); {
	case strings.Contains(text, "unexpected packet [72]"), strings.Contains(text, "handshake: ") && strings.HasSuffix(host, ":8123"):
		return fmt.Errorf("%w: is this the HTTP port? then use http://", err)
	case strings.Contains(text, "unexpected packet [21]"):
		return fmt.Errorf("%w: is this the port for TLS? then add secure=true", err)
	}
	return err
}

// concise is an error of the way to the server without the URL, which holds all
// settings.
func concise(err error) error {
	if broken, ok := errors.AsType[*url.Error](err); ok {
		return broken.Err
	}
	return err
}

func dialOne(ctx context.Context, timeout time.Duration, host string, o *clickhouse.Options, dial clickhouse.Dial) (clickhouse.DialResult, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return dial(ctx, host, o)
}

// connect makes a pool of connections; it does not try one.
func (t *Target) connect() (driver.Conn, error) { return open(t.options) }

// connectOutside is connect without a database, which may not exist yet.
func (t *Target) connectOutside() (driver.Conn, error) {
	options := *t.options
	options.Auth.Database = ""
	return open(&options)
}

func open(options *clickhouse.Options) (driver.Conn, error) {
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return conn, nil
}
