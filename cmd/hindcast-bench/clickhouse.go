package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hindcast/hindcast/correlate"
	runner "github.com/hindcast/hindcast/correlate/run"
	"github.com/hindcast/hindcast/storage/clickhouse"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// onClickHouse measures a server whose store is a ClickHouse engine on the same
// machine. Nothing is pinned: server, engine and generator share the cores.
type onClickHouse struct {
	*bench
	engine  *enginetest.Engine
	history history
	// derived is how many of its incidents are derived before the server starts.
	derived int
	// raw is what was sent, in bytes.
	raw struct{ event, line float64 }
}

// database is where the server's data is.
const database = "hindcast"

func (b *onClickHouse) run(ctx context.Context) error {
	return b.beside(ctx, func() error {
		b.launch.store = b.engine.DSN(database)
		if b.size.benchtime != "0" {
			if err := b.againstBare(ctx); err != nil {
				return err
			}
		}
		return b.all(ctx)
	})
}

// beside calls f while an engine runs.
func (b *onClickHouse) beside(ctx context.Context, f func() error) (err error) {
	b.engine, err = enginetest.Run(ctx, enginetest.Options{Dir: filepath.Join(b.launch.dir, "engine")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.engine.Close()) }()
	b.launch.engine = b.engine.Pid()
	return f()
}

// all fills the store and measures on it. The first server makes the tables as
// its configuration wants them.
func (b *onClickHouse) all(ctx context.Context) error {
	if err := b.serving(ctx, func(context.Context) error { return nil }); err != nil {
		return err
	}
	if err := b.writePast(ctx); err != nil {
		return fmt.Errorf("fill with the past: %w", err)
	}
	if err := b.serving(ctx, b.pushLines); err != nil {
		return err
	}
	if err := b.copyLines(ctx); err != nil {
		return fmt.Errorf("copy lines: %w", err)
	}
	if err := b.settle(ctx); err != nil {
		return err
	}
	if err := b.disk(ctx); err != nil {
		return fmt.Errorf("measure disk use: %w", err)
	}
	if err := b.restarts(ctx); err != nil {
		return err
	}
	return b.serving(ctx, b.idleEngine)
}

// serving runs a stage on a server that is started for it.
func (b *onClickHouse) serving(ctx context.Context, stage func(context.Context) error) error {
	if err := b.start(ctx); err != nil {
		return err
	}
	err := stage(ctx)
	if err != nil && ctx.Err() == nil {
		b.report.Say("the server said: %s", b.server.Said())
	}
	return errors.Join(err, b.server.stop())
}

// writePast stores what happened: incidents, and the events of every day. The
// timelines of the incidents that a server does not look back at any more are
// derived here, as it did when they happened; it derives the others itself.
func (b *onClickHouse) writePast(ctx context.Context) (err error) {
	now := time.Now()
	b.history = history{from: now.Add(-b.size.past), until: now.Add(-time.Hour), incidents: b.size.incidents, entries: b.size.entries}
	config := correlate.DefaultConfig()
	b.derived = b.history.before(now.Add(-config.SealAfter - 48*time.Hour - 3*time.Hour))
	store, err := clickhouse.Open(ctx, b.launch.store, clickhouse.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	old, err := b.history.writeIncidents(ctx, store, 0, b.derived)
	if err != nil {
		return err
	}
	if err := b.derive(ctx, store, config); err != nil {
		return err
	}
	late, err := b.history.writeIncidents(ctx, store, b.derived, b.history.incidents)
	if err != nil {
		return err
	}
	b.history.days = max(b.size.events-old.events-late.events, 1)
	began := time.Now()
	daily, err := b.history.writeDaily(ctx, store)
	if err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	b.raw.event = float64(old.raw+late.raw+daily.raw) / float64(old.events+late.events+daily.events)
	b.report.note("events appended in batches of "+number1(dailyAtOnce), number(float64(daily.events)/took)+"/s", fmt.Sprintf("%s events in %.0f s, %d batches under way, %.0f bytes an event", number1(daily.events), took, writers, b.raw.event))
	return nil
}

// derive has a correlator publish the timelines of all incidents that are there.
func (b *onClickHouse) derive(ctx context.Context, store *clickhouse.Store, config correlate.Config) error {
	began := time.Now()
	r, err := runner.New(store, runner.Options{Config: config, Owner: "history", Settle: time.Hour})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(running) }()
	err = r.Idle(ctx)
	stop()
	if err = errors.Join(err, <-ended); err != nil {
		return fmt.Errorf("derive the incidents: %w", err)
	}
	b.report.note("incidents derived and published", number1(b.derived), fmt.Sprintf("in %.0f s", time.Since(began).Seconds()))
	return nil
}

