package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

type incidentsInput struct {
	conditions
	From    timeParam   `query:"from" doc:"Only incidents that were on at or after this time"`
	To      timeParam   `query:"to" doc:"Only incidents that were on before this time"`
	Status  statusParam `query:"status" doc:"Only incidents in this state"`
	Service textParam   `query:"service" doc:"Only incidents of this service"`
	Minor   boolParam   `query:"minor" doc:"Also incidents from which nothing and nobody suffered"`
	Limit   limitParam  `query:"limit" doc:"Incidents a page; 50 when absent"`
	Cursor  cursorParam `query:"cursor" doc:"The next_cursor of the page before"`
}

// incidentList is the body of GET /incidents.
type incidentList struct {
	Incidents []timeline.Incident `json:"incidents"`
	// NextCursor is "" on the last page.
	NextCursor string `json:"next_cursor" doc:"Continues the list; empty on the last page"`
}

func (a *api) describeIncidents(h huma.API) huma.Operation {
	return huma.Operation{
		OperationID: "list-incidents",
		Method:      http.MethodGet,
		Path:        "/incidents",
		Summary:     "List incidents, the latest start first",
		Description: "Minor incidents are left out unless minor=true. Paging stays right while incidents arrive: none that was there from the first page on is skipped or shown twice.",
		Tags:        []string{"incidents"},
		Parameters:  describeConditions(),
		Responses:   responses(h, content[incidentList](h, "A page of incidents"), 304, 400, 503),
		// The handler validates, and says what is wrong as a 400.
		SkipValidateParams: true,
	}
}

func (a *api) getIncidents(ctx context.Context, in *incidentsInput) (*reply, error) {
	var f faults
	f.unknown(in.rawQuery, in)
	q := storage.IncidentQuery{
		Status:  in.Status.parse("status", &f),
		Service: in.Service.parse("service", &f),
		Minor:   in.Minor.parse("minor", &f),
		Limit:   in.Limit.parse("limit", 50, &f),
		Cursor:  in.Cursor.parse("cursor", &f),
	}
	q.From, q.To = parseRange(in.From, in.To, &f)
	if err := f.err(); err != nil {
		return nil, err
	}
	page, err := a.Store.Incidents(ctx, q)
	if err != nil {
		return nil, a.failure(ctx, err, "list incidents", "")
	}
	list := incidentList{Incidents: filled(page.Incidents), NextCursor: page.Next}
	for i := range list.Incidents {
		fillIncident(&list.Incidents[i])
	}
	return a.replyJSON(ctx, &in.conditions, list)
}

type incidentInput struct {
	conditions
	ID string `path:"id" doc:"The ID of the incident, or of any signal that is part of it"`
}

func (a *api) describeIncident(h huma.API) huma.Operation {
	return huma.Operation{
		OperationID:        "get-incident",
		Method:             http.MethodGet,
		Path:               "/incidents/{id}",
		Summary:            "Get an incident",
		Description:        "The ID of a signal that belongs to the incident, or one that the incident had before, redirects to it.",
		Tags:               []string{"incidents"},
		Parameters:         describeConditions(),
		Responses:          responses(h, content[timeline.Incident](h, "The incident"), 304, 307, 404, 503),
		SkipValidateParams: true,
	}
}

func (a *api) getIncident(ctx context.Context, in *incidentInput) (*reply, error) {
	t, moved, err := a.find(ctx, in.ID, "", in.rawQuery)
	if err != nil || moved != nil {
		return moved, err
	}
	fillIncident(&t.Incident)
	return a.replyJSON(ctx, &in.conditions, t.Incident)
}

const missingIncident = "No incident has this ID, and no incident holds a signal that has it. " +
	"GET /incidents lists what there is; with minor=true also the minor ones."

// find reads the timeline of the incident that holds an ID. When that is
// another one's, it is a redirect to the same part of that incident.
func (a *api) find(ctx context.Context, text, part, rawQuery string) (timeline.Timeline, *reply, error) {
	id, err := pathID(text, missingIncident)
	if err != nil {
		return timeline.Timeline{}, nil, err
	}
	t, err := a.Store.Timeline(ctx, id)
	if err != nil {
		return timeline.Timeline{}, nil, a.failure(ctx, err, "read a timeline", missingIncident)
	}
	if t.Incident.ID != id {
		return timeline.Timeline{}, redirect(t.Incident.ID, part, rawQuery), nil
	}
	return t, nil, nil
}

// redirect is temporary: incidents merge and split, and the ID may be its own
// again.
func redirect(to event.ID, part, rawQuery string) *reply {
	location := "/incidents/" + to.String() + part
	if rawQuery != "" {
		location += "?" + rawQuery
	}
	return &reply{Status: http.StatusTemporaryRedirect, Location: location, CacheControl: "private, no-cache"}
}
