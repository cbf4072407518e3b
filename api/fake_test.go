package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// fakeStore keeps the promises of the contract in memory. The zero fakeStore
// is empty.
type fakeStore struct {
	mu        sync.Mutex
	timelines []timeline.Timeline
	signals   map[event.ID]event.ID // a member signal or alias, and its incident
	facts     map[event.ID]storage.Fact
	lines     []storage.StoredLine
	asides    []event.Aside
	// err is returned by every method when set; block makes every method wait.
	err   error
	block chan struct{}
	// asked is the last query for lines, by its value.
	asked storage.LineQuery
}

func (s *fakeStore) wait(ctx context.Context) error {
	if s.block != nil {
		select {
		case <-s.block:
		case <-ctx.Done():
			return fmt.Errorf("wait: %w", ctx.Err())
		}
	}
	if s.err != nil {
		return fmt.Errorf("fake: %w", s.err)
	}
	return nil
}

func (s *fakeStore) add(t timeline.Timeline) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timelines = append(s.timelines, t)
}

func (s *fakeStore) Incidents(ctx context.Context, q storage.IncidentQuery) (storage.IncidentPage, error) {
	if err := s.wait(ctx); err != nil {
		return storage.IncidentPage{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := func(i timeline.Incident) string { return i.ID.String() }
	var all []timeline.Incident
	for _, t := range s.timelines {
		i := t.Incident
		switch {
		case i.Minor && !q.Minor, q.Status != "" && i.Status != q.Status,
			q.Service != "" && !slices.Contains(i.Services, q.Service),
			!q.To.IsZero() && !i.StartedAt.Before(q.To),
			!q.From.IsZero() && i.EndedAt != nil && i.EndedAt.Before(q.From),
			q.Cursor != "" && key(i) >= q.Cursor:
			continue
		}
		all = append(all, i)
	}
	if q.Cursor != "" && len(q.Cursor) != 26 {
		return storage.IncidentPage{}, fmt.Errorf("incidents: %w", storage.ErrBadCursor)
	}
	slices.SortFunc(all, func(a, b timeline.Incident) int { return cmp.Compare(key(b), key(a)) })
	var page storage.IncidentPage
	page.Incidents = all
	if len(all) > q.Limit {
		page.Incidents = all[:q.Limit]
		page.Next = key(page.Incidents[q.Limit-1])
	}
	return page, nil
}

func (s *fakeStore) Timeline(ctx context.Context, id event.ID) (timeline.Timeline, error) {
	if err := s.wait(ctx); err != nil {
		return timeline.Timeline{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if own, ok := s.signals[id]; ok {
		id = own
	}
	for _, t := range s.timelines {
		if t.Incident.ID == id {
			return t, nil
		}
	}
	return timeline.Timeline{}, fmt.Errorf("timeline %s: %w", id, storage.ErrNotFound)
}

func (s *fakeStore) Fact(ctx context.Context, id event.ID) (storage.Fact, error) {
	if err := s.wait(ctx); err != nil {
		return storage.Fact{}, err
	}
	f, ok := s.facts[id]
	if !ok {
		return storage.Fact{}, fmt.Errorf("fact %s: %w", id, storage.ErrNotFound)
	}
	return f, nil
}

func (s *fakeStore) Lines(ctx context.Context, q storage.LineQuery) (storage.LinePage, error) {
	if err := s.wait(ctx); err != nil {
		return storage.LinePage{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = q
	start := 0
	if q.Cursor != "" {
		n, err := strconv.Atoi(q.Cursor)
		if err != nil {
			return storage.LinePage{}, fmt.Errorf("lines: %w", storage.ErrBadCursor)
		}
		start = n
	}
	var all []storage.StoredLine
	for _, l := range s.lines {
		if !l.At.Before(q.From) && l.At.Before(q.To) && strings.Contains(l.Text, q.Contains) {
			all = append(all, l)
		}
	}
	all = all[min(start, len(all)):]
	page := storage.LinePage{Lines: all}
	if len(all) > q.Limit {
		page.Lines, page.Next = all[:q.Limit], strconv.Itoa(start+q.Limit)
	}
	return page, nil
}

func (s *fakeStore) Asides(ctx context.Context, cursor string, limit int) (storage.AsidePage, error) {
	if err := s.wait(ctx); err != nil {
		return storage.AsidePage{}, err
	}
	start := 0
	if cursor != "" {
		n, err := strconv.Atoi(cursor)
		if err != nil {
			return storage.AsidePage{}, fmt.Errorf("asides: %w", storage.ErrBadCursor)
		}
		start = n
	}
	all := s.asides[min(start, len(s.asides)):]
	page := storage.AsidePage{Asides: all}
	if len(all) > limit {
		page.Asides, page.Next = all[:limit], strconv.Itoa(start+limit)
	}
	return page, nil
}

// t0 is when everything in these tests begins.
var t0 = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

func after(seconds float64) time.Time { return t0.Add(time.Duration(seconds * float64(time.Second))) }

func at(seconds float64) *time.Time {
	t := after(seconds)
	return &t
}

func newTestAPI(t testing.TB, store Store, change ...func(*Options)) http.Handler {
	t.Helper()
	opts := Options{
		Store:  store,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Now:    func() time.Time { return t0.Add(time.Hour) },
	}
	for _, c := range change {
		c(&opts)
	}
	h, err := New(opts)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return h
}

// get asks for a path with header lines "Name: value".
func get(t testing.TB, h http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return do(t, h, http.MethodGet, path, headers...)
}

func do(t testing.TB, h http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func decode[T any](t testing.TB, w *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if w.Code != http.StatusOK {
		t.Fatalf("status = %d, want 200; body: %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("decode the answer: %v; body: %s", err, w.Body)
	}
	return v
}

// wantProblem checks that an answer is a problem of that status whose detail
// holds all the texts.
func wantProblem(t testing.TB, w *httptest.ResponseRecorder, status int, holds ...string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("status = %d, want %d; body: %s", w.Code, status, w.Body)
		return
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type = %q, want application/problem+json", got)
	}
	var p struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("decode the problem: %v; body: %s", err, w.Body)
	}
	if p.Status != status || p.Title != http.StatusText(status) {
		t.Errorf("problem says %d %q, want %d %q", p.Status, p.Title, status, http.StatusText(status))
	}
	for _, text := range holds {
		if !strings.Contains(p.Detail, text) {
			t.Errorf("detail = %q, want %q in it", p.Detail, text)
		}
	}
	if got := w.Header().Get("ETag"); got != "" {
		t.Errorf("a problem has the ETag %s", got)
	}
}