// manyShippers is how many pushes are under way: those of a site with so many
// nodes.
const manyShippers = 128

// pushLines measures how many lines a second come through.
func (b *onClickHouse) pushLines(ctx context.Context) error {
	n := b.size.pushed / linesPerPush
	b.report.Say("preparing %s pushes", number1(n))
	const perSecond = 150_000
	from := time.Now().Add(-time.Second * time.Duration(b.size.pushed) / perSecond)
	pushes := prepare(n, func(i int) time.Time { return from.Add(time.Second * time.Duration(i*linesPerPush) / perSecond) })
	var size float64
	for _, p := range pushes {
		size += float64(p.size)
	}
	took, u, err := b.used(func() error { return b.logs.send(ctx, pushes, manyShippers) })
	if err != nil {
		return err
	}
	how := fmt.Sprintf("%s lines in %.1f s, %.0f bytes a line of the body, %d pushes under way; %s", number1(b.size.pushed), took.Seconds(), size/float64(b.size.pushed), manyShippers, u)
	if u.known {
		each := func(share float64) string { return number(share * took.Seconds() / float64(b.size.pushed) * 1e6) }
		how += fmt.Sprintf("; µs of a core a line: server %s, engine %s, generator %s", each(u.server), each(u.engine), each(u.itself))
	}
	b.report.atLeast("log lines through HTTP, mask and ClickHouse", float64(b.logs.sent.Load())/took.Seconds(), perSecond, "/s", how)
	b.memories("under lines", 0)
	return nil
}

// memories reports what server and engine take.
func (b *onClickHouse) memories(when string, limit float64) {
	if mb, ok := b.server.peak(); ok && limit > 0 {
		b.report.atMost("peak memory of the server "+when, mb, limit, " MB", "VmHWM")
	} else if ok {
		b.report.note("peak memory of the server "+when, number(mb)+" MB", "VmHWM")
	}
	if now, most := b.engine.RSS(); most > 0 {
		b.report.note("memory of the engine "+when, number(float64(now)/1e6)+" MB", fmt.Sprintf("at most %s MB until then", number(float64(most)/1e6)))
	}
}

// restarts measures how long a server needs until it is ready, with all that
// stored.
func (b *onClickHouse) restarts(ctx context.Context) error {
	const limit = 5
	var s samples
	for i := range 4 {
		began := time.Now()
		if err := b.start(ctx); err != nil {
			return err
		}
		// The first one derives anew what it read: lines came meanwhile.
		if i > 0 {
			s.add(time.Since(began))
		}
		if i == 3 {
			b.memories("after a restart", 0)
		}
		if err := b.server.stop(); err != nil {
			return err
		}
	}
	b.report.atMost("restart to ready", s.ms(100)/1e3, limit, " s", fmt.Sprintf("the slowest of %d; %s lines and %s events stored", len(s.took), number1(b.size.lines), number1(b.size.events)))
	return nil
}

// number asks the engine for one number.
func (b *onClickHouse) number(ctx context.Context, sql string) (int64, error) {
	rows, err := b.engine.Rows(ctx, sql)
	if err != nil {
		return 0, err
	}
	if len(rows) != 1 || len(rows[0]) != 1 {
		return 0, fmt.Errorf("%s: want one number", sql)
	}
	return strconv.ParseInt(rows[0][0], 10, 64)
}

// settleWithin bounds the wait for the engine's merges.
const settleWithin = 2 * time.Minute

// settle waits until the engine is idle: it merges what was written.
func (b *onClickHouse) settle(ctx context.Context) error {
	began := time.Now()
	for quiet := 0; quiet < 5; {
		merges, err := b.number(ctx, "SELECT count() FROM system.merges")
		if err != nil {
			return err
		}
		if quiet++; merges > 0 {
			quiet = 0
		}
		if time.Since(began) > settleWithin {
			b.report.Say("the engine still merges after %s", settleWithin)
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
	b.report.Say("the engine merged for %.0f s", time.Since(began).Seconds())
	return nil
}
