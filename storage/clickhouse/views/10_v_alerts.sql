CREATE OR REPLACE VIEW v_alerts {{on}} (
  id                String               COMMENT 'ID of the fact: /events/<id>',
  fingerprint       String               COMMENT 'Of the labels: 16 hex digits, as in Alertmanager''s API',
  alertname         String               COMMENT 'The label alertname',
  service           String               COMMENT 'What the labels say, by the names that hindcast knows without a configuration',
  environment       String               COMMENT 'Likewise',
  severity          String               COMMENT 'Likewise, in lower case',
  starts_at         DateTime64(9, 'UTC') COMMENT 'When it began to fire, as its sender says: after the rule''s "for"',
  ended_at          Nullable(DateTime64(9, 'UTC')) COMMENT 'The latest end that a sender stated as past; NULL when none was',
  ended             Bool                 COMMENT 'Somebody said that it resolved, and nobody later that it fires',
  expired           Bool                 COMMENT 'Its end is the one that was announced beforehand: its sender fell silent, which is no end',
  firing_seen_at    Nullable(DateTime64(9, 'UTC')) COMMENT 'When a sender last said that it fires',
  gone_by           Nullable(DateTime64(9, 'UTC')) COMMENT 'The first poll that no longer showed it: a bound of its end',
  seen_until        DateTime64(9, 'UTC') COMMENT 'When anybody last said anything of it',
  first_received_at DateTime64(9, 'UTC') COMMENT 'When hindcast was first told',
  last_received_at  DateTime64(9, 'UTC') COMMENT 'When hindcast was last told',
  roads             Array(String)        COMMENT 'How it came: alertmanager-webhook, prometheus and so on',
  groups            Array(String)        COMMENT 'Alertmanager''s groups that it was in',
  instances         Array(String)        COMMENT 'The senders'' names',
  labels            Map(String, String)  COMMENT 'Its labels',
  annotations       Map(String, String)  COMMENT 'Its annotations',
  generator_url     String               COMMENT 'Leads to the rule',
  clock_suspect     Bool                 COMMENT 'A time of the sender''s was out of range'
) SQL SECURITY DEFINER AS
WITH
  mapFromArrays(
    arrayFilter((text, i) -> i % 2 = 1, label_pairs, arrayEnumerate(label_pairs)),
    arrayFilter((text, i) -> i % 2 = 0, label_pairs, arrayEnumerate(label_pairs))
  ) AS names,
  coalesce(stated_end = keep_alive, false) AS lapsed
SELECT
  {{id "alert"}} AS id, {{hex64 "number"}} AS fingerprint,
  names['alertname'] AS alertname,
  {{label "names" "service"}} AS service,
  {{label "names" "environment"}} AS environment,
  {{label "names" "severity"}} AS severity,
  starts_at, stated_end AS ended_at,
  toBool(stated_end IS NOT NULL AND NOT lapsed AND coalesce(firing <= stated_end, true)) AS ended,
  toBool(lapsed) AS expired,
  firing AS firing_seen_at, gone_by, seen_until, first_received_at, last_received_at,
  arraySort(ways) AS roads, arraySlice(arraySort(keys), 1, 32) AS groups, arraySlice(arraySort(senders), 1, 32) AS instances,
  names AS labels,
  mapFromArrays(
    arrayFilter((text, i) -> i % 2 = 1, annotation_pairs, arrayEnumerate(annotation_pairs)),
    arrayFilter((text, i) -> i % 2 = 0, annotation_pairs, arrayEnumerate(annotation_pairs))
  ) AS annotations,
  generator AS generator_url, toBool(suspect) AS clock_suspect
FROM (
  SELECT
    id AS alert, fingerprint AS number, starts_at, ended_at AS stated_end, keep_alive_until AS keep_alive,
    firing_seen_at AS firing, gone_by, seen_until, first_received_at, last_received_at,
    roads AS ways, groups AS keys, instances AS senders,
    labels.pairs AS label_pairs, annotations.pairs AS annotation_pairs, generator_url.url AS generator,
    clock_suspect AS suspect
  FROM observations FINAL
);
