package enginetest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Database makes an empty database with a name of its own, drops it when the
// test ends, and returns the DSN for it.
func (e *Engine) Database(tb testing.TB) string {
	tb.Helper()
	name := "t_" + strings.ToLower(rand.Text()[:12])
	e.Exec(tb, "CREATE DATABASE "+name)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		// An engine that the test killed has nothing to drop.
		if _, err := e.Rows(ctx, "SELECT 1"); err == nil {
			e.Exec(tb, "DROP DATABASE IF EXISTS "+name+" SYNC")
		}
	})
	return e.DSN(name)
}

// Exec runs one statement and fails the test if that fails. Tables are named
// with their database.
func (e *Engine) Exec(tb testing.TB, sql string) {
	tb.Helper()
	e.Query(tb, sql)
}

// Query runs one statement and returns its rows, every value as text, NULL as
// "NULL". It fails the test if that fails.
func (e *Engine) Query(tb testing.TB, sql string) [][]string {
	tb.Helper()
	rows, err := e.Rows(context.Background(), sql)
	if err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return rows
}

// Rows is Query with an error, for commands and goroutines.
func (e *Engine) Rows(ctx context.Context, sql string) ([][]string, error) {
	if e.http == "" {
		return e.nativeRows(ctx, sql)
	}
	target := "http://" + e.http + "/?" + url.Values{"default_format": {"JSONCompactStringsEachRow"}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(sql))
	if err != nil {
		return nil, fmt.Errorf("query the engine: %w", err)
	}
	if u, err := url.Parse(e.given); err == nil && u.User != nil {
		password, _ := u.User.Password()
		request.SetBasicAuth(u.User.Username(), password)
	}
	response, err := e.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("query the engine: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
		return nil, fmt.Errorf("query the engine: %s: %s", response.Status, text)
	}
	var rows [][]string
	decoder := json.NewDecoder(response.Body)
	for {
		var row []string
		if err := decoder.Decode(&row); err == io.EOF {
			return rows, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the engine's answer: %w", err)
		}
		for i, value := range row {
			if value == "ᴺᵁᴸᴸ" { // as this format writes it
				row[i] = "NULL"
			}
		}
		rows = append(rows, row)
	}
}

// nativeRows is Rows for a given server whose HTTP interface is not known.
func (e *Engine) nativeRows(ctx context.Context, sql string) ([][]string, error) {
	options, err := clickhouse.ParseDSN(e.given)
	if err != nil {
		return nil, fmt.Errorf("read HINDCAST_TEST_CLICKHOUSE: %w", err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("connect to the engine: %w", err)
	}
	defer func() { _ = conn.Close() }()
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return nil, fmt.Errorf("query the engine: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var all [][]string
	for rows.Next() {
		types := rows.ColumnTypes()
		values := make([]any, len(types))
		for i, t := range types {
			values[i] = reflect.New(t.ScanType()).Interface()
		}
		if err := rows.Scan(values...); err != nil {
			return nil, fmt.Errorf("read the engine's answer: %w", err)
		}
		texts := make([]string, len(values))
		for i, value := range values {
			texts[i] = textOf(reflect.ValueOf(value).Elem())
		}
		all = append(all, texts)
	}
	return all, rows.Err()
}

func textOf(v reflect.Value) string {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return "NULL"
		}
		v = v.Elem()
	}
	return fmt.Sprint(v.Interface())
}
