-- The reports of one change, joined as the engine joins them, but for two things
-- that need all of a service's history: a rollback that was reported as a deploy
-- is only recognised in v_incident_changes, and here a group ends an hour after
-- its latest report and not after its first.
CREATE OR REPLACE VIEW v_change_runs {{on}} (
  id               String               COMMENT 'ID of the earliest report: mostly that of the change in v_incident_changes; compare events to be sure',
  at               DateTime64(9, 'UTC') COMMENT 'When it was finished, else when it was started',
  started_at       Nullable(DateTime64(9, 'UTC')) COMMENT 'The first report of a start; NULL when there is none',
  finished_at      Nullable(DateTime64(9, 'UTC')) COMMENT 'The first report of how it ended; NULL when there is none',
  environment      String               COMMENT 'Where it was made; may be empty',
  service          String               COMMENT 'What was changed',
  kind             String               COMMENT 'deploy, rollback, config, flag, migration or restart',
  status           String               COMMENT 'How it ended: succeeded, failed or cancelled; started when no report tells',
  version          String               COMMENT 'What was put in place',
  previous_version String               COMMENT 'What was there before, where a report tells',
  actor            String               COMMENT 'Who made it',
  url              String               COMMENT 'Where a sender tells of it',
  reports          UInt64               COMMENT 'How many reports were joined',
  events           Array(String)        COMMENT 'Their IDs: v_changes.id',
  commits          Array(String)        COMMENT 'The commits that it is said to carry'
) SQL SECURITY DEFINER AS
SELECT
  first_id AS id,
  coalesce(finished, started, told[1].1) AS at,
  started AS started_at,
  finished AS finished_at,
  environment, service,
  if(is_rollback, 'rollback', track) AS kind,
  outcome AS status,
  version,
  arrayFirst(text -> text NOT IN ('', version), told.4) AS previous_version,
  arrayFirst(text -> text != '', told.5) AS actor,
  arrayFirst(text -> text != '', told.6) AS url,
  length(told) AS reports,
  told.2 AS events,
  carried AS commits
FROM (
  SELECT
    environment, service, version, track,
    arraySort(groupArray((at, id, status, previous_version, actor, url))) AS told,
    min(id) AS first_id,
    max(kind = 'rollback') AS is_rollback,
    arrayFilter(one -> one.3 NOT IN ('', 'started'), told) AS ends,
    arrayFilter(one -> one.3 IN ('', 'started'), told) AS starts,
    if(empty(ends), 'started', ends[-1].3) AS outcome,
    if(empty(starts), NULL, starts[1].1) AS started,
    if(empty(ends), NULL, arrayFirst(one -> one.3 = outcome, ends).1) AS finished,
    arrayDistinct(arrayFlatten(groupArray(commits))) AS carried
  FROM (
    SELECT *, sum(begins) OVER (PARTITION BY environment, service, track, version ORDER BY at, id) AS nth
    FROM (
      SELECT
        *,
        row_number() OVER same AS place,
        lagInFrame(at) OVER same AS before,
        lagInFrame(run) OVER same AS run_before,
        lagInFrame(version) OVER (PARTITION BY environment, service, track, subject ORDER BY at, id) AS version_before,
        place = 1 OR at > before + INTERVAL 1 DAY
          OR NOT (run != '' AND run = run_before) AND (at > before + INTERVAL 1 HOUR OR version != version_before) AS begins
      FROM (
        SELECT
          id, at, environment, service, version, kind, status, previous_version, actor, url, commits, run,
          if(kind IN ('rollback', ''), 'deploy', kind) AS track,
          if(kind = 'flag', extract(version, '^[^:= ]*'), '') AS subject
        FROM v_changes
      )
      WINDOW same AS (PARTITION BY environment, service, track, version ORDER BY at, id)
    )
  )
  GROUP BY environment, service, track, version, nth
);
