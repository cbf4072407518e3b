CREATE OR REPLACE VIEW v_acknowledgements {{on}} (
  id           String               COMMENT 'ID of the event: /events/<id>',
  at           DateTime64(9, 'UTC') COMMENT 'When it was acknowledged',
  road         String               COMMENT 'How hindcast was told',
  instance     String               COMMENT 'The paging system''s name',
  environment  String               COMMENT 'May be empty',
  service      String               COMMENT 'May be empty',
  actor        String               COMMENT 'Who took it',
  incident     String               COMMENT 'The incident that the sender names; may be empty',
  note         String               COMMENT 'What they said',
  fingerprints Array(String)        COMMENT 'Of the alerts that were acknowledged'
) SQL SECURITY DEFINER AS
WITH
  JSONExtractRaw(body, 'acknowledgement') AS told
SELECT
  {{id "event"}} AS id, occurred_at AS at, road, instance, environment, service,
  JSONExtractString(told, 'actor') AS actor,
  JSONExtractString(told, 'incident') AS incident,
  JSONExtractString(told, 'note') AS note,
  arrayMap(one -> JSONExtractString(one, 'fingerprint'), JSONExtractArrayRaw(told, 'alerts')) AS fingerprints
FROM (
  SELECT id AS event, occurred_at, road, instance, environment, service, body
  FROM events FINAL
  WHERE kind = 'acknowledgement'
);
