package clickhouse

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

func TestParseDSN(t *testing.T) {
	for dsn, want := range map[string]struct {
		text     string
		protocol clickhouse.Protocol
		tls      bool
	}{
		"clickhouse://host": {"clickhouse://default@host:9000/hindcast", clickhouse.Native, false},
		"clickhouse://u@host:9440,host2:9441/db?secure=true":             {"clickhouse://u@host:9440,host2:9441/db", clickhouse.Native, true},
		"clickhouse://u@host,host2/db?secure=true":                       {"clickhouse://u@host:9440,host2:9440/db", clickhouse.Native, true},
		"clickhouse://u@[::1]/db":                                        {"clickhouse://u@[::1]:9000/db", clickhouse.Native, false},
		"tcp://u@host?database=db&alt_hosts=b":                           {"tcp://u@host:9000,b:9000/db", clickhouse.Native, false},
		"http://u@host/db":                                               {"http://u@host:8123/db", clickhouse.HTTP, false},
		"https://u@host/db":                                              {"https://u@host:8443/db", clickhouse.HTTP, true},
		"clickhouse+http://u@host:8124/db":                               {"clickhouse+http://u@host:8124/db", clickhouse.HTTP, false},
		"clickhouse+https://u@host/db?server_name=x&ca_file=" + pem(t):   {"clickhouse+https://u@host:8443/db", clickhouse.HTTP, true},
		"CLICKHOUSE://u@host/db":                                         {"clickhouse://u@host:9000/db", clickhouse.Native, false},
		"clickhouse://host/db?username=who&max_threads=3&readonly=false": {"clickhouse://who@host:9000/db", clickhouse.Native, false},
	} {
		target, err := ParseDSN(dsn, Options{})
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		o := target.options
		if target.String() != want.text || o.Protocol != want.protocol || (o.TLS != nil) != want.tls {
			t.Errorf("%s: got %v, protocol %v, TLS %v; want %+v", dsn, target, o.Protocol, o.TLS != nil, want)
		}
	}
}

