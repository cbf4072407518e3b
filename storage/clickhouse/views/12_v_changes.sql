CREATE OR REPLACE VIEW v_changes {{on}} (
  id               String               COMMENT 'ID of the report: /events/<id>',
  at               DateTime64(9, 'UTC') COMMENT 'When that happened which is reported',
  received_at      DateTime64(9, 'UTC') COMMENT 'When hindcast was told',
  road             String               COMMENT 'How hindcast was told',
  environment      String               COMMENT 'Where it is made; may be empty',
  service          String               COMMENT 'What is changed',
  run              String               COMMENT 'The sender''s ID of the run; may be empty',
  kind             String               COMMENT 'deploy, rollback, config, flag, migration or restart',
  status           String               COMMENT 'started, succeeded, failed or cancelled',
  version          String               COMMENT 'What is put in place',
  previous_version String               COMMENT 'What was there before, where the sender tells',
  actor            String               COMMENT 'Who makes it',
  url              String               COMMENT 'Where the sender tells of it',
  message          String               COMMENT 'What the sender says of it',
  commits          Array(String)        COMMENT 'The commits that it is said to carry'
) SQL SECURITY DEFINER AS
WITH
  JSONExtractRaw(body, 'change') AS told
SELECT
  {{id "event"}} AS id, occurred_at AS at, received_at, road, environment, service,
  JSONExtractString(told, 'run') AS run,
  JSONExtractString(told, 'kind') AS kind,
  JSONExtractString(told, 'status') AS status,
  JSONExtractString(told, 'version') AS version,
  JSONExtractString(told, 'previous_version') AS previous_version,
  JSONExtractString(told, 'actor') AS actor,
  JSONExtractString(told, 'url') AS url,
  JSONExtractString(told, 'message') AS message,
  arrayDistinct(arrayFilter(sha -> sha != '', arrayPushFront(
    arrayMap(one -> JSONExtractString(one, 'sha'), JSONExtractArrayRaw(told, 'commits')),
    JSONExtractString(told, 'commit')))) AS commits
FROM (
  SELECT id AS event, occurred_at, received_at, road, environment, service, body
  FROM events FINAL
  WHERE kind = 'change'
);
