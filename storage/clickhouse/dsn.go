package clickhouse

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/churl"
)

// scheme is what a kind of DSN begins with.
type scheme struct {
	name string
	// driver is what clickhouse-go calls it.
	driver       string
	plain, tls   string // default ports
	alwaysSecure bool
}

var schemes = []scheme{
	{name: "clickhouse", driver: "clickhouse", plain: "9000", tls: "9440"},
	{name: "tcp", driver: "clickhouse", plain: "9000", tls: "9440"},
	{name: "clickhouse+http", driver: "http", plain: "8123"},
	{name: "http", driver: "http", plain: "8123"},
	{name: "clickhouse+https", driver: "https", tls: "8443", alwaysSecure: true},
	{name: "https", driver: "https", tls: "8443", alwaysSecure: true},
}

// driverParameters are those that clickhouse-go takes for itself; all others
// become settings of the session.
var driverParameters = []string{
	"alt_hosts", "block_buffer_size", "client_info_product", "compress", "compress_level", "conn_max_lifetime",
	"connection_open_strategy", "database", "debug", "dial_timeout", "hosts", "http_path", "http_proxy",
	"max_compression_buffer", "max_idle_conns", "max_open_conns", "password", "read_timeout", "secure", "skip_verify",
	"tls_server_name", "username",
}

// ownParameters are those that hindcast adds.
var ownParameters = []string{"ca_file", "cert_file", "key_file", "password_file", "server_name"}

// choices are the values that clickhouse-go takes without saying so when it does
// not know one.
var choices = map[string][]string{
	"compress":                 {"none", "lz4", "lz4hc", "zstd", "gzip", "deflate", "br", "true", "false", "1", "0"},
	"connection_open_strategy": {"in_order", "round_robin", "random"},
	"debug":                    {"true", "false", "1", "0"},
}

// forms are what clickhouse-go wants of parameters, which it says in words of its
// own or not at all.
var forms = map[string]form{
	"secure": isBool, "skip_verify": isBool,
	"dial_timeout": isDuration, "read_timeout": isDuration, "conn_max_lifetime": isDuration,
	"compress_level": isNumber, "max_compression_buffer": isNumber, "max_open_conns": isNumber, "max_idle_conns": isNumber,
	"block_buffer_size": isNumber,
}

// form is how a value is written: what to call it, and whether one is.
type form struct {
	name string
	is   func(value string) bool
}

var (
	isBool = form{"true or false", func(v string) bool {
		_, err := strconv.ParseBool(v)
		return err == nil || v == ""
	}}
	isDuration = form{"a duration such as 5s", func(v string) bool {
		_, err := time.ParseDuration(v)
		return err == nil
	}}
	isNumber = form{"a number", func(v string) bool {
		_, err := strconv.Atoi(v)
		return err == nil
	}}
)

// defaultDatabase is used when a DSN names none.
const defaultDatabase = "hindcast"

// IsDSN reports whether a text begins as a DSN for [ParseDSN] does.
func IsDSN(text string) bool {
	name, _, ok := strings.Cut(text, "://")
	return ok && slices.ContainsFunc(schemes, func(s scheme) bool { return s.name == strings.ToLower(name) })
}

// Redact is a DSN, or what was meant as one, without what may be secret in it:
// the password and all parameters. It takes too much rather than too little.
func Redact(text string) string {
	name, rest, ok := strings.Cut(text, "://")
	if !ok {
		return redactMistaken(text)
	}
	at, query := strings.LastIndexByte(rest, '@'), strings.IndexByte(rest, '?')
	switch {
	case at >= 0 && query >= 0 && query < at:
		// Which of them belongs to a password cannot be told.
		return name + "://…"
	case query >= 0:
		rest = rest[:query]
	}
	if at >= 0 {
		user := rest[:strings.IndexAny(rest, ":@")]
		rest = user + rest[at:]
	}
	return name + "://" + rest
}

// redactMistaken is [Redact] for what was perhaps meant as a DSN.
func redactMistaken(text string) string {
	name, rest, ok := strings.Cut(text, ":")
	switch {
	case name == "sqlite":
	case ok && strings.Contains(rest, "@"):
		return name + ":…"
	case strings.Contains(text, "?"):
		return text[:strings.IndexByte(text, '?')]
	}
	return text
}

// ParseDSN reads a DSN:
//
//	clickhouse://user@host:9440,host2:9440/hindcast?secure=true
//	http://host:8123/hindcast, https://…, clickhouse+http://…, clickhouse+https://…
//
// The first is the native protocol (port 9000, with secure=true 9440), the others
// are HTTP (8123, 8443). Parameters are those of clickhouse-go; what it does not
// know is a setting of the session. Beside them there are ca_file, cert_file,
// key_file and server_name for TLS, and password_file. A password that stands in
// the DSN counts before that file, and the file before [Options.Password].
// Errors hold nothing secret.
func ParseDSN(dsn string, o Options) (*Target, error) {
	address, err := splitDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("read DSN: %w", err)
	}
	t, err := address.target(o)
	if err != nil {
		return nil, fmt.Errorf("read DSN: %w", err)
	}
	return t, nil
}

