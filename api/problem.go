package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// faults are what is wrong with the parameters of one request. All of them are
// told at once.
type faults []error

// add notes that a query parameter is wrong; want says what it should be.
func (f *faults) add(name, value, want string) {
	*f = append(*f, &huma.ErrorDetail{Message: want, Location: "query." + name, Value: shortened(value)})
}

// addNamed notes what is wrong with a parameter whatever its value.
func (f *faults) addNamed(name, want string) {
	*f = append(*f, &huma.ErrorDetail{Message: want, Location: "query." + name})
}

// err is a 400 that names every faulty parameter; nil when there is none.
func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	var says []string
	for _, err := range f {
		var d *huma.ErrorDetail
		if !errors.As(err, &d) {
			continue
		}
		text := strings.TrimPrefix(d.Location, "query.") + ": " + d.Message
		if d.Value != nil {
			text += fmt.Sprintf(", got %q", d.Value)
		}
		says = append(says, text)
	}
	return huma.Error400BadRequest(strings.Join(says, "; "), f...)
}

func shortened(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return strings.ToValidUTF8(s, "�")
}

// failure turns what the store returned into a problem. missing is what to say
// when there is no such thing.
func (a *api) failure(ctx context.Context, err error, doing, missing string) error {
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return huma.Error404NotFound(missing)
	case errors.Is(err, storage.ErrBadCursor):
		var f faults
		f.addNamed("cursor", "want the next_cursor of an earlier page of the same list")
		return f.err()
	// A driver may say in its own words that it was interrupted: the request's
	// context tells why.
	case errors.Is(ctx.Err(), context.Canceled):
		return huma.Error503ServiceUnavailable("The request was cancelled.") // nobody reads this
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return later(fmt.Sprintf("This took longer than %s. Ask for less, or try again later.", a.Timeout))
	case errors.Is(err, storage.ErrUnavailable):
		return later("The store cannot answer now. Try again later.")
	}
	a.Logger.ErrorContext(ctx, "could not answer", "doing", doing, "err", err)
	return huma.Error500InternalServerError("hindcast failed to " + doing + "; its log says more.")
}

func later(detail string) error {
	return huma.ErrorWithHeaders(huma.Error503ServiceUnavailable(detail), http.Header{"Retry-After": {"1"}})
}

// wantID is what to say of an ID that is none.
const wantID = "An ID is 26 characters of Crockford's base 32, such as 01JD8Z4R0GT6V3N8Q5M2K7B9XC. "

// pathID reads the ID in a path. What is no ID names nothing: it is missing.
func pathID(text, missing string) (event.ID, error) {
	id, err := event.ParseID(text)
	if err != nil {
		return event.ID{}, huma.Error404NotFound(wantID + missing)
	}
	return id, nil
}

// writeProblem answers outside of the resources.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	body, err := json.Marshal(huma.NewError(status, detail))
	if err != nil {
		http.Error(w, detail, status)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone when this fails
}
