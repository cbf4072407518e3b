package logs

import (
	"testing"

	"github.com/hindcast/hindcast/ingest/event"
)

func TestParseLevel(t *testing.T) {
	tests := []struct {
		text string
		want event.Level
	}{
		{"error", event.LevelError}, {"ERR", event.LevelError}, {"Severe", event.LevelError}, {" error ", event.LevelError},
		{"crit", event.LevelFatal}, {"CRITICAL", event.LevelFatal}, {"alert", event.LevelFatal}, {"emerg", event.LevelFatal}, {"panic", event.LevelFatal},
		{"warning", event.LevelWarn}, {"W", event.LevelWarn}, {"notice", event.LevelInfo}, {"Information", event.LevelInfo}, {"I", event.LevelInfo},
		{"trace", event.LevelDebug}, {"FINEST", event.LevelDebug}, {"verbose", event.LevelDebug},
		{"0", event.LevelFatal}, {"3", event.LevelError}, {"4", event.LevelWarn}, {"6", event.LevelInfo}, {"7", event.LevelDebug},
		{"10", event.LevelDebug}, {"30", event.LevelInfo}, {"40", event.LevelWarn}, {"50", event.LevelError}, {"60", event.LevelFatal},
		{"100", event.LevelDebug}, {"400", event.LevelError}, {"600", event.LevelFatal},
		{"", event.LevelUnknown}, {"unknown", event.LevelUnknown}, {"8", event.LevelUnknown}, {"loud", event.LevelUnknown}, {"a level too long to be one", event.LevelUnknown},
	}
	for _, tt := range tests {
		if got := ParseLevel(tt.text); got != tt.want {
			t.Errorf("ParseLevel(%q) = %v, want %v", tt.text, got, tt.want)
		}
	}
}

func TestGuessLevel(t *testing.T) {
	const (
		unknown = event.LevelUnknown
		debug   = event.LevelDebug
		info    = event.LevelInfo
		warn    = event.LevelWarn
		bad     = event.LevelError
		fatal   = event.LevelFatal
	)
	tests := []struct {
		text string
		want event.Level
	}{
		// Declared by form.
		{"E1122 15:04:05.123456       1 reflector.go:138] Failed to watch", bad},
		{"W1122 15:04:05.123456       1 reflector.go:138] watch ended", warn},
		{"I1122 15:04:05.123456       1 controller.go:60] error rate is fine", info},
		{"<11>Nov 22 15:04:05 host app: disk", bad},
		{"<165>1 2026-11-22T15:04:05Z host app - - - hello", info},
		{"2026-01-02 15:04:05,123 ERROR [main] c.a.Pay : declined", bad},
		{"2026-01-02 15:04:05,123 INFO  [main] c.a.Pay : no errors found, 3 failed before", info},
		{"2026-01-02T15:04:05.000Z  WARN 1 --- [nio-8080-exec-3] o.s.web : slow", warn},
		{"2026/01/02 15:04:05 [error] 31#31: *1 connect() failed (111: Connection refused)", bad},
		{"2026/01/02 15:04:05 [warn] 31#31: upstream response is buffered", warn},
		{"2026/01/02 15:04:05 [crit] 31#31: SSL_do_handshake()", fatal},
		{"[2026-01-02 15:04:05.000][1][info][config] all clusters initialized", info},
		{"[2026-01-02 15:04:05.000][12][critical][assert] assert failure", fatal},
		{"2026-01-02 15:04:05.000 UTC [71] ERROR:  relation \"users\" does not exist at character 15", bad},
		{"2026-01-02 15:04:05.000 UTC [71] LOG:  checkpoint starting: time", info},
		{"2026-01-02 15:04:05.000 UTC [71] FATAL:  password authentication failed", fatal},
		{"ERROR:root:could not connect", bad},
		{"CRITICAL:app:out of cheese", fatal},
		{"3:04PM ERR boom error=x", bad},
		{"[15:04:05 INF] started", info},
		{"\x1b[33mWARN\x1b[0m something", warn},
		{"2026-01-02T15:04:05Z\terror\tpay/charge.go:12\tdeclined", bad},
		{"warning: unused variable", warn},
		{"fatal: not a git repository", fatal},
		{"fail: Microsoft.AspNetCore[0]", bad},
		{"E, [2026-01-02T15:04:05 #12] ERROR -- : boom", bad},
		{"DEBUG retry after ERROR", debug},
		// Access logs.
		{`10.0.0.1 - - [02/Jan/2026:15:04:05 +0000] "GET / HTTP/1.1" 502 12 "-" "x"`, bad},
		{`10.0.0.1 - - [02/Jan/2026:15:04:05 +0000] "GET /error HTTP/1.1" 200 12 "-" "x"`, info},
		{`10.0.0.1 - - [02/Jan/2026:15:04:05 +0000] "GET /x HTTP/1.1" 404 12 "-" "x"`, info},
		// Words of trouble.
		{"panic: runtime error: invalid memory address", fatal},
		{"fatal error: concurrent map writes", fatal},
		{"thread 'main' panicked at src/main.rs:4:5", fatal},
		{"Traceback (most recent call last):", bad},
		{"TypeError: Cannot read properties of undefined", bad},
		{"psycopg.errors.OperationalError: gone", bad},
		{"java.lang.NullPointerException: Cannot invoke", bad},
		{"Caused by: java.net.UnknownHostException: payments", bad},
		{"Exception in thread \"main\"", bad},
		{"failed to open spool: disk full", bad},
		{"an error occurred while charging", bad},
		{"request done error=\"connection refused\"", bad},
		{"cache is deprecated", warn},
		{"3 errors in batch", bad},
		// Denied, or no trouble at all.
		{"no error", unknown},
		{"0 errors, 0 failures", unknown},
		{"batch done errors=0 failed=0", unknown},
		{"errors: 0", unknown},
		{"done error=nil", unknown},
		{"done err=<nil> error=<nil>", unknown},
		{`done error=""`, unknown},
		{"finished without errors", unknown},
		{"error_rate=0", unknown},
		{"error rate is 0.1%", unknown},
		{"GET /error/page", unknown},
		{"writing to error.log", unknown},
		{"loaded error handler", unknown},
		{"type=error", unknown},
		{"starting server", unknown},
		{"\tat com.acme.Charge.run(Charge.java:42)", unknown},
		{"", unknown},
	}
	for _, tt := range tests {
		if got := guessLevel(tt.text); got != tt.want {
			t.Errorf("guessLevel(%q) = %v, want %v", tt.text, got, tt.want)
		}
	}
}
