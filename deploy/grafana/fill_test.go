package grafana

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	chgo "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/cmd/hindcast/cassette"
	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/correlate/run"
	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/clickhouse"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if filled.data.conn != nil {
		filled.data.conn.Close()
	}
	os.Exit(enginetest.Finish(code))
}

// recorded is a ClickHouse database that hindcast filled with the recorded
// cases.
type recorded struct {
	conn      driver.Conn
	from, to  time.Time
	timelines []timeline.Timeline
}

var filled struct {
	once sync.Once
	data recorded
	err  error
}

// theCases fills a database once for all tests: every request of the cassettes
// is decoded as the receivers do it and appended to the store, and the engine
// derives from it.
func theCases(t *testing.T) recorded {
	t.Helper()
	engine := enginetest.Shared(t)
	filled.once.Do(func() {
		const database = "hindcast_grafana"
		engine.Exec(t, "DROP DATABASE IF EXISTS "+database)
		engine.Exec(t, "CREATE DATABASE "+database)
		filled.err = fill(context.Background(), engine.DSN(database), &filled.data)
	})
	if filled.err != nil {
		t.Fatalf("fill the store: %v", filled.err)
	}
	return filled.data
}

func fill(ctx context.Context, dsn string, data *recorded) (err error) {
	store, err := clickhouse.Open(ctx, dsn, clickhouse.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	options, err := chgo.ParseDSN(dsn)
	if err != nil {
		return err
	}
	if data.conn, err = chgo.Open(options); err != nil {
		return err
	}
	loaded, err := config.Load("")
	if err != nil {
		return err
	}
	decoders := ingest.DefaultFormats(loaded.Formats())
	played, err := cassettes()
	if err != nil {
		return err
	}
	for _, requests := range played {
		if err := appendAll(ctx, store, decoders, requests); err != nil {
			return err
		}
		for _, r := range requests {
			if data.from.IsZero() || r.At.Before(data.from) {
				data.from = r.At
			}
			if r.At.After(data.to) {
				data.to = r.At
			}
		}
	}
	data.from, data.to = data.from.Add(-24*time.Hour), data.to.Add(24*time.Hour)
	if err := derive(ctx, store, loaded, data.to.Sub(data.from)); err != nil {
		return err
	}
	page, err := store.Incidents(ctx, storage.IncidentQuery{Minor: true, Limit: 500})
	if err != nil {
		return err
	}
	for _, i := range page.Incidents {
		one, err := store.Timeline(ctx, i.ID)
		if err != nil {
			return err
		}
		data.timelines = append(data.timelines, one)
	}
	return nil
}

// appendAll appends the facts of some requests, many requests at once.
func appendAll(ctx context.Context, store storage.Facts, formats ingest.Formats, requests []cassette.Request) error {
	var batch event.Batch
	for i, r := range requests {
		body, err := r.Bytes()
		if err != nil {
			return err
		}
		header := http.Header{}
		for name, value := range r.Headers {
			header.Set(name, value)
		}
		media, _, _ := strings.Cut(header.Get("Content-Type"), ";")
		at := slices.IndexFunc(formats, func(f ingest.Format) bool { return f.Path == r.Path && slices.Contains(f.Types, media) })
		if at < 0 {
			return fmt.Errorf("%s: nothing takes %s of %q", r.Where, r.Path, media)
		}
		facts, err := formats[at].Decode(ingest.Input{Body: body, ReceivedAt: r.At.UTC(), Header: header})
		if err != nil {
			return fmt.Errorf("%s: %w", r.Where, err)
		}
		batch.Add(facts)
		if batch.Len() > 20_000 || i == len(requests)-1 {
			if err := store.Append(ctx, batch); err != nil {
				return fmt.Errorf("append: %w", err)
			}
			batch = event.Batch{}
		}
	}
	return nil
}

// derive lets the engine derive from all that is stored.
func derive(ctx context.Context, store run.Store, loaded config.Config, lookback time.Duration) error {
	runner, err := run.New(store, run.Options{Config: loaded.Config, Settle: 24 * time.Hour, Lookback: lookback + 48*time.Hour})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	idle, stop := context.WithTimeout(ctx, 3*time.Minute)
	defer stop()
	if err := runner.Idle(idle); err != nil {
		return fmt.Errorf("wait for the timelines: %w", err)
	}
	cancel()
	return <-ended
}

// cassettes are the repository's recordings, each on days of its own: two short
// ones again and again, so that there are weeks with more than five incidents.
// Cases of others, that may lie beside the checkout, are played as they are.
func cassettes() ([][]cassette.Request, error) {
	const cases = "../../cmd/hindcast/testdata/cases/"
	var all [][]cassette.Request
	for i, name := range []string{"bad_deploy_real", "rollback_fails_real", "bad_deploy_webhook_only"} {
		requests, err := shifted(cases+name+"/cassette.jsonl.gz", -13-i)
		if err != nil {
			return nil, err
		}
		all = append(all, requests)
	}
	for i := range 6 {
		for j, file := range []string{"../../cmd/hindcast/demo/bad_deploy.jsonl.gz", cases + "rollback_fails/cassette.jsonl.gz"} {
			requests, err := shifted(file, -2*i-j)
			if err != nil {
				return nil, err
			}
			all = append(all, requests)
		}
	}
	others, err := filepath.Glob("../../../shared/cases/rcb-*/cassette.jsonl")
	if err != nil {
		return nil, err
	}
	for _, file := range others {
		requests, err := cassette.ReadFile(file)
		if err != nil {
			return nil, err
		}
		all = append(all, requests)
	}
	return all, nil
}

var nanoseconds = regexp.MustCompile(`\b\d{19}\b`)

// shifted reads a cassette as if it had been recorded some days later: all dates
// are those of one day, and all times in nanoseconds lie on it.
func shifted(file string, days int) ([]cassette.Request, error) {
	requests, err := cassette.ReadFile(file)
	if err != nil {
		return nil, err
	}
	day := requests[0].At.UTC().Truncate(24 * time.Hour)
	other := day.AddDate(0, 0, days)
	ahead := other.Sub(day)
	for i := range requests {
		r := &requests[i]
		r.At = r.At.Add(ahead)
		body := strings.ReplaceAll(string(r.Body), day.Format(time.DateOnly), other.Format(time.DateOnly))
		r.Body = []byte(nanoseconds.ReplaceAllStringFunc(body, func(text string) string {
			n, err := strconv.ParseInt(text, 10, 64)
			if at := time.Unix(0, n); err != nil || at.Before(day) || at.After(day.AddDate(0, 0, 1)) {
				return text
			}
			return strconv.FormatInt(n+int64(ahead), 10)
		}))
	}
	return requests, nil
}
