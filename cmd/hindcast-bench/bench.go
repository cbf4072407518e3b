package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// bench measures, one stage after the other, on one server.
type bench struct {
	size    sizes
	report  *report
	profile string

	launch launch
	server *server
	client *client
	logs   *logLoad
}

// The rates at which others are measured.
const (
	manyLines = 50_000
	someLines = 5_000
)

// run measures on SQLite, the server on one core and the generator on the other.
func (b *bench) run(ctx context.Context) error {
	if b.size.benchtime != "0" {
		if err := b.goBenchmarks(ctx); err != nil {
			return err
		}
	}
	if b.launch.pinned = pin(); !b.launch.pinned {
		b.report.Say("the server and the generator could not have a core each: the figures say less")
	}
	runtime.GOMAXPROCS(1)
	b.launch.oneCore = true
	b.launch.store = "sqlite:" + filepath.Join(b.launch.dir, "hindcast.db")
	return b.serve(ctx)
}

// serve measures a server while it fills, under load, and started again.
func (b *bench) serve(ctx context.Context) error {
	if err := b.start(ctx); err != nil {
		return err
	}
	err := b.stages(ctx, b.launch.dir)
	if err = errors.Join(err, b.server.stop()); err != nil {
		return err
	}
	began := time.Now()
	if err := b.start(ctx); err != nil {
		return err
	}
	b.report.note("started again: until ready", fmt.Sprintf("%.1f s", time.Since(began).Seconds()), "")
	b.memory("peak memory of a start with all that stored")
	return b.server.stop()
}

func (b *bench) start(ctx context.Context) (err error) {
	if b.server, err = b.launch.start(ctx); err != nil {
		return err
	}
	b.client = newClient(b.server.url)
	b.logs = &logLoad{client: b.client}
	return nil
}

func (b *bench) stages(ctx context.Context, dir string) error {
	if err := b.fill(ctx, dir); err != nil {
		return err
	}
	b.memory("peak memory after filling")
	if err := b.mostLines(ctx); err != nil {
		return err
	}
	alerts := firing(b.size.firing, time.Now().Add(-time.Minute))
	if err := b.mostAlerts(ctx, alerts); err != nil {
		return err
	}
	refiring, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { keepFiring(refiring, b.client, alerts, b.report.Say) })
	err := b.besideFiring(ctx)
	stop()
	wg.Wait()
	b.memory(fmt.Sprintf("peak memory, with %s lines stored and %s alerts firing", number1(int(b.logs.sent.Load())), number1(b.size.firing)))
	return err
}

// besideFiring measures while the alerts fire.
func (b *bench) besideFiring(ctx context.Context) error {
	for _, stage := range []func(context.Context) error{b.acknowledged, b.visible, b.read} {
		if err := stage(ctx); err != nil {
			return err
		}
	}
	return nil
}

// used runs f and tells how busy the machine was.
func (b *bench) used(f func() error) (time.Duration, usage, error) {
	before := b.server.read()
	err := f()
	after := b.server.read()
	return after.at.Sub(before.at), between(before, after), err
}

// fill stores lines of the past.
func (b *bench) fill(ctx context.Context, dir string) error {
	pushes := int64(b.size.lines / linesPerPush)
	from := time.Now().Add(-b.size.spread)
	var n atomic.Int64
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { b.showFill(done) })
	took, u, err := b.used(func() error {
		return b.logs.full(ctx, func() (time.Time, bool) {
			i := n.Add(1)
			return from.Add(b.size.spread * time.Duration(i) / time.Duration(pushes)), i <= pushes
		})
	})
	close(done)
	wg.Wait()
	if err != nil {
		return err
	}
	sent := float64(b.logs.sent.Load())
	how := fmt.Sprintf("%s lines in %.0f s; %s; store %.2f GB", number(sent), took.Seconds(), u, float64(diskUse(dir))/1e9)
	b.report.atLeast("log lines through HTTP, mask and SQLite, filling", sent/took.Seconds(), manyLines, "/s", how)
	return nil
}

func (b *bench) showFill(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-time.After(10 * time.Second):
			b.report.Say("stored %s of %s lines", number1(int(b.logs.sent.Load())), number1(b.size.lines))
		}
	}
}

func diskUse(dir string) (total int64) {
	files, err := filepath.Glob(filepath.Join(dir, "hindcast.db*"))
	if err != nil {
		return 0
	}
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			total += info.Size()
		}
	}
	return total
}