func TestDSNParameters(t *testing.T) {
	target, err := ParseDSN("clickhouse://h/db?dial_timeout=7s&compress=zstd&compress_level=5&connection_open_strategy=round_robin&max_open_conns=3"+
		"&secure=true&skip_verify=true&tls_server_name=x&max_threads=3&max_query_size=1000&final=true&read_timeout=9s", Options{Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	o := target.options
	if o.DialTimeout != 7*time.Second || o.ReadTimeout != 9*time.Second || o.Compression.Method != clickhouse.CompressionZSTD ||
		o.Compression.Level != 5 || o.ConnOpenStrategy != clickhouse.ConnOpenRoundRobin || !o.TLS.InsecureSkipVerify || o.TLS.ServerName != "x" {
		t.Errorf("got %+v", *o)
	}
	for name, want := range map[string]any{"max_threads": 3, "max_query_size": 1000, "final": 1, "async_insert": 0, "max_execution_time": 30} {
		if o.Settings[name] != want {
			t.Errorf("setting %s is %v, want %v", name, o.Settings[name], want)
		}
	}
	if got := o.ClientInfo.String(); !strings.HasPrefix(got, "hindcast/1.2.3 ") {
		t.Errorf("the server is told %q", got)
	}
	if len(target.warnings) != 1 || !strings.Contains(target.warnings[0], "skip_verify") {
		t.Errorf("warnings %q, want one of skip_verify", target.warnings)
	}
	plain, err := ParseDSN("clickhouse://h/db", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if o := plain.options; o.Compression.Method != clickhouse.CompressionLZ4 || o.DialTimeout != dialTimeout || o.ReadTimeout != readTimeout ||
		o.MaxOpenConns != maxConns || o.MaxIdleConns != maxIdleConns || o.ConnMaxLifetime != connLifetime {
		t.Errorf("without parameters: %+v", *o)
	}
}

func TestClusterSettings(t *testing.T) {
	target, err := ParseDSN("clickhouse://h/db", Options{Cluster: "prod", InsertQuorum: "2"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"insert_quorum": "2", "insert_quorum_parallel": 0, "select_sequential_consistency": 1, "distributed_foreground_insert": 1} {
		if got := target.options.Settings[name]; got != want {
			t.Errorf("setting %s is %v, want %v", name, got, want)
		}
	}
}

// TestDSNMistakes says what is wrong, and what was probably meant.
func TestDSNMistakes(t *testing.T) {
	for dsn, want := range map[string]string{
		"mysql://h/db":                                      "not a URL",
		"clickhouse:h":                                      "not a URL",
		"clickhouse:///db":                                  "not a URL",
		"clickhouse://u:a/b@h/db":                           "%2F",
		"clickhouse://u:a#b@h/db":                           "%23",
		"clickhouse://h:port/db":                            "not a URL",
		"clickhouse://h/db?alt_hosts=[":                     "not a URL",
		"clickhouse://h/db?dial_timout=5s":                  `did you mean "dial_timeout"?`,
		"clickhouse://h/db?secrue=true":                     `did you mean "secure"?`,
		"clickhouse://h/db?pasword=x":                       `did you mean "password"?`,
		"clickhouse://h/db?cafile=x":                        `did you mean "ca_file"?`,
		"clickhouse://h/db?secure=tru":                      `parameter secure: "tru": want true or false`,
		"clickhouse://h/db?secure=true&secure=false":        "twice",
		"clickhouse://h/db?compress=lz5":                    "is none of none, lz4",
		"clickhouse://h/db?connection_open_strategy=an":     "is none of in_order",
		"clickhouse://h/db?dial_timeout=5":                  `parameter dial_timeout: "5": want a duration such as 5s`,
		"clickhouse://h/db?max_open_conns=few":              `parameter max_open_conns: "few": want a number`,
		"clickhouse://h/db/more":                            "holds no slash",
		"clickhouse://u:12/34@h/db":                         "%2F",
		"clickhouse://h/db?async_insert=1":                  "the setting async_insert must be 0",
		"clickhouse://h/db?ca_file=x":                       "add secure=true",
		"clickhouse://h/db?skip_verify=true":                "add secure=true",
		"clickhouse://h/db?secure=true&ca_file=absent":      "ca_file: open absent",
		"clickhouse://h/db?secure=true&cert_file=x":         "go together",
		"clickhouse://h/db?password_file=absent":            "password_file: open absent",
		"http://h/db?secure=true":                           "use https://",
		"clickhouse://h/db?secure=true&ca_file=" + empty(t): "holds no certificate",
		"clickhouse://h/db?password_file=" + empty(t):       "holds no password",
	} {
		if _, err := ParseDSN(dsn, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q in it", dsn, err, want)
		}
	}
	if _, err := ParseDSN("clickhouse://h/db", Options{Cluster: "c", InsertQuorum: "most"}); err == nil || !strings.Contains(err.Error(), "want auto") {
		t.Errorf("quorum: got error %v", err)
	}
}

// TestOtherPort speaks the native protocol where another is spoken.
func TestOtherPort(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 400 Bad Request\r\n\r\n": "is this the HTTP port? then use http://",
		"\x15\x03\x01\x00\x02\x02\x32":     "is this the port for TLS? then add secure=true",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		go func() {
			defer close(served)
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				// The client has written, so that closing does not reset the answer.
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = conn.Write([]byte(answer))
				conn.Close()
			}
		}()
		err = openError(t, "clickhouse://"+l.Addr().String()+"/db", Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q in it", err, want)
		}
		l.Close()
		<-served
	}
}

// TestServerSettingsPass does not take settings of the server for mistakes.
func TestServerSettingsPass(t *testing.T) {
	for _, name := range []string{"max_threads", "readonly", "final", "log_comment", "max_memory_usage", "use_uncompressed_cache", "send_timeout",
		"connect_timeout", "receive_timeout", "compile_expressions", "priority", "database_atomic_wait_for_drop_and_detach_synchronously"} {
		if _, err := ParseDSN("clickhouse://h/db?"+name+"=1", Options{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func empty(t *testing.T) string { return writeFile(t, "\n") }

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
