CREATE OR REPLACE VIEW v_notifications {{on}} (
  id           String               COMMENT 'ID of the event: /events/<id>',
  at           DateTime64(9, 'UTC') COMMENT 'When it was delivered',
  received_at  DateTime64(9, 'UTC') COMMENT 'When hindcast was told',
  road         String               COMMENT 'How hindcast was told',
  instance     String               COMMENT 'The sender''s name',
  environment  String               COMMENT 'May be empty',
  service      String               COMMENT 'May be empty: a notification can tell of alerts of several',
  receiver     String               COMMENT 'Alertmanager''s name of the receiver',
  integration  String               COMMENT 'pagerduty, slack, webhook and so on; empty when the road does not tell',
  group_key    String               COMMENT 'The group that it tells of',
  reason       String               COMMENT 'Why it was sent now, where Alertmanager says so',
  firing       UInt64               COMMENT 'Alerts that it says are firing',
  resolved     UInt64               COMMENT 'Alerts that it says are resolved',
  truncated    UInt64               COMMENT 'Alerts that it left out',
  to_hindcast  Bool                 COMMENT 'A webhook''s arrival at hindcast itself, and not a record of a delivery elsewhere',
  fingerprints Array(String)        COMMENT 'Of the alerts that it says are firing'
) SQL SECURITY DEFINER AS
WITH
  JSONExtractRaw(body, 'notification') AS told
SELECT
  {{id "event"}} AS id, occurred_at AS at, received_at, road, instance, environment, service,
  JSONExtractString(told, 'receiver') AS receiver,
  JSONExtractString(told, 'integration') AS integration,
  JSONExtractString(told, 'group_key') AS group_key,
  JSONExtractString(told, 'reason') AS reason,
  JSONLength(told, 'firing') AS firing,
  JSONLength(told, 'resolved') AS resolved,
  JSONExtractUInt(told, 'truncated') AS truncated,
  toBool(JSONExtractBool(told, 'to_hindcast')) AS to_hindcast,
  arrayMap(one -> JSONExtractString(one, 'fingerprint'), JSONExtractArrayRaw(told, 'firing')) AS fingerprints
FROM (
  SELECT id AS event, occurred_at, received_at, road, instance, environment, service, body
  FROM events FINAL
  WHERE kind = 'notification'
);