// mostLines measures how many lines of now are taken beside those stored.
func (b *bench) mostLines(ctx context.Context) error {
	before := b.logs.sent.Load()
	until := time.Now().Add(b.size.stage)
	took, u, err := b.used(func() error {
		return b.logs.full(ctx, func() (time.Time, bool) { return time.Now(), time.Now().Before(until) })
	})
	if err != nil {
		return err
	}
	n := float64(b.logs.sent.Load() - before)
	how := fmt.Sprintf("%s lines in %.0f s; %s", number(n), took.Seconds(), u)
	if u.known && u.server > 0 {
		how += fmt.Sprintf("; %s lines per second of CPU", number(n/took.Seconds()/u.server))
	}
	b.report.atLeast(fmt.Sprintf("log lines, with %s stored", number1(int(before))), n/took.Seconds(), manyLines, "/s", how)
	return nil
}

// mostAlerts measures how many observations are taken: the alerts that fire,
// sent again and again.
func (b *bench) mostAlerts(ctx context.Context, alerts []postedAlert) error {
	if err := sendAll(ctx, b.client, alerts, shippers); err != nil {
		return fmt.Errorf("send alerts: %w", err)
	}
	until := time.Now().Add(b.size.stage)
	var rounds int
	took, u, err := b.used(func() error {
		for time.Now().Before(until) {
			if err := sendAll(ctx, b.client, alerts, shippers); err != nil {
				return fmt.Errorf("send alerts: %w", err)
			}
			rounds++
		}
		return nil
	})
	if err != nil {
		return err
	}
	n := float64(rounds * len(alerts))
	how := fmt.Sprintf("%s alerts sent again %d times; %s", number1(len(alerts)), rounds, u)
	b.report.atLeast("alert observations", n/took.Seconds(), 2000, "/s", how)
	return nil
}

// acknowledged measures how long an alert waits for its answer beside many
// lines.
func (b *bench) acknowledged(ctx context.Context) error {
	var s samples
	var beside string
	_, u, err := b.used(func() (err error) {
		beside, err = b.logs.besideLogs(ctx, manyLines, func(ctx context.Context) error {
			b.everyBeat(ctx, 20*time.Millisecond, int(b.size.stage/(20*time.Millisecond)), func(ctx context.Context, i int) error {
				a := newAlert("Beside", fmt.Sprintf("beside-%02d", i%100), fmt.Sprintf("10.1.%d.%d:9100", i/250, i%250), time.Now())
				began := time.Now()
				if err := b.client.postAlerts(ctx, []postedAlert{a}); err != nil {
					return err
				}
				s.add(time.Since(began))
				return nil
			}, &s)
			return nil
		})
		return err
	})
	b.report.atMost("alert acknowledged beside 50,000 lines/s, p99", s.ms(99), 100, " ms", fmt.Sprintf("%s; %s; %s", &s, beside, u))
	return err
}

// everyBeat calls f n times at a steady pace, each time in a goroutine of its
// own, and waits for all.
func (b *bench) everyBeat(ctx context.Context, every time.Duration, n int, f func(context.Context, int) error, s *samples) {
	var wg sync.WaitGroup
	defer wg.Wait()
	i := 0
	for range beats(ctx, every) {
		if i++; i > n {
			return
		}
		beat := i // i goes on while f runs
		wg.Go(func() {
			if err := f(ctx, beat); err != nil && ctx.Err() == nil {
				s.fail()
				b.report.Say("failed: %v", err)
			}
		})
	}
}

// visible measures how long after its acknowledgement an alert is in the
// timeline of its incident.
func (b *bench) visible(ctx context.Context) error {
	for _, sort := range []struct {
		name    string
		service func(i int) string
	}{
		{"of a new incident", func(i int) string { return fmt.Sprintf("probe-%05d", i) }},
		{"of one that is on", func(int) string { return "probe-00001" }},
	} {
		var s samples
		var beside string
		_, u, err := b.used(func() (err error) {
			beside, err = b.logs.besideLogs(ctx, someLines, func(ctx context.Context) error {
				b.everyBeat(ctx, 100*time.Millisecond, b.size.probes, func(ctx context.Context, i int) error {
					return b.probe(ctx, newAlert("Probe", sort.service(i), fmt.Sprintf("10.2.%d.%d:9100", i/250, i%250), time.Now()), &s)
				}, &s)
				return nil
			})
			return err
		})
		if err != nil {
			return err
		}
		b.report.atMost("alert accepted → in the timeline "+sort.name+", p99", s.ms(99), 50, " ms", fmt.Sprintf("%s; %s; %s", &s, beside, u))
	}
	return nil
}

