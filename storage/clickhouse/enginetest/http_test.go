package enginetest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

func TestErrorsHaveClickHousesCodes(t *testing.T) {
	e := enginetest.Shared(t)
	conn := connect(t, e.Database(t))
	must(t, conn, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
	tests := []struct {
		sql      string
		settings clickhouse.Settings
		code     int32
	}{
		{sql: "SELECT * FROM nosuch", code: 60},
		{sql: "SELECT nosuch FROM t", code: 47},
		{sql: "SELEC 1", code: 62},
		{sql: "SELECT 1; SELECT 2", code: 62},
		{sql: "SELECT 1", settings: clickhouse.Settings{"nosuch": 1}, code: 115},
		{sql: "SELECT 1", settings: clickhouse.Settings{"max_threads": "many"}, code: 27},
		{sql: "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a", code: 57},
		{sql: "SELECT sum(number) FROM numbers(1000000000000)", settings: clickhouse.Settings{"max_execution_time": "0.3"}, code: 159},
		{sql: "INSERT INTO t SELECT throwIf(number = 5) FROM numbers(10)", code: 395},
	}
	for _, tt := range tests {
		t.Run(tt.sql, func(t *testing.T) {
			err := conn.Exec(clickhouse.Context(t.Context(), clickhouse.WithSettings(tt.settings)), tt.sql)
			var exception *clickhouse.Exception
			if !errors.As(err, &exception) || exception.Code != tt.code {
				t.Errorf("error %v, want code %d", err, tt.code)
			}
		})
	}
	options, err := clickhouse.ParseDSN(e.DSN("nosuch"))
	if err != nil {
		t.Fatal(err)
	}
	lost, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	defer lost.Close()
	var exception *clickhouse.Exception
	if err := lost.Exec(t.Context(), "SELECT 1"); e.Native() == false && (!errors.As(err, &exception) || exception.Code != 81) {
		t.Errorf("an unknown database: %v, want code 81", err)
	}
}

func TestParametersAndSettings(t *testing.T) {
	conn := connect(t, enginetest.Shared(t).Database(t))
	ctx := clickhouse.Context(t.Context(),
		clickhouse.WithParameters(clickhouse.Parameters{"s": `tab\tand 'quote'`, "n": "18446744073709551615", "a": "['x','y']"}),
		clickhouse.WithSettings(clickhouse.Settings{"max_threads": 3, "log_comment": `it's \ a; comment`}))
	var (
		s       string
		n       uint64
		a       []string
		threads string
		comment string
	)
	row := conn.QueryRow(ctx, "SELECT {s:String}, {n:UInt64}, {a:Array(String)}, toString(getSetting('max_threads')), getSetting('log_comment')")
	if err := row.Scan(&s, &n, &a, &threads, &comment); err != nil {
		t.Fatal(err)
	}
	if s != "tab\tand 'quote'" || n != 1<<64-1 || strings.Join(a, ",") != "x,y" || threads != "3" || comment != `it's \ a; comment` {
		t.Errorf("answered %q %d %q %q %q", s, n, a, threads, comment)
	}
	// A setting of one query is not the next one's.
	if err := conn.QueryRow(t.Context(), "SELECT getSetting('log_comment')").Scan(&comment); err != nil || comment != "" {
		t.Errorf("the next query has the comment %q, %v", comment, err)
	}
}

func TestCompressions(t *testing.T) {
	e := enginetest.Shared(t)
	if e.Native() {
		t.Skip("the native protocol has LZ4 and ZSTD only")
	}
	dsn := e.Database(t)
	for _, method := range []clickhouse.CompressionMethod{
		clickhouse.CompressionNone, clickhouse.CompressionLZ4, clickhouse.CompressionLZ4HC, clickhouse.CompressionZSTD,
		clickhouse.CompressionGZIP, clickhouse.CompressionDeflate, clickhouse.CompressionBrotli,
	} {
		t.Run(method.String(), func(t *testing.T) {
			if method == clickhouse.CompressionLZ4HC {
				t.Skip("clickhouse-go has it for the native protocol only")
			}
			conn := connect(t, dsn, func(o *clickhouse.Options) {
				o.Compression = &clickhouse.Compression{Method: method, Level: 1}
				if method >= clickhouse.CompressionGZIP {
					o.Settings = clickhouse.Settings{"enable_http_compression": 1}
				}
			})
			must(t, conn, "DROP TABLE IF EXISTS t SYNC", "CREATE TABLE t (batch UInt64, row UInt64) ENGINE = MergeTree ORDER BY row")
			const rows = 300_000 // more than one block of answer
			if err := insertBatch(t.Context(), conn, 1, rows); err != nil {
				t.Fatal(err)
			}
			answer, err := conn.Query(t.Context(), "SELECT row FROM t ORDER BY row")
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Close()
			want := uint64(0)
			for ; answer.Next(); want++ {
				var row uint64
				if err := answer.Scan(&row); err != nil || row != want {
					t.Fatalf("row %d, %v; want %d", row, err, want)
				}
			}
			if answer.Err() != nil || want != rows {
				t.Errorf("%d rows, %v; want %d", want, answer.Err(), rows)
			}
			var exception *clickhouse.Exception
			if err := conn.Exec(t.Context(), "SELECT * FROM nosuch"); !errors.As(err, &exception) || exception.Code != 60 {
				t.Errorf("error %v, want code 60", err)
			}
		})
	}
}

func TestHTTPInterface(t *testing.T) {
	e := enginetest.Shared(t)
	if e.Native() && e.Addr() == "" {
		t.Skip("there is no HTTP")
	}
	base := "http://" + e.Addr()
	tests := []struct {
		name, method, target, body string
		user, password             string
		status                     int
		code, answer               string
	}{
		{name: "ping", method: "GET", target: "/ping", status: 200, answer: "Ok.\n"},
		{name: "query by GET", method: "GET", target: "/?query=SELECT+1", status: 200, answer: "1\n"},
		{name: "GET changes nothing", method: "GET", target: "/?query=CREATE+DATABASE+never", status: 500, code: "164"},
		{name: "query in the URL and the body", method: "POST", target: "/?query=SELECT", body: " 2", status: 200, answer: "2\n"},
		{name: "format", method: "POST", target: "/?default_format=CSV", body: "SELECT 'a', 1", status: 200, answer: "\"a\",1\n"},
		{name: "format in the query", method: "POST", target: "/?default_format=CSV", body: "SELECT 1 AS a FORMAT JSONEachRow", status: 200, answer: "{\"a\":1}\n"},
		{name: "rows behind the statement", method: "POST", target: "/", body: "INSERT INTO FUNCTION null('a UInt8') FORMAT TSV\n1\n2\n", status: 200},
		{name: "rows of the wrong type", method: "POST", target: "/", body: "INSERT INTO FUNCTION null('a UInt8') FORMAT TSV\nx\n", status: 400, code: "27"},
		{name: "empty", method: "POST", target: "/", status: 400, code: "62"},
		{name: "wrong user", method: "POST", target: "/", body: "SELECT 1", user: "eve", password: "x", status: 403, code: "516"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), tt.method, base+tt.target, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if tt.user != "" {
				request.SetBasicAuth(tt.user, tt.password)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			answer, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != tt.status || response.Header.Get("X-ClickHouse-Exception-Code") != tt.code {
				t.Errorf("status %d, code %q, want %d, %q: %s", response.StatusCode, response.Header.Get("X-ClickHouse-Exception-Code"), tt.status, tt.code, answer)
			}
			if tt.code == "" && string(answer) != tt.answer {
				t.Errorf("answer %q, want %q", answer, tt.answer)
			}
		})
	}
}

