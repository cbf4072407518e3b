CREATE OR REPLACE VIEW v_gaps {{on}} (
  incident    String        COMMENT 'ID of the incident',
  title       String        COMMENT 'Of the incident',
  services    Array(String) COMMENT 'Of the incident',
  severity    String        COMMENT 'Of the incident',
  environment String        COMMENT 'Of the incident',
  minor       Bool          COMMENT 'Of the incident',
  started_at  DateTime64(9, 'UTC') COMMENT 'Of the incident: onset, else detected',
  kind        String        COMMENT 'late_detection, not_notified and so on: see docs/milestones.md',
  explanation String        COMMENT 'What is missing or went wrong, in words',
  evidence    Array(String) COMMENT 'IDs of the facts behind it: /events/<id>'
) SQL SECURITY DEFINER AS
SELECT
  {{id "incident"}} AS incident, title, services, severity, environment, minor, started_at,
  JSONExtractString(gap, 'kind') AS kind,
  JSONExtractString(gap, 'explanation') AS explanation,
  JSONExtract(gap, 'evidence', 'Array(String)') AS evidence
FROM v_revisions
ARRAY JOIN JSONExtractArrayRaw(gaps) AS gap;
