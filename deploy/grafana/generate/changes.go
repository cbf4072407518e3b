package main

const noChange = "No change was reported in this time range"

func changes() dashboard {
	return dashboard{
		uid: "hindcast-changes", title: "hindcast / Changes", plugin: clickhouse, from: "now-90d",
		description: "Deploys and other changes of each service, how many of them are suspected of an incident, and rollbacks that failed.",
		variables: []object{hindcastURL(),
			choice("environment", "Environment", "Where changes were made", `
				SELECT DISTINCT environment
				FROM v_changes
				WHERE $__timeFilter(at)
				ORDER BY environment`),
			choice("service", "Service", "What was changed", `
				SELECT DISTINCT service
				FROM v_changes
				WHERE $__timeFilter(at)
				ORDER BY service`)},
		rows: []row{
			{height: 4, panels: []panel{
				stat(6, "Deploys", "Deploys that succeeded.", noChange, "short", `
					SELECT countIf(kind = 'deploy' AND status = 'succeeded') AS deploys
					FROM v_change_runs
					WHERE $__timeFilter(at)
					  AND @changes`),
				stat(6, "Change failure", "The share of succeeded deploys that are suspected of an incident.", noChange, "percentunit", `
					WITH (SELECT groupUniqArrayArray(events) FROM v_incident_changes WHERE verdict = 'suspect' AND NOT minor) AS suspected
					SELECT countIf(hasAny(events, suspected)) / nullIf(count(), 0) AS failure
					FROM v_change_runs
					WHERE $__timeFilter(at)
					  AND kind = 'deploy'
					  AND status = 'succeeded'
					  AND @changes`),
				stat(6, "Rollbacks", "Changes that took back another, as far as they were reported as such.", noChange, "short", `
					SELECT countIf(kind = 'rollback') AS rollbacks
					FROM v_change_runs
					WHERE $__timeFilter(at)
					  AND @changes`),
				stat(6, "Failed rollbacks", "Rollbacks that were reported as failed, or that did not end the incident.", noChange, "short", `
					SELECT uniqExact(change) AS failed
					FROM v_incident_changes
					WHERE $__timeFilter(at)
					  AND kind = 'rollback'
					  AND (verdict = 'failed_remedy' OR status = 'failed')
					  AND @changes`),
			}},
			{height: 9, panels: []panel{
				series(12, stackedBars, "Deploys by week", "Deploys that succeeded, by service. Weeks from Monday, UTC.", noChange, "short", `
					SELECT
					  toDateTime(toStartOfWeek(at, 1), 'UTC') AS time,
					  service,
					  count() AS deploys
					FROM v_change_runs
					WHERE $__timeFilter(at)
					  AND kind = 'deploy'
					  AND status = 'succeeded'
					  AND @changes
					GROUP BY time, service
					ORDER BY time`),
				series(12, points, "Change failure by week", "The share of each week's succeeded deploys that are suspected of an incident; of fewer than 5 deploys it is drawn in another colour.", noChange, "percentunit", `
					WITH (SELECT groupUniqArrayArray(events) FROM v_incident_changes WHERE verdict = 'suspect' AND NOT minor) AS suspected
					SELECT
					  toDateTime(toStartOfWeek(at, 1), 'UTC') AS time,
					  if(count() >= 5, countIf(hasAny(events, suspected)) / count(), NULL) AS "change failure",
					  if(count() < 5, countIf(hasAny(events, suspected)) / count(), NULL) AS "of fewer than 5 deploys"
					FROM v_change_runs
					WHERE $__timeFilter(at)
					  AND kind = 'deploy'
					  AND status = 'succeeded'
					  AND @changes
					GROUP BY time
					ORDER BY time`,
					column("change failure", color("blue")), column("of fewer than 5 deploys", color("light-orange"))),
			}},
			{height: 9, panels: []panel{
				table(24, "By service", "Deploys of each service, and how they went. suspects are succeeded deploys that are suspected of an incident; failure is their share, which says little of fewer than 5 deploys.", noChange, `
					WITH
					  (SELECT groupUniqArrayArray(events) FROM v_incident_changes WHERE verdict = 'suspect' AND NOT minor) AS suspected,
					  (SELECT groupUniqArrayArray(events) FROM v_incident_changes WHERE verdict = 'failed_remedy' AND kind = 'rollback') AS useless
					SELECT
					  service,
					  countIf(kind = 'deploy' AND status = 'succeeded') AS deploys,
					  countIf(kind = 'deploy' AND status = 'failed') AS failed,
					  countIf(kind = 'deploy' AND status = 'succeeded' AND hasAny(events, suspected)) AS suspects,
					  if(deploys >= 5, suspects / deploys, NULL) AS failure,
					  countIf(kind = 'rollback') AS rollbacks,
					  countIf(kind = 'rollback' AND (status = 'failed' OR hasAny(events, useless))) AS failed_rollbacks,
					  countIf(kind NOT IN ('deploy', 'rollback')) AS other_changes
					FROM v_change_runs
					WHERE $__timeFilter(at)
					  AND @changes
					GROUP BY service
					ORDER BY suspects DESC, deploys DESC`,
					column("failure", unit("percentunit"), few())),
			}},
			{height: 9, panels: []panel{
				table(12, "Suspects", "Changes that are suspected of an incident.", "No change is suspected of an incident", `
					SELECT
					  at,
					  service,
					  kind,
					  version,
					  actor,
					  score,
					  incident,
					  @around,
					  arrayStringConcat(reasons, '; ') AS reasons
					FROM v_incident_changes
					WHERE $__timeFilter(at)
					  AND verdict = 'suspect'
					  AND @changes
					ORDER BY at DESC
					LIMIT 500`,
					incidentColumns(column("score", unit("percentunit"), property("decimals", 0)))...),
				table(12, "Failed rollbacks", "Rollbacks that failed, or after which the trouble went on, with the incident.", "No rollback failed", `
					SELECT
					  at,
					  service,
					  version,
					  status,
					  verdict,
					  actor,
					  incident,
					  @around,
					  arrayStringConcat(reasons, '; ') AS reasons
					FROM v_incident_changes
					WHERE $__timeFilter(at)
					  AND kind = 'rollback'
					  AND (verdict = 'failed_remedy' OR status = 'failed')
					  AND @changes
					ORDER BY at DESC
					LIMIT 500`, incidentColumns()...),
			}},
			{title: "All changes", height: 10, panels: []panel{
				table(24, "Changes", "What was reported, each change once, the latest first.", noChange, `
					SELECT
					  at,
					  service,
					  environment,
					  kind,
					  status,
					  version,
					  previous_version AS previous,
					  dateDiff('second', started_at, finished_at) AS took,
					  actor,
					  length(commits) AS commits,
					  url
					FROM v_change_runs
					WHERE $__timeFilter(at)
					  AND @changes
					ORDER BY at DESC
					LIMIT 1000`, column("took", unit("s")), column("url", links("Open", "${__value.raw}"))),
			}},
		},
	}
}
