package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
)

// query is what a request's parameters and headers say.
type query struct {
	text       string // the URL's part of the query; the body follows it
	id         string
	database   string
	format     string
	compress   bool // the answer, in ClickHouse's own blocks
	method     compress.Method
	decompress bool // the body is in ClickHouse's own blocks
	encode     bool // the answer, as Accept-Encoding says
	protocol   int  // the client's revision
	settings   []param
	params     []param
}

// notSettings are the parameters of the HTTP interface that mean nothing here.
var notSettings = []string{"user", "password", "quota_key", "stacktrace", "buffer_size", "wait_end_of_query", "role", "session_timeout", "session_check", "close_session"}

// parseQuery reads the URL and the headers. Every parameter that the interface
// has no meaning for is a setting.
func parseQuery(r *http.Request) (*query, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &refusal{code: codeSyntaxError, name: "SYNTAX_ERROR", text: "The URL's parameters cannot be read"}
	}
	q := &query{
		database: r.Header.Get("X-ClickHouse-Database"),
		format:   r.Header.Get("X-ClickHouse-Format"),
		method:   compress.LZ4,
	}
	if q.format == "" {
		q.format = "TabSeparated"
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return nil, &refusal{code: codeNotImplemented, name: "NOT_IMPLEMENTED", text: "External tables are not supported by chdb-server"}
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value := values.Get(name)
		switch name {
		case "query":
			q.text = value
		case "query_id":
			q.id = value
		case "database":
			q.database = value
		case "default_format":
			q.format = value
		case "compress":
			q.compress = value == "1"
		case "decompress":
			q.decompress = value == "1"
		case "client_protocol_version":
			q.protocol, _ = strconv.Atoi(value)
		case "session_id":
			return nil, &refusal{code: codeNotImplemented, name: "NOT_IMPLEMENTED", text: "Sessions are not supported by chdb-server"}
		default:
			if bound, ok := strings.CutPrefix(name, "param_"); ok {
				q.params = append(q.params, param{bound, value})
				continue
			}
			if slices.Contains(notSettings, name) {
				continue
			}
			q.settings = append(q.settings, param{name, value})
		}
	}
	q.encode = isOn(values.Get("enable_http_compression"))
	if strings.EqualFold(values.Get("network_compression_method"), "ZSTD") {
		q.method = compress.ZSTD
	}
	if r.Method == http.MethodGet {
		// What is asked for by GET changes nothing.
		q.settings = append(q.settings, param{"readonly", "2"})
	}
	return q, nil
}

func isOn(v string) bool { return v == "1" || strings.EqualFold(v, "true") }

// authenticate knows the engine's one user: default, without a password.
func authenticate(r *http.Request) error {
	user, password, basic := r.BasicAuth()
	if !basic {
		user, password = r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
	}
	if values := r.URL.Query(); values.Has("user") {
		user, password = values.Get("user"), values.Get("password")
	}
	if (user == "" || user == "default") && password == "" {
		return nil
	}
	return &refusal{
		code: codeAuthenticationFailed, name: "AUTHENTICATION_FAILED",
		text: fmt.Sprintf("%s: Authentication failed: password is incorrect, or there is no user with such name", user),
	}
}

// param is a setting, or a value bound to {name:Type} in a query.
type param struct{ name, value string }

// quoted writes a string literal ('), or an identifier (`).
func quoted(v string, quote byte) string {
	return string(quote) + strings.NewReplacer(`\`, `\\`, string(quote), `\`+string(quote)).Replace(v) + string(quote)
}
