package main

// incidentLinks lead from an incident's ID to hindcast and to the dashboard of
// that incident; the query gives from_ms and to_ms.
func incidentLinks() object {
	return links(
		"Timeline in hindcast", "${hindcast_url}/incidents/${__value.raw}/timeline?format=md",
		"One incident", "/d/hindcast-incident/hindcast-one-incident?var-datasource=${datasource}&var-hindcast_url=${hindcast_url:percentencode}"+
			"&var-incident=${__value.raw}&from=${__data.fields.from_ms}&to=${__data.fields.to_ms}")
}

// incidentColumns are the fields of a table that has an incident in each row.
func incidentColumns(more ...field) []field {
	return append([]field{
		column("incident", incidentLinks(), cellWidth(260)),
		hide("from_ms"), hide("to_ms"),
	}, more...)
}

const noIncident = "No incident began in this time range"

// durationColumns are the fields of statistics about durations.
func durationColumns() []field {
	return []field{
		columns("^(median|p90)$", unit("s"), few()),
		columns("^(least|greatest)$", unit("s")),
		columns("^(measured|inferred|human|missing)$", unit("percentunit"), property("decimals", 0)),
	}
}

func incidents() dashboard {
	return dashboard{
		uid: "hindcast-incidents", title: "hindcast / Incidents", plugin: clickhouse, from: "now-90d",
		description: "Incidents, and how long it took to detect, notify, acknowledge, mitigate and restore, with how sure each number is.",
		variables: []object{hindcastURL(), environments(), services(), severities(), minors(),
			fixed("duration", "Duration by week", "The duration that the panels by week show",
				"time_to_restore", "time to restore", "time_to_mitigate", "time to mitigate", "time_to_acknowledge", "time to acknowledge",
				"time_to_notify", "time to notify", "time_to_detect", "time to detect")},
		rows: []row{
			{height: 4, panels: []panel{
				stat(4, "Incidents", "Incidents that began in the time range.", noIncident, "short", `
					SELECT count() AS incidents
					FROM v_incidents
					WHERE $__timeFilter(started_at)
					  AND (NOT minor OR ${minor})
					  AND @incidents`),
				stat(4, "On now", "Incidents of any time that are open or mitigated and not restored.", "None", "short", `
					SELECT count() AS on_now
					FROM v_incidents
					WHERE status IN ('open', 'mitigated')
					  AND (NOT minor OR ${minor})
					  AND @incidents`),
				medianOf("time_to_detect", "From onset to the first alert or report."),
				medianOf("time_to_acknowledge", "From the first notification to someone who took it."),
				medianOf("time_to_mitigate", "From onset to when the worst was over."),
				medianOf("time_to_restore", "From onset to when service was fully back."),
			}},
			{title: "Incidents", height: 10, panels: []panel{
				table(24, "Incidents", "The incidents that began in the time range, the latest first. The ID leads to the timeline in hindcast and to a dashboard of the incident. origin is human when a person stated one of the milestones.", noIncident, `
					SELECT
					  started_at AS started,
					  id AS incident,
					  title,
					  status,
					  severity,
					  environment,
					  arrayStringConcat(services, ', ') AS services,
					  detect,
					  acknowledge,
					  restore,
					  suspects,
					  origin,
					  toString(toUnixTimestamp64Milli(started_at - INTERVAL 30 MINUTE)) AS from_ms,
					  toString(toUnixTimestamp64Milli(coalesce(ended_at, now64(9)) + INTERVAL 15 MINUTE)) AS to_ms
					FROM v_incidents AS i
					LEFT JOIN (
					  SELECT
					    incident,
					    maxIf(seconds, name = 'time_to_detect') AS detect,
					    maxIf(seconds, name = 'time_to_acknowledge') AS acknowledge,
					    maxIf(seconds, name = 'time_to_restore') AS restore
					  FROM v_durations
					  WHERE $__timeFilter(started_at)
					  GROUP BY incident
					) AS d ON d.incident = i.id
					LEFT JOIN (
					  SELECT incident, arrayStringConcat(groupArray(concat(service, ' ', version)), ', ') AS suspects
					  FROM v_incident_changes
					  WHERE $__timeFilter(started_at) AND verdict = 'suspect'
					  GROUP BY incident
					) AS c ON c.incident = i.id
					WHERE $__timeFilter(started_at)
					  AND (NOT minor OR ${minor})
					  AND $__conditionalAll(hasAny(i.services, [${service:singlequote}]), $service)
					  AND $__conditionalAll(severity IN (${severity:singlequote}), $severity)
					  AND $__conditionalAll(environment IN (${environment:singlequote}), $environment)
					ORDER BY started_at DESC
					LIMIT 1000`,
					incidentColumns(columns("^(detect|acknowledge|restore)$", unit("s")), column("title", cellWidth(320)))...),
			}},
			{title: "Durations", height: 8, panels: []panel{
				table(24, "Durations", "All five durations over the incidents of the time range. n is how many are known; a median or p90 of fewer than 5 is not shown, least and greatest are. measured, inferred, human and missing are shares of the incidents: how sure the number is.", noIncident, `
					SELECT
					  name AS duration,
					  @statistics
					FROM v_durations
					WHERE $__timeFilter(started_at)
					  AND (NOT minor OR ${minor})
					  AND @incidents
					GROUP BY name, position
					ORDER BY position`, durationColumns()...),
			}},
			{height: 10, panels: []panel{
				table(14, "Durations by service", "An incident counts for each of its services. See Durations for the columns.", noIncident, `
					SELECT
					  affected AS service,
					  name AS duration,
					  @statistics
					FROM (
					  SELECT arrayJoin(services) AS affected, name, position, seconds, basis
					  FROM v_durations
					  WHERE $__timeFilter(started_at)
					    AND (NOT minor OR ${minor})
					    AND $__conditionalAll(severity IN (${severity:singlequote}), $severity)
					    AND $__conditionalAll(environment IN (${environment:singlequote}), $environment)
					)
					WHERE $__conditionalAll(affected IN (${service:singlequote}), $service)
					GROUP BY affected, name, position
					ORDER BY service, position`, durationColumns()...),
				table(10, "Durations by severity", "See Durations for the columns.", noIncident, `
					SELECT
					  severity,
					  name AS duration,
					  @statistics
					FROM v_durations
					WHERE $__timeFilter(started_at)
					  AND (NOT minor OR ${minor})
					  AND @incidents
					GROUP BY severity, name, position
					ORDER BY severity, position`, durationColumns()...),
			}},
			{title: "By week: ${duration:text}", height: 9, panels: []panel{
				series(12, points, "${duration:text}, by week", "Weeks by the incidents' start, from Monday, UTC. A median of fewer than 5 is drawn in another colour, and p90 only from 5 on.", noIncident, "s", `
					SELECT
					  toDateTime(toStartOfWeek(started_at, 1), 'UTC') AS time,
					  if(count(seconds) >= 5, quantileExactInclusive(0.5)(seconds), NULL) AS "median",
					  if(count(seconds) BETWEEN 1 AND 4, quantileExactInclusive(0.5)(seconds), NULL) AS "median of fewer than 5",
					  if(count(seconds) >= 5, quantileExactInclusive(0.9)(seconds), NULL) AS "p90"
					FROM v_durations
					WHERE $__timeFilter(started_at)
					  AND name = ${duration:singlequote}
					  AND (NOT minor OR ${minor})
					  AND @incidents
					GROUP BY time
					ORDER BY time`,
					column("median", color("blue")), column("median of fewer than 5", color("light-orange")), column("p90", color("purple"))),
				series(12, stackedBars, "How ${duration:text} is known, by week", "Incidents of each week, by how their duration is known: the sum is the number of incidents.", noIncident, "short", `
					SELECT
					  toDateTime(toStartOfWeek(started_at, 1), 'UTC') AS time,
					  countIf(basis = 'measured') AS measured,
					  countIf(basis = 'inferred') AS inferred,
					  countIf(basis = 'human') AS human,
					  countIf(basis = 'missing') AS missing
					FROM v_durations
					WHERE $__timeFilter(started_at)
					  AND name = ${duration:singlequote}
					  AND (NOT minor OR ${minor})
					  AND @incidents
					GROUP BY time
					ORDER BY time`,
					column("measured", color("green")), column("inferred", color("yellow")), column("human", color("blue")), column("missing", color("dark-red"))),
			}},
		},
	}
}

// medianOf is the median of one duration; with fewer than 5 it says so.
func medianOf(name, description string) panel {
	title := map[string]string{
		"time_to_detect": "Time to detect", "time_to_acknowledge": "Time to acknowledge",
		"time_to_mitigate": "Time to mitigate", "time_to_restore": "Time to restore",
	}[name]
	return stat(4, title+", median", description+" n is how many are known; with fewer than 5 there is no median.", "n < 5", "s", `
		SELECT
		  if(count(seconds) >= 5, quantileExactInclusive(0.5)(seconds), NULL) AS median,
		  count(seconds) AS n
		FROM v_durations
		WHERE $__timeFilter(started_at)
		  AND name = '`+name+`'
		  AND (NOT minor OR ${minor})
		  AND @incidents`,
		column("median", few()), column("n", unit("short")))
}