// address is a DSN in parts.
type address struct {
	scheme scheme
	url    *url.URL
	params url.Values
	own    map[string]string
	debug  bool
}

var errUnreadable = errors.New("it is not a URL: want one like clickhouse://user@host:9000/database; " +
	"special characters of names and passwords are written as %XX (@ is %40, / is %2F, # is %23, ? is %3F)")

func splitDSN(dsn string) (*address, error) {
	name, _, _ := strings.Cut(dsn, "://")
	at := slices.IndexFunc(schemes, func(s scheme) bool { return s.name == strings.ToLower(name) })
	if at < 0 {
		return nil, errUnreadable
	}
	// The parser's own errors quote what may be a part of the password.
	u, err := churl.Parse(dsn)
	if err != nil || u.Host == "" || u.Fragment != "" {
		return nil, errUnreadable
	}
	// What stands between two @ may be a part of the name or of the password.
	authority, _, _ := strings.Cut(strings.TrimPrefix(dsn, name+"://"), "/")
	if authority, _, _ = strings.Cut(authority, "?"); strings.Count(authority, "@") > 1 {
		return nil, errUnreadable
	}
	params, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errUnreadable
	}
	a := &address{scheme: schemes[at], url: u, params: params, own: map[string]string{}}
	for _, name := range ownParameters {
		if params.Has(name) {
			a.own[name] = params.Get(name)
			params.Del(name)
		}
	}
	return a, a.check()
}

// check refuses parameters that were probably meant otherwise.
func (a *address) check() error {
	known := slices.Concat(driverParameters, ownParameters)
	for name, values := range a.params {
		switch {
		case len(values) > 1:
			return fmt.Errorf("parameter %s stands there twice", name)
		case !slices.Contains(driverParameters, name) && !slices.Contains(notMistaken, name):
			if meant := nearest(name, known); meant != "" {
				return fmt.Errorf("unknown parameter %q; did you mean %q?", name, meant)
			}
		case choices[name] != nil && !slices.Contains(choices[name], values[0]):
			return fmt.Errorf("parameter %s: %q is none of %s", name, values[0], strings.Join(choices[name], ", "))
		case forms[name].is != nil && !forms[name].is(values[0]):
			return fmt.Errorf("parameter %s: %q: want %s", name, values[0], forms[name].name)
		}
	}
	if secure, err := strconv.ParseBool(a.params.Get("secure")); a.scheme.driver == "http" && a.params.Has("secure") && (secure || err != nil) {
		return errors.New("http:// is without TLS: instead of secure=true, use https://")
	}
	return nil
}

// driverOptions has clickhouse-go read what is left of a DSN.
func (a *address) driverOptions() (*clickhouse.Options, error) {
	u := *a.url
	u.Scheme = a.scheme.driver
	if a.scheme.alwaysSecure {
		a.params.Set("secure", "true")
	}
	// It takes this only beside secure=true, which the path of ours checks.
	if name := a.params.Get("tls_server_name"); name != "" {
		a.own["server_name"] = name
		a.params.Del("tls_server_name")
	}
	// Its own way writes to the standard output.
	a.debug = slices.Contains([]string{"true", "1"}, a.params.Get("debug"))
	a.params.Del("debug")
	u.RawQuery = a.params.Encode()
	options, err := clickhouse.ParseDSN(u.String())
	if err != nil {
		return nil, err
	}
	port := a.scheme.plain
	if options.TLS != nil {
		port = a.scheme.tls
	}
	for i, host := range options.Addr {
		if options.Addr[i], err = withPort(host, port); err != nil {
			return nil, err
		}
	}
	// What stands there may be a part of a password.
	if strings.Contains(options.Auth.Database, "/") {
		return nil, errors.New("the name of a database holds no slash; want …/DATABASE at the end of the address, and %2F for a slash in a name or password")
	}
	if options.Auth.Database == "" {
		options.Auth.Database = defaultDatabase
	}
	return options, nil
}

func withPort(host, port string) (string, error) {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host, nil
	}
	name, opened := strings.CutPrefix(host, "[")
	if opened {
		var closed bool
		if name, closed = strings.CutSuffix(name, "]"); !closed {
			return "", errUnreadable
		}
	} else if strings.Contains(name, ":") {
		return "", errUnreadable
	}
	return net.JoinHostPort(name, port), nil
}

// maxSecretFile bounds a file with a password, in bytes.
const maxSecretFile = 64 << 10

// readSecret reads a file that holds a password on its first line.
func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	if err != nil {
		return "", err
	}
	secret, _, _ := strings.Cut(string(text), "\n")
	if secret = strings.TrimSuffix(secret, "\r"); secret == "" {
		return "", fmt.Errorf("%s holds no password", path)
	}
	return secret, nil
}

// notMistaken are settings of the server that look like parameters.
var notMistaken = []string{"send_timeout"}

// nearest is the name that was probably meant, or "". Settings of the server are
// many, so it must be near.
func nearest(got string, names []string) string {
	best, least := "", min(2, len(got)/3)+1
	for _, name := range names {
		if d := distance(got, name); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance is how many bytes must be inserted, deleted, replaced or swapped with
// their neighbour to make b of a.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := row[j]
			if a[i] != b[j] {
				cost++
			}
			next[j+1] = min(cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
