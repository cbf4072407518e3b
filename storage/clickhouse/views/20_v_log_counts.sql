-- What several chunks tell of the same lines counts once: such rows have an equal
-- key and an equal digest, and that also joins what was inserted twice.
CREATE OR REPLACE VIEW v_log_counts {{on}} (
  second      DateTime64(0, 'UTC') COMMENT 'The second in which the lines were written',
  service     String               COMMENT 'Who wrote them',
  environment String               COMMENT 'May be empty',
  version     String               COMMENT 'May be empty',
  level       String               COMMENT 'unknown, debug, info, warn, error or fatal',
  pattern     String               COMMENT 'ID of the pattern: 16 hex digits',
  n           UInt64               COMMENT 'Lines of the pattern; there may be several rows for a second, which add up',
  first       DateTime64(9, 'UTC') COMMENT 'Time of the first of them',
  last        DateTime64(9, 'UTC') COMMENT 'Time of the last of them',
  template    String               COMMENT 'The pattern, its variable parts masked',
  sample      String               COMMENT 'One of the lines, verbatim'
) SQL SECURITY DEFINER AS
SELECT
  second, service, environment, version, toString(rank) AS level, {{hex64 "number"}} AS pattern,
  lines AS n, earliest AS first, greatest AS last, masked AS template, verbatim AS sample
FROM (
  SELECT
    second, service, environment, version, level AS rank, pattern AS number, digest,
    max(n) AS lines, min(first) AS earliest, max(last) AS greatest, min(template) AS masked, min(sample) AS verbatim
  FROM counts
  WHERE source {{global}} NOT IN {{hidden}}
  GROUP BY second, service, environment, version, level, pattern, digest
);
