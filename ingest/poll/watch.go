package poll

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/hindcast/hindcast/ingest/alertmanager"
	"github.com/hindcast/hindcast/ingest/event"
)

// refresh is how often an alert that keeps firing is told of.
const refresh = time.Minute

// appendTimeout bounds one append. What it cuts off is appended again.
const appendTimeout = 30 * time.Second

// watch follows one Alertmanager.
type watch struct {
	Alertmanager
	client  *http.Client
	to      Appender
	decoder alertmanager.Decoder
	log     *slog.Logger
	now     func() time.Time
	polled  func(string, time.Duration, error)
	told    func(string, int, error)
	// shared is what all Alertmanagers show.
	shared *showing

	alerts   map[alertKey]shown
	silences map[string]silenceVersion
	// asides are the reasons for what the last poll put aside.
	asides  map[string]bool
	started time.Time
	reached reach
	// waiting is what is not durable yet.
	waiting waiting
}

type alertKey struct {
	fingerprint event.Fingerprint
	startsAt    int64 // in milliseconds since 1970
}

// shown is an alert that the Alertmanager showed.
type shown struct {
	// observation is the last sighting, without its raw payload.
	observation event.Observation
	// toldAt is when it was last told of.
	toldAt time.Time
	// mutes are the silences that mute it, and "inhibited".
	mutes map[string]bool
}

const inhibited = "inhibited"

type silenceVersion struct {
	updatedAt time.Time
	action    event.SilenceAction
}

type reach uint8

const (
	reachUnknown reach = iota
	reachYes
	reachNo
)

func newWatch(a Alertmanager, client *http.Client, to Appender, shared *showing, o Options) *watch {
	return &watch{
		Alertmanager: a,
		client:       client,
		to:           to,
		decoder:      o.Decoder,
		log:          o.Logger.With("alertmanager", a.name()),
		now:          func() time.Time { return o.Now().UTC() },
		polled:       o.Polled,
		told:         o.Appended,
		shared:       shared,
	}
}

// tick polls once and appends what was learned, with what an earlier append
// left behind. While too much waits it appends only.
func (w *watch) tick(ctx context.Context) {
	if !w.waiting.full() {
		start := w.now()
		s, err := w.fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		w.polled(w.name(), w.now().Sub(start), err)
		w.reach(err)
		if err == nil {
			w.learn(s)
		}
	}
	w.flush(ctx)
}

// reach tells when the Alertmanager cannot be reached any more, and when it
// can be again. The first answer is told too: before a restart of hindcast it
// may have been otherwise.
func (w *watch) reach(err error) {
	now, status, detail := reachYes, "reachable", ""
	if err != nil {
		now, status, detail = reachNo, "unreachable", err.Error()
		w.shared.forget(w)
	}
	if now == w.reached {
		return
	}
	if err != nil {
		w.log.Warn("cannot poll Alertmanager", "err", err)
	} else if w.reached == reachNo {
		w.log.Info("Alertmanager can be polled again")
	}
	w.reached = now
	w.source(w.now(), status, detail)
}

func (w *watch) source(at time.Time, status, detail string) {
	w.waiting.event(event.Event{
		ID:         event.NewID(at, "poll", w.name(), status, at.Format(time.RFC3339Nano)),
		Kind:       event.KindSource,
		OccurredAt: at,
		ReceivedAt: w.now(),
		Road:       event.RoadPoll,
		Instance:   w.name(),
		Source:     &event.SourceStatus{Status: status, Detail: detail},
	})
}

// flush appends what waits. What cannot be appended stays, and grows by what
// later polls find: nothing that was seen is lost, as long as hindcast runs.
func (w *watch) flush(ctx context.Context) {
	batch := w.waiting.batch()
	if batch.Len() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, appendTimeout)
	defer cancel()
	err := w.to.Append(ctx, batch)
	w.told(w.name(), batch.Len(), err)
	if err != nil {
		w.log.Warn("cannot append what was polled; will try again", "facts", batch.Len(), "err", err)
		return
	}
	w.waiting = waiting{}
}

// learn compares a snapshot with the one before.
func (w *watch) learn(s snapshot) {
	// Where alerts were lost to a restart, or the list has entries that were
	// not understood, that an alert is missing says nothing.
	complete := s.oneProcess && s.started.Equal(w.started) && len(s.asides) == 0
	if !w.started.IsZero() && !s.started.Equal(w.started) {
		w.source(s.started, "started", "Alertmanager was restarted; what it knew of alerts is lost")
	}
	w.started = s.started
	w.learnAsides(s.asides)
	w.learnAlerts(s, complete)
	w.learnSilences(s)
}

// learnAsides tells once of what is put aside in every poll.
func (w *watch) learnAsides(asides []event.Aside) {
	now := make(map[string]bool, len(asides))
	for _, a := range asides {
		key := a.Reason + string(a.Raw)
		if !w.asides[key] && !now[key] {
			w.waiting.asides = append(w.waiting.asides, a)
		}
		now[key] = true
	}
	w.asides = now
}