// TestDeduplicationIsThatOfAnInsert: a batch that is sent again is dropped by
// its token, or by its rows, where the table keeps a window; and in the table
// behind a materialized view as well.
func TestDeduplicationIsThatOfAnInsert(t *testing.T) {
	conn := connect(t, enginetest.Shared(t).Database(t))
	must(t, conn,
		"CREATE TABLE t (batch UInt64, row UInt64) ENGINE = MergeTree ORDER BY row SETTINGS non_replicated_deduplication_window = 100",
		"CREATE TABLE sums (batch UInt64, n UInt64) ENGINE = SummingMergeTree ORDER BY batch SETTINGS non_replicated_deduplication_window = 100",
		"CREATE MATERIALIZED VIEW v TO sums AS SELECT batch, count() AS n FROM t GROUP BY batch",
	)
	token := func(v string) context.Context {
		return clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{
			"insert_deduplication_token": v, "deduplicate_blocks_in_dependent_materialized_views": 1,
		}))
	}
	steps := []struct {
		what  string
		ctx   context.Context
		batch uint64
		want  uint64 // rows afterwards
	}{
		{"a batch", token("one"), 1, 10},
		{"it again", token("one"), 1, 10},
		{"other rows under its token", token("one"), 2, 10},
		{"its rows under another token", token("two"), 1, 20},
		{"rows without a token", t.Context(), 3, 30},
		{"them again", t.Context(), 3, 30},
	}
	for _, step := range steps {
		if err := insertBatch(step.ctx, conn, step.batch, 10); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if n := count(t, conn, "SELECT count() FROM t"); n != step.want {
			t.Errorf("after %s: %d rows, want %d", step.what, n, step.want)
		}
		if n := count(t, conn, "SELECT sum(n) FROM sums"); n != step.want {
			t.Errorf("after %s: the view counted %d rows, want %d", step.what, n, step.want)
		}
	}
}

func TestClientThatGoesIsNotWaitedFor(t *testing.T) {
	conn := connect(t, enginetest.Shared(t).Database(t))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := conn.Exec(ctx, "SELECT sleep(1)"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the deadline", err)
	}
	must(t, conn, "SELECT 1")
}
