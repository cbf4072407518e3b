-- Times are nanoseconds since 1970; the least integer stands for "none".
-- IDs are 16 bytes. "seq" is the order of commits: the one writer takes it from
-- meta.seq, so a reader that has seen seq N misses nothing at or before N.

CREATE TABLE meta (
  one   INTEGER PRIMARY KEY CHECK (one = 1),
  store BLOB    NOT NULL, -- names this data in cursors
  seq   INTEGER NOT NULL  -- the greatest seq that was given out
);
INSERT INTO meta (one, store, seq) VALUES (1, randomblob(8), 0);

CREATE TABLE events (
  seq         INTEGER PRIMARY KEY,
  id          BLOB    NOT NULL UNIQUE,
  occurred_at INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  strays      INTEGER NOT NULL, -- 1 when the ID does not begin with occurred_at
  body        TEXT    NOT NULL, -- event.Event as JSON, without raw
  raw         BLOB              -- packed
);
CREATE INDEX events_strays ON events (occurred_at, id) WHERE strays = 1;

CREATE TABLE observations (
  n          INTEGER PRIMARY KEY,
  id         BLOB    NOT NULL UNIQUE,
  seq        INTEGER NOT NULL, -- of its last change
  starts_at  INTEGER NOT NULL,
  seen_until INTEGER NOT NULL,
  body       TEXT    NOT NULL  -- event.Observation as JSON, without raw
);
CREATE UNIQUE INDEX observations_seq ON observations (seq);
CREATE INDEX observations_seen ON observations (seen_until, starts_at, id);

-- Apart, because observations change with every sighting and this hardly ever.
CREATE TABLE observation_raws (
  n   INTEGER PRIMARY KEY,
  raw BLOB    NOT NULL -- packed
);

CREATE TABLE asides (
  seq         INTEGER PRIMARY KEY,
  id          BLOB    NOT NULL UNIQUE,
  received_at INTEGER NOT NULL,
  road        TEXT    NOT NULL,
  class       TEXT    NOT NULL,
  reason      TEXT    NOT NULL,
  raw         BLOB
);
CREATE INDEX asides_received ON asides (received_at, id);

-- A chunk is one piece, or several when it is large.
CREATE TABLE pieces (
  seq         INTEGER PRIMARY KEY,
  chunk       BLOB    NOT NULL,
  piece       INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  road        TEXT    NOT NULL,
  until       INTEGER NOT NULL, -- its latest second
  places      BLOB    NOT NULL, -- the keys of its rows in segments
  digest      BLOB    NOT NULL, -- of lines and counts as they are stored
  grave       BLOB,             -- counts at warn and above, compressed
  mild        BLOB,             -- counts below warn, compressed
  UNIQUE (chunk, piece)
);
CREATE INDEX pieces_until ON pieces (until);

CREATE TABLE lines (
  seq   INTEGER PRIMARY KEY, -- pieces.seq
  until INTEGER NOT NULL,
  body  BLOB    NOT NULL     -- compressed
);
CREATE INDEX lines_until ON lines (until);

-- The directory of pieces: one row for a service and a minute, and one with
-- service 0 for all services. from_sec and to_sec lie within one minute.
CREATE TABLE segments (
  service  INTEGER NOT NULL, -- a hash of its name
  from_sec INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  to_sec   INTEGER NOT NULL,
  levels   INTEGER NOT NULL, -- a bit for every level
  patterns BLOB    NOT NULL, -- a Bloom filter
  PRIMARY KEY (service, from_sec, seq)
) WITHOUT ROWID;

CREATE TABLE claims (
  epoch      INTEGER PRIMARY KEY,
  owner      TEXT    NOT NULL,
  claimed_at INTEGER NOT NULL
);

CREATE TABLE incidents (
  id           BLOB    PRIMARY KEY,
  started_at   INTEGER NOT NULL,
  ended_at     INTEGER,
  published_at INTEGER NOT NULL, -- by the clock of this machine
  seq          INTEGER NOT NULL, -- of its last publication
  status       TEXT    NOT NULL,
  severity     TEXT    NOT NULL,
  minor        INTEGER NOT NULL,
  sealed       INTEGER NOT NULL,
  services     TEXT    NOT NULL, -- a JSON array
  summary      TEXT    NOT NULL, -- timeline.Incident as JSON
  digest       TEXT    NOT NULL,
  members      BLOB    NOT NULL, -- a digest of its rows in signals
  cited        BLOB    NOT NULL, -- a digest of its rows in pins
  body         BLOB    NOT NULL  -- timeline.Timeline as JSON, packed
) WITHOUT ROWID;
CREATE INDEX incidents_ended ON incidents (ended_at);

-- Where incidents stood in the list, from one seq to before another: a cursor
-- goes on in the list as it was at the first page.
CREATE TABLE positions (
  started_at INTEGER NOT NULL,
  id         BLOB    NOT NULL,
  since      INTEGER NOT NULL,
  until      INTEGER, -- NULL: still
  left_at    INTEGER, -- when until was set
  PRIMARY KEY (started_at, id, since)
) WITHOUT ROWID;
CREATE INDEX positions_id ON positions (id) WHERE until IS NULL;

CREATE TABLE signals (
  id       BLOB    NOT NULL,
  incident BLOB    NOT NULL,
  alias    INTEGER NOT NULL, -- 1: only an ID of the past
  PRIMARY KEY (id, incident)
) WITHOUT ROWID;
CREATE INDEX signals_incident ON signals (incident);

CREATE TABLE pins (
  incident BLOB NOT NULL,
  fact     BLOB NOT NULL,
  PRIMARY KEY (incident, fact)
) WITHOUT ROWID;
CREATE INDEX pins_fact ON pins (fact);

-- Copies of the log facts that pins name.
CREATE TABLE pinned (
  id          BLOB    PRIMARY KEY,
  second      INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  final       INTEGER NOT NULL, -- 1: what it was made of may be deleted
  body        BLOB    NOT NULL  -- the sum as a count
) WITHOUT ROWID;
