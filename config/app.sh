#!/bin/sh
# The whole app of the compose file: it knows an address, and nothing of tokens.
set -eu
set -- --silent --show-error --fail-with-body --retry 5 --retry-all-errors
if [ -n "${KEY_FILE:-}" ]; then
    key=$(cat "$KEY_FILE")
    set -- "$@" --header "X-Sidecar-Key: $key"
fi
curl "$@" "$API/api/v2/workspaces"
echo
