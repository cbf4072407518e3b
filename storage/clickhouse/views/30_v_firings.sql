-- Alerts of one set of labels that overlap in time are one firing: members of a
-- redundant pair, and Alertmanager after a restart, tell several starts.
CREATE OR REPLACE VIEW v_firings {{on}} (
  id           String               COMMENT 'ID of the first of its alerts: v_alerts.id',
  fingerprint  String               COMMENT 'Of the labels: 16 hex digits',
  alertname    String               COMMENT 'The label alertname',
  service      String               COMMENT 'As in v_alerts',
  environment  String               COMMENT 'As in v_alerts',
  severity     String               COMMENT 'As in v_alerts',
  starts_at    DateTime64(9, 'UTC') COMMENT 'When it began to fire',
  ends_at      Nullable(DateTime64(9, 'UTC')) COMMENT 'When it ended; NULL while it fires, or when nobody said',
  seen_until   DateTime64(9, 'UTC') COMMENT 'When anybody last said anything of it',
  alerts       Array(String)        COMMENT 'IDs of all of its alerts: v_alerts.id',
  acknowledged Bool                 COMMENT 'It was acknowledged by name, or its incident was',
  changed      Bool                 COMMENT 'Its service was changed while it fired or in the hour after',
  discussed    Bool                 COMMENT 'A message then names its service'
) SQL SECURITY DEFINER AS
SELECT
  f.first_alert AS id, f.fingerprint AS fingerprint, f.name AS alertname, f.service AS service, f.place AS environment, f.rank AS severity,
  f.start AS starts_at,
  if(f.open, NULL, f.until) AS ends_at,
  f.seen AS seen_until,
  f.members AS alerts,
  toBool(f.acked OR a.at BETWEEN f.start AND f.until + INTERVAL 1 HOUR) AS acknowledged,
  toBool(c.at BETWEEN f.start AND f.until + INTERVAL 1 HOUR) AS changed,
  toBool(m.at BETWEEN f.start AND f.until + INTERVAL 1 HOUR) AS discussed
FROM (
  SELECT
    fingerprint, nth,
    argMin(id, starts_at) AS first_alert,
    any(alertname) AS name, any(service) AS service, any(environment) AS place, any(severity) AS rank,
    min(starts_at) AS start, max(until) AS until, max(seen_until) AS seen,
    max(still_open) AS open, max(in_acknowledged) AS acked,
    arraySort(groupArray(id)) AS members
  FROM (
    SELECT *, sum(begins) OVER (PARTITION BY fingerprint ORDER BY starts_at, id) AS nth
    FROM (
      SELECT
        id, fingerprint, alertname, service, environment, severity, starts_at, seen_until,
        assumeNotNull(coalesce(ended_at, gone_by, seen_until)) AS until,
        NOT ended AND gone_by IS NULL AS still_open,
        id {{global}} IN (
          SELECT alert FROM v_incident_alerts
          WHERE incident {{global}} IN (SELECT incident FROM v_milestones WHERE name = 'acknowledged')
        ) AS in_acknowledged,
        starts_at > max(until) OVER (PARTITION BY fingerprint ORDER BY starts_at, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS begins
      FROM v_alerts
    )
  )
  GROUP BY fingerprint, nth
) AS f
{{global}} ASOF LEFT JOIN (
  SELECT arrayJoin(fingerprints) AS fingerprint, at FROM v_acknowledgements
) AS a ON f.fingerprint = a.fingerprint AND f.start <= a.at
{{global}} ASOF LEFT JOIN (
  SELECT service, at FROM v_changes
) AS c ON f.service = c.service AND f.start <= c.at
{{global}} ASOF LEFT JOIN (
  SELECT named AS service, at
  FROM (
    SELECT at, text, (SELECT groupUniqArray(service) FROM v_alerts WHERE service != '') AS services
    FROM v_messages
  )
  ARRAY JOIN arrayFilter(one -> positionCaseInsensitiveUTF8(text, one) > 0, services) AS named
) AS m ON f.service = m.service AND f.start <= m.at;
