package main

// pluginVersion is the version of the ClickHouse data source whose query model
// this is.
const pluginVersion = "4.11.1"

// The formats of the ClickHouse data source.
const (
	asSeries = 0
	asTable  = 1
)

func query(format int, sql string) object {
	kind := "table"
	if format == asSeries {
		kind = "timeseries"
	}
	return object{
		"refId": "A", "datasource": source(clickhouse), "editorType": "sql", "queryType": kind, "format": format,
		"rawSql": expand(dedent(sql)), "pluginVersion": pluginVersion,
	}
}

// field changes how a panel shows some of its fields.
type field struct {
	matcher    object
	properties []object
}

// column is the field of that name.
func column(name string, properties ...object) field {
	return field{object{"id": "byName", "options": name}, properties}
}

// columns are the fields whose names match.
func columns(regex string, properties ...object) field {
	return field{object{"id": "byRegexp", "options": regex}, properties}
}

func property(id string, value any) object { return object{"id": id, "value": value} }

func unit(u string) object { return property("unit", u) }

// few says of a value that is missing that there were too few for it.
func few() object { return property("mappings", []object{whenNull("n < 5")}) }

// hide hides a field of a table: Grafana 12.2 has another name for it than
// those before.
func hide(name string) field {
	return column(name, property("custom.hidden", true), property("custom.hideFrom", object{"viz": true, "legend": true, "tooltip": true}))
}

func cellWidth(pixels int) object { return property("custom.width", pixels) }

func color(name string) object {
	return property("color", object{"mode": "fixed", "fixedColor": name})
}

func links(pairs ...string) object {
	list := []object{}
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, object{"title": pairs[i], "url": pairs[i+1], "targetBlank": pairs[i+1][0] != '/'})
	}
	return property("links", list)
}

// whenNull shows a text in place of no value.
func whenNull(text string) object {
	return object{"type": "special", "options": object{"match": "null+nan", "result": object{"index": 0, "text": text}}}
}

// look is what all panels have: what they say when there is nothing, and how
// they show fields.
func look(kind, title, description, empty, u string, custom object, fields []field) object {
	overrides := []object{}
	for _, f := range fields {
		overrides = append(overrides, object{"matcher": f.matcher, "properties": f.properties})
	}
	defaults := object{
		"noValue": empty, "mappings": []object{}, "custom": custom, "color": object{"mode": "palette-classic"},
		"thresholds": object{"mode": "absolute", "steps": []object{{"color": "text", "value": nil}}},
	}
	if u != "" {
		defaults["unit"] = u
	}
	return object{
		"type": kind, "title": title, "description": description, "transparent": false,
		"fieldConfig": object{"defaults": defaults, "overrides": overrides},
	}
}

// table is a table; what is missing in it is a dash.
func table(w int, title, description, empty, sql string, fields ...field) panel {
	body := look("table", title, description, empty, "", object{"align": "auto", "filterable": true, "cellOptions": object{"type": "auto", "wrapText": false}, "inspect": true}, fields)
	body["fieldConfig"].(object)["defaults"].(object)["mappings"] = []object{whenNull("–")}
	body["options"] = object{"showHeader": true, "cellHeight": "sm", "footer": object{"show": false, "reducer": []string{"sum"}, "countRows": false, "fields": ""}, "sortBy": []object{}}
	body["targets"] = []object{query(asTable, sql)}
	return panel{w, body}
}

// stat is one number or word. Calc "" takes the last one.
func stat(w int, title, description, empty, u, sql string, fields ...field) panel {
	body := look("stat", title, description, empty, u, object{}, fields)
	body["options"] = object{
		"colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto", "textMode": "auto", "wideLayout": true,
		"percentChangeColorMode": "standard", "showPercentChange": false,
		"reduceOptions": object{"calcs": []string{"lastNotNull"}, "fields": "/.*/", "values": false},
	}
	body["targets"] = []object{query(asTable, sql)}
	return panel{w, body}
}

// style is how a panel over time draws.
type style struct {
	draw    string // line, bars or points
	stacked bool
}

var (
	lines       = style{"line", false}
	bars        = style{"bars", false}
	stackedBars = style{"bars", true}
	points      = style{"points", false}
)

func (s style) custom() object {
	stacking := object{"mode": "none", "group": "A"}
	if s.stacked {
		stacking["mode"] = "normal"
	}
	return object{
		"drawStyle": s.draw, "stacking": stacking, "lineWidth": 1, "fillOpacity": map[string]int{"line": 10, "bars": 70, "points": 0}[s.draw],
		"lineInterpolation": "linear", "showPoints": map[string]string{"line": "auto", "bars": "never", "points": "always"}[s.draw],
		"pointSize": 7, "spanNulls": false, "barAlignment": 0, "axisPlacement": "auto", "axisLabel": "", "axisBorderShow": false,
		"axisCenteredZero": false, "axisColorMode": "text", "gradientMode": "none", "scaleDistribution": object{"type": "linear"},
		"hideFrom": object{"legend": false, "tooltip": false, "viz": false}, "thresholdsStyle": object{"mode": "off"},
	}
}

// overTime is a panel over time.
func overTime(w int, s style, title, description, empty, u string, target object, fields ...field) panel {
	body := look("timeseries", title, description, empty, u, s.custom(), fields)
	body["options"] = object{
		"legend":  object{"showLegend": true, "displayMode": "list", "placement": "bottom", "calcs": []string{}},
		"tooltip": object{"mode": "multi", "sort": "desc", "hideZeros": false},
	}
	body["targets"] = []object{target}
	return panel{w, body}
}

// series is overTime of a query in SQL.
func series(w int, s style, title, description, empty, u, sql string, fields ...field) panel {
	return overTime(w, s, title, description, empty, u, query(asSeries, sql), fields...)
}

// barChart is bars over the values of the first field.
func barChart(w int, title, description, empty, u, x, sql string, fields ...field) panel {
	body := look("barchart", title, description, empty, u, object{
		"fillOpacity": 80, "lineWidth": 1, "gradientMode": "none", "axisPlacement": "auto", "axisLabel": "", "axisBorderShow": false,
		"axisCenteredZero": false, "axisColorMode": "text", "scaleDistribution": object{"type": "linear"},
		"hideFrom": object{"legend": false, "tooltip": false, "viz": false}, "thresholdsStyle": object{"mode": "off"},
	}, fields)
	body["options"] = object{
		"orientation": "auto", "xField": x, "xTickLabelRotation": 0, "xTickLabelSpacing": 0, "showValue": "auto", "stacking": "normal",
		"groupWidth": 0.7, "barWidth": 0.9, "barRadius": 0, "fullHighlight": false,
		"legend":  object{"showLegend": true, "displayMode": "list", "placement": "bottom", "calcs": []string{}},
		"tooltip": object{"mode": "multi", "sort": "desc", "hideZeros": false},
	}
	body["targets"] = []object{query(asTable, sql)}
	return panel{w, body}
}
