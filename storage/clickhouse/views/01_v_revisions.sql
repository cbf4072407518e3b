-- Of each incident the latest revision that readers may see, as visible.go says
-- it. The other views read this one and not the table.
CREATE OR REPLACE VIEW v_revisions {{on}} (
  incident     FixedString(16)         COMMENT 'ID of the incident, 16 bytes',
  published_at DateTime64(6, 'UTC')    COMMENT 'When this revision was written',
  revision     Int64                   COMMENT 'Grows by one each time the timeline changes',
  started_at   DateTime64(9, 'UTC')    COMMENT 'Onset, else detected',
  ended_at     Nullable(DateTime64(9, 'UTC')) COMMENT 'Restored; NULL while the incident lasts or its end is unknown',
  status       String                  COMMENT 'open, mitigated, restored or closed',
  severity     String                  COMMENT 'The greatest of its alerts',
  environment  String                  COMMENT 'Empty when no alert names one',
  minor        Bool                    COMMENT 'Nothing says that anything suffered',
  sealed       Bool                    COMMENT 'It is not derived any more',
  services     Array(String)           COMMENT 'Services of its alerts',
  title        String                  COMMENT 'What it is called',
  signals      Array(FixedString(16))  COMMENT 'IDs of its members',
  aliases      Array(FixedString(16))  COMMENT 'IDs under which it was published before',
  milestones   String                  COMMENT 'JSON, as in GET /incidents/{id}/timeline',
  changes      String                  COMMENT 'JSON, likewise',
  participants String                  COMMENT 'JSON, likewise',
  gaps         String                  COMMENT 'JSON, likewise',
  durations    String                  COMMENT 'JSON, likewise'
) SQL SECURITY DEFINER AS
SELECT
  incident, at AS published_at, revision, started_at, ended_at, status, severity, environment, minor, sealed,
  services, title, signals, aliases, milestones, changes, participants, gaps, durations
FROM revisions
WHERE {{latest}};
