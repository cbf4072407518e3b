-- Statements end with a semicolon at the end of a line, and each may be run
-- again. What stands in braces is filled in by migrate.go:
--
--   local "t"          the table that holds the rows: t, or t_local in a cluster
--   on                 nothing, or ON CLUSTER
--   engine "E" args    the engine E, replicated in a cluster
--   spread "t" "expr"  nothing, or the Distributed table t over t_local
--   month, day "expr"  the partition of a time, as a number
--   ttl "t"            the age since its insert at which the engine deletes a row
--   durable            settings of every table whose rows count: fsync, and
--                      deduplication of inserts repeated with the same token
--
-- An ID is 16 bytes and begins with its time in milliseconds, so the month of
-- an ID is a function of it: rows that deduplicate lie in one partition.
-- Times are DateTime64 with nanoseconds; where one can be missing it is
-- Nullable. The year 2106 is beyond DateTime, 2149 beyond Date: partitions are
-- numbers.

-- What was applied here, and when. A migration is in it after its last
-- statement.
CREATE TABLE IF NOT EXISTS {{local "schema_versions"}} {{on}} (
  version    UInt32,
  applied_at DateTime64(6, 'UTC') DEFAULT now64(6),
  hindcast   String COMMENT 'The version of the program that applied it',
  views      String COMMENT 'Digest of the views; empty before they are made',
  cluster    String COMMENT 'The cluster that the tables are spread over; empty for one node'
)
ENGINE = {{engine "MergeTree"}}
ORDER BY (version, applied_at)
SETTINGS {{durable}};
{{spread "schema_versions" "1"}}

-- One row. All are inserted with one token, so the first counts, and all go to
-- one shard.
CREATE TABLE IF NOT EXISTS {{local "identity"}} {{on}} (
  id         UInt64                COMMENT 'Names this data in cursors',
  created_at DateTime64(6, 'UTC')  DEFAULT now64(6)
)
ENGINE = {{engine "MergeTree"}}
ORDER BY (created_at, id)
SETTINGS {{durable}};
{{spread "identity" "1"}}

