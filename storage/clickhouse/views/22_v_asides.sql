CREATE OR REPLACE VIEW v_asides {{on}} (
  id          String               COMMENT 'ID of the entry: GET /asides has its payload',
  received_at DateTime64(9, 'UTC') COMMENT 'When it came',
  road        String               COMMENT 'By which receiver',
  class       String               COMMENT 'What is wrong with it, for counting',
  reason      String               COMMENT 'What is wrong with it, for people',
  bytes       UInt64               COMMENT 'How much of it is kept'
) SQL SECURITY DEFINER AS
SELECT {{id "aside"}} AS id, received_at, road, class, reason, length(raw) AS bytes
FROM (SELECT id AS aside, received_at, road, class, reason, raw FROM asides FINAL);
