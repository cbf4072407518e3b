#!/bin/sh
# Chat and paging systems: what people write, and what they acknowledge. The
# fingerprint is the one that Alertmanager shows, 16 hex digits.
set -eu
HINDCAST_URL=${HINDCAST_URL:-http://localhost:9097}

curl --fail-with-body --silent --show-error --json @- "$HINDCAST_URL/ingest/messages" <<BODY
{
  "at": "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
  "author": "dana",
  "channel": "#incidents",
  "text": "looking at the payments errors"
}
BODY

curl --fail-with-body --silent --show-error --json @- "$HINDCAST_URL/ingest/messages" <<BODY
{
  "at": "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
  "author": "dana",
  "text": "acknowledged in the pager",
  "acknowledges": ["5f0c1a2b3d4e5f60"]
}
BODY
