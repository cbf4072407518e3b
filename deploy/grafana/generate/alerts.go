package main

const noAlert = "No alert fired in this time range"

// delivered restricts notifications to one row a delivery: where the event
// recorder tells of a receiver, the arrival of its webhooks at hindcast would
// count them twice.
const delivered = `(NOT to_hindcast OR receiver NOT IN (SELECT receiver FROM v_notifications WHERE NOT to_hindcast AND $__timeFilter(at)))`

func alerts() dashboard {
	return dashboard{
		uid: "hindcast-alerts", title: "hindcast / Alert quality and on-call load", plugin: clickhouse, from: "now-30d",
		description: "Which alerts are noisy, flap or never lead to anything, whom they wake when, and what hindcast did not see.",
		variables: []object{hindcastURL(),
			choice("environment", "Environment", "What the alerts' labels say", `
				SELECT DISTINCT environment
				FROM v_alerts
				WHERE $__timeFilter(starts_at)
				ORDER BY environment`),
			choice("service", "Service", "What the alerts' labels say", `
				SELECT DISTINCT service
				FROM v_alerts
				WHERE $__timeFilter(starts_at)
				ORDER BY service`),
			choice("severity", "Severity", "What the alerts' labels say", `
				SELECT DISTINCT severity
				FROM v_alerts
				WHERE $__timeFilter(starts_at)
				ORDER BY severity`)},
		rows: []row{
			{height: 4, panels: []panel{
				stat(6, "Firings", "Alerts that began to fire. Overlapping alerts of one set of labels count once.", noAlert, "short", `
					SELECT count() AS firings
					FROM v_firings
					WHERE $__timeFilter(starts_at)
					  AND @alerts`),
				stat(6, "Acted on", "The share of firings that were acknowledged, or in which or within an hour after which their service was changed or named in a message.", noAlert, "percentunit", `
					SELECT countIf(acknowledged OR changed OR discussed) / nullIf(count(), 0) AS acted
					FROM v_firings
					WHERE $__timeFilter(starts_at)
					  AND @alerts`),
				stat(6, "Notifications", "Deliveries that told of something firing, to whatever receiver.", "No notification was delivered", "short", `
					SELECT countIf(firing > 0) AS notifications
					FROM v_notifications
					WHERE $__timeFilter(at)
					  AND `+delivered),
				stat(6, "Minor incidents", "The share of incidents of which nothing says that anything suffered.", noIncident, "percentunit", `
					SELECT countIf(minor) / nullIf(count(), 0) AS minor_share
					FROM v_incidents
					WHERE $__timeFilter(started_at)
					  AND @incidents`),
			}},
			{title: "Alerts", height: 10, panels: []panel{
				table(24, "Noisy alerts", "The alerts that fired most, with how often they were delivered, and the share of firings that anybody acted on. on is half of the firings' length or less.", noAlert, `
					SELECT
					  alertname,
					  service,
					  environment,
					  severity,
					  count() AS firings,
					  sum(deliveries) AS notifications,
					  countIf(acknowledged OR changed OR discussed) / firings AS acted,
					  quantileExactInclusive(0.5)(dateDiff('second', starts_at, coalesce(ends_at, seen_until))) AS on,
					  max(starts_at) AS last
					FROM v_firings AS f
					LEFT JOIN (
					  SELECT fingerprint, count() / uniq_firings AS deliveries
					  FROM (
					    SELECT arrayJoin(fingerprints) AS fingerprint
					    FROM v_notifications
					    WHERE $__timeFilter(at)
					      AND `+delivered+`
					  ) AS n
					  INNER JOIN (
					    SELECT fingerprint, count() AS uniq_firings
					    FROM v_firings
					    WHERE $__timeFilter(starts_at)
					    GROUP BY fingerprint
					  ) AS c USING (fingerprint)
					  GROUP BY fingerprint, uniq_firings
					) AS d ON d.fingerprint = f.fingerprint
					WHERE $__timeFilter(starts_at)
					  AND @alerts
					GROUP BY alertname, service, environment, severity
					ORDER BY firings DESC
					LIMIT 100`,
					column("acted", unit("percentunit"), property("decimals", 0)), column("on", unit("s")),
					column("notifications", property("decimals", 0))),
			}},
			{height: 10, panels: []panel{
				table(12, "Flapping alerts", "Alerts that fired four times or more within an hour, as hindcast says it of incidents too.", "No alert flapped", `
					SELECT
					  alertname,
					  service,
					  severity,
					  max(within) AS most_in_an_hour,
					  count() AS firings,
					  maxIf(starts_at, within >= 4) AS last
					FROM (
					  SELECT
					    alertname, service, environment, severity, starts_at,
					    count() OVER (
					      PARTITION BY fingerprint
					      ORDER BY toUnixTimestamp(starts_at)
					      RANGE BETWEEN 3600 PRECEDING AND CURRENT ROW
					    ) AS within
					  FROM v_firings
					  WHERE $__timeFilter(starts_at)
					    AND @alerts
					)
					GROUP BY alertname, service, severity
					HAVING most_in_an_hour >= 4
					ORDER BY most_in_an_hour DESC`),
				table(12, "Never actionable", "Alerts whose last ten firings were not acknowledged, and in which, or within an hour after which, their service was neither changed nor named in a message.", "Every alert that fired ten times led to something", `
					SELECT
					  alertname,
					  service,
					  severity,
					  count() AS firings,
					  max(starts_at) AS last
					FROM v_firings
					WHERE $__timeFilter(starts_at)
					  AND @alerts
					GROUP BY alertname, service, severity
					HAVING firings >= 10
					  AND NOT arrayExists(
					    firing -> firing.2,
					    arraySlice(arrayReverseSort(groupArray((starts_at, acknowledged OR changed OR discussed))), 1, 10))
					ORDER BY firings DESC`),
			}},
			{title: "On-call load", height: 9, panels: []panel{
				series(12, stackedBars, "Notifications", "Deliveries that told of something firing, by receiver.", "No notification was delivered", "short", `
					SELECT
					  $__timeInterval(at) AS time,
					  receiver,
					  count() AS notifications
					FROM v_notifications
					WHERE $__timeFilter(at)
					  AND firing > 0
					  AND `+delivered+`
					GROUP BY time, receiver
					ORDER BY time`),
				byHour(),
			}},
			{title: "What was not seen", height: 9, panels: []panel{
				barChart(12, "Gaps by kind", "What went wrong in seeing, telling or mending, over the incidents of the time range; docs/milestones.md says what each means.", "No gap was found", "short", "kind", `
					SELECT kind, countIf(NOT minor) AS incidents, countIf(minor) AS minor_incidents
					FROM v_gaps
					WHERE $__timeFilter(started_at)
					  AND @incidents
					GROUP BY kind
					ORDER BY count() DESC`),
				table(12, "Muted at restore", "Incidents with an alert that was silenced or inhibited when service was said to be back.", "No alert was muted when its incident was restored", `
					SELECT
					  started_at AS started,
					  incident,
					  title,
					  explanation,
					  @around
					FROM v_gaps
					WHERE kind = 'muted_at_restore'
					  AND $__timeFilter(started_at)
					  AND @incidents
					ORDER BY started_at DESC
					LIMIT 500`, incidentColumns()...),
			}},
		},
	}
}

// byHour shows at which hours notifications come: the query gives a row for each
// hour and receiver, and Grafana makes a field of each receiver.
func byHour() panel {
	const matrix = `hour\receiver`
	p := barChart(12, "By hour of the day, UTC", "At which hours deliveries told of something firing, by receiver.", "No notification was delivered", "short", matrix, `
		SELECT
		  formatDateTime(toStartOfHour(toDateTime(at, 'UTC')), '%H', 'UTC') AS hour,
		  receiver,
		  count() AS notifications
		FROM v_notifications
		WHERE $__timeFilter(at)
		  AND firing > 0
		  AND `+delivered+`
		GROUP BY hour, receiver
		ORDER BY hour, receiver`)
	p.body["transformations"] = []object{{
		"id":      "groupingToMatrix",
		"options": object{"rowField": "hour", "columnField": "receiver", "valueField": "notifications", "emptyValue": "zero"},
	}}
	return p
}
