package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hindcast/hindcast/ingest/event"
)

type asidesInput struct {
	conditions
	Limit  limitParam  `query:"limit" doc:"Entries a page; 50 when absent"`
	Cursor cursorParam `query:"cursor" doc:"The next_cursor of the page before"`
}

// asideList is the body of GET /asides.
type asideList struct {
	Asides []aside `json:"asides"`
	// NextCursor is "" on the last page.
	NextCursor string `json:"next_cursor" doc:"Continues the list; empty on the last page"`
}

// aside is an entry that was put aside, with its payload in a form that can be
// read.
type aside struct {
	event.Aside
	Raw         json.RawMessage `json:"raw,omitempty" doc:"The entry as the sender wrote it, perhaps shortened, in the form that raw_encoding says"`
	RawEncoding rawEncoding     `json:"raw_encoding,omitempty" enum:"json,text,base64"`
}

func (a *api) describeAsides(h huma.API) huma.Operation {
	return huma.Operation{
		OperationID:        "list-asides",
		Method:             http.MethodGet,
		Path:               "/asides",
		Summary:            "List what was put aside, the newest first",
		Description:        "An entry of a body that could not be decoded is put aside, so that what came with it can be taken. reason names the field.",
		Tags:               []string{"facts"},
		Parameters:         describeConditions(),
		Responses:          responses(h, content[asideList](h, "A page of entries"), 304, 400, 503),
		SkipValidateParams: true,
	}
}

func (a *api) getAsides(ctx context.Context, in *asidesInput) (*reply, error) {
	var f faults
	f.unknown(in.rawQuery, in)
	limit := in.Limit.parse("limit", 50, &f)
	cursor := in.Cursor.parse("cursor", &f)
	if err := f.err(); err != nil {
		return nil, err
	}
	page, err := a.Store.Asides(ctx, cursor, limit)
	if err != nil {
		return nil, a.failure(ctx, err, "list what was put aside", "")
	}
	list := asideList{Asides: make([]aside, len(page.Asides)), NextCursor: page.Next}
	for i, stored := range page.Asides {
		stored.ReceivedAt = stored.ReceivedAt.UTC()
		raw, encoding, err := rawPayload(stored.Raw)
		if err != nil {
			return nil, a.failure(ctx, err, "present what was put aside", "")
		}
		list.Asides[i] = aside{Aside: stored, Raw: raw, RawEncoding: encoding}
	}
	return a.replyJSON(ctx, &in.conditions, list)
}
