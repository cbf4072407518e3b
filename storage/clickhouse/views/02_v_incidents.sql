CREATE OR REPLACE VIEW v_incidents {{on}} (
  id           String               COMMENT 'ID as in the API: /incidents/<id> is its address',
  title        String               COMMENT 'What it is called',
  status       String               COMMENT 'open, mitigated, restored or closed',
  severity     String               COMMENT 'The greatest of its alerts, in lower case; may be empty',
  environment  String               COMMENT 'Empty when no alert names one',
  services     Array(String)        COMMENT 'Services of its alerts',
  started_at   DateTime64(9, 'UTC') COMMENT 'Onset, else detected',
  ended_at     Nullable(DateTime64(9, 'UTC')) COMMENT 'Restored; NULL while it lasts or its end is unknown',
  minor        Bool                 COMMENT 'Nothing says that anything suffered: for reports on alert quality',
  sealed       Bool                 COMMENT 'It is not derived any more: what arrives later changes nothing',
  origin       String               COMMENT 'human when a person stated one of its milestones, else derived',
  revision     Int64                COMMENT 'Grows by one each time the timeline changes',
  published_at DateTime64(6, 'UTC') COMMENT 'When this revision was written',
  aliases      Array(String)        COMMENT 'IDs under which it, or a part of it, was published before'
) SQL SECURITY DEFINER AS
SELECT
  {{id "incident"}} AS id, title, status, severity, environment, services, started_at, ended_at, minor, sealed,
  if(arrayExists(milestone -> JSONExtractString(milestone, 'origin') = 'human', JSONExtractArrayRaw(milestones)), 'human', 'derived') AS origin,
  revision, published_at, {{ids "aliases"}} AS aliases
FROM v_revisions;
