package api

import (
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

func TestOpenAPIGolden(t *testing.T) {
	w := get(t, newTestAPI(t, &fakeStore{}), "/openapi.json")
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type = %q", got)
	}
	golden(t, "openapi.json", w.Body.Bytes())
}

// described is what these tests read of an OpenAPI document.
type described struct {
	OpenAPI string `json:"openapi"`
	Info    struct{ Title, Version string }
	Paths   map[string]map[string]struct {
		OperationID string `json:"operationId"`
		Parameters  []struct {
			Name, In string
			Required bool
			Schema   json.RawMessage
		}
		Responses map[string]struct {
			Description string
			Content     map[string]struct{ Schema json.RawMessage }
		}
	}
	Components struct{ Schemas map[string]json.RawMessage }
}

func TestOpenAPIIsWhole(t *testing.T) {
	body := get(t, newTestAPI(t, &fakeStore{}, func(o *Options) { o.Version = "1.2.3" }), "/openapi.json").Body.Bytes()
	var doc described
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" || doc.Info.Title != "hindcast" || doc.Info.Version != "1.2.3" {
		t.Errorf("openapi %s of %+v", doc.OpenAPI, doc.Info)
	}
	want := map[string]string{
		"/incidents":               "If-None-Match cursor from limit minor service status to",
		"/incidents/{id}":          "If-None-Match id",
		"/incidents/{id}/timeline": "If-None-Match entries_cursor format id",
		"/events/{id}":             "If-None-Match id",
		"/logs":                    "If-None-Match contains cursor from level limit pattern service to",
		"/asides":                  "If-None-Match cursor limit",
		"/-/healthy":               "",
		"/-/ready":                 "role",
	}
	if got, want := slices.Sorted(maps.Keys(doc.Paths)), slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
		t.Errorf("paths %v, want %v", got, want)
	}
	operations := map[string]bool{}
	for path, item := range doc.Paths {
		op, ok := item["get"]
		if !ok || len(item) != 1 {
			t.Errorf("%s has the methods %v, want get", path, slices.Collect(maps.Keys(item)))
		}
		if op.OperationID == "" || operations[op.OperationID] {
			t.Errorf("%s: the operation ID %q is empty or used twice", path, op.OperationID)
		}
		operations[op.OperationID] = true
		var names []string
		for _, p := range op.Parameters {
			names = append(names, p.Name)
			if (p.In == "path") != strings.Contains(path, "{"+p.Name+"}") || p.Required != (p.In == "path") || len(p.Schema) == 0 {
				t.Errorf("%s: parameter %+v", path, p)
			}
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != want[path] {
			t.Errorf("%s has the parameters %s, want %s", path, got, want[path])
		}
		for code, r := range op.Responses {
			if r.Description == "" {
				t.Errorf("%s: %s has no description", path, code)
			}
			for kind, c := range r.Content {
				if len(c.Schema) == 0 {
					t.Errorf("%s: %s as %s has no schema", path, code, kind)
				}
			}
		}
		if len(op.Responses["200"].Content) == 0 {
			t.Errorf("%s does not say what 200 holds", path)
		}
	}
	if _, ok := doc.Paths["/incidents/{id}/timeline"]["get"].Responses["200"].Content["text/markdown"]; !ok {
		t.Error("a timeline as Markdown is not described")
	}
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`"\$ref": "([^"]*)"`).FindAllStringSubmatch(string(body), -1) {
		name, ok := strings.CutPrefix(m[1], "#/components/schemas/")
		if _, found := doc.Components.Schemas[name]; !ok || !found {
			t.Errorf("%s leads nowhere", m[1])
		}
		used[name] = true
	}
	for name := range doc.Components.Schemas {
		if !used[name] {
			t.Errorf("the schema %s is not used", name)
		}
	}
}

