#!/bin/sh
# Compares proto/ with the descriptors of the public Go SDK for Baton connectors.
# Exits non-zero on any difference, and when it cannot run. Needs Go, and its modules in the cache or the network.
set -eu
cd "$(dirname "$0")"
go test -mod=readonly ./...
go run -mod=readonly . ../../../proto
