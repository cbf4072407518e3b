package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync/atomic"
	"time"
)

// idleEngine measures what readers and senders of alerts wait for while nothing
// else is going on.
func (b *onClickHouse) idleEngine(ctx context.Context) error {
	if err := b.settle(ctx); err != nil { // the server has just started
		return err
	}
	if err := b.rest(ctx); err != nil {
		return err
	}
	for _, stage := range []func(context.Context) error{b.readTimelines, b.readLists, b.reachTimelines} {
		if err := stage(ctx); err != nil {
			return err
		}
	}
	b.memories("with all that stored", 0)
	return nil
}

// restWithin bounds the wait for a server that has just started: it derives the
// past again, beside everything else.
const restWithin = 10 * time.Minute

// rest waits until neither the server nor the engine has anything to do.
func (b *onClickHouse) rest(ctx context.Context) error {
	const idle = 0.1 // of a core
	began := time.Now()
	for {
		_, u, err := b.used(func() error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(5 * time.Second):
				return nil
			}
		})
		if err != nil || !u.known {
			return err
		}
		if u.server+u.engine < idle {
			b.report.note("started again: until at rest", fmt.Sprintf("%.0f s", time.Since(began).Seconds()), "the past is derived again, beside everything else")
			return nil
		}
		if time.Since(began) > restWithin {
			return fmt.Errorf("after %s the server still works: %s", restWithin, u)
		}
	}
}

// readTimelines measures how long the timeline of a large incident takes: of
// another one each time, of one that was read just before, and of others again
// by several clients.
func (b *onClickHouse) readTimelines(ctx context.Context) error {
	var paths []string
	for i := 0; i < b.derived; i += largeEvery {
		paths = append(paths, "/incidents/"+b.history.id(i).String()+"/timeline")
	}
	r := rand.New(rand.NewPCG(1, 2))
	r.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
	one, err := b.client.get(ctx, paths[0], "")
	if err != nil {
		return err
	}
	var t struct {
		Entries []struct{} `json:"entries"`
	}
	if err := json.Unmarshal(one.body, &t); err != nil {
		return fmt.Errorf("read the timeline %s: %w", paths[0], err)
	}
	if one.status != 200 || len(t.Entries) < b.size.entries {
		return fmt.Errorf("the timeline %s has status %d and %d entries, want 200 and at least %d", paths[0], one.status, len(t.Entries), b.size.entries)
	}
	const limit = 25
	what := fmt.Sprintf("timeline of %d entries, ", len(t.Entries))
	if err := b.reads(ctx, what+"another each time, p99", limit, 1, paths, ""); err != nil {
		return err
	}
	if err := b.reads(ctx, what+"the same again, p99", limit, 1, paths[:1], ""); err != nil {
		return err
	}
	if err := b.reads(ctx, what+"not changed (304), p99", limit, 1, paths[:1], one.etag); err != nil {
		return err
	}
	return b.reads(ctx, what+"4 clients, p99", 0, 4, paths, "")
}

func (b *onClickHouse) readLists(ctx context.Context) error {
	const limit = 15
	if err := b.reads(ctx, "incident list, another each time, p99", limit, 1, otherLists(), ""); err != nil {
		return err
	}
	if err := b.reads(ctx, "incident list, the same again, p99", limit, 1, []string{"/incidents"}, ""); err != nil {
		return err
	}
	if err := b.reads(ctx, "incident list of a service, p99", 0, 1, []string{"/incidents?service=svc-07", "/incidents?service=svc-31"}, ""); err != nil {
		return err
	}
	past := time.Now().Add(-b.size.past / 2).UTC()
	week := url.Values{"from": {past.Format(time.RFC3339)}, "to": {past.Add(7 * 24 * time.Hour).Format(time.RFC3339)}}
	if err := b.reads(ctx, "incident list of a week long ago, p99", 0, 1, []string{"/incidents?" + week.Encode()}, ""); err != nil {
		return err
	}
	return b.reads(ctx, "incident list, 4 clients, p99", 0, 4, []string{"/incidents"}, "")
}

// otherLists are as many questions that all have the list's first page as answer
// and that the server takes for different ones.
func otherLists() (paths []string) {
	now := time.Now().UTC()
	for i := range 1000 {
		until := url.Values{"to": {now.Add(time.Duration(i) * time.Minute).Format(time.RFC3339)}}
		paths = append(paths, "/incidents?"+until.Encode())
	}
	return paths
}

// reads measures how long some resources take, one after the other, against a
// limit in milliseconds; 0 is none.
func (b *onClickHouse) reads(ctx context.Context, what string, limit float64, clients int, paths []string, etag string) error {
	want := 200
	if etag != "" {
		want = 304
	}
	var s samples
	var size, next atomic.Int64
	until := time.Now().Add(b.size.stage / 2)
	_, u, err := b.used(func() error {
		return parallel(ctx, clients, func(ctx context.Context) (bool, error) {
			path := paths[int(next.Add(1)-1)%len(paths)]
			began := time.Now()
			got, err := b.client.get(ctx, path, etag)
			if err != nil {
				return false, err
			}
			s.add(time.Since(began))
			if got.status != want {
				return false, fmt.Errorf("GET %s: status %d, want %d: %.300s", path, got.status, want, got.body)
			}
			size.Add(int64(len(got.body)))
			return time.Now().Before(until), nil
		})
	})
	if err != nil {
		return err
	}
	how := fmt.Sprintf("%s; %d bytes; %s", &s, size.Load()/max(next.Load(), 1), u)
	if limit == 0 {
		b.report.note(what, number(s.ms(99))+" ms", how)
		return nil
	}
	b.report.atMost(what, s.ms(99), limit, " ms", how)
	return nil
}

// reachTimelines measures how long after its acknowledgement an alert is in the
// timeline of its incident, one alert at a time.
func (b *onClickHouse) reachTimelines(ctx context.Context) error {
	const limit = 2
	for _, sort := range []struct {
		name    string
		service func(i int) string
	}{
		{"of a new incident", func(i int) string { return fmt.Sprintf("probe-%05d", i) }},
		{"of one that is on", func(int) string { return "probe-00001" }},
	} {
		var s, answered samples
		_, u, err := b.used(func() error {
			for i := range b.size.probes {
				a := newAlert("Probe", sort.service(i), fmt.Sprintf("10.2.%d.%d:9100", i/250, i%250), time.Now())
				if err := b.reach(ctx, a, &answered, &s); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		b.report.note("alert sent → accepted, "+sort.name+", p99", number(answered.ms(99))+" ms", answered.String())
		b.report.atMost("alert accepted → in the timeline "+sort.name+", p99", s.ms(99)/1e3, limit, " s", fmt.Sprintf("%s; %s", &s, u))
	}
	return nil
}

// askEvery is how often an alert's timeline is asked for: each time is a query
// of the engine that is to be idle.
const askEvery = 10 * time.Millisecond

// reach sends an alert and waits until the incident's timeline has it.
func (b *onClickHouse) reach(ctx context.Context, a postedAlert, answered, visible *samples) error {
	began := time.Now()
	if err := b.client.postAlerts(ctx, []postedAlert{a}); err != nil {
		return err
	}
	answered.add(time.Since(began))
	return b.inTimeline(ctx, a, askEvery, visible)
}