// What is sent is what is described.
func TestAnswersFitTheirSchemas(t *testing.T) {
	labels := event.Labels{"alertname": "X", "service": "payments"}
	o := event.Observation{StartsAt: t0, Labels: labels, Fingerprint: labels.Fingerprint(), Roads: []event.Road{event.RoadWebhook}}
	key := event.CountKey{Service: "payments", Second: t0.Unix()}
	store := sampleStore(30)
	store.facts = map[event.ID]storage.Fact{
		id(1): {Event: &event.Event{
			ID: id(1), Kind: event.KindNotification, OccurredAt: t0, ReceivedAt: t0, Raw: json.RawMessage(`[1,"a",null]`),
			Notification: &event.Notification{Receiver: "pager", Firing: []event.AlertRef{{Fingerprint: o.Fingerprint, StartsAt: t0}}},
		}},
		id(2): {Event: &event.Event{
			ID: id(2), Kind: event.KindSilence, OccurredAt: t0, ReceivedAt: t0, Raw: json.RawMessage("\xff"),
			Silence: &event.Silence{ID: "s", Action: event.SilenceCreated, MatcherSets: [][]event.Matcher{{{Name: "a", Op: "=", Value: "b"}}}},
		}},
		id(3): {Event: &event.Event{
			ID: id(3), Kind: event.KindChange, OccurredAt: t0, ReceivedAt: t0,
			Change: &event.Change{Kind: event.ChangeDeploy, Status: event.ChangeFailed, Commits: []event.Commit{{SHA: "x", Files: []string{"a"}}}},
		}},
		o.ID():   {Observation: &o},
		key.ID(): {Log: &storage.LogFact{CountKey: key, First: t0, Last: t0, ReceivedAt: t0, Sample: "x"}},
	}
	store.lines = []storage.StoredLine{{At: t0, Service: "payments", Labels: labels, Text: "x"}}
	store.asides = []event.Aside{{ID: id(1), ReceivedAt: t0, Raw: []byte("x")}, {ID: id(2), ReceivedAt: t0}}
	h := newTestAPI(t, store)

	var raw struct {
		Components struct{ Schemas map[string]any }
	}
	var doc described
	body := get(t, h, "/openapi.json").Body.Bytes()
	if err := json.Unmarshal(body, &raw); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ path, template string }{
		{"/incidents", "/incidents"},
		{"/incidents/" + id(20).String(), "/incidents/{id}"},
		{"/incidents/" + id(30).String(), "/incidents/{id}"},
		{timelinePath(20), "/incidents/{id}/timeline"},
		{timelinePath(30), "/incidents/{id}/timeline"},
		{"/events/" + id(1).String(), "/events/{id}"},
		{"/events/" + id(2).String(), "/events/{id}"},
		{"/events/" + id(3).String(), "/events/{id}"},
		{"/events/" + o.ID().String(), "/events/{id}"},
		{"/events/" + key.ID().String(), "/events/{id}"},
		{"/logs", "/logs"},
		{"/asides", "/asides"},
		{"/logs?limit=x", "/logs"},
		{"/incidents/x", "/incidents/{id}"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			w := get(t, h, tt.path)
			kind := w.Header().Get("Content-Type")
			response, ok := doc.Paths[tt.template]["get"].Responses[codeText(w.Code)]
			if !ok {
				t.Fatalf("%d is not described", w.Code)
			}
			var schema, value any
			if err := json.Unmarshal(response.Content[kind].Schema, &schema); err != nil {
				t.Fatalf("schema of %s: %v", kind, err)
			}
			if err := json.Unmarshal(w.Body.Bytes(), &value); err != nil {
				t.Fatal(err)
			}
			for _, fault := range fit(schema, value, raw.Components.Schemas, "") {
				t.Error(fault)
			}
		})
	}
}

func codeText(code int) string {
	text, _ := json.Marshal(code)
	return string(text)
}

// fit checks a value against the parts of JSON Schema that the document uses.
func fit(schema, value any, schemas map[string]any, at string) (faults []string) {
	s, ok := schema.(map[string]any)
	if !ok {
		return []string{at + ": the schema is no object"}
	}
	if ref, ok := s["$ref"].(string); ok {
		return fit(schemas[strings.TrimPrefix(ref, "#/components/schemas/")], value, schemas, at)
	}
	var types []any
	switch t := s["type"].(type) {
	case string:
		types = []any{t}
	case []any:
		types = t
	case nil:
		return nil // anything
	}
	got := typeOf(value)
	if !slices.Contains(types, any(got)) && (got != "integer" || !slices.Contains(types, any("number"))) {
		return []string{at + ": is " + got + ", the document says otherwise"}
	}
	if enum, ok := s["enum"].([]any); ok && !slices.ContainsFunc(enum, func(e any) bool { return reflect.DeepEqual(e, value) }) {
		faults = append(faults, at+": a value that is not listed")
	}
	switch v := value.(type) {
	case []any:
		for _, e := range v {
			faults = append(faults, fit(s["items"], e, schemas, at+"[]")...)
		}
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		required, _ := s["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				faults = append(faults, at+"."+name.(string)+": missing")
			}
		}
		for name, e := range v {
			switch p, ok := properties[name]; {
			case ok:
				faults = append(faults, fit(p, e, schemas, at+"."+name)...)
			case s["additionalProperties"] != nil:
				faults = append(faults, fit(s["additionalProperties"], e, schemas, at+"."+name)...)
			default:
				faults = append(faults, at+"."+name+": not described")
			}
		}
	}
	return faults
}

func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return huma.TypeBoolean
	case string:
		return huma.TypeString
	case float64:
		if v == float64(int64(v)) {
			return huma.TypeInteger
		}
		return huma.TypeNumber
	case []any:
		return huma.TypeArray
	}
	return huma.TypeObject
}
