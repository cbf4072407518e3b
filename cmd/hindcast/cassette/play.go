package cassette

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ReceivedAtHeader carries the time of a request's first arrival.
const ReceivedAtHeader = "Hindcast-Received-At"

// A server that does not believe [ReceivedAtHeader] answers with timesHeader
// and the value timesReceived.
const (
	timesHeader   = "Hindcast-Times"
	timesReceived = "received"
)

// Player plays requests at a server, one after the other.
type Player struct {
	// URL is the server's, without a path.
	URL string
	// Client sends the requests; nil is http.DefaultClient.
	Client *http.Client
	// Speed is how many times faster than recorded to play; 0 does not wait.
	Speed float64
	// Retries is how often a request is tried again that was answered 503 or
	// 429, or whose connection failed; the wait is what Retry-After says.
	Retries int
	// Progress, when set, is called after every request.
	Progress func(Report)

	previous time.Time
}

// Report is what became of the requests that were played.
type Report struct {
	Sent    int
	Bytes   int64
	Retried int
	// Disbelieved counts requests for which the server took its own time and
	// not the recorded one: they are told as of now.
	Disbelieved int
	// Statuses counts answers by status.
	Statuses map[int]int
	// Refused lists answers outside 2xx, the first ones.
	Refused []Refusal
}

// Refusal is an answer outside 2xx.
type Refusal struct {
	Where, Path string
	Status      int
	Answer      string
}

// maxRefused bounds how many refusals a report lists; Statuses counts all.
const maxRefused = 20

// OK reports whether all answers were 2xx.
func (r *Report) OK() bool { return len(r.Refused) == 0 }

// Merge adds another report.
func (r *Report) Merge(other Report) {
	r.Sent += other.Sent
	r.Bytes += other.Bytes
	r.Retried += other.Retried
	r.Disbelieved += other.Disbelieved
	for status, n := range other.Statuses {
		r.count(status, n)
	}
	r.Refused = append(r.Refused, other.Refused...)
	r.Refused = r.Refused[:min(len(r.Refused), maxRefused)]
}

func (r *Report) count(status, n int) {
	if r.Statuses == nil {
		r.Statuses = map[int]int{}
	}
	r.Statuses[status] += n
}

// String is the report in a line.
func (r *Report) String() string {
	var parts []string
	statuses := make([]int, 0, len(r.Statuses))
	for status := range r.Statuses {
		statuses = append(statuses, status)
	}
	slices.Sort(statuses)
	for _, status := range statuses {
		parts = append(parts, fmt.Sprintf("%d × %d", r.Statuses[status], status))
	}
	line := fmt.Sprintf("%d requests, %.1f MB", r.Sent, float64(r.Bytes)/1e6)
	if len(parts) > 0 {
		line += ": " + strings.Join(parts, ", ")
	}
	if r.Retried > 0 {
		line += fmt.Sprintf("; %d retries", r.Retried)
	}
	return line
}

// Play sends requests in their order. An error means that the server could not
// be reached, or ctx ended; refused requests are in the report and no error.
func (p *Player) Play(ctx context.Context, requests []Request) (Report, error) {
	var report Report
	for _, req := range requests {
		if err := p.wait(ctx, req.At); err != nil {
			return report, err
		}
		if err := p.send(ctx, req, &report); err != nil {
			return report, err
		}
		if p.Progress != nil {
			p.Progress(report)
		}
	}
	return report, nil
}

// wait keeps the recorded pace.
func (p *Player) wait(ctx context.Context, at time.Time) error {
	previous := p.previous
	p.previous = at
	if p.Speed <= 0 || previous.IsZero() || !at.After(previous) {
		return ctx.Err()
	}
	return sleep(ctx, time.Duration(float64(at.Sub(previous))/p.Speed))
}

func (p *Player) send(ctx context.Context, req Request, report *Report) error {
	body, err := req.Bytes()
	if err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		got, err := p.try(ctx, req, body)
		again := err != nil || got.status == http.StatusServiceUnavailable || got.status == http.StatusTooManyRequests
		if again && attempt < p.Retries && ctx.Err() == nil {
			report.Retried++
			if err := sleep(ctx, got.retryAfter); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", req.Where, err)
		}
		report.Sent++
		report.Bytes += int64(len(body))
		report.count(got.status, 1)
		if got.disbelieved {
			report.Disbelieved++
		}
		if got.status/100 != 2 && len(report.Refused) < maxRefused {
			report.Refused = append(report.Refused, Refusal{Where: req.Where, Path: req.Path, Status: got.status, Answer: got.text})
		}
		return nil
	}
}

// answer is what a server said to one request.
type answer struct {
	status int
	text   string
	// disbelieved says that the server did not take the recorded time.
	disbelieved bool
	// retryAfter is how long to wait before another attempt.
	retryAfter time.Duration
}

// try sends a request once. On an error only retryAfter of the answer counts.
func (p *Player) try(ctx context.Context, req Request, body []byte) (answer, error) {
	failed := answer{retryAfter: time.Second}
	httpReq, err := http.NewRequestWithContext(ctx, req.Method, strings.TrimSuffix(p.URL, "/")+req.Path, bytes.NewReader(body))
	if err != nil {
		return failed, fmt.Errorf("make request: %w", err)
	}
	for name, value := range req.Headers {
		httpReq.Header.Set(name, value)
	}
	httpReq.Header.Set(ReceivedAtHeader, req.At.UTC().Format(time.RFC3339Nano))
	client := p.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(httpReq)
	if err != nil {
		return failed, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return failed, fmt.Errorf("read answer: %w", err)
	}
	// Reading to the end keeps the connection; an answer is small.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return answer{
		status: resp.StatusCode, text: strings.TrimSpace(string(text)),
		disbelieved: resp.Header.Get(timesHeader) == timesReceived,
		retryAfter:  retryDelay(resp.Header.Get("Retry-After")),
	}, nil
}

// maxRetryDelay bounds what a server can make us wait.
const maxRetryDelay = time.Minute

// retryDelay reads a Retry-After header: seconds or a date.
func retryDelay(header string) time.Duration {
	delay := time.Second
	if seconds, err := strconv.Atoi(header); err == nil {
		delay = time.Duration(min(max(seconds, 0), 3600)) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		delay = time.Until(at)
	}
	return min(max(delay, 0), maxRetryDelay)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ErrRefused says that a server refused requests of a cassette.
var ErrRefused = errors.New("requests were refused")
