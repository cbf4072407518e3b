package main

// theIncident restricts a query to the incident that is chosen.
const theIncident = "incident = ${incident:singlequote}"

func annotation(name, colour, sql string) object {
	return object{
		"name": name, "datasource": source(clickhouse), "enable": true, "hide": false, "iconColor": colour,
		"mappings": object{}, "target": query(asTable, sql),
	}
}

func oneIncident() dashboard {
	return dashboard{
		uid: "hindcast-incident", title: "hindcast / One incident", plugin: clickhouse, from: "now-7d",
		description: "The milestones of one incident over its alerts, the errors in the logs and the changes. Set the time range to the incident: the links from the other dashboards do.",
		variables: []object{hindcastURL(), single("incident", "Incident", "Incidents that began in the time range, the latest first", `
			SELECT id, concat(formatDateTime(started_at, '%Y-%m-%d %H:%i', 'UTC'), ' ', title) AS text
			FROM v_incidents
			WHERE $__timeFilter(started_at)
			ORDER BY minor, started_at DESC
			LIMIT 500`)},
		annotations: []object{
			annotation("Milestones", "blue", `
				SELECT
				  time,
				  concat(name, ': ', explanation) AS text,
				  concat(origin, ', confidence ', toString(round(confidence, 2))) AS tags
				FROM (
				  SELECT coalesce(at, latest) AS time, name, explanation, origin, confidence
				  FROM v_milestones
				  WHERE incident = ${incident:singlequote}
				)
				WHERE $__timeFilter(time)
				ORDER BY time`),
			annotation("Bounds of the milestones", "light-blue", `
				SELECT
				  earliest AS time,
				  latest AS timeEnd,
				  concat(name, ' was between these') AS text,
				  rule AS tags
				FROM v_milestones
				WHERE incident = ${incident:singlequote} AND earliest < latest AND $__timeFilter(earliest)
				ORDER BY time`),
			annotation("Changes", "orange", `
				SELECT
				  coalesce(change_started_at, at) AS time,
				  coalesce(change_finished_at, at) AS timeEnd,
				  concat(verdict, ': ', kind, ' of ', service, ' ', version, ' by ', actor) AS text,
				  verdict AS tags
				FROM v_incident_changes
				WHERE incident = ${incident:singlequote} AND $__timeFilter(at)
				ORDER BY time`),
		},
		rows: []row{
			{height: 5, panels: []panel{
				table(24, "The incident", "What is derived of it now. The ID leads to its timeline in hindcast.", "Choose an incident", `
					SELECT
					  id AS incident,
					  title,
					  status,
					  severity,
					  environment,
					  arrayStringConcat(services, ', ') AS services,
					  started_at AS started,
					  ended_at AS ended,
					  origin,
					  revision
					FROM v_incidents
					WHERE id = ${incident:singlequote}`,
					column("incident", links("Timeline in hindcast", "${hindcast_url}/incidents/${__value.raw}/timeline?format=md"), cellWidth(260))),
			}},
			{height: 8, panels: []panel{
				table(15, "Milestones", "When each step was reached, with its bounds, and why. at is the effective value; derived is what the engine says where a person says otherwise.", "No milestone is known", `
					SELECT
					  name AS milestone,
					  at,
					  earliest,
					  latest,
					  confidence,
					  origin,
					  if(origin = 'human', derived_at, NULL) AS derived,
					  actor,
					  rule,
					  explanation
					FROM v_milestones
					WHERE `+theIncident+`
					ORDER BY position`, column("confidence", unit("percentunit"), property("decimals", 0))),
				table(9, "Durations", "Between which milestones, and how it is known. One with a missing end is missing, not zero.", "Choose an incident", `
					SELECT name AS duration, seconds AS took, basis, `+"`from`, `to`"+`
					FROM v_durations
					WHERE `+theIncident+`
					ORDER BY position`, column("took", unit("s"))),
			}},
			{title: "What happened", height: 8, panels: []panel{
				series(24, stackedBars, "Alerts firing", "Members of the incident that fire, by alert. Milestones and changes are drawn over it.", "No alert of the incident fires in this time range", "short", `
					SELECT
					  toDateTime(bucket, 'UTC') AS time,
					  concat(alertname, ' ', service) AS alert,
					  count() AS firing
					FROM (
					  SELECT
					    alertname,
					    service,
					    toUnixTimestamp(greatest(toDateTime(starts_at), $__fromTime)) AS begin,
					    toUnixTimestamp(least(toDateTime(coalesce(ends_at, seen_until)), $__toTime)) AS until
					  FROM v_firings
					  WHERE starts_at <= $__toTime
					    AND coalesce(ends_at, seen_until) >= $__fromTime
					    AND hasAny(alerts, (SELECT groupArray(alert) FROM v_incident_alerts WHERE incident = ${incident:singlequote}))
					)
					ARRAY JOIN range(intDiv(begin, $__interval_s) * $__interval_s, until + 1, $__interval_s) AS bucket
					GROUP BY time, alert
					ORDER BY time`),
			}},
			{height: 8, panels: []panel{
				series(24, bars, "Errors in the logs", "Lines of the ten most frequent patterns of level warn and above, in the logs of the incident's services.", "No warnings or errors in the logs of its services, or the logs are no longer kept", "short", `
					WITH most AS (
					  SELECT service, pattern
					  FROM v_log_counts
					  WHERE $__timeFilter(second)
					    AND level IN ('warn', 'error', 'fatal')
					    AND service IN (SELECT arrayJoin(services) FROM v_incidents WHERE id = ${incident:singlequote})
					  GROUP BY service, pattern
					  ORDER BY sum(n) DESC
					  LIMIT 10
					)
					SELECT
					  $__timeInterval(second) AS time,
					  concat(service, ': ', leftUTF8(any(template), 60)) AS what,
					  sum(n) AS lines
					FROM v_log_counts
					WHERE $__timeFilter(second)
					  AND level IN ('warn', 'error', 'fatal')
					  AND (service, pattern) IN (SELECT service, pattern FROM most)
					GROUP BY time, service, pattern
					ORDER BY time`),
			}},
			{height: 8, panels: []panel{
				table(24, "Changes", "The changes that were weighed, those that fit best first: suspect, unlikely, exonerated, remedy or failed_remedy, and what speaks for it.", "No change was weighed", `
					SELECT
					  at,
					  service,
					  kind,
					  version,
					  previous_version AS previous,
					  status,
					  actor,
					  verdict,
					  score,
					  arrayStringConcat(reasons, '; ') AS reasons,
					  url
					FROM v_incident_changes
					WHERE `+theIncident+`
					ORDER BY score DESC, at`, column("score", unit("percentunit"), property("decimals", 0)),
					column("url", links("Open", "${__value.raw}"))),
			}},
			{height: 8, panels: []panel{
				table(12, "Gaps", "What went wrong in seeing, telling or mending, or was not seen.", "No gap was found", `
					SELECT kind, explanation
					FROM v_gaps
					WHERE `+theIncident+`
					ORDER BY kind`, column("kind", cellWidth(180))),
				table(12, "Participants", "Who acted, and in which stages.", "Nobody is known to have acted", `
					SELECT
					  name,
					  arrayStringConcat(did, ', ') AS did,
					  arrayStringConcat(stages, ', ') AS stages,
					  first_at AS first,
					  last_at AS last
					FROM v_participants
					WHERE `+theIncident+`
					ORDER BY first_at`),
			}},
			{title: "Logs", height: 10, panels: []panel{
				logs(24, "Warnings and errors", "The lines of level warn and above of the incident's services, the latest first, 500 at most.", "No such lines, or they are no longer kept", `
					SELECT
					  at AS timestamp,
					  text AS body,
					  level,
					  service
					FROM v_log_lines
					WHERE $__timeFilter(at)
					  AND level IN ('warn', 'error', 'fatal')
					  AND service IN (SELECT arrayJoin(services) FROM v_incidents WHERE id = ${incident:singlequote})
					ORDER BY at DESC
					LIMIT 500`),
			}},
		},
	}
}

// asLogs is the format of log lines.
const asLogs = 2

// logs shows log lines.
func logs(w int, title, description, empty, sql string) panel {
	body := look("logs", title, description, empty, "", object{}, nil)
	body["options"] = object{
		"showTime": true, "showLabels": false, "showCommonLabels": false, "wrapLogMessage": true, "prettifyLogMessage": false,
		"enableLogDetails": true, "dedupStrategy": "none", "sortOrder": "Descending",
	}
	target := query(asTable, sql)
	target["queryType"], target["format"] = "logs", asLogs
	body["targets"] = []object{target}
	return panel{w, body}
}
