CREATE OR REPLACE VIEW v_silences {{on}} (
  id         String               COMMENT 'ID of the event: /events/<id>',
  at         DateTime64(9, 'UTC') COMMENT 'When the silence was changed',
  instance   String               COMMENT 'The Alertmanager''s name',
  silence    String               COMMENT 'Alertmanager''s ID of the silence: one silence has a row for each change of it',
  action     String               COMMENT 'created, updated or expired',
  created_by String               COMMENT 'Who made it',
  comment    String               COMMENT 'Why, as they say',
  starts_at  Nullable(DateTime64(9, 'UTC')) COMMENT 'From when it silences',
  ends_at    Nullable(DateTime64(9, 'UTC')) COMMENT 'Until when it silences',
  updated_at Nullable(DateTime64(9, 'UTC')) COMMENT 'When Alertmanager says that it was changed',
  matchers   Array(String)        COMMENT 'What it silences; each entry is a set of conditions that all hold'
) SQL SECURITY DEFINER AS
WITH
  JSONExtractRaw(body, 'silence') AS told
SELECT
  {{id "event"}} AS id, occurred_at AS at, instance,
  JSONExtractString(told, 'id') AS silence,
  JSONExtractString(told, 'action') AS action,
  JSONExtractString(told, 'created_by') AS created_by,
  JSONExtractString(told, 'comment') AS comment,
  {{time "told" "starts_at"}} AS starts_at,
  {{time "told" "ends_at"}} AS ends_at,
  {{time "told" "updated_at"}} AS updated_at,
  arrayMap(conditions -> concat('{', arrayStringConcat(arrayMap(
      one -> concat(JSONExtractString(one, 'name'), JSONExtractString(one, 'op'), JSONExtractRaw(one, 'value')),
      JSONExtractArrayRaw(conditions)), ', '), '}'),
    JSONExtractArrayRaw(told, 'matcher_sets')) AS matchers
FROM (
  SELECT id AS event, occurred_at, instance, body
  FROM events FINAL
  WHERE kind = 'silence'
);
