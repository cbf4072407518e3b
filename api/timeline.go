package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hindcast/hindcast/correlate/timeline"
)

type timelineInput struct {
	conditions
	ID            string      `path:"id" doc:"The ID of the incident, or of any signal that is part of it"`
	EntriesCursor cursorParam `query:"entries_cursor" doc:"The entries_cursor of the page before"`
	Format        formatParam `query:"format" doc:"The timeline in this format, whatever Accept says: JSON or Markdown"`
}

func (a *api) describeTimeline(h huma.API) huma.Operation {
	ok := content[timeline.Timeline](h, "The timeline")
	ok.Content[typeMarkdown] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	return huma.Operation{
		OperationID: "get-timeline",
		Method:      http.MethodGet,
		Path:        "/incidents/{id}/timeline",
		Summary:     "Get the timeline of an incident, as JSON or as a draft of a post-mortem in Markdown",
		Description: "Of a timeline with more than 1,000 entries, runs of like entries are made one entry with count and until, " +
			"and a page has 1,000 of them: entries_cursor continues. Everything else is on every page. The form is what Accept asks for, or format where it is given.",
		Tags:               []string{"incidents"},
		Parameters:         describeConditions(),
		Responses:          responses(h, ok, 304, 307, 400, 404, 406, 503),
		SkipValidateParams: true,
	}
}

func (a *api) getTimeline(ctx context.Context, in *timelineInput) (*reply, error) {
	var f faults
	f.unknown(in.rawQuery, in)
	form := in.Format.parse("format", &f)
	if err := f.err(); err != nil {
		return nil, err
	}
	if form == "" {
		form = negotiate(in.accept, typeJSON, typeMarkdown)
	}
	if form == "" {
		return nil, huma.Error406NotAcceptable("A timeline is given as application/json or as text/markdown.")
	}
	t, r, err := a.find(ctx, in.ID, "/timeline", in.rawQuery)
	if err != nil {
		return nil, err
	}
	if r == nil { // not a redirect
		r, err = a.represent(ctx, t, form, in)
		if err != nil {
			return nil, err
		}
	}
	r.Vary = "Accept"
	return r, nil
}

func (a *api) represent(ctx context.Context, t timeline.Timeline, form string, in *timelineInput) (*reply, error) {
	t, err := pageEntries(t, string(in.EntriesCursor))
	if errors.Is(err, errBadCursor) {
		var f faults
		f.add("entries_cursor", string(in.EntriesCursor), "want the entries_cursor of an earlier page of this timeline")
		return nil, f.err()
	}
	if err != nil {
		return nil, a.failure(ctx, err, "page a timeline", "")
	}
	if form == typeMarkdown {
		var b bytes.Buffer
		if err := WriteMarkdown(&b, t, ""); err != nil {
			return nil, a.failure(ctx, err, "write Markdown", "")
		}
		return in.replyBytes(typeMarkdown+"; charset=utf-8", b.Bytes()), nil
	}
	return a.replyJSON(ctx, &in.conditions, fillTimeline(t))
}