// A probe asks often whether its alert is visible, and not for ever.
const (
	probeEvery  = 2 * time.Millisecond
	probeWithin = 10 * time.Second
)

func (b *bench) probe(ctx context.Context, a postedAlert, s *samples) error {
	if err := b.client.postAlerts(ctx, []postedAlert{a}); err != nil {
		return err
	}
	return b.inTimeline(ctx, a, probeEvery, s)
}

// inTimeline asks, so often, until an alert that was accepted now is in the
// timeline of its incident.
func (b *bench) inTimeline(ctx context.Context, a postedAlert, every time.Duration, s *samples) error {
	accepted := time.Now()
	path := "/incidents/" + a.id().String() + "/timeline"
	for time.Since(accepted) < probeWithin {
		got, err := b.client.get(ctx, path, "")
		if err != nil {
			return err
		}
		if got.status == 200 {
			s.add(time.Since(accepted))
			return nil
		}
		time.Sleep(every)
	}
	return fmt.Errorf("alert %s is in no timeline after %s", a.id(), probeWithin)
}

// read measures how long a timeline takes to be read by four clients.
func (b *bench) read(ctx context.Context) error {
	path, entries, err := b.longIncident(ctx)
	if err != nil {
		return err
	}
	one, err := b.client.get(ctx, path, "")
	if err != nil {
		return err
	}
	for _, sort := range []struct {
		name, etag string
		status     int
	}{{"JSON", "", 200}, {"304", one.etag, 304}} {
		var s samples
		until := time.Now().Add(b.size.stage / 2)
		_, u, err := b.used(func() error {
			return parallel(ctx, 4, func(ctx context.Context) (bool, error) {
				began := time.Now()
				got, err := b.client.get(ctx, path, sort.etag)
				if err != nil {
					return false, err
				}
				if got.status != sort.status {
					return false, fmt.Errorf("GET %s: status %d, want %d", path, got.status, sort.status)
				}
				s.add(time.Since(began))
				return time.Now().Before(until), nil
			})
		})
		if err != nil {
			return err
		}
		what := fmt.Sprintf("timeline of %d entries, 4 clients, %s, p99", entries, sort.name)
		b.report.atMost(what, s.ms(99), 10, " ms", fmt.Sprintf("%s; %d bytes; %s", &s, len(one.body), u))
	}
	return nil
}

// longIncident makes an incident with a long timeline: alerts that fired and
// ended.
func (b *bench) longIncident(ctx context.Context) (path string, entries int, err error) {
	var alerts []postedAlert
	from := time.Now().Add(-5 * time.Minute)
	for i := range b.size.entries / 2 {
		alerts = append(alerts, newAlert("Long", "long-incident", fmt.Sprintf("10.3.0.%d:9100", i), from.Add(time.Duration(i)*time.Second)))
	}
	if err := sendAll(ctx, b.client, alerts, 1); err != nil {
		return "", 0, err
	}
	path = "/incidents/" + alerts[0].id().String() + "/timeline"
	for i := range alerts {
		alerts[i].EndsAt = time.Now().UTC()
	}
	if err := sendAll(ctx, b.client, alerts, 1); err != nil {
		return "", 0, err
	}
	for began := time.Now(); time.Since(began) < probeWithin; time.Sleep(100 * time.Millisecond) {
		got, err := b.client.get(ctx, path, "")
		if err != nil {
			return "", 0, err
		}
		var t struct {
			Entries []struct{} `json:"entries"`
		}
		if got.status == 200 {
			if err := json.Unmarshal(got.body, &t); err != nil {
				return "", 0, fmt.Errorf("read the timeline: %w", err)
			}
		}
		if entries = len(t.Entries); entries >= b.size.entries {
			return path, entries, nil
		}
	}
	return "", 0, fmt.Errorf("the long incident has %d entries, want %d", entries, b.size.entries)
}

// memoryLimit is the target for resident memory, in MB.
const memoryLimit = 300

func (b *bench) memory(what string) {
	mb, ok := b.server.peak()
	if !ok {
		b.report.note(what, "unknown", "")
		return
	}
	b.report.atMost(what, mb, memoryLimit, " MB", "VmHWM")
}
