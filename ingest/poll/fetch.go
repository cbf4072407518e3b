package poll

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/alertmanager"
	"github.com/hindcast/hindcast/ingest/event"
)

// maxAnswer bounds an answer, in bytes. Ten thousand alerts are about 10 MB.
const maxAnswer = 64 << 20

// snapshot is what an Alertmanager showed in one poll.
type snapshot struct {
	// shownAt is a time before the alerts were listed, goneAt one after: an
	// alert in the list fired at shownAt, one that is missing was gone by
	// goneAt.
	shownAt, goneAt time.Time
	alerts          []alertmanager.APIAlert
	silences        []alertmanager.APISilence
	asides          []event.Aside
	// started is when the process began that was asked first, oneProcess says
	// that it was still the one that was asked last.
	started    time.Time
	oneProcess bool
}

// fetch asks for everything. The process's start is asked for before and
// after: a restart forgets all alerts, and a restart between two questions
// would look as if they had ended. Alerts come before silences, so that the
// silences that mute an alert are in the list.
func (w *watch) fetch(ctx context.Context) (snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, w.Timeout)
	defer cancel()
	var s snapshot
	var err error
	if s.started, err = w.processStart(ctx); err != nil {
		return s, err
	}
	s.shownAt = w.now()
	body, err := w.get(ctx, "/api/v2/alerts?active=true&silenced=true&inhibited=true&unprocessed=true")
	if err != nil {
		return s, err
	}
	s.goneAt = w.now()
	if s.alerts, s.asides, err = w.decoder.DecodeAPIAlerts(body, w.name(), s.shownAt); err != nil {
		return s, fmt.Errorf("decode alerts: %w", err)
	}
	if body, err = w.get(ctx, "/api/v2/silences"); err != nil {
		return s, err
	}
	silences, asides, err := w.decoder.DecodeAPISilences(body, s.goneAt)
	if err != nil {
		return s, fmt.Errorf("decode silences: %w", err)
	}
	s.silences, s.asides = silences, append(s.asides, asides...)
	last, err := w.processStart(ctx)
	if err != nil {
		return s, err
	}
	s.oneProcess = last.Equal(s.started)
	return s, nil
}

// processStart asks when the Alertmanager was started.
func (w *watch) processStart(ctx context.Context) (time.Time, error) {
	body, err := w.get(ctx, "/api/v2/status")
	if err != nil {
		return time.Time{}, err
	}
	var status struct {
		Uptime time.Time `json:"uptime"`
	}
	if err := json.Unmarshal(body, &status); err != nil {
		return time.Time{}, fmt.Errorf("decode status: %w", err)
	}
	started, _ := event.Clamp(status.Uptime)
	return started, nil
}

func (w *watch) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(w.URL, "/")+path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "hindcast")
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	route, _, _ := strings.Cut(path, "?")
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s answers %s", route, resp.Status)
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", route, err)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("%s answers more than %d bytes", route, maxAnswer)
	}
	return body, nil
}
