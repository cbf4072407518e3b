CREATE OR REPLACE VIEW v_incident_alerts {{on}} (
  incident   String COMMENT 'ID of the incident',
  started_at DateTime64(9, 'UTC') COMMENT 'Of the incident: onset, else detected',
  minor      Bool   COMMENT 'Of the incident',
  alert      String COMMENT 'ID of a member: v_alerts.id'
) SQL SECURITY DEFINER AS
SELECT {{id "incident"}} AS incident, started_at, minor, {{id "signal"}} AS alert
FROM v_revisions
ARRAY JOIN signals AS signal;
