#!/bin/sh
# GitHub: a webhook of a repository (or, with orgs/acme/hooks, of an
# organisation). Put the secret into hindcast's configuration as well, under
# github.secret_files, or anybody can post. hindcast must be reachable from
# GitHub at HINDCAST_URL.
set -eu
: "${HINDCAST_URL:?the address at which GitHub reaches hindcast}"
: "${WEBHOOK_SECRET:?the secret}" "${REPOSITORY:?owner/name}"
gh api "repos/$REPOSITORY/hooks" --input - <<BODY
{
  "name": "web",
  "active": true,
  "events": ["deployment", "deployment_status", "workflow_run", "push"],
  "config": {
    "url": "$HINDCAST_URL/ingest/github",
    "content_type": "json",
    "secret": "$WEBHOOK_SECRET"
  }
}
BODY
