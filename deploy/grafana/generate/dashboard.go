package main

import "strings"

// The data source plug-ins. No data source is named: each dashboard has a
// variable for its own.
const (
	clickhouse = "grafana-clickhouse-datasource"
	prometheus = "prometheus"
	infinity   = "yesoreyeram-infinity-datasource"
)

// dashboard is a page of panels.
type dashboard struct {
	uid, title, description string
	// plugin is the type of its data source.
	plugin      string
	from        string // the beginning of the time range
	refresh     string
	variables   []object
	annotations []object
	rows        []row
}

// row is a row of panels of one height, under a heading if it has a title.
type row struct {
	title  string
	height int
	panels []panel
}

// panel is a panel and its width, of 24.
type panel struct {
	width int
	body  object
}

// width is the grid's width.
const width = 24

func (d dashboard) json() ([]byte, error) {
	return encode(object{
		"uid": d.uid, "title": d.title, "description": d.description, "tags": []string{"hindcast"},
		"id": nil, "editable": true, "schemaVersion": 42, "version": 1, "graphTooltip": 1, "liveNow": false,
		"fiscalYearStartMonth": 0, "timezone": "utc", "weekStart": "monday", "refresh": d.refresh,
		"time": object{"from": d.from, "to": "now"}, "timepicker": object{},
		"links": []object{{
			"type": "dashboards", "title": "hindcast", "tags": []string{"hindcast"}, "asDropdown": true,
			"includeVars": true, "keepTime": true, "targetBlank": false, "icon": "external link", "tooltip": "", "url": "",
		}},
		"templating":  object{"list": append([]object{sourceVariable(d.plugin)}, d.variables...)},
		"annotations": object{"list": append([]object{builtIn}, d.annotations...)},
		"panels":      d.layOut(),
	})
}

// builtIn are the annotations that people make in Grafana.
var builtIn = object{
	"builtIn": 1, "datasource": object{"type": "grafana", "uid": "-- Grafana --"}, "enable": true, "hide": true,
	"iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard",
}

// layOut gives the panels their numbers and places.
func (d dashboard) layOut() []object {
	var out []object
	y := 0
	add := func(body object, h, w, x int) {
		body["id"] = len(out) + 1
		body["gridPos"] = object{"h": h, "w": w, "x": x, "y": y}
		out = append(out, body)
	}
	for _, r := range d.rows {
		if r.title != "" {
			add(object{"type": "row", "title": r.title, "collapsed": false, "panels": []object{}}, 1, width, 0)
			y++
		}
		x := 0
		for _, p := range r.panels {
			p.body["datasource"] = source(d.plugin)
			add(p.body, r.height, p.width, x)
			x += p.width
		}
		y += r.height
	}
	return out
}

// source is the reference to the data source that the variable names.
func source(plugin string) object { return object{"type": plugin, "uid": "${datasource}"} }

// dedent removes the indentation that a text has in Go.
func dedent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	indent := strings.Repeat("\t", len(lines[0])-len(strings.TrimLeft(lines[0], "\t")))
	for i, line := range lines {
		lines[i] = strings.TrimRight(strings.TrimPrefix(line, indent), "\t ")
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
