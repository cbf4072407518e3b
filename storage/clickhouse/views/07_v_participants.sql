CREATE OR REPLACE VIEW v_participants {{on}} (
  incident    String        COMMENT 'ID of the incident',
  title       String        COMMENT 'Of the incident',
  services    Array(String) COMMENT 'Of the incident',
  severity    String        COMMENT 'Of the incident',
  environment String        COMMENT 'Of the incident',
  minor       Bool          COMMENT 'Of the incident',
  started_at  DateTime64(9, 'UTC') COMMENT 'Of the incident: onset, else detected',
  name        String        COMMENT 'The person who acted',
  did         Array(String) COMMENT 'What they did',
  stages      Array(String) COMMENT 'The milestones that they had a part in',
  first_at    Nullable(DateTime64(9, 'UTC')) COMMENT 'When they first acted',
  last_at     Nullable(DateTime64(9, 'UTC')) COMMENT 'When they last acted'
) SQL SECURITY DEFINER AS
SELECT
  {{id "incident"}} AS incident, title, services, severity, environment, minor, started_at,
  JSONExtractString(person, 'name') AS name,
  JSONExtract(person, 'did', 'Array(String)') AS did,
  JSONExtract(person, 'stages', 'Array(String)') AS stages,
  {{time "person" "first_at"}} AS first_at,
  {{time "person" "last_at"}} AS last_at
FROM v_revisions
ARRAY JOIN JSONExtractArrayRaw(participants) AS person;
