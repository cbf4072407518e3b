package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// TestVerifyTellsWhatIsWrong gives the checks a store that is as it must be, and
// then breaks it in every way that they are there for.
func TestVerifyTellsWhatIsWrong(t *testing.T) {
	engine := enginetest.Start(t, enginetest.Options{})
	m := messages{plan: plan{messages: 4000, facts: 5, partitions: 12}}
	engine.Exec(t, "CREATE DATABASE hindcast")
	// What the views give out, as far as it is asked for.
	for table, columns := range map[string]string{
		"v_log_lines": "service String, text String", "v_log_counts": "service String, level String, n UInt64",
		"v_alerts": "service String, labels Map(String, String)", "v_changes": "service String, version String",
	} {
		engine.Exec(t, fmt.Sprintf("CREATE TABLE hindcast.%s (%s) ENGINE = MergeTree ORDER BY service", table, columns))
	}
	rows := map[string][]string{}
	for n := range m.plan.messages {
		switch m.topic(n) {
		case linesTopic:
			rows["v_log_lines"] = append(rows["v_log_lines"], fmt.Sprintf("('%s', 'request %d took %d ms')", service(n), n, n%997))
			rows["v_log_counts"] = append(rows["v_log_counts"], fmt.Sprintf("('%s', '%s', 1)", service(n), level(n)))
		case alertsTopic:
			rows["v_alerts"] = append(rows["v_alerts"], fmt.Sprintf("('%s', map('number', '%d'))", service(n), n))
		case deploysTopic:
			rows["v_changes"] = append(rows["v_changes"], fmt.Sprintf("('%s', '%d')", service(n), n))
		}
	}
	for table, all := range rows {
		engine.Exec(t, "INSERT INTO hindcast."+table+" VALUES "+strings.Join(all, ", "))
	}
	want := m.truth()
	wrong := func() int {
		t.Helper()
		s := &soak{plan: m.plan, engine: engine, out: &bytes.Buffer{}}
		n := 0
		complain := func(format string, args ...any) {
			n++
			t.Logf(format, args...)
		}
		if err := s.verifyFacts(t.Context(), want.facts, complain); err != nil {
			t.Fatal(err)
		}
		if err := s.verifyCounts(t.Context(), want.lines, complain); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := wrong(); n != 0 {
		t.Fatalf("%d complaints about a store that is as it must be", n)
	}
	for i, broken := range []struct{ what, sql string }{
		{"a line twice", "INSERT INTO hindcast.v_log_lines SELECT * FROM hindcast.v_log_lines WHERE service = 'service-01' LIMIT 1"},
		{"an alert of another number", "INSERT INTO hindcast.v_alerts VALUES ('service-02', map('number', '77'))"},
		{"a service that nobody produced", "INSERT INTO hindcast.v_changes VALUES ('service-99', '1')"},
		{"a deploy too few", "DELETE FROM hindcast.v_changes WHERE service = 'service-03' AND version = '305'"},
		{"a count too many", "INSERT INTO hindcast.v_log_counts VALUES ('service-04', 'error', 1)"},
	} {
		engine.Exec(t, broken.sql)
		if n := wrong(); n != i+1 {
			t.Errorf("%s: %d complaints, want one more than the %d before", broken.what, n, i)
		}
	}
}
