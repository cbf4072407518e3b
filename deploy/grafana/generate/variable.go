package main

// sourceVariable lets people choose the data source.
func sourceVariable(plugin string) object {
	return object{
		"type": "datasource", "name": "datasource", "label": "Data source", "description": "Where hindcast's data is",
		"query": plugin, "regex": "", "refresh": 1, "multi": false, "includeAll": false, "hide": 0, "skipUrlSync": false,
		"options": []object{}, "current": object{},
	}
}

// hindcastURL is where hindcast itself is reached by who looks at the dashboard.
func hindcastURL() object {
	const address = "http://localhost:9097"
	value := object{"text": address, "value": address}
	return object{
		"type": "textbox", "name": "hindcast_url", "label": "hindcast", "description": "The address of hindcast, for links: no slash at its end",
		"query": address, "hide": 0, "skipUrlSync": false,
		"current": value, "options": []object{{"selected": true, "text": address, "value": address}},
	}
}

// choice is a variable whose values a query gives; several can be chosen.
func choice(name, label, description, sql string) object {
	v := single(name, label, description, sql)
	v["multi"], v["includeAll"], v["allValue"] = true, true, nil
	v["current"] = object{"selected": true, "text": []string{"All"}, "value": []string{"$__all"}}
	return v
}

// single is a variable of which one value is chosen.
func single(name, label, description, sql string) object {
	sql = dedent(sql)
	return object{
		"type": "query", "name": name, "label": label, "description": description, "datasource": source(clickhouse),
		"definition": sql, "query": object{"refId": "variable", "editorType": "sql", "queryType": "table", "rawSql": sql, "pluginVersion": pluginVersion},
		"refresh": 2, "regex": "", "sort": 0, "multi": false, "includeAll": false, "hide": 0, "skipUrlSync": false,
		"options": []object{}, "current": object{},
	}
}

// fixed is a variable of fixed values, given as pairs of value and text; the
// first is chosen.
func fixed(name, label, description string, pairs ...string) object {
	options, query := []object{}, ""
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			query += ", "
		}
		query += pairs[i+1] + " : " + pairs[i]
		options = append(options, object{"selected": i == 0, "text": pairs[i+1], "value": pairs[i]})
	}
	return object{
		"type": "custom", "name": name, "label": label, "description": description, "query": query, "options": options,
		"current": object{"selected": true, "text": pairs[1], "value": pairs[0]},
		"multi":   false, "includeAll": false, "hide": 0, "skipUrlSync": false,
	}
}

// The variables that several dashboards have.
func services() object {
	return choice("service", "Service", "Services of the incidents in the time range", `
		SELECT DISTINCT arrayJoin(services) AS service
		FROM v_incidents
		WHERE $__timeFilter(started_at)
		ORDER BY service`)
}

func severities() object {
	return choice("severity", "Severity", "The greatest severity of an incident's alerts", `
		SELECT DISTINCT severity
		FROM v_incidents
		WHERE $__timeFilter(started_at)
		ORDER BY severity`)
}

func environments() object {
	return choice("environment", "Environment", "What the alerts' labels say", `
		SELECT DISTINCT environment
		FROM v_incidents
		WHERE $__timeFilter(started_at)
		ORDER BY environment`)
}

func minors() object {
	return fixed("minor", "Minor incidents", "Incidents of which nothing says that anything suffered",
		"false", "left out", "true", "included")
}
