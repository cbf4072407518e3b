CREATE OR REPLACE VIEW v_log_lines {{on}} (
  at          DateTime64(9, 'UTC') COMMENT 'When it was written',
  service     String               COMMENT 'Who wrote it',
  environment String               COMMENT 'May be empty',
  level       String               COMMENT 'unknown, debug, info, warn, error or fatal',
  pattern     String               COMMENT 'ID of its pattern: 16 hex digits',
  version     String               COMMENT 'May be empty',
  trace       String               COMMENT 'ID of the trace that it belongs to; may be empty',
  labels      Map(String, String)  COMMENT 'Of its stream, and its own, which count where both name the same; bytes that are not UTF-8 as characters from U+10FF00 on',
  text        String               COMMENT 'The line, verbatim; it need not be UTF-8'
) SQL SECURITY DEFINER AS
SELECT
  at, service, environment, toString(rank) AS level, {{hex64 "number"}} AS pattern, version, trace,
  mapUpdate(JSONExtract(stream, 'Map(String, String)'), JSONExtract(metadata, 'Map(String, String)')) AS labels,
  text
FROM (
  SELECT at, service, environment, level AS rank, pattern AS number, version, trace, toString(labels) AS stream, metadata, text
  FROM lines FINAL
  WHERE source {{global}} NOT IN {{hidden}}
);
