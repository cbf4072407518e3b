CREATE OR REPLACE VIEW v_milestones {{on}} (
  incident    String        COMMENT 'ID of the incident',
  title       String        COMMENT 'Of the incident',
  services    Array(String) COMMENT 'Of the incident',
  severity    String        COMMENT 'Of the incident',
  environment String        COMMENT 'Of the incident',
  minor       Bool          COMMENT 'Of the incident',
  status      String        COMMENT 'Of the incident',
  started_at  DateTime64(9, 'UTC') COMMENT 'Of the incident: onset, else detected',
  name        String        COMMENT 'onset, detected, alerted, acknowledged, mitigated or restored; one that is not known has no row',
  position    UInt8         COMMENT 'Its place in that order, from 1',
  at          Nullable(DateTime64(9, 'UTC')) COMMENT 'The effective value: the best estimate, or what a person stated; NULL when only bounds are known',
  earliest    Nullable(DateTime64(9, 'UTC')) COMMENT 'Not before; NULL when there is no bound',
  latest      Nullable(DateTime64(9, 'UTC')) COMMENT 'Not after; NULL when there is no bound',
  confidence  Float64       COMMENT 'Between 0 and 1',
  rule        String        COMMENT 'The rule that set it: see docs/milestones.md',
  explanation String        COMMENT 'Why, in words',
  actor       String        COMMENT 'The person who did it, where it is known',
  origin      String        COMMENT 'derived, or human when a person stated it',
  derived_at  Nullable(DateTime64(9, 'UTC')) COMMENT 'What the engine says; with origin derived that is at',
  evidence    Array(String) COMMENT 'IDs of the facts behind it: /events/<id>'
) SQL SECURITY DEFINER AS
WITH
  JSONExtractString(milestone, 'origin') AS stated_by,
  {{time "milestone" "at"}} AS effective
SELECT
  {{id "incident"}} AS incident, title, services, severity, environment, minor, status, started_at,
  JSONExtractString(milestone, 'name') AS name,
  indexOf(['onset', 'detected', 'alerted', 'acknowledged', 'mitigated', 'restored'], name) AS position,
  effective AS at,
  {{time "milestone" "earliest"}} AS earliest,
  {{time "milestone" "latest"}} AS latest,
  JSONExtractFloat(milestone, 'confidence') AS confidence,
  JSONExtractString(milestone, 'rule') AS rule,
  JSONExtractString(milestone, 'explanation') AS explanation,
  JSONExtractString(milestone, 'actor') AS actor,
  stated_by AS origin,
  if(stated_by = 'human', {{time "JSONExtractRaw(milestone, 'derived')" "at"}}, effective) AS derived_at,
  JSONExtract(milestone, 'evidence', 'Array(String)') AS evidence
FROM v_revisions
ARRAY JOIN JSONExtractArrayRaw(milestones) AS milestone;
