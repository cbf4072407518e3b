CREATE OR REPLACE VIEW v_messages {{on}} (
  id       String               COMMENT 'ID of the event: /events/<id>',
  at       DateTime64(9, 'UTC') COMMENT 'When it was written',
  road     String               COMMENT 'How hindcast was told',
  author   String               COMMENT 'Who wrote it',
  channel  String               COMMENT 'Where; may be empty',
  thread   String               COMMENT 'In which thread; may be empty',
  text     String               COMMENT 'What they wrote',
  url      String               COMMENT 'Leads to the message',
  incident String               COMMENT 'The incident that the sender names; may be empty'
) SQL SECURITY DEFINER AS
WITH
  JSONExtractRaw(body, 'message') AS told
SELECT
  {{id "event"}} AS id, occurred_at AS at, road,
  JSONExtractString(told, 'author') AS author,
  JSONExtractString(told, 'channel') AS channel,
  JSONExtractString(told, 'thread') AS thread,
  JSONExtractString(told, 'text') AS text,
  JSONExtractString(told, 'url') AS url,
  JSONExtractString(told, 'incident') AS incident
FROM (
  SELECT id AS event, occurred_at, road, body
  FROM events FINAL
  WHERE kind = 'message'
);