-- One row an event and delivery. Of equal IDs the first content stays, with
-- the least time of receipt.
CREATE TABLE IF NOT EXISTS {{local "events"}} {{on}} (
  id          FixedString(16),
  kind        SimpleAggregateFunction(any, LowCardinality(String)),
  occurred_at SimpleAggregateFunction(any, DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
  received_at SimpleAggregateFunction(min, DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
  road        SimpleAggregateFunction(any, LowCardinality(String)),
  instance    SimpleAggregateFunction(any, LowCardinality(String)),
  service     SimpleAggregateFunction(any, LowCardinality(String)),
  environment SimpleAggregateFunction(any, LowCardinality(String)),
  body        SimpleAggregateFunction(any, String) COMMENT 'The event as JSON, without its payload' CODEC(ZSTD(3)),
  raw         SimpleAggregateFunction(any, String) COMMENT 'The payload as it was sent; empty when none was kept' CODEC(ZSTD(3)),
  inserted_at SimpleAggregateFunction(max, DateTime) DEFAULT now(),
  INDEX occurred occurred_at TYPE minmax GRANULARITY 1
)
ENGINE = {{engine "AggregatingMergeTree"}}
PARTITION BY {{month "id"}}
ORDER BY id
{{ttl "events"}}
SETTINGS index_granularity = 1024, {{durable}};
{{spread "events" "cityHash64(id)"}}

-- One row a sighting of an alert. The functions are those of
-- event.Observation.Merge: they commute, so the order of inserts and merges
-- does not matter. Empty labels, annotations and links lose against others, so
-- tuples begin with whether the rest is empty.
CREATE TABLE IF NOT EXISTS {{local "observations"}} {{on}} (
  id                FixedString(16),
  fingerprint       SimpleAggregateFunction(any, UInt64),
  starts_at         SimpleAggregateFunction(max, DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
  seen_until        SimpleAggregateFunction(max, DateTime64(9, 'UTC')) COMMENT 'The latest time at which anybody said anything of it' CODEC(Delta(8), ZSTD(1)),
  first_received_at SimpleAggregateFunction(min, DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
  last_received_at  SimpleAggregateFunction(max, DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
  keep_alive_until  SimpleAggregateFunction(max, Nullable(DateTime64(9, 'UTC'))) CODEC(ZSTD(1)),
  ended_at          SimpleAggregateFunction(max, Nullable(DateTime64(9, 'UTC'))) CODEC(ZSTD(1)),
  firing_seen_at    SimpleAggregateFunction(max, Nullable(DateTime64(9, 'UTC'))) CODEC(ZSTD(1)),
  gone_by           SimpleAggregateFunction(min, Nullable(DateTime64(9, 'UTC'))) CODEC(ZSTD(1)),
  clock_suspect     SimpleAggregateFunction(max, UInt8),
  labels            SimpleAggregateFunction(min, Tuple(empty UInt8, pairs Array(String))) COMMENT 'Names and values in turn, sorted by name' CODEC(ZSTD(1)),
  annotations       SimpleAggregateFunction(min, Tuple(empty UInt8, pairs Array(String))) CODEC(ZSTD(1)),
  generator_url     SimpleAggregateFunction(min, Tuple(empty UInt8, url String)) CODEC(ZSTD(1)),
  roads             SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
  sent_fingerprints SimpleAggregateFunction(groupUniqArrayArray, Array(UInt64)) CODEC(ZSTD(1)),
  groups            SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
  instances         SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
  first             SimpleAggregateFunction(min, Tuple(received_at DateTime64(9, 'UTC'), raw String)) COMMENT 'The first sighting and its payload' CODEC(ZSTD(3)),
  inserted_at SimpleAggregateFunction(max, DateTime) DEFAULT now(),
  INDEX seen seen_until TYPE minmax GRANULARITY 1
)
ENGINE = {{engine "AggregatingMergeTree"}}
PARTITION BY {{month "id"}}
ORDER BY id
{{ttl "observations"}}
SETTINGS index_granularity = 1024, {{durable}};
{{spread "observations" "cityHash64(id)"}}

CREATE TABLE IF NOT EXISTS {{local "asides"}} {{on}} (
  id          FixedString(16),
  received_at SimpleAggregateFunction(any, DateTime64(9, 'UTC')),
  road        SimpleAggregateFunction(any, LowCardinality(String)),
  class       SimpleAggregateFunction(any, LowCardinality(String)),
  reason      SimpleAggregateFunction(any, String),
  raw         SimpleAggregateFunction(any, String) CODEC(ZSTD(3)),
  inserted_at SimpleAggregateFunction(any, DateTime) DEFAULT now()
)
ENGINE = {{engine "AggregatingMergeTree"}}
PARTITION BY {{month "id"}}
ORDER BY id
{{ttl "asides"}}
SETTINGS index_granularity = 1024, {{durable}};
{{spread "asides" "cityHash64(id)"}}

-- A chunk is replaced and never added to: rows of lines and counts carry a
-- source, which is a digest of the chunk's ID and content. An equal chunk gives
-- equal rows; one with another content is another source, and those before it
-- are hidden. Each source that a chunk ever had is here, and is written before
-- its lines and counts, so that an append that failed half-way leaves none that
-- nobody can find.
CREATE TABLE IF NOT EXISTS {{local "chunks"}} {{on}} (
  chunk        FixedString(16),
  source       UInt64,
  received_at  DateTime64(9, 'UTC'),
  appended_at  DateTime64(6, 'UTC') DEFAULT now64(6),
  road         LowCardinality(String),
  from_second  Int64,
  until_second Int64,
  lines        UInt32,
  counts       UInt32,
  INDEX chunk_bloom chunk TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree" "appended_at"}}
ORDER BY (chunk, source)
{{ttl "chunks"}}
SETTINGS index_granularity = 1024, {{durable}};
{{spread "chunks" "cityHash64(chunk)"}}

CREATE TABLE IF NOT EXISTS {{local "replaced"}} {{on}} (
  source      UInt64,
  hidden      Bool,
  replaced_at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = {{engine "ReplacingMergeTree" "replaced_at"}}
ORDER BY source
{{ttl "replaced"}}
SETTINGS {{durable}};
{{spread "replaced" "source"}}

CREATE TABLE IF NOT EXISTS {{local "lines"}} {{on}} (
  service     LowCardinality(String),
  at          DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
  source      UInt64,
  n           UInt32 COMMENT 'Its place in the chunk',
  environment LowCardinality(String),
  level       Enum8('unknown' = 0, 'debug' = 1, 'info' = 2, 'warn' = 3, 'error' = 4, 'fatal' = 5),
  pattern     UInt64,
  version     LowCardinality(String),
  trace       String CODEC(ZSTD(1)),
  labels      LowCardinality(String) COMMENT 'Of its stream, as a JSON object',
  metadata    String COMMENT 'Of the line, as a JSON object; empty when none was sent' CODEC(ZSTD(1)),
  text        String CODEC(ZSTD(1)),
  inserted_at DateTime DEFAULT now()
)
ENGINE = {{engine "ReplacingMergeTree"}}
PARTITION BY {{day "at"}}
PRIMARY KEY (service, at)
ORDER BY (service, at, source, n)
{{ttl "lines"}}
SETTINGS {{durable}};
{{spread "lines" "source"}}

-- Minutes come first, because a window of time is what is asked for; within
-- one, equal patterns lie together.
CREATE TABLE IF NOT EXISTS {{local "counts"}} {{on}} (
  minute      Int32 COMMENT 'Since 1970',
  service     LowCardinality(String),
  level       Enum8('unknown' = 0, 'debug' = 1, 'info' = 2, 'warn' = 3, 'error' = 4, 'fatal' = 5),
  pattern     UInt64,
  second      DateTime64(0, 'UTC') CODEC(Delta(8), ZSTD(1)),
  environment LowCardinality(String),
  version     LowCardinality(String),
  source      UInt64,
  n           UInt64 CODEC(T64, ZSTD(1)),
  first       DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
  last        DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
  digest      UInt64 COMMENT 'Of the lines: counts with an equal key and digest tell of the same lines',
  received_at DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
  template    LowCardinality(String),
  sample      String CODEC(ZSTD(1)),
  upstreams   Array(LowCardinality(String)),
  inserted_at DateTime DEFAULT now()
)
ENGINE = {{engine "ReplacingMergeTree"}}
PARTITION BY {{day "second"}}
PRIMARY KEY (minute, service, level, pattern, second)
ORDER BY (minute, service, level, pattern, second, environment, version, source, digest)
{{ttl "counts"}}
SETTINGS {{durable}};
{{spread "counts" "source"}}

-- What became visible, in about its order: one row an append, written after
-- everything that it names.
CREATE TABLE IF NOT EXISTS {{local "journal"}} {{on}} (
  at           DateTime64(6, 'UTC') DEFAULT now64(6),
  batch        UInt64,
  events       Array(FixedString(16)),
  observations Array(FixedString(16)),
  sources      Array(UInt64),
  from_minute  Int32 COMMENT 'Of the counts of these sources',
  until_minute Int32,
  counts       UInt32
)
ENGINE = {{engine "MergeTree"}}
PARTITION BY {{day "at"}}
ORDER BY (at, batch)
TTL toDateTime(at) + INTERVAL 8 DAY
SETTINGS index_granularity = 256, {{durable}};
{{spread "journal" "batch"}}

CREATE TABLE IF NOT EXISTS {{local "claims"}} {{on}} (
  epoch      Int64,
  owner      String,
  claimed_at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = {{engine "MergeTree"}}
ORDER BY (epoch, owner)
SETTINGS {{durable}};
{{spread "claims" "1"}}

-- Signs of life of who holds a claim; the latest of each claim stays. They are
-- not worth an fsync: a beat that a power cut loses makes its owner look silent.
CREATE TABLE IF NOT EXISTS {{local "beats"}} {{on}} (
  epoch    Int64,
  owner    String,
  at       SimpleAggregateFunction(max, DateTime64(6, 'UTC')) DEFAULT now64(6),
  released SimpleAggregateFunction(max, UInt8) COMMENT '1 when its owner let it go'
)
ENGINE = {{engine "AggregatingMergeTree"}}
ORDER BY (epoch, owner)
TTL toDateTime(at) + INTERVAL 1 HOUR;
{{spread "beats" "1"}}

-- One row a publication of an incident. The one with the greatest
-- (epoch, owner, seq) counts, of those that were written before their owner
-- was fenced. Granules are small, because to read one body the engine
-- decompresses all of its granule; what lists read lies apart, because of many
-- granules that takes long.
CREATE TABLE IF NOT EXISTS {{local "revisions"}} {{on}} (
  incident     FixedString(16),
  epoch        Int64,
  owner        LowCardinality(String),
  seq          Int64 COMMENT 'The order of one owner''s publications',
  at           DateTime64(6, 'UTC') DEFAULT now64(6),
  retired      Bool,
  revision     Int64,
  started_at   DateTime64(9, 'UTC'),
  ended_at     Nullable(DateTime64(9, 'UTC')),
  status       LowCardinality(String),
  severity     LowCardinality(String),
  environment  LowCardinality(String),
  minor        Bool,
  sealed       Bool,
  services     Array(LowCardinality(String)),
  title        String,
  digest       String,
  signals      Array(FixedString(16)),
  aliases      Array(FixedString(16)),
  pins         Array(FixedString(16)),
  summary      String COMMENT 'The incident as JSON' CODEC(ZSTD(3)),
  milestones   String COMMENT 'These parts of the timeline as JSON, for the views' CODEC(ZSTD(3)),
  changes      String CODEC(ZSTD(3)),
  participants String CODEC(ZSTD(3)),
  gaps         String CODEC(ZSTD(3)),
  durations    String CODEC(ZSTD(3)),
  body         String COMMENT 'The timeline as JSON' CODEC(ZSTD(3)),
  PROJECTION listed (
    SELECT incident, epoch, owner, seq, at, retired, started_at, ended_at, status, severity, environment,
      minor, sealed, services, digest, signals, aliases, summary
    ORDER BY incident, epoch, owner, seq
  )
)
ENGINE = {{engine "MergeTree"}}
PARTITION BY {{month "incident"}}
ORDER BY (incident, epoch, owner, seq)
SETTINGS index_granularity = 256, index_granularity_bytes = 262144, lightweight_mutation_projection_mode = 'rebuild', {{durable}};
{{spread "revisions" "cityHash64(incident)"}}

-- Which incidents ever held an ID as a signal or an alias (role 0), or cited a
-- fact (role 1). It may name too many: the incident's revision says whether it
-- still does.
CREATE TABLE IF NOT EXISTS {{local "holders"}} {{on}} (
  id       FixedString(16),
  role     UInt8,
  incident FixedString(16),
  at       DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'What is new is not pruned: its revision may be on its way'
)
ENGINE = {{engine "ReplacingMergeTree" "at"}}
PARTITION BY {{month "id"}}
ORDER BY (id, role, incident)
SETTINGS index_granularity = 1024, {{durable}};
{{spread "holders" "cityHash64(id)"}}

-- Copies of the facts that incidents cite: what they were made of may be
-- deleted.
CREATE TABLE IF NOT EXISTS {{local "pinned"}} {{on}} (
  id          FixedString(16),
  kind        LowCardinality(String) COMMENT 'event, observation or log',
  version     Int64 COMMENT 'The greatest stays: of a log fact its number of lines, else when it was copied',
  body        String COMMENT 'The fact as JSON, without its payload' CODEC(ZSTD(3)),
  raw         String CODEC(ZSTD(3)),
  sample      String COMMENT 'Of a log fact: it need not be UTF-8' CODEC(ZSTD(3))
)
ENGINE = {{engine "ReplacingMergeTree" "version"}}
PARTITION BY {{month "id"}}
ORDER BY id
SETTINGS index_granularity = 1024, {{durable}};
{{spread "pinned" "cityHash64(id)"}}
