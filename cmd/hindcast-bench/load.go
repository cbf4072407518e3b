package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/snappy"
)

// logLoad pushes log lines. Numbers of pushes go up, so that no push is sent
// twice.
type logLoad struct {
	client *client
	number atomic.Int64
	// sent are lines that were taken, late are pushes that began late because
	// all senders were busy, failed those that were refused.
	sent, late, failed atomic.Int64
}

// push sends one push of lines from the second before at.
func (l *logLoad) push(ctx context.Context, at time.Time, lines int) error {
	body := pushBody(int(l.number.Add(1)), at, lines)
	if err := l.client.post(ctx, "/loki/api/v1/push", protobuf, body); err != nil {
		l.failed.Add(1)
		return err
	}
	l.sent.Add(int64(lines))
	return nil
}

// shippers is how many pushes are under way at most.
const shippers = 8

// full pushes as fast as the server takes it, until next says that it is
// enough. next gives the time of each push.
func (l *logLoad) full(ctx context.Context, next func() (time.Time, bool)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range shippers {
		wg.Go(func() {
			for ctx.Err() == nil {
				at, ok := next()
				if !ok {
					return
				}
				if err := l.push(ctx, at, linesPerPush); err != nil {
					cancel(fmt.Errorf("push lines: %w", err))
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// preparedPush is a push that waits to be sent, and its size when it is
// decompressed.
type preparedPush struct {
	body []byte
	size int
}

// prepare makes pushes ahead, so that making them does not take the server's
// time. The numbers begin at 0.
func prepare(n int, at func(i int) time.Time) []preparedPush {
	pushes := make([]preparedPush, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				body := pushBody(i, at(i), linesPerPush)
				size, err := snappy.DecodedLen(body)
				if err != nil {
					panic(err) // of our own making
				}
				pushes[i] = preparedPush{body, size}
			}
		})
	}
	wg.Wait()
	return pushes
}

// send pushes what was prepared as fast as the server takes it, so many at once.
func (l *logLoad) send(ctx context.Context, pushes []preparedPush, atOnce int) error {
	var next atomic.Int64
	return parallel(ctx, atOnce, func(ctx context.Context) (bool, error) {
		i := int(next.Add(1)) - 1
		if i >= len(pushes) {
			return false, nil
		}
		if err := l.client.post(ctx, "/loki/api/v1/push", protobuf, pushes[i].body); err != nil {
			l.failed.Add(1)
			return false, fmt.Errorf("push lines: %w", err)
		}
		l.sent.Add(linesPerPush)
		return true, nil
	})
}

// paced pushes lines at a rate until ctx is done, whatever the server says.
func (l *logLoad) paced(ctx context.Context, linesPerSecond, lines int) {
	every := time.Second * time.Duration(lines) / time.Duration(linesPerSecond)
	places := make(chan struct{}, shippers)
	var wg sync.WaitGroup
	defer wg.Wait()
	for at := range beats(ctx, every) {
		select {
		case places <- struct{}{}:
		default:
			l.late.Add(1)
			select {
			case places <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
		wg.Go(func() {
			defer func() { <-places }()
			// What is refused is counted; what is under way at the end is let go.
			_ = l.push(context.WithoutCancel(ctx), at, lines)
		})
	}
}

// beats yields the times at which something is to be done, at a steady pace
// until ctx is done: one that is late does not delay those after it.
func beats(ctx context.Context, every time.Duration) func(func(time.Time) bool) {
	return func(yield func(time.Time) bool) {
		timer := time.NewTimer(0)
		defer timer.Stop()
		for next := time.Now(); ; next = next.Add(every) {
			timer.Reset(time.Until(next))
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			if !yield(next) {
				return
			}
		}
	}
}

// besideLogs runs f while lines are pushed at a rate, and reports what became
// of them.
func (l *logLoad) besideLogs(ctx context.Context, linesPerSecond int, f func(context.Context) error) (string, error) {
	loading, stop := context.WithCancel(ctx)
	sent, late, failed := l.sent.Load(), l.late.Load(), l.failed.Load()
	began := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() { l.paced(loading, linesPerSecond, min(linesPerPush, linesPerSecond/10)) })
	err := f(ctx)
	took := time.Since(began)
	stop()
	wg.Wait()
	text := fmt.Sprintf("beside %s lines/s", number(float64(l.sent.Load()-sent)/took.Seconds()))
	if n := l.late.Load() - late; n > 0 {
		text += fmt.Sprintf(", %d pushes late", n)
	}
	if n := l.failed.Load() - failed; n > 0 {
		text += fmt.Sprintf(", %d pushes refused", n)
	}
	return text, err
}
