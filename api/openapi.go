package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// config is huma's without what its default adds: links to schemas in every
// answer, and pages that load scripts from elsewhere.
func config(version string) huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:   "hindcast",
				Version: version,
				Description: "Incidents and their timelines, derived from alerts, deploys and logs, each with its evidence. " +
					"Times are RFC 3339 in UTC, with nanoseconds where known.",
				License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
			},
		},
		Formats:       huma.DefaultFormats,
		DefaultFormat: typeJSON,
	}
}

// schemaName tells the nouns of timelines and those of facts apart, of which
// some have the same name.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.PkgPath() == reflect.TypeFor[event.Event]().PkgPath() {
		return "Fact" + name
	}
	return name
}

// content describes an answer that has a T as its JSON.
func content[T any](h huma.API, description string) *huma.Response {
	return &huma.Response{
		Description: description,
		Headers: map[string]*huma.Param{
			"ETag":          {Description: "For If-None-Match", Schema: &huma.Schema{Type: huma.TypeString}},
			"Cache-Control": {Schema: &huma.Schema{Type: huma.TypeString}},
		},
		Content: map[string]*huma.MediaType{
			typeJSON: {Schema: h.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")},
		},
	}
}

func plain(description string) *huma.Response {
	return &huma.Response{
		Description: description,
		Content:     map[string]*huma.MediaType{typeText: {Schema: &huma.Schema{Type: huma.TypeString}}},
	}
}

// responses lists what an operation can answer: ok as 200, and the other codes.
// Anything may fail with 500.
func responses(h huma.API, ok *huma.Response, codes ...int) map[string]*huma.Response {
	all := map[string]*huma.Response{"200": ok}
	problem := h.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[huma.ErrorModel](), true, "")
	for _, code := range append(codes, http.StatusInternalServerError) {
		r := &huma.Response{Description: http.StatusText(code)}
		switch {
		case code == http.StatusTemporaryRedirect:
			r.Headers = map[string]*huma.Param{"Location": {Schema: &huma.Schema{Type: huma.TypeString, Format: "uri-reference"}}}
		case code >= http.StatusBadRequest:
			r.Content = map[string]*huma.MediaType{"application/problem+json": {Schema: problem}}
		}
		all[strconv.Itoa(code)] = r
	}
	return all
}

// document finishes the OpenAPI document and renders it.
func document(doc *huma.OpenAPI) ([]byte, error) {
	schemas := doc.Components.Schemas.Map()
	for _, s := range schemas {
		sharpen(s)
	}
	for _, e := range enums {
		s := schemas[e.schema]
		if s == nil || s.Properties[e.property] == nil {
			return nil, fmt.Errorf("describe the API: no property %s.%s", e.schema, e.property)
		}
		s.Properties[e.property].Enum = e.values
	}
	compact, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("describe the API: %w", err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, compact, "", "  "); err != nil {
		return nil, fmt.Errorf("describe the API: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// sharpen corrects what huma cannot know: lists are never null, and a client
// must expect fields that a later version adds.
func sharpen(s *huma.Schema) {
	if s == nil {
		return
	}
	if s.Type == huma.TypeArray {
		s.Nullable = false
	}
	if s.Properties != nil {
		s.AdditionalProperties = nil
	}
	for _, p := range s.Properties {
		sharpen(p)
	}
	sharpen(s.Items)
}

// enums are the closed sets of words of the contract.
var enums = []struct {
	schema, property string
	values           []any
}{
	{"Incident", "status", texts(statuses)},
	{"Milestone", "name", texts(timeline.MilestoneNames)},
	{"Milestone", "origin", texts([]timeline.Origin{timeline.OriginDerived, timeline.OriginHuman})},
	{"Entry", "kind", texts([]timeline.EntryKind{
		timeline.EntryAlertFired, timeline.EntryAlertResolved, timeline.EntryNotified, timeline.EntryMuted,
		timeline.EntrySilenced, timeline.EntryChange, timeline.EntryLogPattern, timeline.EntryMessage,
		timeline.EntryAcknowledged, timeline.EntryNote, timeline.EntrySource,
	})},
	{"Change", "kind", texts([]event.ChangeKind{
		event.ChangeDeploy, event.ChangeRollback, event.ChangeConfig, event.ChangeFlag, event.ChangeMigration, event.ChangeRestart,
	})},
	{"Change", "status", texts([]event.ChangeStatus{
		event.ChangeStarted, event.ChangeSucceeded, event.ChangeFailed, event.ChangeCancelled,
	})},
	{"Change", "verdict", texts([]timeline.Verdict{
		timeline.VerdictSuspect, timeline.VerdictUnlikely, timeline.VerdictExonerated,
		timeline.VerdictRemedy, timeline.VerdictFailedRemedy,
	})},
	{"Duration", "basis", texts([]timeline.Basis{timeline.BasisMeasured, timeline.BasisInferred, timeline.BasisHuman})},
}

// getDocument serves the OpenAPI document.
func (a *api) getDocument(w http.ResponseWriter, r *http.Request) {
	tag := etag(typeJSON, a.document)
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "private, no-cache")
	if matches(strings.Join(r.Header.Values("If-None-Match"), ", "), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(a.document) // the client is gone when this fails
}