func (w *watch) learnAlerts(s snapshot, complete bool) {
	now := make(map[alertKey]shown, len(s.alerts))
	latest := make(map[event.Fingerprint]time.Time, len(s.alerts))
	for _, a := range s.alerts {
		if at := a.Observation.StartsAt; at.After(latest[a.Observation.Fingerprint]) {
			latest[a.Observation.Fingerprint] = at
		}
	}
	w.shared.show(w, latest)
	silences := make(map[string]event.Silence, len(s.silences))
	for _, x := range s.silences {
		silences[x.Silence.ID] = x.Silence
	}
	for _, a := range s.alerts {
		key := alertKey{a.Observation.Fingerprint, a.Observation.StartsAt.UnixMilli()}
		before, known := w.alerts[key]
		is := shown{observation: a.Observation, toldAt: before.toldAt, mutes: mutesOf(a)}
		is.observation.Raw = nil // it would keep the whole answer in memory
		if !known || s.shownAt.Sub(before.toldAt) >= refresh {
			is.toldAt = s.shownAt
			w.waiting.observation(a.Observation)
		}
		for by := range is.mutes {
			if !before.mutes[by] {
				w.waiting.event(w.mute(a, by, silences, latest, s.shownAt))
			}
		}
		now[key] = is
	}
	if complete {
		for key, before := range w.alerts {
			if _, on := now[key]; on {
				continue
			}
			if on := w.gone(before, latest, s.goneAt); on {
				now[key] = before
			}
		}
	}
	w.alerts = now
}

// gone tells that an alert is not shown any more, unless it is on under
// another start or another Alertmanager still shows it. It reports whether the
// alert must be looked at again.
func (w *watch) gone(before shown, latest map[event.Fingerprint]time.Time, by time.Time) (again bool) {
	o := before.observation
	if since, on := latest[o.Fingerprint]; on {
		if !since.After(o.StartsAt) {
			// An earlier start was learned of the same firing.
			return false
		}
		// It ended, and fires again since then.
		if since.Before(by) {
			by = since
		}
	} else if w.shared.elsewhere(w, o.Fingerprint) {
		return true
	}
	o.GoneBy = by
	o.FirstReceivedAt, o.LastReceivedAt = w.now(), w.now()
	w.waiting.observation(o)
	return false
}

func mutesOf(a alertmanager.APIAlert) map[string]bool {
	if len(a.SilencedBy) == 0 && len(a.InhibitedBy) == 0 {
		return nil
	}
	by := make(map[string]bool, len(a.SilencedBy)+1)
	for _, id := range a.SilencedBy {
		by[id] = true
	}
	if len(a.InhibitedBy) > 0 {
		by[inhibited] = true
	}
	return by
}

// mute makes the event that an alert became suppressed. That was when both
// were there, the alert and what suppresses it; so the event has the same time
// and ID whichever poll sees it first.
func (w *watch) mute(a alertmanager.APIAlert, by string, silences map[string]event.Silence, starts map[event.Fingerprint]time.Time, shownAt time.Time) event.Event {
	m := event.Mute{Fingerprint: a.Observation.Fingerprint, Labels: a.Observation.Labels}
	var since time.Time
	if by == inhibited {
		m.Inhibitors = a.InhibitedBy
		for _, fp := range a.InhibitedBy {
			if at, ok := starts[fp]; ok && (since.IsZero() || at.Before(since)) {
				since = at
			}
		}
	} else {
		m.SilenceID = by
		since = silences[by].StartsAt
	}
	switch {
	case since.IsZero():
		since = shownAt
	case since.Before(a.Observation.StartsAt):
		since = a.Observation.StartsAt
	}
	return event.Event{
		ID: event.NewID(since, "poll", w.name(), "mute", m.Fingerprint.String(),
			strconv.FormatInt(a.Observation.StartsAt.UnixMilli(), 10), by),
		Kind:       event.KindMute,
		OccurredAt: since,
		ReceivedAt: shownAt,
		Road:       event.RoadPoll,
		Instance:   w.name(),
		Mute:       &m,
		Raw:        a.Observation.Raw,
	}
}

// learnSilences tells of silences that are new or changed. One that was
// deleted is expired, and its end is when it was deleted.
func (w *watch) learnSilences(s snapshot) {
	now := make(map[string]silenceVersion, len(s.silences))
	for _, x := range s.silences {
		before, known := w.silences[x.Silence.ID]
		if known && x.Silence.Action == event.SilenceCreated && before.updatedAt.Before(x.Silence.UpdatedAt) {
			// It was updated before it began.
			x.Silence.Action = event.SilenceUpdated
		}
		is := silenceVersion{x.Silence.UpdatedAt, x.Silence.Action}
		if known && before.updatedAt.Equal(is.updatedAt) && is.action != event.SilenceExpired {
			is.action = before.action
		}
		if !known || is != before {
			e := alertmanager.NewSilenceEvent(x.Silence, event.RoadPoll, s.goneAt, x.Raw)
			e.ClockSuspect = x.ClockSuspect
			w.waiting.event(e)
		}
		now[x.Silence.ID] = is
	}
	w.silences = now
}

// showing is which alerts each Alertmanager shows: of a cluster, the member
// that was asked first must not say that an alert is gone while another still
// has it.
type showing struct {
	mu sync.Mutex
	by map[*watch]map[event.Fingerprint]time.Time
}

func (s *showing) show(w *watch, alerts map[event.Fingerprint]time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = make(map[*watch]map[event.Fingerprint]time.Time)
	}
	s.by[w] = alerts
}

// forget says that nothing is known of what an Alertmanager shows.
func (s *showing) forget(w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.by, w)
}

func (s *showing) elsewhere(w *watch, fp event.Fingerprint) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other, alerts := range s.by {
		if _, on := alerts[fp]; on && other != w {
			return true
		}
	}
	return false
}
