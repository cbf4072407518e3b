#!/bin/sh
# The commits that a deploy carries, where the deploy only names a SHA. With
# the files and the diff hindcast can compare them with the errors.
set -eu
HINDCAST_URL=${HINDCAST_URL:-http://localhost:9097}

curl --fail-with-body --silent --show-error --json @- "$HINDCAST_URL/ingest/commits" <<'BODY'
{
  "sha": "3ea65dd0c1f8f2b5f1d0a9a4c5e6b7d8e9f0a1b2",
  "repository": "acme/payments",
  "author": "mira",
  "at": "2026-11-22T15:09:41Z",
  "message": "Round amounts half to even",
  "files": ["charge/round.go"]
}
BODY
