package main

// asked is a query of hindcast's API by the Infinity data source, whose base URL
// is hindcast's: the path is put behind it. The columns are pairs of a selector
// and a name, with a type if it is no string.
func asked(path, root string, params []object, fields ...apiField) object {
	list := []object{}
	for _, f := range fields {
		kind := f.kind
		if kind == "" {
			kind = "string"
		}
		list = append(list, object{"selector": f.selector, "text": f.name, "type": kind})
	}
	if params == nil {
		params = []object{}
	}
	return object{
		"refId": "A", "datasource": source(infinity), "type": "json", "source": "url", "format": "table", "parser": "backend",
		"url": path, "url_options": object{"method": "GET", "data": "", "params": params}, "root_selector": root,
		"columns": list, "filters": []object{}, "global_query_id": "",
	}
}

type apiField struct{ selector, name, kind string }

func param(key, value string) object { return object{"key": key, "value": value} }

// inRange are the parameters that choose the incidents of the time range.
func inRange() []object {
	return []object{param("from", "${__from:date:iso}"), param("to", "${__to:date:iso}"), param("minor", "${minor}"), param("limit", "500")}
}

// apiTable is a table of what the API answers.
func apiTable(w int, title, description, empty string, target object, fields ...field) panel {
	p := table(w, title, description, empty, "", fields...)
	p.body["targets"] = []object{target}
	return p
}

const theTimeline = "/incidents/${incident}/timeline"

func overAPI() dashboard {
	url := hindcastURL()
	chosen := asked("/incidents", "incidents", inRange(), apiField{"title", "__text", ""}, apiField{"id", "__value", ""})
	chosen["refId"] = "variable"
	incident := object{
		"type": "query", "name": "incident", "label": "Incident", "description": "Incidents that were on in the time range, the latest first",
		"datasource": source(infinity), "definition": "GET /incidents", "refresh": 2, "regex": "", "sort": 0,
		"query": object{"refId": "variable", "queryType": "infinity", "query": "", "infinityQuery": chosen},
		"multi": false, "includeAll": false, "hide": 0, "skipUrlSync": false, "options": []object{}, "current": object{},
	}
	return dashboard{
		uid: "hindcast-api", title: "hindcast / Incidents, over the API", plugin: infinity, from: "now-30d",
		description: "Incidents and one timeline from hindcast's JSON API, for sites whose store is SQLite. The statistics of the other dashboards need ClickHouse.",
		variables:   []object{url, minors(), incident},
		rows: []row{
			{height: 9, panels: []panel{
				apiTable(24, "Incidents", "The incidents that were on in the time range, the latest first, 500 at most. The ID leads to the timeline in hindcast, and chooses the incident here.", "No incident was on in this time range",
					asked("/incidents", "incidents", inRange(),
						apiField{"started_at", "started", "timestamp"}, apiField{"ended_at", "ended", "timestamp"}, apiField{"id", "incident", ""},
						apiField{"title", "title", ""}, apiField{"status", "status", ""}, apiField{"severity", "severity", ""},
						apiField{"environment", "environment", ""}, apiField{"services", "services", ""}, apiField{"revision", "revision", "number"}),
					column("incident", links(
						"Timeline in hindcast", "${hindcast_url}/incidents/${__value.raw}/timeline?format=md",
						"Show it below", "/d/hindcast-api/hindcast-incidents-over-the-api?var-datasource=${datasource}&var-hindcast_url=${hindcast_url:percentencode}"+
							"&var-minor=${minor}&var-incident=${__value.raw}&from=${__from}&to=${__to}"), cellWidth(260))),
			}},
			{title: "The chosen incident", height: 8, panels: []panel{
				apiTable(14, "Milestones", "When each step was reached, with its bounds, and why.", "Choose an incident",
					asked(theTimeline, "milestones", nil,
						apiField{"name", "milestone", ""}, apiField{"at", "at", "timestamp"}, apiField{"earliest", "earliest", "timestamp"}, apiField{"latest", "latest", "timestamp"},
						apiField{"confidence", "confidence", "number"}, apiField{"origin", "origin", ""}, apiField{"actor", "actor", ""}, apiField{"explanation", "explanation", ""}),
					column("confidence", unit("percentunit"), property("decimals", 0))),
				apiTable(10, "Durations", "Between two milestones; one with a missing end is missing, not zero.", "Choose an incident",
					asked(theTimeline, "durations", nil,
						apiField{"time_to_detect.seconds", "detect", "number"}, apiField{"time_to_notify.seconds", "notify", "number"}, apiField{"time_to_acknowledge.seconds", "acknowledge", "number"},
						apiField{"time_to_mitigate.seconds", "mitigate", "number"}, apiField{"time_to_restore.seconds", "restore", "number"}),
					columns(".*", unit("s"))),
			}},
			{height: 8, panels: []panel{
				apiTable(24, "Changes", "The changes that were weighed, those that fit best first.", "No change was weighed",
					asked(theTimeline, "changes", nil,
						apiField{"at", "at", "timestamp"}, apiField{"service", "service", ""}, apiField{"kind", "kind", ""}, apiField{"version", "version", ""}, apiField{"status", "status", ""},
						apiField{"actor", "actor", ""}, apiField{"verdict", "verdict", ""}, apiField{"score", "score", "number"}, apiField{"reasons", "reasons", ""}),
					column("score", unit("percentunit"), property("decimals", 0))),
			}},
			{height: 10, panels: []panel{
				apiTable(14, "Timeline", "What happened, in order.", "Choose an incident",
					asked(theTimeline, "entries", nil,
						apiField{"at", "at", "timestamp"}, apiField{"kind", "kind", ""}, apiField{"service", "service", ""}, apiField{"summary", "summary", ""}, apiField{"actor", "actor", ""}),
					column("summary", cellWidth(420))),
				apiTable(10, "Gaps", "What went wrong in seeing, telling or mending, or was not seen.", "No gap was found",
					asked(theTimeline, "gaps", nil, apiField{"kind", "kind", ""}, apiField{"explanation", "explanation", ""}),
					column("kind", cellWidth(180))),
			}},
		},
	}
}
