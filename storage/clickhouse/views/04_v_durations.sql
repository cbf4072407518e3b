CREATE OR REPLACE VIEW v_durations {{on}} (
  incident    String        COMMENT 'ID of the incident',
  title       String        COMMENT 'Of the incident',
  services    Array(String) COMMENT 'Of the incident',
  severity    String        COMMENT 'Of the incident',
  environment String        COMMENT 'Of the incident',
  minor       Bool          COMMENT 'Of the incident',
  status      String        COMMENT 'Of the incident: what is missing from one that is not closed may still come',
  started_at  DateTime64(9, 'UTC') COMMENT 'Of the incident: onset, else detected',
  name        String        COMMENT 'time_to_detect, time_to_notify, time_to_acknowledge, time_to_mitigate or time_to_restore: every incident has all five',
  position    UInt8         COMMENT 'Its place in that order, from 1',
  seconds     Nullable(Float64) COMMENT 'NULL when an end is missing; a negative one has the gap negative_duration',
  `from`      String        COMMENT 'The milestone that it begins with; empty when it is missing',
  `to`        String        COMMENT 'The milestone that it ends with; empty when it is missing',
  basis       String        COMMENT 'measured, inferred, human, or missing',
  origin      String        COMMENT 'human when a person stated one of the ends, derived, or empty when it is missing'
) SQL SECURITY DEFINER AS
WITH
  JSONExtractRaw(durations, name) AS duration
SELECT
  {{id "incident"}} AS incident, title, services, severity, environment, minor, status, started_at,
  name, position,
  if(duration = '', NULL, JSONExtractFloat(duration, 'seconds')) AS seconds,
  JSONExtractString(duration, 'from') AS `from`,
  JSONExtractString(duration, 'to') AS `to`,
  if(duration = '', 'missing', JSONExtractString(duration, 'basis')) AS basis,
  multiIf(duration = '', '', basis = 'human', 'human', 'derived') AS origin
FROM v_revisions
ARRAY JOIN
  ['time_to_detect', 'time_to_notify', 'time_to_acknowledge', 'time_to_mitigate', 'time_to_restore'] AS name,
  [1, 2, 3, 4, 5] AS position;
