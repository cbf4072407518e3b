#!/bin/sh
# Any CI/CD system: say that a deploy has started, and how it ended. Reports
# with one id, service and version are one deploy. Only service is needed; give
# at as well, so that sending the same again changes nothing.
set -eu
HINDCAST_URL=${HINDCAST_URL:-http://localhost:9097}

curl --fail-with-body --silent --show-error --json @- "$HINDCAST_URL/ingest/deploys" <<BODY
{
  "id": "ci/4001",
  "at": "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
  "service": "payments",
  "environment": "prod",
  "version": "2.0.0",
  "kind": "deploy",
  "status": "succeeded",
  "actor": "mira"
}
BODY
