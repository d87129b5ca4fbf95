#!/usr/bin/env bash
# A task manager starts this, and ends it, for its share of the Python work.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
exec "$here/../../.venv/bin/python" "$here/worker.py" "$@"
