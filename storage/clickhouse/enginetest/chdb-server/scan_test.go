package main

import (
	"strings"
	"testing"
)

func TestScan(t *testing.T) {
	tests := []struct {
		name, sql string
		rewritten string // the INSERT reading from a file; "" when it is none
		wantErr   bool
	}{
		{name: "select", sql: "SELECT 1"},
		{name: "semicolon and comment", sql: "SELECT 1; -- all"},
		{name: "two statements", sql: "SELECT 1; SELECT 2", wantErr: true},
		{name: "semicolons in quotes", sql: "SELECT ';', `;`, \";\", 'it''s; \\'; x' /* ; x */"},
		{name: "heredoc", sql: "SELECT $a$; x$a$"},
		{name: "empty", sql: " -- nothing", wantErr: true},
		{name: "values", sql: "INSERT INTO t (a) VALUES (1); "},
		{name: "insert select with a format", sql: "INSERT INTO t SELECT 1 FORMAT Null"},
		{name: "batch", sql: "INSERT INTO t (a, format) FORMAT Native", rewritten: "INSERT INTO t (a, format) FROM INFILE 'f' COMPRESSION 'none' FORMAT Native"},
		{
			name: "settings", sql: "insert into db.format settings a = 'FORMAT', b = 1 format TSV\n1\t2",
			rewritten: "insert into db.format FROM INFILE 'f' COMPRESSION 'none' settings a = 'FORMAT', b = 1 format TSV\n",
		},
		{name: "function", sql: "INSERT INTO FUNCTION null('a Int8') FORMAT CSV", rewritten: "INSERT INTO FUNCTION null('a Int8') FROM INFILE 'f' COMPRESSION 'none' FORMAT CSV"},
		{name: "format forgotten", sql: "INSERT INTO t FORMAT"},
		{name: "open quote", sql: "SELECT 'x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st, err := scan(tt.sql)
			if (err != nil) != tt.wantErr {
				t.Fatalf("error %v, want one: %v", err, tt.wantErr)
			}
			if st.insert != (tt.rewritten != "") {
				t.Fatalf("an INSERT with rows: %v, want %v", st.insert, tt.rewritten != "")
			}
			if st.insert && st.readingFrom("f") != tt.rewritten {
				t.Errorf("rewritten:\n%q\nwant\n%q", st.readingFrom("f"), tt.rewritten)
			}
		})
	}
}

func FuzzScan(f *testing.F) {
	for _, sql := range []string{"SELECT 1; SELECT 2", "INSERT INTO t (a) SETTINGS b=1 FORMAT Native\n\x00", "SELECT $a$", "'\\", "/*", "INSERT INTO a.`b` VALUES (';')"} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		st, err := scan(sql)
		if err != nil {
			return
		}
		if !strings.HasPrefix(sql, st.sql) {
			t.Errorf("%q is not the beginning of %q", st.sql, sql)
		}
		if st.insert && (st.source <= 0 || st.source >= len(st.sql)) {
			t.Errorf("the rows' source belongs at %d of %d bytes", st.source, len(st.sql))
		}
	})
}
