package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

type logsInput struct {
	conditions
	Service  textParam    `query:"service" doc:"Only lines of this service"`
	From     timeParam    `query:"from" doc:"Only lines at or after this time; an hour before to when absent"`
	To       timeParam    `query:"to" doc:"Only lines before this time; now when absent"`
	Pattern  patternParam `query:"pattern" doc:"Only lines of this pattern, as timelines have it in log.pattern"`
	Level    levelParam   `query:"level" doc:"Only lines of this level or a more severe one"`
	Contains textParam    `query:"contains" doc:"Only lines with this text in them"`
	Limit    limitParam   `query:"limit" doc:"Lines a page; 100 when absent"`
	Cursor   cursorParam  `query:"cursor" doc:"The next_cursor of the page before. It carries from and to: leave them out, or as they were"`
}

// lineList is the body of GET /logs.
type lineList struct {
	// From and To are the time that was looked at.
	From  time.Time            `json:"from"`
	To    time.Time            `json:"to"`
	Lines []storage.StoredLine `json:"lines"`
	// NextCursor is "" on the last page.
	NextCursor string `json:"next_cursor" doc:"Continues the list; empty on the last page"`
}

// linesPosition is where a page of lines ended. It carries the time that the
// first page was asked for: "the last hour" must not move while it is paged.
type linesPosition struct {
	From  time.Time `json:"f"`
	To    time.Time `json:"t"`
	Store string    `json:"s"`
}

func (a *api) describeLogs(h huma.API) huma.Operation {
	return huma.Operation{
		OperationID:        "list-logs",
		Method:             http.MethodGet,
		Path:               "/logs",
		Summary:            "List log lines, the earliest first",
		Description:        "Lines are kept for a shorter time than what was derived from them; those that an incident cites are kept with it.",
		Tags:               []string{"facts"},
		Parameters:         describeConditions(),
		Responses:          responses(h, content[lineList](h, "A page of lines"), 304, 400, 503),
		SkipValidateParams: true,
	}
}

func (a *api) getLogs(ctx context.Context, in *logsInput) (*reply, error) {
	var f faults
	f.unknown(in.rawQuery, in)
	q := storage.LineQuery{
		Service:  in.Service.parse("service", &f),
		Pattern:  in.Pattern.parse("pattern", &f),
		MinLevel: in.Level.parse("level", &f),
		Contains: in.Contains.parse("contains", &f),
		Limit:    in.Limit.parse("limit", 100, &f),
	}
	q.From, q.To, q.Cursor = a.lineRange(in, &f)
	if err := f.err(); err != nil {
		return nil, err
	}
	page, err := a.Store.Lines(ctx, q)
	if err != nil {
		return nil, a.failure(ctx, err, "list log lines", "")
	}
	list := lineList{From: q.From, To: q.To, Lines: filledBy(page.Lines, func(l *storage.StoredLine) { l.At = l.At.UTC() })}
	if page.Next != "" {
		list.NextCursor, err = encodeCursor(linesPosition{From: q.From, To: q.To, Store: page.Next})
		if err != nil {
			return nil, a.failure(ctx, err, "page log lines", "")
		}
	}
	return a.replyJSON(ctx, &in.conditions, list)
}

// lineRange is the time to look at and the store's cursor.
func (a *api) lineRange(in *logsInput, f *faults) (from, to time.Time, cursor string) {
	from, to = parseRange(in.From, in.To, f)
	if in.Cursor != "" {
		var p linesPosition
		if err := decodeCursor(string(in.Cursor), &p); err != nil || !p.valid() {
			f.add("cursor", string(in.Cursor), "want the next_cursor of an earlier page of the same list")
			return from, to, ""
		}
		if (!from.IsZero() && !from.Equal(p.From)) || (!to.IsZero() && !to.Equal(p.To)) {
			f.add("cursor", string(in.Cursor), "want the next_cursor of a page with the same from and to")
		}
		return p.From, p.To, p.Store
	}
	if to.IsZero() {
		to = a.Now().UTC()
	}
	if from.IsZero() {
		from = to.Add(-time.Hour)
	}
	if !from.Before(to) && len(*f) == 0 {
		f.add("from", string(in.From), "want a time before to, which is now when absent")
	}
	return from, to, ""
}

func (p linesPosition) valid() bool {
	return event.InRange(p.From) && event.InRange(p.To) && p.From.Before(p.To) && p.Store != ""
}
