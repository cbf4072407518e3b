-- migrations/0001_initial.sql
CREATE TABLE IF NOT EXISTS schema_versions_local ON CLUSTER `prod-1` (
  version    UInt32,
  applied_at DateTime64(6, 'UTC') DEFAULT now64(6),
  hindcast   String COMMENT 'The version of the program that applied it',
  views      String COMMENT 'Digest of the views; empty before they are made',
  cluster    String COMMENT 'The cluster that the tables are spread over; empty for one node'
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
ORDER BY (version, applied_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 1000, min_bytes_for_wide_part = 134217728;

CREATE TABLE IF NOT EXISTS schema_versions ON CLUSTER `prod-1` AS schema_versions_local ENGINE = Distributed('prod-1', 'hind\'cast', 'schema_versions_local', 1);

CREATE TABLE IF NOT EXISTS identity_local ON CLUSTER `prod-1` (
  id         UInt64                COMMENT 'Names this data in cursors',
  created_at DateTime64(6, 'UTC')  DEFAULT now64(6)
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
ORDER BY (created_at, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 1000, min_bytes_for_wide_part = 134217728;

CREATE TABLE IF NOT EXISTS identity ON CLUSTER `prod-1` AS identity_local ENGINE = Distributed('prod-1', 'hind\'cast', 'identity_local', 1);

CREATE TABLE IF NOT EXISTS events_local ON CLUSTER `prod-1` (
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
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(reinterpretAsInt64(reverse(substring(id, 1, 6))), 'UTC'))
ORDER BY id
TTL inserted_at + INTERVAL 34819200 SECOND
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 1000, min_bytes_for_wide_part = 134217728;

CREATE TABLE IF NOT EXISTS events ON CLUSTER `prod-1` AS events_local ENGINE = Distributed('prod-1', 'hind\'cast', 'events_local', cityHash64(id));

CREATE TABLE IF NOT EXISTS observations_local ON CLUSTER `prod-1` (
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
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(reinterpretAsInt64(reverse(substring(id, 1, 6))), 'UTC'))
ORDER BY id
TTL inserted_at + INTERVAL 34819200 SECOND
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 1000, min_bytes_for_wide_part = 134217728;

CREATE TABLE IF NOT EXISTS observations ON CLUSTER `prod-1` AS observations_local ENGINE = Distributed('prod-1', 'hind\'cast', 'observations_local', cityHash64(id));

CREATE TABLE IF NOT EXISTS asides_local ON CLUSTER `prod-1` (
  id          FixedString(16),
  received_at SimpleAggregateFunction(any, DateTime64(9, 'UTC')),
  road        SimpleAggregateFunction(any, LowCardinality(String)),
  class       SimpleAggregateFunction(any, LowCardinality(String)),
  reason      SimpleAggregateFunction(any, String),
  raw         SimpleAggregateFunction(any, String) CODEC(ZSTD(3)),
  inserted_at SimpleAggregateFunction(any, DateTime) DEFAULT now()
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(reinterpretAsInt64(reverse(substring(id, 1, 6))), 'UTC'))
ORDER BY id
TTL inserted_at + INTERVAL 2851200 SECOND
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 1000, min_bytes_for_wide_part = 134217728;

CREATE TABLE IF NOT EXISTS asides ON CLUSTER `prod-1` AS asides_local ENGINE = Distributed('prod-1', 'hind\'cast', 'asides_local', cityHash64(id));

CREATE TABLE IF NOT EXISTS chunks_local ON CLUSTER `prod-1` (
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', appended_at)
ORDER BY (chunk, source)
TTL toDateTime(appended_at) + INTERVAL 2851200 SECOND
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 1000, min_bytes_for_wide_part = 134217728;

CREATE TABLE IF NOT EXISTS chunks ON CLUSTER `prod-1` AS chunks_local ENGINE = Distributed('prod-1', 'hind\'cast', 'chunks_local', cityHash64(chunk));

CREATE TABLE IF NOT EXISTS replaced_local ON CLUSTER `prod-1` (
  source      UInt64,
  hidden      Bool,
  replaced_at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', replaced_at)
ORDER BY source
TTL toDateTime(replaced_at) + INTERVAL 2851200 SECOND
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 1000, min_bytes_for_wide_part = 134217728;

CREATE TABLE IF NOT EXISTS replaced ON CLUSTER `prod-1` AS replaced_local ENGINE = Distributed('prod-1', 'hind\'cast', 'replaced_local', source);

CREATE TABLE IF NOT EXISTS lines_local ON CLUSTER `prod-1` (
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY toYYYYMMDD(at)
PRIMARY KEY (service, at)
ORDER BY (service, at, source, n)
TTL inserted_at + INTERVAL 864000 SECOND
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 1000, min_bytes_for_wide_part = 134217728;

CREATE TABLE IF NOT EXISTS lines ON CLUSTER `prod-1` AS lines_local ENGINE = Distributed('prod-1', 'hind\'cast', 'lines_local', source);

CREATE TABLE IF NOT EXISTS counts_local ON CLUSTER `prod-1` (
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY toYYYYMMDD(second)
PRIMARY KEY (minute, service, level, pattern, second)
ORDER BY (minute, service, level, pattern, second, environment, version, source, digest)
TTL inserted_at + INTERVAL 2851200 SECOND
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 1000, min_bytes_for_wide_part = 134217728;

CREATE TABLE IF NOT EXISTS counts ON CLUSTER `prod-1` AS counts_local ENGINE = Distributed('prod-1', 'hind\'cast', 'counts_local', source);

CREATE TABLE IF NOT EXISTS journal_local ON CLUSTER `prod-1` (
  at           DateTime64(6, 'UTC') DEFAULT now64(6),
  batch        UInt64,
  events       Array(FixedString(16)),
  observations Array(FixedString(16)),
  sources      Array(UInt64),
  from_minute  Int32 COMMENT 'Of the counts of these sources',
  until_minute Int32,
  counts       UInt32
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY toYYYYMMDD(at)
ORDER BY (at, batch)
TTL toDateTime(at) + INTERVAL 8 DAY
SETTINGS index_granularity = 256, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 1000, min_bytes_for_wide_part = 134217728;

CREATE TABLE IF NOT EXISTS journal ON CLUSTER `prod-1` AS journal_local ENGINE = Distributed('prod-1', 'hind\'cast', 'journal_local', batch);

CREATE TABLE IF NOT EXISTS claims_local ON CLUSTER `prod-1` (
  epoch      Int64,
  owner      String,
  claimed_at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
ORDER BY (epoch, owner)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 1000, min_bytes_for_wide_part = 134217728;

CREATE TABLE IF NOT EXISTS claims ON CLUSTER `prod-1` AS claims_local ENGINE = Distributed('prod-1', 'hind\'cast', 'claims_local', 1);

CREATE TABLE IF NOT EXISTS beats_local ON CLUSTER `prod-1` (
  epoch    Int64,
  owner    String,
  at       SimpleAggregateFunction(max, DateTime64(6, 'UTC')) DEFAULT now64(6),
  released SimpleAggregateFunction(max, UInt8) COMMENT '1 when its owner let it go'
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
ORDER BY (epoch, owner)
TTL toDateTime(at) + INTERVAL 1 HOUR;

CREATE TABLE IF NOT EXISTS beats ON CLUSTER `prod-1` AS beats_local ENGINE = Distributed('prod-1', 'hind\'cast', 'beats_local', 1);

CREATE TABLE IF NOT EXISTS revisions_local ON CLUSTER `prod-1` (
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(reinterpretAsInt64(reverse(substring(incident, 1, 6))), 'UTC'))
ORDER BY (incident, epoch, owner, seq)
SETTINGS index_granularity = 256, index_granularity_bytes = 262144, lightweight_mutation_projection_mode = 'rebuild', fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 1000, min_bytes_for_wide_part = 134217728;

CREATE TABLE IF NOT EXISTS revisions ON CLUSTER `prod-1` AS revisions_local ENGINE = Distributed('prod-1', 'hind\'cast', 'revisions_local', cityHash64(incident));

CREATE TABLE IF NOT EXISTS holders_local ON CLUSTER `prod-1` (
  id       FixedString(16),
  role     UInt8,
  incident FixedString(16),
  at       DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'What is new is not pruned: its revision may be on its way'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', at)
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(reinterpretAsInt64(reverse(substring(id, 1, 6))), 'UTC'))
ORDER BY (id, role, incident)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 1000, min_bytes_for_wide_part = 134217728;

CREATE TABLE IF NOT EXISTS holders ON CLUSTER `prod-1` AS holders_local ENGINE = Distributed('prod-1', 'hind\'cast', 'holders_local', cityHash64(id));

CREATE TABLE IF NOT EXISTS pinned_local ON CLUSTER `prod-1` (
  id          FixedString(16),
  kind        LowCardinality(String) COMMENT 'event, observation or log',
  version     Int64 COMMENT 'The greatest stays: of a log fact its number of lines, else when it was copied',
  body        String COMMENT 'The fact as JSON, without its payload' CODEC(ZSTD(3)),
  raw         String CODEC(ZSTD(3)),
  sample      String COMMENT 'Of a log fact: it need not be UTF-8' CODEC(ZSTD(3))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', version)
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(reinterpretAsInt64(reverse(substring(id, 1, 6))), 'UTC'))
ORDER BY id
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 1000, min_bytes_for_wide_part = 134217728;

CREATE TABLE IF NOT EXISTS pinned ON CLUSTER `prod-1` AS pinned_local ENGINE = Distributed('prod-1', 'hind\'cast', 'pinned_local', cityHash64(id));
